//! Encoding and decoding a message, and writing and reading a frame.
#![allow(missing_docs, reason = "criterion's macros make the functions")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use neffos::Message;
use neffos::internals::{FrameReader, Sender, decode, encode, frame};

const SIZES: [usize; 3] = [16, 128, 4096];

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("message");
    for size in SIZES {
        let message = Message::new("chat", "x".repeat(size)).in_namespace("default").to_room("lobby");
        let payload = Bytes::from(format!(";default;lobby;chat;0;0;{}", "x".repeat(size)));
        group.throughput(Throughput::Elements(1));
        group.bench_with_input(BenchmarkId::new("encode", size), &message, |bencher, message| {
            bencher.iter(|| encode(black_box(message), Sender::Server));
        });
        group.bench_with_input(BenchmarkId::new("decode", size), &payload, |bencher, payload| {
            bencher.iter(|| decode(black_box(payload)));
        });
    }
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    for size in SIZES {
        let payload = "x".repeat(size).into_bytes();
        group.throughput(Throughput::Bytes(size as u64));
        for (side, sender) in [("plain", Sender::Server), ("masked", Sender::Client)] {
            group.bench_with_input(BenchmarkId::new(format!("write {side}"), size), &payload, |bencher, payload| {
                bencher.iter(|| frame(black_box(payload), sender));
            });
            let written = frame(&payload, sender);
            let mut reader = FrameReader::of(sender);
            group.bench_with_input(BenchmarkId::new(format!("read {side}"), size), &written, |bencher, written| {
                bencher.iter(|| reader.read(black_box(written)));
            });
        }
    }
}

criterion_group!(codec, messages, frames);
criterion_main!(codec);
