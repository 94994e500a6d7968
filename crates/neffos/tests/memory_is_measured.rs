//! The budget holds for the resident memory that the system reports. One test only, because it measures the whole
//! process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::Arc;

use neffos::{Events, Message, Reply, Server, ServerBuilder};
use support::load::{
    Healthy, deaf, event, flood, in_memory, joins, news, not_greetings, send_and_read, until_nothing_is_in_use,
};
use support::{attach_as, named, start, until};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::Semaphore;

const MIB: usize = 1024 * 1024;
const BUDGET: usize = 32 * MIB;
/// For connections over streams in memory. These streams count as memory of the process, too.
const SMALL_BUDGET: usize = 8 * MIB;
/// The memory of idle connections and of the allocator.
const REST: usize = 12 * MIB;
const READERS: usize = 300;
const CLIENTS: usize = 1_000;

/// Returns the resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

fn builder(events: Events) -> ServerBuilder {
    let events = events.on("echo", async |body: String| Reply::text(body));
    named(Server::builder().namespace("default", events)).send_buffer_bytes(4096).memory_budget(BUDGET)
}

/// Sends ten distinct messages of 64 KiB each to 300 readers that never read: 187 MiB. Returns the growth of the
/// process.
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
            // Each message is a separate allocation.
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

/// Lets 1,000 clients flood slow handlers with 117 MiB. Returns the growth of the process.
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

/// Lets clients send frames and read. Returns the growth of the process until it has closed an eighth of the clients.
async fn crowd<F: Iterator<Item = Vec<u8>> + Send + 'static>(
    count: usize,
    connected: impl AsyncFn(&Server) -> DuplexStream,
    frames: impl Fn(usize) -> F,
) -> usize {
    let running = start(builder(Events::new()).max_name_length(1000).memory_budget(SMALL_BUDGET)).await;
    let healthy = Healthy::start(&running, "healthy", 10).await;
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(connected(&running.server).await);
    }
    let before = resident();
    let each = streams.into_iter().enumerate();
    let crowd: Vec<_> = each.map(|(nth, stream)| tokio::spawn(send_and_read(stream, frames(nth)))).collect();
    let mut most = 0;
    until(|| {
        most = most.max(resident());
        running.server.memory().closed() >= count as u64 / 8
    })
    .await;
    for _ in 0..10 {
        running.server.broadcast(news("healthy"));
    }
    assert_eq!(healthy.end().await.0, 10);
    most = most.max(resident());
    crowd.iter().for_each(tokio::task::JoinHandle::abort);
    until_nothing_is_in_use(&running.server).await;
    most.saturating_sub(before)
}

/// Lets 500 clients each join 100 rooms with names of 900 bytes: 43 MiB of names.
async fn rooms() -> usize {
    crowd(500, async |server| in_memory(server, "crowd").await.0, |nth| joins(nth, 900)).await
}

/// Lets 700 clients that never greet send 15 messages of 4,000 bytes each: 40 MiB.
async fn messages_before_the_greeting() -> usize {
    crowd(700, async |server| attach_as(server, "crowd", 4096).0, |_| not_greetings()).await
}

/// Lets 300 clients send 15.5 KiB of a head that does not end. Returns the growth of the process, and how much of it
/// counts.
async fn heads_that_never_end() -> (usize, usize) {
    let running = start(builder(Events::new())).await;
    let healthy = Healthy::start(&running, "healthy", 10).await;
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-A: {}", "a".repeat(15_500));
    let before = resident();
    let mut clients = Vec::new();
    for _ in 0..READERS {
        let mut client = tokio::net::TcpStream::connect(running.address).await.unwrap();
        client.write_all(head.as_bytes()).await.unwrap();
        clients.push(client);
    }
    for _ in 0..10 {
        running.server.broadcast(news("healthy"));
    }
    assert_eq!(healthy.end().await.0, 10);
    let grown = (resident().saturating_sub(before), running.server.memory().used());
    drop(clients);
    until_nothing_is_in_use(&running.server).await;
    grown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_grows_by_no_more_than_the_budget_and_a_tenth() {
    // This case comes first: the other cases leave free memory in the process, which these heads would fill.
    let (grown, counted) = heads_that_never_end().await;
    println!("heads: {} KiB, of which {} KiB count", grown / 1024, counted / 1024);
    assert!(grown <= counted + MIB, "heads: the process grew by {grown} bytes, {counted} count");
    let grown = [
        ("messages before the greeting", SMALL_BUDGET, messages_before_the_greeting().await),
        ("rooms", SMALL_BUDGET, rooms().await),
        ("slow handlers", BUDGET, slow_handlers().await),
        ("readers", BUDGET, readers_that_never_read().await),
    ];
    for (what, budget, grown) in grown {
        let most = budget / 10 * 11 + REST;
        println!("{what}: {} KiB", grown / 1024);
        assert!(grown <= most, "{what}: the process grew by {grown} bytes");
    }
}
