//! A connection that compresses holds no more memory than one that does not: the memory for compression belongs to the
//! thread.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use neffos::{Compression, Events, Reply, Server};
use raw::{RawClient, deflated};
use support::start;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const CONNECTIONS: usize = 500;
/// In bytes, for a connection in one namespace and one room.
const BUDGET: usize = 2 * 1024;

fn heap() -> usize {
    dhat::HeapStats::get().curr_bytes
}

#[tokio::test]
async fn a_connection_that_has_compressed_and_inflated_holds_less_than_two_kib() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let events = Events::new().on("echo", async |body: String| Reply::text(body));
    let builder = Server::builder().namespace("default", events).compression(Compression::default());
    let running = start(builder).await;
    let message = format!("$1;default;;echo;0;0;{}", "x".repeat(10_000));
    let payload = deflated(message.as_bytes());
    let enter = async || {
        let mut client = RawClient::enter(running.address, &["permessage-deflate"]).await;
        client.join("lobby").await;
        client.send(0xC1, &payload).await;
        let reply = client.frame().await;
        assert!(reply.is_compressed() && reply.text() == message);
        // The client's side holds a socket, but neither a task nor a buffer.
        client.stream.into_std().unwrap()
    };
    // The first client makes the allocations that happen only once.
    let first = enter().await;
    let before = heap();
    let mut sockets = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        sockets.push(enter().await);
    }
    let clients = sockets.capacity() * size_of::<std::net::TcpStream>();
    let each = (heap() - before - clients) / CONNECTIONS;
    assert!(each < BUDGET, "a connection holds {each} bytes");
    drop((first, sockets));
}
