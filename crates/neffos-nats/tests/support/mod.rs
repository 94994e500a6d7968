//! What the tests share.
//!
//! - `peer.rs`: [`Peer`], a server of neffos with an exchange, and a client that writes down what it hears.
//! - `credentials.rs`: keys of NATS, and files of credentials.
//! - `certificates.rs`: certificates, and who vouches for them.
//! - here: an exchange, why it is refused, what NATS monitors, folders, and waiting.
#![allow(dead_code, unused_imports, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "what cannot go on has failed")]

pub(crate) mod certificates;
pub(crate) mod credentials;
mod peer;

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use brokers::Nats;
use neffos::{Error, Events, Server};
use neffos_nats::NatsExchange;
use serde_json::Value;
use tokio::time::timeout;

pub(crate) use peer::{Peer, message};

/// An exchange over a url that makes sense.
pub(crate) fn at(url: impl AsRef<str>) -> NatsExchange {
    NatsExchange::new(url).unwrap()
}

/// Why a server with this exchange does not join others.
pub(crate) async fn refused(exchange: NatsExchange) -> Error {
    let server = Server::builder().namespace("default", Events::new()).exchange(exchange).build().unwrap();
    within("the refusal", server.joined()).await.unwrap_err()
}

/// What the monitoring of a server of NATS says.
pub(crate) async fn monitored(nats: &Nats, path: &str) -> Value {
    serde_json::from_str(&nats.monitor(path).await).unwrap()
}

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
