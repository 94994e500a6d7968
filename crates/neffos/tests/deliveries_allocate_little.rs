//! Counts the allocations of a broadcast for each receiver: there are none.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use neffos::{Events, Limits, Message, Server};
use support::{Running, start};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Enough receivers that the dispatchers write to them, as they do for `MANY`.
const FEW: usize = 200;
const MANY: usize = 1_000;
/// The list of receivers to flush doubles as it grows: twice from `FEW` to `MANY`, in each of two shards.
const LISTS: u64 = 4;

/// Returns the number of allocations since the profiler began.
fn allocations() -> u64 {
    dhat::HeapStats::get().total_blocks
}

/// Counts the allocations of one broadcast, from the call until the kernel has the copy of every receiver.
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
    // The clients do not answer pings, and connecting all of them takes time on a busy machine.
    let builder = Server::builder()
        .namespace("default", Events::new())
        .limits(Limits::default().ping_interval(Duration::from_secs(3600)));
    let running = start(builder.shards(2)).await;
    let mut sockets = running.receivers(FEW).await;
    // The first broadcast makes the allocations that happen only once.
    allocations_of_a_broadcast(&running, FEW).await;
    let few = allocations_of_a_broadcast(&running, FEW).await;

    sockets.extend(running.receivers(MANY - FEW).await);
    allocations_of_a_broadcast(&running, MANY).await;
    let many = allocations_of_a_broadcast(&running, MANY).await;

    assert!(many <= few + LISTS, "{few} for {FEW}, {many} for {MANY}");
    drop(sockets);
}
