//! All queued data shares one budget. Above the budget, the connections that hold most are closed or lose messages, and
//! healthy connections are not affected.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use neffos::{Error, Events, Limits, MemoryBudget, Message, NsConn, Reply, Server, ServerBuilder};
use support::load::{
    Healthy, Watcher, bound, close_code, deaf, event, flood, frame, in_memory, joins, news, not_greetings,
    send_and_read, until_nothing_is_in_use,
};
use support::{Running, attach_as, named, start, until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

const MIB: usize = 1024 * 1024;

fn events() -> Events {
    Events::new().on("echo", async |body: String| Reply::text(body))
}

fn builder(events: Events) -> ServerBuilder {
    named(Server::builder().namespace("default", events)).send_buffer_bytes(4096)
}

/// Handlers of `slow` wait for this gate. It counts all handlers that have run.
#[derive(Clone)]
struct Gate {
    open: Arc<Semaphore>,
    handled: Arc<AtomicUsize>,
}

impl Gate {
    fn new() -> (Self, Events) {
        let gate = Self { open: Arc::new(Semaphore::new(0)), handled: Arc::default() };
        let inside = gate.clone();
        let events = events().on("slow", move || {
            let gate = inside.clone();
            async move {
                let _permit = gate.open.acquire().await;
                gate.handled.fetch_add(1, Ordering::Relaxed);
            }
        });
        (gate, events)
    }

    fn open(&self) {
        self.open.add_permits(1 << 20);
    }
}

#[tokio::test]
async fn a_broadcast_counts_once_for_all_that_do_not_read_it_until_they_are_gone() {
    let running = start(builder(events())).await;
    let mut readers = Vec::new();
    for _ in 0..40 {
        readers.push(deaf(&running, "deaf").await);
    }
    let message = || Message::new("news", "x".repeat(60_000)).in_namespace("default");
    for _ in 0..10 {
        running.server.broadcast(message());
    }
    until(|| running.server.counters().queued() >= 400).await;
    let used = running.server.memory().used();
    assert!((5 * 60_000..12 * 60_000).contains(&used), "{used} bytes in use");
    drop(readers);
    running.until_connections(0).await;
    until_nothing_is_in_use(&running.server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_never_read_stay_within_the_budget_and_healthy_ones_miss_nothing() {
    const READERS: usize = 300;
    const NEWS: usize = 100;
    let [missed, missed_by_healthy]: [Arc<AtomicU64>; 2] = Default::default();
    let counts = [missed.clone(), missed_by_healthy.clone()];
    let builder = builder(events()).memory_budget(16 * MIB).on_closed(move |closed| {
        let count = &counts[usize::from(closed.id() == "healthy")];
        count.fetch_add(closed.missed().into(), Ordering::Relaxed);
    });
    let running = start(builder).await;
    let mut healthy = Vec::new();
    for _ in 0..8 {
        healthy.push(Healthy::start(&running, "healthy", NEWS).await);
    }
    let mut readers = Vec::new();
    for nth in 0..READERS {
        readers.push(deaf(&running, &format!("deaf {nth}")).await);
    }
    let watcher = Watcher::start(&running.server);
    let body = "x".repeat(64 * 1024 - 64);
    for nth in 0..NEWS {
        for reader in (nth % 10..READERS).step_by(10) {
            let message = Message::new("distinct", body.clone()).in_namespace("default").to(format!("deaf {reader}"));
            running.server.broadcast(message);
            tokio::task::yield_now().await;
        }
        running.server.broadcast(news("healthy"));
    }
    for healthy in healthy {
        assert_eq!(healthy.end().await.0, NEWS);
    }
    let memory = running.server.memory();
    let most = watcher.end().await;
    assert!(most <= bound(memory), "{most} bytes were in use");
    assert!(memory.closed() > 0 && memory.closed() <= READERS as u64, "{memory:?}");
    assert!(running.server.counters().dropped_memory() > 0);
    drop(readers);
    running.until_connections(0).await;
    // A closed connection leaves the count before its hook runs.
    let dropped = running.server.counters().dropped_memory() + running.server.counters().dropped_full();
    until(|| missed.load(Ordering::Relaxed) == dropped).await;
    assert_eq!(missed_by_healthy.load(Ordering::Relaxed), 0);
    until_nothing_is_in_use(&running.server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_handlers_that_are_flooded_stay_within_the_budget_and_nothing_is_lost() {
    const CLIENTS: usize = 1_000;
    const EVENTS: usize = 30;
    let (gate, events) = Gate::new();
    let running = start(builder(events).memory_budget(64 * MIB)).await;
    let healthy = Healthy::start(&running, "healthy", 100).await;
    let watcher = Watcher::start(&running.server);
    let mut floods = Vec::new();
    for _ in 0..CLIENTS {
        let (stream, driving) = in_memory(&running.server, "flood").await;
        floods.push((flood(stream, event("slow", &"x".repeat(4000)), EVENTS), driving));
    }
    until(|| running.server.memory().pauses() > 0).await;
    for _ in 0..100 {
        running.server.broadcast(news("healthy"));
    }
    assert_eq!(healthy.end().await.0, 100);
    gate.open();
    until(|| gate.handled.load(Ordering::Relaxed) == CLIENTS * EVENTS).await;
    let memory = running.server.memory();
    let most = watcher.end().await;
    assert!(most <= bound(memory), "{most} bytes were in use");
    assert_eq!(memory.closed(), 0, "to read less was enough");
    for (flood, driving) in floods {
        drop(within(flood).await.unwrap());
        within(driving).await.unwrap();
    }
    until_nothing_is_in_use(&running.server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_never_end_stay_within_the_budget_and_the_largest_are_closed() {
    const CLIENTS: usize = 400;
    let running = start(builder(events()).memory_budget(8 * MIB)).await;
    let healthy = Healthy::start(&running, "healthy", 100).await;
    let watcher = Watcher::start(&running.server);
    let mut floods = Vec::new();
    for _ in 0..CLIENTS {
        let (stream, driving) = in_memory(&running.server, "flood").await;
        floods.push((flood(stream, frame(&[b'x'; 60_000], 64 * 1024), 1), driving));
    }
    until(|| running.server.memory().closed() > 0).await;
    for _ in 0..100 {
        running.server.broadcast(news("healthy"));
    }
    assert_eq!(healthy.end().await.0, 100);
    let memory = running.server.memory();
    let most = watcher.end().await;
    assert!(most <= bound(memory), "{most} bytes were in use");
    until(|| floods.iter().any(|(_, driving)| driving.is_finished())).await;
    let (closed, open): (Vec<_>, Vec<_>) = floods.into_iter().partition(|(_, driving)| driving.is_finished());
    for (flood, _) in closed {
        assert_eq!(close_code(within(flood).await.unwrap()).await, Some(1013));
    }
    open.into_iter().for_each(|(flood, _)| flood.abort());
    until_nothing_is_in_use(&running.server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_that_clients_join_stay_within_the_budget_and_those_in_most_are_closed() {
    const CLIENTS: usize = 40;
    let running = start(builder(events()).memory_budget(MIB)).await;
    let healthy = Healthy::start(&running, "healthy", 100).await;
    let mut modest = running.enter_as("modest").await;
    modest.join("lobby").await;
    let watcher = Watcher::start(&running.server);
    let mut crowd = Vec::new();
    for nth in 0..CLIENTS {
        let (stream, _driving) = in_memory(&running.server, "crowd").await;
        crowd.push(tokio::spawn(send_and_read(stream, joins(nth, 200))));
    }
    until(|| running.server.memory().closed() > 0).await;
    for _ in 0..100 {
        running.server.broadcast(news("healthy"));
    }
    assert_eq!(healthy.end().await.0, 100);
    until(|| crowd.iter().any(JoinHandle::is_finished)).await;
    for closed in crowd.extract_if(.., |reading| reading.is_finished()) {
        assert_eq!(within(closed).await.unwrap(), Some(1013));
    }
    modest.ask("echo", "still here").await;
    drop(modest);
    let most = watcher.end().await;
    assert!(most <= bound(running.server.memory()), "{most} bytes were in use");
    crowd.iter().for_each(JoinHandle::abort);
    running.until_connections(0).await;
    until_nothing_is_in_use(&running.server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_before_the_greeting_stay_within_the_budget_and_the_largest_are_closed() {
    const CLIENTS: usize = 100;
    let running = start(builder(events()).memory_budget(4 * MIB)).await;
    let healthy = Healthy::start(&running, "healthy", 100).await;
    let watcher = Watcher::start(&running.server);
    let mut crowd = Vec::new();
    for _ in 0..CLIENTS {
        let (stream, _driving) = attach_as(&running.server, "crowd", 4096);
        crowd.push(tokio::spawn(send_and_read(stream, not_greetings())));
    }
    until(|| running.server.memory().closed() > 0).await;
    for _ in 0..100 {
        running.server.broadcast(news("healthy"));
    }
    assert_eq!(healthy.end().await.0, 100);
    until(|| crowd.iter().any(JoinHandle::is_finished)).await;
    for closed in crowd.extract_if(.., |reading| reading.is_finished()) {
        assert_eq!(within(closed).await.unwrap(), Some(1013));
    }
    let most = watcher.end().await;
    assert!(most <= bound(running.server.memory()), "{most} bytes were in use");
    crowd.iter().for_each(JoinHandle::abort);
    running.until_connections(0).await;
    until_nothing_is_in_use(&running.server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_never_end_stay_within_the_budget_and_end_with_their_time() {
    let running = start(builder(events()).memory_budget(MIB).handshake_timeout(Duration::from_secs(2))).await;
    let healthy = Healthy::start(&running, "healthy", 100).await;
    let watcher = Watcher::start(&running.server);
    let mut heads = Vec::new();
    while running.server.memory().refused() == 0 {
        assert!(heads.len() < 200, "all are let in");
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        heads.push(stream);
        tokio::task::yield_now().await;
    }
    // This client was admitted, or has a place for clients that are answered once.
    let mut refused = heads.remove(0);
    let request = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    refused.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let count = within(refused.read(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]).to_lowercase();
    assert!(answer.starts_with("http/1.1 503 ") && answer.contains("retry-after"), "{answer}");
    for _ in 0..100 {
        running.server.broadcast(news("healthy"));
    }
    assert_eq!(healthy.end().await.0, 100);
    drop(refused);
    until_nothing_is_in_use(&running.server).await;
    let most = watcher.end().await;
    assert!(most <= bound(running.server.memory()), "{most} bytes were in use");
    running.enter().await;
}

#[tokio::test]
async fn servers_that_share_a_budget_close_the_largest_of_all_their_connections() {
    let budget = MemoryBudget::new(512 * 1024);
    let shared = || builder(events()).limits(Limits::default().max_message(300_000)).share_memory_budget(&budget);
    let (one, other) = (start(shared()).await, start(shared()).await);
    let (mut large, largest) = in_memory(&one.server, "large").await;
    large.write_all(&frame(&[b'x'; 200_000], 250_000)).await.unwrap();
    let mut others = Vec::new();
    while budget.usage().closed() == 0 {
        assert!(others.len() < 100, "none is closed");
        let (stream, driving) = in_memory(&other.server, "small").await;
        others.push((flood(stream, frame(&[b'x'; 30_000], 60_000), 1), driving));
        tokio::task::yield_now().await;
    }
    within(largest).await.unwrap();
    assert_eq!(close_code(large).await, Some(1013));
    assert_eq!((one.server.memory().closed(), other.server.total_connections()), (1, others.len()));
}

/// Asks the client `silent` `count` times. Returns once all questions are delivered.
async fn ask_silent(running: &Running, count: usize) -> Vec<JoinHandle<Result<Message, Error>>> {
    let before = running.server.counters().delivered();
    let mut asked = Vec::new();
    for _ in 0..count {
        let server = running.server.clone();
        let question = Message::new("question", "?").in_namespace("default").to("silent");
        asked.push(tokio::spawn(async move { server.ask(question).await }));
    }
    until(|| running.server.counters().delivered() >= before + count as u64).await;
    asked
}

#[tokio::test]
async fn asks_that_clients_do_not_answer_count_until_they_end() {
    const ASKS: usize = 900;
    let running =
        start(builder(events()).limits(Limits::default().max_asks(1000).ask_timeout(Duration::from_secs(60)))).await;
    let client = running.enter_as("silent").await;
    let few = ask_silent(&running, 1).await;
    assert_eq!(running.server.memory().used(), 0);
    let many = ask_silent(&running, ASKS).await;
    assert!(running.server.memory().used() > ASKS * 256);
    many.iter().chain(&few).for_each(JoinHandle::abort);
    until_nothing_is_in_use(&running.server).await;
    let many = ask_silent(&running, ASKS).await;
    assert!(running.server.memory().used() > ASKS * 256);
    drop(client);
    for asked in many {
        assert!(within(asked).await.unwrap().unwrap_err().is_closed());
    }
    running.until_connections(0).await;
    until_nothing_is_in_use(&running.server).await;
}

#[tokio::test]
async fn a_reply_is_read_although_reading_pauses_for_memory() {
    let (gate, events) = Gate::new();
    let answered = Arc::new(AtomicUsize::new(0));
    let count = answered.clone();
    let events = events.on("ask", move |ns: NsConn| {
        let count = count.clone();
        async move {
            let answer = ns.ask("question", "?").await;
            count.fetch_add(usize::from(answer.is_ok()), Ordering::Relaxed);
        }
    });
    // The events of the handlers are near the limit all the time.
    let running = start(builder(events).memory_budget(100 * 1024)).await;
    let mut client = running.enter().await;
    let (mut large, _driving) = in_memory(&running.server, "large").await;
    large.write_all(&event("slow", &"x".repeat(60_000))).await.unwrap();
    let (mut second, _driving) = in_memory(&running.server, "large").await;
    second.write_all(&event("slow", &"x".repeat(30_000))).await.unwrap();
    until(|| running.server.memory().used() > 88 * 1024).await;
    client.emit("ask", "").await;
    // These events wait for the handler, and reading pauses unless an ask is open.
    for _ in 0..10 {
        client.emit("echo", "x").await;
    }
    let question = client.text().await;
    let token = question.split(';').next().unwrap();
    client.send(format!("{token};default;;question;0;0;yes")).await;
    until(|| answered.load(Ordering::Relaxed) == 1).await;
    gate.open();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_come_fill_the_memory_and_go_leave_nothing_behind() {
    let running = start(builder(events()).memory_budget(2 * MIB)).await;
    let healthy = Healthy::start(&running, "healthy", 100).await;
    let watcher = Watcher::start(&running.server);
    for round in 0..50 {
        let mut clients = Vec::new();
        for nth in 0..10 {
            let (stream, _driving) = in_memory(&running.server, "churn").await;
            let (partial, whole) = (frame(&[b'x'; 60_000], 64 * 1024), event("echo", &"x".repeat(50_000)));
            let bytes = vec![partial, whole].swap_remove(nth % 2);
            clients.push(flood(stream, bytes, 1));
        }
        running.server.broadcast(Message::new("noise", "x".repeat(1000 * round)).in_namespace("default").to("churn"));
        running.server.broadcast(news("healthy"));
        running.server.broadcast(news("healthy"));
        tokio::task::yield_now().await;
        clients.iter().for_each(JoinHandle::abort);
    }
    assert_eq!(healthy.end().await.0, 100);
    running.until_connections(0).await;
    until_nothing_is_in_use(&running.server).await;
    let most = watcher.end().await;
    assert!(most <= bound(running.server.memory()), "{most} bytes were in use");
}
