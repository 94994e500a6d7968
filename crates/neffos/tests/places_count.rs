//! Rooms that clients join count in the memory budget until they are removed, with about the memory that they take.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::net::TcpStream;
use std::time::Duration;

use neffos::{Events, Limits, Server};
use support::load::until_nothing_is_in_use;
use support::{Running, start};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const CONNECTIONS: usize = 64;
const ROOMS: usize = 127;

fn heap() -> usize {
    dhat::HeapStats::get().curr_bytes
}

/// Returns connections that are each in many rooms. The names have `name_bytes` bytes, and no other connection joins
/// these rooms.
async fn crowd(running: &Running, name_bytes: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for connection in 0..CONNECTIONS {
        let mut client = running.enter().await;
        for room in 0..ROOMS {
            client.join(&format!("{:0>name_bytes$}", connection * ROOMS + room)).await;
        }
        streams.push(client.into_stream().into_std().unwrap());
    }
    streams
}

#[tokio::test]
async fn rooms_count_about_what_they_take_and_leave_nothing_behind() {
    let _profiler = dhat::Profiler::builder().testing().build();
    // The idle client answers no pings, and a busy machine may take longer than the server waits for them.
    let limits = Limits::default().ping_interval(Duration::ZERO);
    let running = start(Server::builder().namespace("default", Events::new()).limits(limits)).await;
    // The first clients make the allocations that all connections share.
    let mut others = running.enter().await;
    others.join("lobby").await;
    drop(crowd(&running, 4).await);
    running.until_connections(1).await;
    until_nothing_is_in_use(&running.server).await;
    for name_bytes in [4, 249] {
        let before = heap();
        let streams = crowd(&running, name_bytes).await;
        let grown = heap() - before - CONNECTIONS * 1_536;
        let used = running.server.memory().used();
        println!("{name_bytes}: {used} of {grown} bytes, {} a room", grown / CONNECTIONS / ROOMS);
        assert!((grown / 10 * 8..grown / 10 * 14).contains(&used), "{used} of {grown} bytes count");
        drop(streams);
        running.until_connections(1).await;
        until_nothing_is_in_use(&running.server).await;
        let left = heap().saturating_sub(before);
        assert!(left < 64 * 1024, "{left} bytes are left behind");
    }
}
