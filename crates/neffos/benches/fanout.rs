//! The broadcast engine without sockets: the cost to find the receivers of a message and to put it into their outboxes.
#![allow(missing_docs, reason = "criterion's macros make the functions")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use neffos::Message;
use neffos::internals::{Crowd, Sender, encode};

fn tick() -> Bytes {
    encode(&Message::new("tick", "x".repeat(128)).in_namespace("default"), Sender::Server)
}

fn rooms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("room of 10");
    for connected in [1_000, 100_000] {
        let crowd = Crowd::of(connected);
        let frame = tick();
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("leave and join, connected", connected), |bencher| {
            bencher.iter(|| crowd.leave_and_join());
        });
        group.throughput(Throughput::Elements(10));
        group.bench_function(BenchmarkId::new("broadcast to one, connected", connected), |bencher| {
            bencher.iter(|| crowd.broadcast_to_room(&frame, 0));
        });
        let mut room = 0;
        group.bench_function(BenchmarkId::new("broadcast round-robin, connected", connected), |bencher| {
            bencher.iter(|| {
                room += 1;
                crowd.broadcast_to_room(&frame, room);
            });
        });
    }
}

fn all(criterion: &mut Criterion) {
    let crowd = Crowd::of(1_000);
    let frame = tick();
    let mut group = criterion.benchmark_group("all");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function(BenchmarkId::new("broadcast, connected", 1_000), |bencher| {
        bencher.iter(|| crowd.broadcast_to_all(&frame));
    });
}

/// Measures how long a membership change takes while a burst is pending. The burst must not affect it.
fn change_during_a_burst(criterion: &mut Criterion) {
    let crowd = Crowd::of(1_000);
    let frame = tick();
    let mut group = criterion.benchmark_group("leave and join during a burst");
    for pending in [0, 100, 1_000] {
        group.bench_function(BenchmarkId::new("broadcasts pending", pending), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| time_of_a_change(&crowd, &frame, pending)).sum());
        });
    }
}

/// Measures a burst with membership changes in it, until the last delivery and the last change.
fn burst_with_changes(criterion: &mut Criterion) {
    let crowd = Crowd::of(1_000);
    let frame = tick();
    let mut group = criterion.benchmark_group("burst of 100 to 1,000");
    group.throughput(Throughput::Elements(100_000));
    for changes in [0, 1, 10] {
        group.bench_function(BenchmarkId::new("leaves and joins after each broadcast", changes), |bencher| {
            bencher.iter(|| burst(&crowd, &frame, changes));
        });
    }
}

fn burst(crowd: &Crowd, frame: &Bytes, changes: usize) {
    for _ in 0..100 {
        crowd.begin_burst(frame, 1);
        (0..changes).for_each(|_| crowd.leave_and_join());
    }
    crowd.end_burst();
}

fn time_of_a_change(crowd: &Crowd, frame: &Bytes, pending: usize) -> Duration {
    crowd.begin_burst(frame, pending);
    let start = Instant::now();
    crowd.leave_and_join();
    let spent = start.elapsed();
    crowd.end_burst();
    spent
}

criterion_group!(fanout, rooms, all, change_during_a_burst, burst_with_changes);
criterion_main!(fanout);
