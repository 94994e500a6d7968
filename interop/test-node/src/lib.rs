//! A server with an exchange, and a client that records each message: for tests of exchanges.
//!
//! Faults panic with the reason, because the test has failed. Nothing waits for longer than twenty seconds.
#![allow(clippy::missing_panics_doc, reason = "faults panic, as the documentation above says")]

mod node;

pub use node::{TestNode, message, refused};

use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::timeout;

/// Returns the result of `wait`, or panics after the deadline.
pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// Waits until `condition` holds, and checks it whenever other tasks have run. Panics after the deadline.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            yield_now().await;
        }
    };
    within(what, waiting).await;
}

const PATIENCE: Duration = Duration::from_secs(20);
