//! Real brokers for tests, each a separate process on free ports of 127.0.0.1, and faults on the path to them.
//!
//! - `redis.rs`: [`Redis`], a redis-server; `redis_cluster.rs`: [`RedisCluster`], three or six of them; `sentinel.rs`:
//!   [`Sentinel`], a sentinel with a master and a replica; `nats.rs`: [`Nats`], a nats-server.
//! - `proxy.rs`: [`Proxy`], a TCP proxy that stalls, swallows, delays, trickles and cuts connections.
//! - `authority.rs`: [`Authority`], a certificate authority with files; `folder.rs`: [`Folder`], a folder for files.
//! - `process.rs`: a process that ends with its owner, and can be paused.
//!
//! Failures panic with the reason, because the test has failed. No call waits for more than some seconds.
#![allow(
    clippy::missing_panics_doc,
    reason = "a broker that cannot start ends the test with a panic, as the text above says"
)]

mod authority;
mod folder;
mod nats;
mod process;
mod proxy;
mod redis;
mod redis_cluster;
mod sentinel;

pub use authority::Authority;
pub use folder::Folder;
pub use nats::Nats;
pub use proxy::{Flow, Proxy, Toward};
pub use redis::Redis;
pub use redis_cluster::RedisCluster;
pub use sentinel::Sentinel;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::timeout;

async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// Returns a free port of 127.0.0.1. The port stays reserved for the caller while its broker is down: it is below the
/// range that systems assign automatically, and far from the ports of other test processes.
///
/// # Panics
///
/// If no port is free.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(EACH);
    let next = |_| FIRST_PORT + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
    let mut ports = (0..PORTS).map(next).filter_map(|port| u16::try_from(port).ok());
    ports.find(|port| is_free(*port).unwrap_or(false)).expect("127.0.0.1 has a free port")
}

/// Whether no program listens on this port. The check does not listen itself: a process that is just starting shares
/// the sockets of this process, and a shared listener would block the broker.
fn is_free(port: u16) -> std::io::Result<bool> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    Ok(socket.bind(SocketAddr::from(([127, 0, 0, 1], port))).is_ok())
}

const FIRST_PORT: u32 = 10_000;
const PORTS: u32 = 20_000;
/// The distance between the first ports of processes with consecutive ids.
const EACH: u32 = 64;
const PATIENCE: Duration = Duration::from_secs(20);
