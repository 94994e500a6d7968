//! The budget holds for the memory that the process really takes, as the system reports it. One test: it is about all of the process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::Arc;

use neffos::{Events, Message, Reply, Server, ServerBuilder};
use support::load::{Healthy, deaf, event, flood, in_memory, news, until_nothing_is_in_use};
use support::{named, start, until};
use tokio::sync::Semaphore;

const MIB: usize = 1024 * 1024;
const BUDGET: usize = 32 * MIB;
/// The memory of idle connections and of the allocator.
const REST: usize = 12 * MIB;
const READERS: usize = 300;
const CLIENTS: usize = 1_000;

/// The memory of this process that is in use, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

fn builder(events: Events) -> ServerBuilder {
    let events = events.on("echo", async |body: String| Reply::text(body));
    named(Server::builder().namespace("default", events)).send_buffer_bytes(4096).memory_budget(BUDGET)
}

/// 300 readers that never read are sent ten distinct messages of 64 KiB each: 187 MiB. Returns by how much the process grew.
async fn readers_that_never_read() -> usize {
    let running = start(builder(Events::new())).await;
    let healthy = Healthy::start(&running, "healthy", 10).await;
    let mut readers = Vec::new();
    for nth in 0..READERS {
        readers.push(deaf(&running, &format!("deaf {nth}")).await);
    }
    let before = resident();
    let mut most = 0;
    for _ in 0..10 {
        for nth in 0..READERS {
            // Each is written anew.
            let message = Message::new("distinct", "x".repeat(64 * 1024 - 64)).in_namespace("default");
            running.server.broadcast(message.to(format!("deaf {nth}")));
            tokio::task::yield_now().await;
        }
        running.server.broadcast(news("healthy"));
        most = most.max(resident());
    }
    assert_eq!(healthy.end().await.0, 10);
    drop(readers);
    until_nothing_is_in_use(&running.server).await;
    most.saturating_sub(before)
}

/// 1,000 clients flood slow handlers with 117 MiB. Returns by how much the process grew.
async fn slow_handlers() -> usize {
    let open = Arc::new(Semaphore::new(0));
    let gate = open.clone();
    let events = Events::new().on("slow", move || {
        let gate = gate.clone();
        async move { drop(gate.acquire().await) }
    });
    let running = start(builder(events)).await;
    let healthy = Healthy::start(&running, "healthy", 10).await;
    let mut streams = Vec::new();
    for _ in 0..CLIENTS {
        streams.push(in_memory(&running.server, "flood").await.0);
    }
    let frame = event("slow", &"x".repeat(2000));
    let before = resident();
    let floods: Vec<_> = streams.into_iter().map(|stream| flood(stream, frame.clone(), 60)).collect();
    until(|| running.server.memory().pauses() >= CLIENTS as u64 / 2).await;
    for _ in 0..10 {
        running.server.broadcast(news("healthy"));
    }
    assert_eq!(healthy.end().await.0, 10);
    let most = resident();
    floods.iter().for_each(tokio::task::JoinHandle::abort);
    open.close();
    most.saturating_sub(before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_grows_by_no_more_than_the_budget_and_a_tenth() {
    let most = BUDGET / 10 * 11 + REST;
    for (what, grown) in [("slow handlers", slow_handlers().await), ("readers", readers_that_never_read().await)] {
        println!("{what}: {} KiB", grown / 1024);
        assert!(grown <= most, "{what}: the process grew by {grown} bytes");
    }
}
