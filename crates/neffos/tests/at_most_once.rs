//! At-most-once delivery. With enough room, no message is lost or delivered twice. Without enough room, the counters
//! show exactly how many are missing.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use neffos::{Events, Limits, Message, Overflow, Reply, Server, ServerBuilder};
use support::{Client, Running, attach, start, until, within};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const CLIENTS: usize = 200;
const MESSAGES: usize = 10_000;
/// Two bytes of frame header, the envelope, and eight digits.
const FRAME: usize = 2 + ENVELOPE.len() + 8;
const ENVELOPE: &str = ";default;;n;0;0;";

fn builder() -> ServerBuilder {
    Server::builder().namespace("default", Events::new())
}

async fn sockets(running: &Running, count: usize) -> Vec<TcpStream> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        sockets.push(running.enter().await.into_stream());
    }
    sockets
}

fn broadcast_all(server: &Server) {
    for nth in 0..MESSAGES {
        server.broadcast(Message::new("n", format!("{nth:08}")).in_namespace("default"));
    }
}

/// Returns the numbers in the frames of `bytes`.
fn numbers(bytes: &[u8]) -> Vec<usize> {
    let number = |frame: &[u8]| std::str::from_utf8(&frame[FRAME - 8..]).unwrap().parse().unwrap();
    assert_eq!(bytes.len() % FRAME, 0);
    bytes.chunks(FRAME).map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_10_000_reaches_200_clients_with_none_missing_and_none_doubled() {
    let running = start(builder().limits(Limits::default().outbox(MESSAGES, MESSAGES * FRAME))).await;
    let sockets = sockets(&running, CLIENTS).await;
    let before = running.server.counters();
    let readers: Vec<_> = sockets
        .into_iter()
        .map(|mut socket| {
            tokio::spawn(async move {
                let mut bytes = vec![0; MESSAGES * FRAME];
                within(socket.read_exact(&mut bytes)).await.unwrap();
                (socket, numbers(&bytes))
            })
        })
        .collect();
    broadcast_all(&running.server);
    for reader in readers {
        let (_socket, numbers) = reader.await.unwrap();
        assert!(numbers.into_iter().eq(0..MESSAGES));
    }
    let after = running.server.counters();
    assert_eq!(after.delivered() - before.delivered(), (CLIENTS * MESSAGES) as u64);
    assert_eq!(after.dropped(), 0);
}

/// Broadcasts `MANY` messages to two clients. One does not read and has room for few messages; the other reads each.
/// Returns the messages that the first client receives once it reads.
async fn starved(builder: ServerBuilder) -> Vec<usize> {
    let server = builder.shards(1).build().unwrap();
    let (stream, _driving) = attach(&server, 256);
    let mut deaf = Client::over(stream).await;
    deaf.greet().await;
    deaf.connect("default").await;
    let (stream, _driving) = attach(&server, 1 << 16);
    let mut keen = Client::over(stream).await;
    keen.greet().await;
    keen.connect("default").await;

    for nth in 0..MANY {
        server.broadcast(Message::new("n", nth.to_string()).in_namespace("default"));
        assert_eq!(keen.event("n").await, nth.to_string());
    }
    let dropped = usize::try_from(server.counters().dropped_full()).unwrap();
    assert!(dropped > MANY / 2, "the client had room for nearly all: {dropped} dropped");
    let mut found = Vec::new();
    for _ in 0..MANY - dropped {
        found.push(deaf.event("n").await.parse().unwrap());
    }
    // Dropped messages never arrive: a new message comes next.
    server.broadcast(Message::new("end", "").in_namespace("default"));
    assert_eq!(deaf.event("end").await, "");
    assert!(found.is_sorted_by(|left, right| left < right), "{found:?}");
    found
}

const MANY: usize = 1_000;

#[tokio::test]
async fn a_full_outbox_drops_the_newest_and_counts_them() {
    let found = starved(builder().limits(Limits::default().outbox(100, 1 << 20))).await;
    assert!(found.len() >= 100);
    assert!(found.iter().copied().eq(0..found.len()), "{found:?}");
}

#[tokio::test]
async fn a_bound_in_bytes_counts_as_well() {
    let found = starved(builder().limits(Limits::default().outbox(MANY, 1_000))).await;
    assert!(found.iter().copied().eq(0..found.len()), "{found:?}");
}

#[tokio::test]
async fn or_it_drops_the_oldest_that_are_not_on_their_way() {
    let found = starved(builder().limits(Limits::default().outbox(100, 1 << 20)).overflow(Overflow::DropOldest)).await;
    assert!(found.ends_with(&Vec::from_iter(MANY - 99..MANY)), "{found:?}");
}

#[tokio::test]
async fn how_many_messages_a_connection_missed_is_told_when_it_ends() {
    for overflow in [Overflow::DropNewest, Overflow::DropOldest, Overflow::Disconnect] {
        let (told, mut ends) = mpsc::channel(4);
        let builder = builder().shards(1).limits(Limits::default().outbox(100, 1 << 20)).overflow(overflow);
        let server = builder.on_closed(move |closed| told.try_send(closed.missed()).unwrap()).build().unwrap();
        let (stream, deaf_driving) = attach(&server, 256);
        let mut deaf = Client::over(stream).await;
        deaf.greet().await;
        deaf.connect("default").await;
        let (stream, driving) = attach(&server, 1 << 16);
        let mut keen = Client::over(stream).await;
        keen.greet().await;
        keen.connect("default").await;
        for nth in 0..MANY {
            server.broadcast(Message::new("n", nth.to_string()).in_namespace("default"));
            assert_eq!(keen.event("n").await, nth.to_string());
        }
        drop(deaf);
        within(deaf_driving).await.unwrap();
        let missed = within(ends.recv()).await.unwrap();
        assert!(missed > 0, "{overflow:?}");
        assert_eq!(u64::from(missed), server.counters().dropped_full(), "{overflow:?}");
        drop(keen);
        within(driving).await.unwrap();
        assert_eq!(within(ends.recv()).await, Some(0), "{overflow:?}");
    }
}

#[tokio::test]
async fn or_the_client_is_disconnected() {
    let server =
        builder().limits(Limits::default().outbox(100, 1 << 20)).overflow(Overflow::Disconnect).build().unwrap();
    let (stream, driving) = attach(&server, 256);
    let mut deaf = Client::over(stream).await;
    deaf.greet().await;
    deaf.connect("default").await;
    for _ in 0..MANY {
        server.broadcast(Message::new("n", "x").in_namespace("default"));
    }
    assert_eq!(deaf.close_code().await, 1013);
    drop(deaf);
    within(driving).await.unwrap();
    assert_eq!(server.counters().delivered() + server.counters().dropped(), 1 + MANY as u64);
}

#[tokio::test]
async fn a_message_larger_than_the_bound_still_reaches_a_client_that_reads() {
    let running = start(builder().limits(Limits::default().outbox(10, 100))).await;
    let mut client = running.enter().await;
    running.server.broadcast(Message::new("big", "x".repeat(10_000)).in_namespace("default"));
    assert_eq!(client.event("big").await.len(), 10_000);
}

#[tokio::test]
async fn messages_that_a_closed_connection_misses_are_counted_too() {
    let running = start(builder()).await;
    let mut client = running.enter().await;
    let conn = running.server.connections().remove(0);
    conn.close(neffos::CloseCode::NORMAL, "");
    assert!(conn.namespace("default").is_none_or(|ns| ns.emit("late", "").unwrap_err().is_closed()));
    running.server.broadcast(Message::new("late", "").in_namespace("default"));
    assert_eq!(client.close_code().await, 1000);
}

#[tokio::test]
async fn replies_have_room_where_broadcasts_have_none_left() {
    let events = Events::new().on("echo", async |body: String| Reply::text(body));
    let server = Server::builder()
        .namespace("default", events)
        .limits(Limits::default().outbox(10, 1 << 20))
        .shards(1)
        .build()
        .unwrap();
    let (stream, _driving) = attach(&server, 256);
    let mut deaf = Client::over(stream).await;
    deaf.greet().await;
    deaf.connect("default").await;
    for _ in 0..MANY {
        server.broadcast(Message::new("n", "x").in_namespace("default"));
    }
    // Counts the reply to the connect, and every broadcast, delivered or dropped.
    until(|| server.counters().queued() + server.counters().dropped() == 1 + MANY as u64).await;
    let before = server.counters();
    assert!(before.dropped_full() > 0);
    deaf.send("$1;default;;echo;0;0;still here").await;
    until(|| server.counters().queued() > before.queued()).await;
    while deaf.text().await != "$1;default;;echo;0;0;still here" {}
}
