//! Memory that TLS holds for a connection counts in the memory budget and is bounded: during the handshake, before
//! HTTP, for websockets, and for clients that do not read. A healthy client over TLS is not affected.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use neffos::{Events, Limits, Message, Reply, Server, ServerBuilder};
use support::load::{Healthy, Watcher, bound, news, until_nothing_is_in_use};
use support::secure::{Door, send_record_without_end};
use support::{named, until, within};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const NEWS: usize = 50;

fn builder() -> ServerBuilder {
    let events = Events::new().on("echo", async |body: String| Reply::text(body));
    named(Server::builder().namespace("default", events)).send_buffer_bytes(4096)
}

/// A server with a budget, a healthy client, and a watcher.
struct Scene {
    server: Server,
    door: Door,
    healthy: Healthy,
    watcher: Watcher,
}

impl Scene {
    async fn begin(builder: ServerBuilder, budget: usize) -> Self {
        let server = builder.memory_budget(budget).build().unwrap();
        let door = Door::of(&server).await;
        let healthy = Healthy::over(door.enter_as("healthy").await, NEWS);
        let watcher = Watcher::start(&server);
        Self { server, door, healthy, watcher }
    }

    /// Checks that the healthy client missed nothing, and that no more memory was in use than the budget allows.
    async fn end<T>(self, attackers: T) {
        for _ in 0..NEWS {
            self.server.broadcast(news("healthy"));
        }
        assert_eq!(self.healthy.end().await.0, NEWS);
        let (most, memory) = (self.watcher.end().await, self.server.memory());
        assert!(most <= bound(memory), "{most} bytes were in use");
        assert!(memory.closed() + memory.refused() > 0, "{memory:?}: the budget was not used up");
        drop(attackers);
        until_nothing_is_in_use(&self.server).await;
    }
}

async fn end_of(mut stream: TcpStream) {
    // A reset counts as an end.
    within(stream.read_to_end(&mut Vec::new())).await.ok();
}

#[tokio::test]
async fn a_handshake_of_tls_of_more_than_16_kib_is_cut_and_counts_as_a_failure() {
    let server = builder().build().unwrap();
    let door = Door::of(&server).await;
    end_of(door.greet_without_end(17_000).await).await;
    assert_eq!(server.refused_connections().count("tls_failure"), 1);
    let waiting = door.greet_without_end(15_000).await;
    until(|| server.memory().used() >= 15_000 + 16 * KIB).await;
    assert_eq!(server.refused_connections().count("tls_failure"), 1);
    drop(waiting);
    until_nothing_is_in_use(&server).await;
}

#[tokio::test]
async fn a_large_request_right_behind_the_handshake_of_tls_is_no_part_of_it() {
    let server = builder().build().unwrap();
    let door = Door::of(&server).await;
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 64000\r\n\r\n";
    // The client cannot decrypt the answer here, so the test checks only its number of bytes.
    let mut stream = door.hurry(&[head.as_bytes(), &[b'x'; 64_000]].concat()).await;
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.ok();
    assert_eq!(server.refused_connections().count("tls_failure"), 0);
    assert!(answer.len() > 300, "{} bytes of an answer", answer.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_of_tls_that_never_end_stay_within_the_budget() {
    let scene = Scene::begin(builder(), 4 * MIB).await;
    let mut clients = Vec::new();
    for _ in 0..300 {
        clients.push(scene.door.greet_without_end(15_000).await);
    }
    until(|| scene.server.memory().refused() > 0).await;
    assert_eq!(scene.server.refused_connections().count("tls_failure"), 0);
    scene.end(clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_never_end_before_a_request_stay_within_the_budget() {
    let scene = Scene::begin(builder(), 4 * MIB).await;
    let mut streams = Vec::new();
    for _ in 0..120 {
        streams.push(scene.door.connect().await);
    }
    let mut clients = Vec::new();
    for stream in streams {
        clients.push(send_record_without_end(stream).await);
    }
    until(|| scene.server.memory().refused() > 0).await;
    scene.end(clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_never_end_on_websockets_stay_within_the_budget_and_such_connections_are_closed() {
    let scene = Scene::begin(builder(), 4 * MIB).await;
    let mut streams = Vec::new();
    for _ in 0..400 {
        streams.push(scene.door.enter_as("attacker").await.socket.into_inner());
    }
    let mut clients = Vec::new();
    for stream in streams {
        clients.push(send_record_without_end(stream).await);
    }
    until(|| scene.server.memory().closed() > 0).await;
    scene.end(clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_over_tls_that_never_read_stay_within_the_budget() {
    let scene = Scene::begin(builder(), 16 * MIB).await;
    let mut readers = Vec::new();
    for nth in 0..100 {
        readers.push(scene.door.deaf(&format!("deaf {nth}")).await);
    }
    for round in 0..100 {
        for nth in (round % 10..readers.len()).step_by(10) {
            let message = Message::new("distinct", "x".repeat(64_000)).in_namespace("default");
            scene.server.broadcast(message.to(format!("deaf {nth}")));
            tokio::task::yield_now().await;
        }
    }
    until(|| scene.server.memory().closed() > 0).await;
    scene.end(readers).await;
}

#[tokio::test]
async fn what_tls_has_to_send_counts_and_is_one_record_at_most() {
    let server = builder().build().unwrap();
    let door = Door::of(&server).await;
    // Sockets that are accepted from now on have a small buffer.
    drop(door.connect().await);
    let reader = door.deaf("deaf").await;
    // So many bytes that most of them are in the outbox.
    let message = || Message::new("distinct", "x".repeat(60_000)).in_namespace("default").to("deaf");
    (0..10).for_each(|_| server.broadcast(message()));
    let used = || server.memory().used();
    let (queued, record, session) = (10 * 60_000, 16 * KIB, 8 * KIB);
    until(|| server.counters().queued() >= 10 && used() > queued / 2).await;
    assert!(used() <= queued + record + session + 4 * KIB, "{} bytes in use", used());
    drop(reader);
    until_nothing_is_in_use(&server).await;
}

#[tokio::test]
async fn a_websocket_whose_record_of_tls_never_ends_is_closed_for_want_of_a_pong() {
    let (interval, limit) = (Duration::from_millis(100), Duration::from_millis(100));
    let server = builder().limits(Limits::default().ping_interval(interval).pong_timeout(limit)).build().unwrap();
    let door = Door::of(&server).await;
    let stream = door.enter_as("attacker").await.socket.into_inner();
    end_of(send_record_without_end(stream).await).await;
    until_nothing_is_in_use(&server).await;
}

#[tokio::test]
async fn a_client_over_tls_that_takes_nothing_is_closed_although_its_outbox_is_empty() {
    let builder = builder()
        .limits(Limits::default().slow_consumer_timeout(Duration::from_millis(300)).ping_interval(Duration::ZERO));
    let server = builder.build().unwrap();
    let door = Door::of(&server).await;
    // Sockets that are accepted from now on have a small buffer.
    drop(door.connect().await);
    let reader = door.deaf("deaf").await;
    // Waits until TLS holds some bytes and the outbox holds none.
    let mut looks = 0;
    until(|| {
        looks += 1;
        // Only one message is in flight at a time.
        if looks % 20 == 1 && server.memory().used() == 0 {
            server.broadcast(Message::new("news", "x".repeat(14_000)).in_namespace("default").to("deaf"));
        }
        looks % 20 == 0 && server.memory().used() > 0
    })
    .await;
    assert_eq!(server.counters().queued(), server.counters().delivered(), "the outbox is not empty");
    until(|| server.total_connections() == 0).await;
    drop(reader);
}
