//! Real brokers for tests, each a process of its own on free ports of 127.0.0.1, and what can go wrong on the way to them.
//!
//! - `redis.rs`: [`Redis`], a redis-server; `redis_cluster.rs`: [`RedisCluster`], three of them, or six; `sentinel.rs`: [`Sentinel`],
//!   two that it watches over; `nats.rs`: [`Nats`], a nats-server.
//! - `proxy.rs`: [`Proxy`], a way to a broker that stalls, swallows, trickles and breaks as it is told.
//! - `authority.rs`: [`Authority`], certificates in files, and who vouches for them; `folder.rs`: [`Folder`], where files are.
//! - `process.rs`: a process that ends with its owner, and can be stopped for a while.
//!
//! What cannot go on panics, and says why: a test has failed then. Nothing waits for longer than some seconds.
#![allow(clippy::missing_panics_doc, reason = "what cannot go on panics, as is said above")]

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

/// A port of 127.0.0.1 that is free, and stays ours while a broker is away: it is below those that systems give to whoever asks
/// for any, and far from what other processes take here.
///
/// # Panics
///
/// When there is none.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(EACH);
    let next = |_| FIRST_PORT + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
    let mut ports = (0..PORTS).map(next).filter_map(|port| u16::try_from(port).ok());
    ports.find(|port| is_free(*port).unwrap_or(false)).expect("127.0.0.1 has a free port")
}

/// Nobody listens there. The port is not listened on to find out: a process that is being started shares our sockets until it is
/// another program, and what it shares must not be in the way of the broker.
fn is_free(port: u16) -> std::io::Result<bool> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    Ok(socket.bind(SocketAddr::from(([127, 0, 0, 1], port))).is_ok())
}

const FIRST_PORT: u32 = 10_000;
const PORTS: u32 = 20_000;
/// How far the ports of processes lie apart whose numbers follow each other.
const EACH: u32 = 64;
const PATIENCE: Duration = Duration::from_secs(20);
