//! The results: a table for people, and one line of JSON for programs.
//!
//! - `mod.rs`: one run; `series.rs`: repeated runs, and series of them; `table.rs`: the table.

mod series;
mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::ledger::Sums;
use super::meter::{Memory, Usage};
pub(super) use series::{Series, Study};

/// The results of one run. Values that were not measured are absent.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) mode: &'static str,
    pub(super) connections: usize,
    /// How many connections the server closed after they were set up.
    pub(super) left: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) receivers: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) messages: Option<u64>,
    /// How many joins and leaves the server answered meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) changes: Option<u64>,
    pub(super) seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deliveries: Option<Sums>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) latency_us: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<Server>,
    /// The costs of other processes, by process id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) others: BTreeMap<u32, Client>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<Client>,
}

/// Quantiles of the latency, in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// The costs of the server's process.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Server {
    pub(super) processor_seconds: f64,
    /// The part of it in kernel mode, with a resolution of a hundredth of a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kernel_seconds: Option<f64>,
    /// Microseconds of processor time for each delivery, ask or connection.
    pub(super) processor_us_each: f64,
    pub(super) memory: Memory,
    /// The memory at the end.
    pub(super) memory_bytes: u64,
    /// The largest resident memory since the process started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_peak_bytes: Option<u64>,
    /// The growth by each connection, before anything was sent.
    pub(super) memory_bytes_each: f64,
    /// The growth by each connection at the end, after the server had settled.
    pub(super) memory_bytes_each_after: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sockets: Option<Sockets>,
}

/// The kernel's buffers of this machine's TCP sockets, of the server and of the load.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Sockets {
    pub(super) bytes_before: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_after: u64,
    pub(super) bytes_each: f64,
    pub(super) bytes_each_after: f64,
}

/// The costs of the load itself, which may share the machine, or of another process.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Client {
    pub(super) processor_seconds: f64,
    pub(super) processor_us_each: f64,
}

/// The server at four moments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    /// Before the first connection.
    pub(super) before: Usage,
    /// When all connections were set up.
    pub(super) full: Usage,
    /// When everything was sent and received.
    pub(super) done: Usage,
    /// When the server had settled.
    pub(super) quiet: Usage,
}

impl Moments {
    /// Returns the costs of each of `count` items, and of each of `connections` connections.
    pub(super) fn server(&self, memory: Memory, count: u64, connections: usize) -> Server {
        let Self { before, full, done, quiet } = self;
        let seconds = done.processor.saturating_sub(full.processor).as_secs_f64();
        let each = |bytes: u64, before: u64| (as_f64(bytes) - as_f64(before)) / as_f64(connections.max(1) as u64);
        let sockets = before.sockets.zip(full.sockets).zip(quiet.sockets).map(|((before, full), quiet)| Sockets {
            bytes_before: before,
            bytes_in: full,
            bytes_after: quiet,
            bytes_each: each(full, before),
            bytes_each_after: each(quiet, before),
        });
        let kernel = full.kernel.zip(done.kernel).map(|(full, done)| done.saturating_sub(full).as_secs_f64());
        Server {
            processor_seconds: seconds,
            kernel_seconds: kernel,
            processor_us_each: ratio(seconds * 1e6, count),
            memory,
            memory_bytes: quiet.memory,
            memory_peak_bytes: quiet.peak,
            memory_bytes_each: each(full.memory, before.memory),
            memory_bytes_each_after: each(quiet.memory, before.memory),
            sockets,
        }
    }
}

impl Client {
    /// Returns the costs of each process between two moments, and for each of `count` items.
    pub(super) fn of_each(
        before: &BTreeMap<u32, Duration>,
        after: &BTreeMap<u32, Duration>,
        count: u64,
    ) -> BTreeMap<u32, Self> {
        let took = |(pid, after): (&u32, &Duration)| {
            let before = before.get(pid).copied().unwrap_or_default();
            (*pid, Self::of(after.saturating_sub(before), count))
        };
        after.iter().map(took).collect()
    }

    pub(super) fn of(took: Duration, count: u64) -> Self {
        let seconds = took.as_secs_f64();
        Self { processor_seconds: seconds, processor_us_each: ratio(seconds * 1e6, count) }
    }
}

impl Latency {
    /// Reads the quantiles of a histogram in nanoseconds.
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| micros(histogram.value_at_quantile(quantile));
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: micros(histogram.max()) }
    }
}

fn micros(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64() * 1e6
}

fn ratio(sum: f64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum / as_f64(count) }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people: 53 bits are enough")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
