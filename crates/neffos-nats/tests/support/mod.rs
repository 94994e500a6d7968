//! What the tests share.
//!
//! - `peer.rs`: [`Peer`], a server of neffos with an exchange, and a client that writes down what it hears.
//! - `credentials.rs`: keys of NATS, and files of credentials.
//! - here: waiting, and folders.
#![allow(dead_code, unused_imports, reason = "each test uses its part")]

pub(crate) mod credentials;
mod peer;

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::timeout;

pub(crate) use peer::{Peer, message};

/// An empty folder that nobody else has.
pub(crate) fn folder() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("nats-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

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
