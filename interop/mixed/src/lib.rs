//! What the tests here stand on: servers of this library and of the Go implementation in one cluster, and clients that see every
//! byte that they are sent.
//!
//! - `setting.rs`: which broker, and which version of the Go implementation.
//! - `node.rs`: a server of either kind; `cluster.rs`: several on one broker.
//! - `ear.rs`: a client made of bytes.
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

/// The result of `wait`.
///
/// # Panics
///
/// When it takes longer than anything may take here.
pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}: nothing came in time"))
}

const PATIENCE: Duration = Duration::from_secs(20);
