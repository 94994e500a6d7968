//! A receiver whose socket accepts everything misses nothing, even if other connections churn or flood: over TCP, TLS,
//! memory and any other stream.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use neffos::{Events, Limits, Message, NsConn, Overflow, Server, ServerBuilder};
use support::sides::Stream;
use support::{Client, Running, attach, drive_over, start, within};
use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;

const RECEIVERS: usize = 400;
/// Two bytes of frame header, and the fields before the body.
const HEAD: usize = 2 + ";default;;chat;0;0;".len();
const SMALL: usize = 16;
/// More than any of these tests sends: a stream in memory with this capacity accepts everything.
const ROOMY: usize = 4 << 20;

/// Broadcasts each `chat` to the whole namespace, as a chat server does.
fn builder() -> ServerBuilder {
    let relay = async |ns: NsConn, body: String| ns.broadcast(Message::new("chat", body));
    Server::builder().namespace("default", Events::new().on("chat", relay))
}

/// The transport of the receivers. The other clients use TCP.
#[derive(Clone, Copy, Debug)]
enum Over {
    Tcp,
    #[cfg(feature = "tls")]
    Tls,
    Memory,
    #[cfg(unix)]
    Unix,
}

/// A server, and the transport of its receivers.
struct Place {
    running: Running,
    over: Over,
    #[cfg(feature = "tls")]
    door: support::secure::Door,
}

impl Place {
    async fn of(builder: ServerBuilder, over: Over) -> Self {
        let running = start(builder).await;
        Self {
            #[cfg(feature = "tls")]
            door: support::secure::Door::of(&running.server).await,
            running,
            over,
        }
    }

    /// Returns a receiver that is in the namespace.
    async fn enter(&self) -> Box<dyn Stream> {
        let stream: Box<dyn Stream> = match self.over {
            Over::Tcp => return Box::new(self.running.enter().await.into_stream()),
            #[cfg(feature = "tls")]
            Over::Tls => Box::new(self.door.upgrade().await),
            Over::Memory => Box::new(attach(&self.running.server, ROOMY).0),
            #[cfg(unix)]
            Over::Unix => {
                let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
                drive_over(&self.running.server, theirs);
                Box::new(ours)
            }
        };
        let mut client = Client::over(stream).await;
        client.greet().await;
        client.connect("default").await;
        client.socket.into_inner()
    }

    /// Starts receivers that always read, until each has read `bytes` bytes.
    async fn readers(&self, receivers: usize, bytes: usize) -> Vec<JoinHandle<Box<dyn Stream>>> {
        let mut readers = Vec::new();
        for _ in 0..receivers {
            let socket = self.enter().await;
            readers.push(tokio::spawn(read(socket, bytes)));
        }
        readers
    }
}

async fn read(mut socket: Box<dyn Stream>, bytes: usize) -> Box<dyn Stream> {
    let mut buffer = vec![0; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let most = left.min(buffer.len());
        let count = within(socket.read(&mut buffer[..most])).await.unwrap();
        assert!(count > 0, "disconnected with {left} of {bytes} bytes missing");
        left -= count;
    }
    socket
}

