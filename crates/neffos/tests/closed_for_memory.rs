//! A connection that is closed because memory is short releases the queued messages of its client, even while the
//! client keeps it open.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use neffos::{Events, Limits, Reply, Server};
use support::load::{Healthy, news, not_greetings, until_nothing_is_in_use};
use support::{named, start, until};
use tokio::io::AsyncWriteExt;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const MIB: usize = 1024 * 1024;
/// Each client sends 60,000 bytes before it greets: 11 MiB in total.
const CLIENTS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_before_the_greeting_take_no_more_than_the_budget_on_the_heap() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let events = Events::new().on("echo", async |body: String| Reply::text(body));
    let builder = Server::builder()
        .namespace("default", events)
        .memory_budget(MIB)
        .limits(Limits::default().close_timeout(Duration::from_secs(60)));
    let running = start(named(builder)).await;
    let healthy = Healthy::start(&running, "healthy", 100).await;
    let before = dhat::HeapStats::get().curr_bytes;
    let mut streams = Vec::new();
    for _ in 0..CLIENTS {
        streams.push(running.upgrade(&[]).await.into_stream());
    }
    for stream in &mut streams {
        for frame in not_greetings() {
            // The server may have closed the connection already.
            stream.write_all(&frame).await.ok();
        }
    }
    let memory = || running.server.memory();
    until(|| memory().closed() + memory().pauses() > 0 && memory().used() < MIB).await;
    for _ in 0..100 {
        running.server.broadcast(news("healthy"));
    }
    assert_eq!(healthy.end().await.0, 100);
    // No client has answered a close frame so far, and the server waits for the answers. It reads the remaining bytes
    // now.
    drop(streams);
    running.until_connections(0).await;
    until_nothing_is_in_use(&running.server).await;
    let grown = dhat::HeapStats::get().max_bytes - before;
    assert!(grown < MIB / 10 * 11 + CLIENTS * 4096, "the heap grew by {grown} bytes");
}
