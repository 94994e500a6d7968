//! The broadcast engine without sockets: what it costs to find who gets a message, and to put it into their outboxes.
#![allow(missing_docs, reason = "criterion's macros make the functions")]

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
        group.bench_function(BenchmarkId::new("broadcast to each in turn, connected", connected), |bencher| {
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

criterion_group!(fanout, rooms, all);
criterion_main!(fanout);
