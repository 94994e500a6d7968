//! A broadcast waits for no client. A client that does not read delays neither other receivers, nor new clients, nor
//! other broadcasts. It is closed in time, and the memory that it costs meanwhile is bounded.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use neffos::{Events, Limits, Message, Server, ServerBuilder};
use support::{Client, attach, start, until, within};

const KIB: usize = 1024;

fn builder() -> ServerBuilder {
    Server::builder().namespace("default", Events::new())
}

fn bulk(nth: usize) -> Message {
    Message::new("bulk", format!("{nth:06}{}", "x".repeat(32 * KIB))).in_namespace("default")
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_hold_up_nobody() {
    let running = start(builder().limits(Limits::default().outbox(64, 4 << 20))).await;
    let mut deaf = Vec::new();
    for _ in 0..20 {
        deaf.push(running.enter().await);
    }
    let mut keen = running.enter().await;
    // Far more than their sockets and outboxes hold. A server that waits for one of the 20 clients would stop.
    for nth in 0..500 {
        running.server.broadcast(bulk(nth));
        assert!(keen.event("bulk").await.starts_with(&format!("{nth:06}")));
        if nth % 100 == 0 {
            let mut new = running.enter().await;
            running.server.broadcast(Message::new("hello", "").in_namespace("default").to("nobody"));
            new.connect("default").await;
        }
    }
    assert!(running.server.counters().dropped_full() > 0, "they read after all");
    // Once all reads are counted, the rest is in the outboxes of the clients that do not read.
    until(|| {
        let counters = running.server.counters();
        counters.queued() - counters.delivered() - counters.dropped_closed() <= 20 * 64
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_cut_after_the_slow_consumer_timeout() {
    let server = builder()
        .limits(Limits::default().slow_consumer_timeout(Duration::from_secs(3)).ping_interval(Duration::ZERO))
        .build()
        .unwrap();
    let (stream, driving) = attach(&server, KIB);
    let mut deaf = Client::over(stream).await;
    deaf.greet().await;
    deaf.connect("default").await;
    let begin = tokio::time::Instant::now();
    server.broadcast(bulk(0));
    let conn = server.connections().remove(0);
    let end = conn.closed().await.unwrap();
    assert_eq!((end.code().as_u16(), begin.elapsed().as_secs()), (1013, 3));
    within(driving).await.unwrap();
    assert_eq!(server.total_connections(), 0);
    assert_eq!(server.counters().dropped_closed(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_but_reads_is_not_cut() {
    let server = builder()
        .limits(Limits::default().slow_consumer_timeout(Duration::from_secs(3)).ping_interval(Duration::ZERO))
        .build()
        .unwrap();
    let (stream, _driving) = attach(&server, 4 * KIB);
    let mut slow = Client::over(stream).await;
    slow.greet().await;
    slow.connect("default").await;
    server.broadcast(bulk(0));
    let (mut stream, mut bytes) = (slow.socket.into_inner(), 0);
    while bytes < 32 * KIB {
        tokio::time::advance(Duration::from_secs(2)).await;
        let mut buffer = [0; KIB];
        bytes += within(tokio::io::AsyncReadExt::read(&mut stream, &mut buffer)).await.unwrap();
    }
    until(|| server.counters().delivered() == 2).await;
}

#[tokio::test]
async fn a_client_that_is_killed_in_the_middle_leaves_the_others_alone() {
    let running = start(builder()).await;
    let mut keen = running.enter().await;
    let mut victims = Vec::new();
    for _ in 0..5 {
        victims.push(running.enter().await);
    }
    for nth in 0..200 {
        running.server.broadcast(Message::new("n", nth.to_string()).in_namespace("default"));
        if nth % 40 == 20 {
            let stream = victims.pop().unwrap().into_stream();
            // Unread bytes and no close: the kernel sends a reset.
            stream.set_zero_linger().unwrap();
        }
    }
    for nth in 0..200 {
        assert_eq!(keen.event("n").await, nth.to_string());
    }
    running.until_connections(1).await;
    assert_eq!(running.server.count_in("default", None), 1);
}
