//! What one connection's session does for a message, a room and a request.
#![allow(missing_docs, reason = "criterion's macros make the functions")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use neffos::Message;
use neffos::internals::Rules;

fn rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    for rooms in [1, 10] {
        let mut rules = Rules::in_rooms(rooms);
        let last = format!("room {}", rooms - 1);
        let message = Message::new("chat", "hello").in_namespace("default").to_room(last);
        assert!(rules.is_for_a_handler(&message));
        group.bench_function(BenchmarkId::new("decide, rooms joined", rooms), |bencher| {
            bencher.iter(|| rules.is_for_a_handler(black_box(&message)));
        });
        group.bench_function(BenchmarkId::new("join and leave, rooms joined", rooms), |bencher| {
            bencher.iter(|| rules.join_and_leave());
        });
    }
    let mut rules = Rules::in_rooms(1);
    group.bench_function("ask and answer", |bencher| {
        bencher.iter(|| rules.ask_and_answer());
    });
}

criterion_group!(session, rules);
criterion_main!(session);
