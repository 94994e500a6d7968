//! A server with an exchange, and a client that records each message: for tests of exchanges.
//!
//! What cannot go on panics, and says why: a test has failed then. Nothing waits for longer than twenty seconds.
#![allow(clippy::missing_panics_doc, reason = "what cannot go on panics, as is said above")]

mod node;

pub use node::{TestNode, message, refused};

use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::timeout;

/// Waits for something, but not for ever.
pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// Looks again whenever other tasks have run, but not for ever.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            yield_now().await;
        }
    };
    within(what, waiting).await;
}

const PATIENCE: Duration = Duration::from_secs(20);
