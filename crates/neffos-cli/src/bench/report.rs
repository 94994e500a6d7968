//! What was measured: as a table for people, and as one line of JSON for machines.

use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::ledger::Sums;
use super::process::Usage;

/// All that one run found out. What was not measured is absent.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) mode: &'static str,
    pub(super) connections: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) messages: Option<u64>,
    pub(super) seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deliveries: Option<Sums>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) latency_us: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<Server>,
}

/// In microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// What the server's process took.
#[derive(Debug, Serialize)]
pub(super) struct Server {
    pub(super) processor_seconds: f64,
    /// Microseconds of processor time for each delivery, ask or connection.
    pub(super) processor_us_each: f64,
    pub(super) memory_bytes: u64,
    /// By how much the connections made it grow.
    pub(super) memory_bytes_each: f64,
}

impl Latency {
    /// Of a histogram of nanoseconds.
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| micros(histogram.value_at_quantile(quantile));
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: micros(histogram.max()) }
    }
}

impl Server {
    /// What was taken between two moments for `count` things, and for `connections` since `idle`.
    pub(super) fn between(idle: Usage, before: Usage, after: Usage, count: u64, connections: usize) -> Self {
        let processor = after.processor.saturating_sub(before.processor);
        Self {
            processor_seconds: processor.as_secs_f64(),
            processor_us_each: ratio(processor.as_secs_f64() * 1e6, count),
            memory_bytes: after.memory,
            memory_bytes_each: ratio(as_f64(before.memory.saturating_sub(idle.memory)), connections as u64),
        }
    }
}

impl Report {
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|err| format!("{{\"error\":\"{err}\"}}"))
    }

    pub(super) fn to_table(&self) -> String {
        let mut table = String::new();
        let mut row = |name: &str, value: String| {
            // Writing to a string cannot fail.
            writeln!(table, "{name:<26}{value:>16}").ok();
        };
        row("connections", self.connections.to_string());
        row("seconds", format!("{:.3}", self.seconds));
        if let Some(messages) = self.messages {
            row("messages", messages.to_string());
        }
        if let Some(sums) = &self.deliveries {
            row("deliveries expected", sums.expected.to_string());
            row("received", sums.received.to_string());
            row("lost", sums.lost.to_string());
            row("doubled", sums.doubled.to_string());
            row("out of order", sums.out_of_order.to_string());
            row("deliveries a second", format!("{:.0}", as_f64(sums.received) / self.seconds.max(1e-9)));
        }
        if let Some(latency) = &self.latency_us {
            let Latency { p50, p90, p99, p999, max } = latency;
            for (name, value) in [("p50", p50), ("p90", p90), ("p99", p99), ("p99.9", p999), ("max", max)] {
                row(&format!("latency {name}"), format!("{:.3} ms", value / 1e3));
            }
        }
        if let Some(server) = &self.server {
            row("server processor time", format!("{:.3} s", server.processor_seconds));
            row("  each", format!("{:.3} us", server.processor_us_each));
            row("server memory", format!("{:.1} MiB", as_f64(server.memory_bytes) / 1024.0 / 1024.0));
            row("  each connection", format!("{:.2} KiB", server.memory_bytes_each / 1024.0));
        }
        table
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
