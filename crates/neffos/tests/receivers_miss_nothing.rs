//! A receiver whose socket accepts everything misses nothing, even if other connections churn or flood meanwhile.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use neffos::{Events, Message, NsConn, Overflow, Server, ServerBuilder};
use support::{Running, start, within};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const RECEIVERS: usize = 400;
/// Two bytes of a frame's header, and the fields before the body.
const HEAD: usize = 2 + ";default;;chat;0;0;".len();
const SMALL: usize = 16;

/// Broadcasts each `chat` to all of the namespace, as a chat server does.
fn builder() -> ServerBuilder {
    let relay = async |ns: NsConn, body: String| ns.broadcast(Message::new("chat", body));
    Server::builder().namespace("default", Events::new().on("chat", relay))
}

/// Receivers that always read, until each has read `bytes` bytes.
async fn readers(running: &Running, receivers: usize, bytes: usize) -> Vec<JoinHandle<TcpStream>> {
    let mut readers = Vec::new();
    for _ in 0..receivers {
        let mut socket = running.enter().await.into_stream();
        readers.push(tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            let mut left = bytes;
            while left > 0 {
                let most = left.min(buffer.len());
                let count = within(socket.read(&mut buffer[..most])).await.unwrap();
                assert!(count > 0, "disconnected with {left} of {bytes} bytes missing");
                left -= count;
            }
            socket
        }));
    }
    readers
}

/// Clients that change their membership all the time, until the flag is set.
async fn churn(running: &Running, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<usize>> {
    let mut churning = Vec::new();
    for nth in 0..2 {
        let (mut client, stop) = (running.dial().await, stop.clone());
        churning.push(tokio::spawn(async move {
            let mut rounds = 0;
            while !stop.load(Ordering::Relaxed) {
                // Broadcasts of the namespace come before the replies.
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

/// One client sends `count` events at once while two others join and leave; every receiver reads all of them.
async fn burst(builder: ServerBuilder, count: usize) {
    let running = start(builder).await;
    let readers = readers(&running, RECEIVERS, count * (HEAD + SMALL)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let churning = churn(&running, &stop).await;
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
    assert_eq!(running.server.counters().dropped_full(), 0);
    reading.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_that_join_and_leave_in_a_loop_cost_nobody_a_message() {
    burst(builder(), 2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_do_they_disconnect_anybody_where_a_full_outbox_disconnects() {
    burst(builder().overflow(Overflow::Disconnect), 2_000).await;
}

/// On one thread, so that all of the burst is pending before any of it is written.
#[tokio::test]
async fn a_burst_that_is_larger_than_an_outbox_reaches_all_who_read() {
    const COUNT: usize = 150;
    const BODY: usize = 10_000;
    let running = start(builder()).await;
    // Two more bytes of length.
    let readers = readers(&running, RECEIVERS / 10, COUNT * (2 + HEAD + BODY)).await;
    for _ in 0..COUNT {
        running.server.broadcast(Message::new("chat", "x".repeat(BODY)).in_namespace("default"));
    }
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(running.server.counters().dropped(), 0);
}
