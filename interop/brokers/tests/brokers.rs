//! Brokers start, hang, resume, die and restart on the same port.

use std::time::Duration;

use brokers::{Nats, Redis, RedisCluster, Sentinel};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn says_something(port: u16, to: &[u8]) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    stream.write_all(to).await.is_ok() && stream.read_u8().await.is_ok()
}

/// Whether no answer comes for a while.
async fn is_silent(port: u16, to: &[u8]) -> bool {
    timeout(Duration::from_millis(200), says_something(port, to)).await.is_err()
}

#[tokio::test]
async fn a_redis_server_hangs_resumes_dies_and_restarts() {
    let mut redis = Redis::with(&["--maxclients", "100"]).await;
    let port = redis.port();
    assert_eq!(redis.command("PING").await, "+PONG");
    redis.pause();
    assert!(is_silent(port, b"PING\r\n").await);
    redis.resume();
    assert_eq!(redis.command("PING").await, "+PONG");
    redis.kill();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    redis.restart().await;
    assert_eq!(redis.url(), format!("redis://127.0.0.1:{port}"));
    assert_eq!(redis.command("PING").await, "+PONG");
}

#[tokio::test]
async fn a_nats_server_hangs_resumes_dies_and_restarts() {
    let mut nats = Nats::with("max_payload: 2000").await;
    let port = nats.port();
    nats.pause();
    assert!(is_silent(port, b"PING\r\n").await);
    nats.resume();
    nats.kill();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    nats.restart().await;
    assert_eq!(nats.url(), format!("nats://127.0.0.1:{port}"));
    let said = timeout(Duration::from_secs(20), says_something(port, b"PING\r\n")).await;
    assert!(said.expect("an answer in time"));
}

#[tokio::test]
async fn a_cluster_moves_its_slots() {
    let cluster = RedisCluster::start().await;
    let slot = 12182;
    assert_eq!(cluster.owner(slot).await, 2);
    cluster.move_slot(slot, 0).await;
    assert_eq!(cluster.owner(slot).await, 0);
    assert_eq!(cluster.nodes()[0].command("CLUSTER KEYSLOT foo").await, format!(":{slot}"));
}

#[tokio::test]
async fn a_replica_in_a_cluster_takes_over_when_its_master_dies_or_hangs() {
    let mut cluster = RedisCluster::with_replicas().await;
    assert_eq!(cluster.nodes().len(), 6);
    cluster.nodes_mut()[0].kill();
    assert_eq!(cluster.successor(0).await, 3);
    cluster.nodes()[1].pause();
    assert_eq!(cluster.successor(1).await, 4);
}

#[tokio::test]
async fn a_sentinel_makes_the_replica_the_master() {
    let sentinel = Sentinel::start().await;
    assert_eq!(sentinel.master().await, 0);
    sentinel.fail_over().await;
    assert_eq!(sentinel.master().await, 1);
}
