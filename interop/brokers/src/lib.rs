//! Real brokers for tests, each a process of its own on free ports of 127.0.0.1, and what can go wrong on the way to them.
//!
//! - `redis.rs`: [`Redis`], a redis-server; `redis_cluster.rs`: [`RedisCluster`], three of them; `sentinel.rs`: [`Sentinel`],
//!   two that it watches over; `nats.rs`: [`Nats`], a nats-server.
//! - `proxy.rs`: [`Proxy`], a way to a broker that stalls, swallows, trickles and breaks as it is told.
//! - `process.rs`: a process that ends with its owner, and can be stopped for a while.
//!
//! What cannot go on panics, and says why: a test has failed then. Nothing waits for longer than some seconds.
#![allow(clippy::missing_panics_doc, reason = "what cannot go on panics, as is said above")]

mod nats;
mod process;
mod proxy;
mod redis;
mod redis_cluster;
mod sentinel;

pub use nats::Nats;
pub use proxy::{Flow, Proxy, Toward};
pub use redis::Redis;
pub use redis_cluster::RedisCluster;
pub use sentinel::Sentinel;

use std::time::Duration;

use tokio::time::timeout;

async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// A port of 127.0.0.1 that was free until a moment ago; nobody else is given it so soon.
///
/// # Panics
///
/// When there is none.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
    listener.local_addr().expect("a listener has an address").port()
}

const PATIENCE: Duration = Duration::from_secs(20);
