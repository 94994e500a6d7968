//! The budget holds for the resident memory that clients over TLS take, as the system reports it. One test only,
//! because it measures the whole process.
#![cfg(all(target_os = "linux", feature = "tls"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use neffos::{Events, Message, Reply, Server, ServerBuilder};
use support::load::{Healthy, news, until_nothing_is_in_use};
use support::named;
use support::secure::{Door, send_record_without_end};

const MIB: usize = 1024 * 1024;
const BUDGET: usize = 2 * MIB;
const CLIENTS: usize = 400;
/// The memory of idle connections over TLS and of the allocator.
const REST: usize = 3 * MIB;

/// Returns the resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

fn builder(events: Events) -> ServerBuilder {
    let events = events.on("echo", async |body: String| Reply::text(body));
    named(Server::builder().namespace("default", events)).send_buffer_bytes(4096)
}

/// Lets clients over TLS hold as much memory as they can without a message. Returns the growth of the process.
async fn unfinished_over_tls(unfinished: Unfinished) -> usize {
    let server = builder(Events::new()).memory_budget(BUDGET).build().unwrap();
    let door = Door::of(&server).await;
    let healthy = Healthy::over(door.enter_as("healthy").await, 10);
    let before = resident();
    let mut sockets = Vec::new();
    for _ in 0..CLIENTS {
        sockets.push(match unfinished {
            Unfinished::Handshake => door.greet_without_end(59_000).await,
            Unfinished::Request => send_record_without_end(door.connect().await).await,
            Unfinished::Message => send_record_without_end(door.enter_as("attacker").await.socket.into_inner()).await,
        });
    }
    let grown = resident().saturating_sub(before);
    (0..10).for_each(|_| server.broadcast(news("healthy")));
    assert_eq!(healthy.end().await.0, 10);
    drop(sockets);
    until_nothing_is_in_use(&server).await;
    grown
}

/// Sends ten distinct messages of 64 KiB each to 100 readers over TLS that never read. Returns the growth of the
/// process.
async fn readers_over_tls() -> usize {
    let server = builder(Events::new()).memory_budget(4 * BUDGET).build().unwrap();
    let door = Door::of(&server).await;
    let healthy = Healthy::over(door.enter_as("healthy").await, 10);
    let mut readers = Vec::new();
    for nth in 0..100 {
        readers.push(door.deaf(&format!("deaf {nth}")).await);
    }
    let before = resident();
    let mut most = 0;
    for _ in 0..10 {
        for nth in 0..readers.len() {
            let message = Message::new("distinct", "x".repeat(64 * 1024 - 64)).in_namespace("default");
            server.broadcast(message.to(format!("deaf {nth}")));
            tokio::task::yield_now().await;
        }
        server.broadcast(news("healthy"));
        most = most.max(resident());
    }
    assert_eq!(healthy.end().await.0, 10);
    drop(readers);
    until_nothing_is_in_use(&server).await;
    most.saturating_sub(before)
}

/// The state in which a client over TLS stops.
#[derive(Debug, Clone, Copy)]
enum Unfinished {
    Handshake,
    Request,
    Message,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_grows_by_no_more_than_the_budget_and_a_tenth_for_clients_over_tls() {
    for unfinished in [Unfinished::Handshake, Unfinished::Request, Unfinished::Message] {
        let grown = unfinished_over_tls(unfinished).await;
        println!("{unfinished:?}: {} KiB", grown / 1024);
        assert!(grown <= BUDGET / 10 * 11 + REST, "{unfinished:?}: the process grew by {grown} bytes");
    }
    let grown = readers_over_tls().await;
    println!("readers over TLS: {} KiB", grown / 1024);
    assert!(grown <= 4 * BUDGET / 10 * 11 + REST, "readers over TLS: the process grew by {grown} bytes");
}
