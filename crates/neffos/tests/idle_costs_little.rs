//! An idle connection holds no buffer, no queue storage and no handler's future.

mod support;

use neffos::{Events, Server};
use support::start;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const CONNECTIONS: usize = 1_000;
/// In bytes, for a connection in one namespace and one room.
const BUDGET: usize = 1_536;

fn heap() -> usize {
    dhat::HeapStats::get().curr_bytes
}

#[tokio::test]
async fn a_connection_in_a_namespace_and_a_room_holds_at_most_one_and_a_half_kib() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let running = start(Server::builder().namespace("default", Events::new())).await;
    // The first client makes the allocations that happen only once.
    let first = running.enter().await.into_stream();
    let before = heap();
    let mut sockets = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut client = running.enter().await;
        client.join("lobby").await;
        // The client's side holds a socket, but neither a task nor a buffer.
        sockets.push(client.into_stream().into_std().unwrap());
    }
    let clients = sockets.capacity() * size_of::<std::net::TcpStream>();
    let each = (heap() - before - clients) / CONNECTIONS;
    assert!(each <= BUDGET, "a connection holds {each} bytes");
    drop((first, sockets));
}
