//! What the tests share: servers of neffos with somebody who listens, and waiting.
#![allow(dead_code, unused_imports, reason = "each test uses its part")]

mod peer;

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

pub(crate) use peer::{Peer, message};

/// Waits for something, but not for ever.
pub(crate) async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// Looks again whenever other tasks have run.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    within(what, waiting).await;
}

const PATIENCE: Duration = Duration::from_secs(20);
