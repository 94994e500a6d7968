//! A broadcast is one write for each receiver; a burst of them is one write for each receiver as well, as long as the sockets
//! have room. The kernel counts.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use neffos::{Events, Message, Server};
use support::{Running, start};

const RECEIVERS: usize = 200;

/// How often this thread has written, to whatever it was: the server runs on it, and the receivers write nothing.
fn writes() -> usize {
    let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("syscw: ")).expect("a kernel that accounts for tasks");
    line.parse().unwrap()
}

/// The writes of as many broadcasts, made one right after the other, until everybody's copies are with the kernel.
async fn writes_of(running: &Running, messages: usize, receivers: usize) -> usize {
    let delivered = running.server.counters().delivered();
    let before = writes();
    for nth in 0..messages {
        running.server.broadcast(Message::new("tick", nth.to_string()).in_namespace("default"));
    }
    running.until_delivered(delivered + (messages * receivers) as u64).await;
    writes() - before
}

async fn server() -> Running {
    start(Server::builder().namespace("default", Events::new()).shards(1)).await
}

#[tokio::test]
async fn a_broadcast_is_one_write_for_each_receiver() {
    let running = server().await;
    let _sockets = running.receivers(RECEIVERS).await;
    for _ in 0..10 {
        assert_eq!(writes_of(&running, 1, RECEIVERS).await, RECEIVERS);
    }
}

#[tokio::test]
async fn a_burst_is_one_write_for_each_receiver() {
    let running = server().await;
    let _sockets = running.receivers(RECEIVERS).await;
    for messages in [2, 64, 200] {
        assert_eq!(writes_of(&running, messages, RECEIVERS).await, RECEIVERS, "of {messages} messages");
    }
}

#[tokio::test]
async fn a_broadcast_to_few_is_one_write_for_each_of_them() {
    let running = server().await;
    let _sockets = running.receivers(10).await;
    assert_eq!(writes_of(&running, 1, 10).await, 10);
}
