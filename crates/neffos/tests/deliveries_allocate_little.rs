//! What a broadcast allocates for each of its receivers: nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use neffos::{Events, Limits, Message, Server};
use support::{Running, start};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// So many that they are left to the dispatchers, as many are.
const FEW: usize = 200;
const MANY: usize = 1_000;
/// The list of those who are to be flushed doubles as it grows, twice from few to many, in each of two shards.
const LISTS: u64 = 4;

/// How often memory was asked for since the profiler began.
fn allocations() -> u64 {
    dhat::HeapStats::get().total_blocks
}

/// The allocations of one broadcast, from the call until everybody's copy is with the kernel.
async fn allocations_of_a_broadcast(running: &Running, receivers: usize) -> u64 {
    let message = Message::new("tick", "x".repeat(128)).in_namespace("default");
    let delivered = running.server.counters().delivered();
    let before = allocations();
    running.server.broadcast(message);
    running.until_delivered(delivered + receivers as u64).await;
    allocations() - before
}

#[tokio::test]
async fn a_broadcast_allocates_no_more_for_many_than_for_few() {
    let _profiler = dhat::Profiler::builder().testing().build();
    // Nobody here answers pings, and on a busy machine all take their time to come in.
    let builder = Server::builder()
        .namespace("default", Events::new())
        .limits(Limits::default().ping_interval(Duration::from_secs(3600)));
    let running = start(builder.shards(2)).await;
    let mut sockets = running.receivers(FEW).await;
    // What is made once for all is made now.
    allocations_of_a_broadcast(&running, FEW).await;
    let few = allocations_of_a_broadcast(&running, FEW).await;

    sockets.extend(running.receivers(MANY - FEW).await);
    allocations_of_a_broadcast(&running, MANY).await;
    let many = allocations_of_a_broadcast(&running, MANY).await;

    assert!(many <= few + LISTS, "{few} for {FEW}, {many} for {MANY}");
    drop(sockets);
}