/// Starts clients that change their membership all the time, until the flag is set.
async fn churn(running: &Running, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<usize>> {
    let mut churning = Vec::new();
    for nth in 0..2 {
        let (mut client, stop) = (running.dial().await, stop.clone());
        churning.push(tokio::spawn(async move {
            let mut rounds = 0;
            while !stop.load(Ordering::Relaxed) {
                // Broadcasts of the namespace arrive before the replies.
                client.ask_past_events("default", "", "_OnNamespaceConnect").await;
                client.ask_past_events("default", &format!("room {nth}"), "_OnRoomJoin").await;
                client.ask_past_events("default", &format!("room {nth}"), "_OnRoomLeave").await;
                client.ask_past_events("default", "", "_OnNamespaceDisconnect").await;
                rounds += 1;
            }
            rounds
        }));
    }
    churning
}

/// Lets one client send `count` events at once while two others join and leave. Every receiver reads all of the events.
async fn burst(place: Place, count: usize) {
    let running = &place.running;
    let readers = place.readers(RECEIVERS, count * (HEAD + SMALL)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let churning = churn(running, &stop).await;
    let mut sender = running.dial().await;
    sender.connect("default").await;
    let (mut sink, mut stream) = futures_util::StreamExt::split(sender.socket);
    let reading = tokio::spawn(async move { while futures_util::StreamExt::next(&mut stream).await.is_some() {} });
    let body = "x".repeat(SMALL);
    let frames =
        (0..count).map(|_| Ok(tokio_tungstenite::tungstenite::Message::text(format!(";default;;chat;0;0;{body}"))));
    let mut frames = futures_util::stream::iter(frames);
    within(futures_util::SinkExt::send_all(&mut sink, &mut frames)).await.unwrap();
    let mut sockets = Vec::new();
    for reader in readers {
        sockets.push(reader.await.unwrap());
    }
    stop.store(true, Ordering::Relaxed);
    for client in churning {
        assert!(client.await.unwrap() > 0);
    }
    assert_eq!(running.server.counters().dropped_full(), 0, "over {:?}", place.over);
    reading.abort();
}

/// Two clients that join and leave in a loop cost no receiver a message. If a full outbox disconnects, they cost no
/// receiver its connection.
async fn bursts(over: Over) {
    for overflow in [Overflow::DropNewest, Overflow::Disconnect] {
        burst(Place::of(builder().overflow(overflow), over).await, 2_000).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_that_join_and_leave_in_a_loop_cost_nobody_a_message_over_tcp() {
    bursts(Over::Tcp).await;
}

#[cfg(feature = "tls")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_that_join_and_leave_in_a_loop_cost_nobody_a_message_over_tls() {
    bursts(Over::Tls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_that_join_and_leave_in_a_loop_cost_nobody_a_message_over_memory() {
    bursts(Over::Memory).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_that_join_and_leave_in_a_loop_cost_nobody_a_message_over_unix_sockets() {
    // A Unix socket has room for only a few hundred small writes, so the outbox must hold the burst until its reader
    // runs.
    for overflow in [Overflow::DropNewest, Overflow::Disconnect] {
        burst(
            Place::of(builder().overflow(overflow).limits(Limits::default().outbox(2_000, 1 << 20)), Over::Unix).await,
            2_000,
        )
        .await;
    }
}

/// Broadcasts more than an outbox holds before any task of a receiver runs. The second server has outboxes that hold
/// less than a dispatcher takes in one step.
async fn large_burst(over: Over) {
    large_burst_to(Place::of(builder(), over).await).await;
    large_burst_to(Place::of(builder().limits(Limits::default().outbox(8, 64 * 1024)), over).await).await;
    let disconnecting = builder().limits(Limits::default().outbox(8, 64 * 1024)).overflow(Overflow::Disconnect);
    large_burst_to(Place::of(disconnecting, over).await).await;
}

async fn large_burst_to(place: Place) {
    const COUNT: usize = 150;
    const BODY: usize = 10_000;
    // The frame header has two more bytes for the length.
    let readers = place.readers(RECEIVERS / 10, COUNT * (2 + HEAD + BODY)).await;
    for _ in 0..COUNT {
        place.running.server.broadcast(Message::new("chat", "x".repeat(BODY)).in_namespace("default"));
    }
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(place.running.server.counters().dropped(), 0, "over {:?}", place.over);
}

/// Runs on one thread, so that the whole burst is pending before any of it is written.
#[tokio::test]
async fn a_burst_that_is_larger_than_an_outbox_reaches_all_who_read_over_tcp() {
    large_burst(Over::Tcp).await;
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_burst_that_is_larger_than_an_outbox_reaches_all_who_read_over_tls() {
    large_burst(Over::Tls).await;
}

#[tokio::test]
async fn a_burst_that_is_larger_than_an_outbox_reaches_all_who_read_over_memory() {
    large_burst(Over::Memory).await;
}
