//! The cost of a message, a room and a request in the session of one connection.
#![allow(missing_docs, reason = "criterion's macros make the functions")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use neffos::internals::Protocol;

fn protocol(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    for rooms in [1, 10] {
        let mut protocol = Protocol::in_rooms(rooms);
        let message = format!("$1;default;room {};chat;0;0;hello", rooms - 1);
        assert_eq!(protocol.handle(&message), 1);
        group.bench_function(BenchmarkId::new("event, rooms joined", rooms), |bencher| {
            bencher.iter(|| protocol.handle(black_box(&message)));
        });
        group.bench_function(BenchmarkId::new("join and leave, rooms joined", rooms), |bencher| {
            bencher.iter(|| {
                protocol.handle("$1;default;one more;_OnRoomJoin;0;0;")
                    + protocol.handle("$1;default;one more;_OnRoomLeave;0;0;")
            });
        });
    }
    let mut protocol = Protocol::in_rooms(1);
    group.bench_function("ask and answer", |bencher| {
        bencher.iter(|| protocol.ask_and_answer());
    });
}

criterion_group!(session, protocol);
criterion_main!(session);
