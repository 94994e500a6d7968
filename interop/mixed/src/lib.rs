//! Shared by the tests here: servers of this library and of the Go implementation in one cluster, and clients that see
//! every byte that they receive.
//!
//! - `setting.rs`: the broker, and the version of the Go implementation.
//! - `node.rs`: a server of either kind; `cluster.rs`: several on one broker.
//! - `ear.rs`: a client that works on raw frames.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]
#![allow(clippy::exhaustive_enums, clippy::exhaustive_structs, reason = "only the tests beside it use it")]

mod cluster;
mod ear;
mod node;
mod setting;

pub use cluster::Cluster;
pub use ear::{Ear, binary, text, text_of};
pub use node::{Kind, Node, call};
pub use setting::{OLDER, SETTINGS, Setting, Way, YOUNGER};

use std::future::Future;
use std::time::Duration;

/// Returns the result of `wait`.
///
/// # Panics
///
/// If it takes too long.
pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}: nothing came in time"))
}

const PATIENCE: Duration = Duration::from_secs(20);
