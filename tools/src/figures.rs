//! The figures of a run, and the spread of several runs. Pure.

use serde_json::Value;

/// One figure of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// The server's processor time for each delivery, ask or connection.
    Cost,
    /// The server's processor time for each message that was broadcast.
    PerBroadcast,
    /// The kernel's share of the processor time.
    KernelShare,
    P50,
    P99,
    /// Deliveries, asks or connections in a second.
    Rate,
    /// The growth of the server's process for each connection.
    MemoryEach,
    /// The same, after a quiet time at the end of the run.
    MemoryAfter,
    /// The growth of the kernel's memory, for both ends of a connection.
    KernelEach,
    /// Processor time of the server that the sender is connected to, for each message.
    SendersCost,
    /// Processor time of the broker, for each message or connection.
    BrokersCost,
    /// The most connections of both servers to the broker.
    BrokersConnections,
    /// Joins and leaves in a second, beside the measured load.
    Changes,
}

impl Figure {
    /// The head of its column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Cost => "processor, µs each",
            Self::PerBroadcast => "processor, µs a broadcast",
            Self::KernelShare => "of it kernel, %",
            Self::P50 => "p50, ms",
            Self::P99 => "p99, ms",
            Self::Rate => "a second",
            Self::MemoryEach => "memory each, KiB",
            Self::MemoryAfter => "memory each afterwards, KiB",
            Self::KernelEach => "kernel's memory, KiB",
            Self::SendersCost => "sender's server, µs a message",
            Self::BrokersCost => "broker, µs for each sent",
            Self::BrokersConnections => "connections to the broker",
            Self::Changes => "joins and leaves a second",
        }
    }

    /// Returns how much worse `value` is than `other`, if one direction is worse.
    pub(crate) fn ratio(self, value: f64, other: f64) -> Option<f64> {
        match self {
            Self::Rate => Some(other / value),
            Self::KernelShare | Self::KernelEach | Self::BrokersConnections | Self::Changes => None,
            _ => Some(value / other),
        }
        .filter(|ratio| ratio.is_finite())
    }

    /// Returns the figure of a saved run, or `None` if it was not measured.
    pub(crate) fn of(self, run: &Value) -> Option<f64> {
        let (report, server) = (&run["report"], &run["report"]["server"]);
        match self {
            Self::Cost => server["processor_us_each"].as_f64(),
            Self::PerBroadcast => Some(server["processor_seconds"].as_f64()? * 1e6 / report["messages"].as_f64()?),
            Self::KernelShare => {
                let whole = server["processor_seconds"].as_f64().filter(|seconds| *seconds > 0.0)?;
                Some(server["kernel_seconds"].as_f64()? * 100.0 / whole)
            }
            Self::P50 => Some(report["latency_us"]["p50"].as_f64()? / 1e3),
            Self::P99 => Some(report["latency_us"]["p99"].as_f64()? / 1e3),
            Self::Rate => Some(things(report)? / report["seconds"].as_f64().filter(|seconds| *seconds > 0.0)?),
            Self::MemoryEach => Some(server["memory_bytes_each"].as_f64()? / 1024.0),
            Self::MemoryAfter => Some(server["memory_bytes_each_after"].as_f64()? / 1024.0),
            Self::KernelEach => Some(run["kernel_bytes"].as_f64()? / 1024.0 / report["connections"].as_f64()?),
            Self::SendersCost => for_each_sent(report, &run["sender"]),
            Self::BrokersCost => for_each_sent(report, &run["broker"]),
            Self::BrokersConnections => run["broker_connections"].as_f64(),
            Self::Changes => {
                Some(report["changes"].as_f64()? / report["seconds"].as_f64().filter(|seconds| *seconds > 0.0)?)
            }
        }
    }
}

/// Returns the processor time of a process for each sent message, or for each connection if no message was sent.
fn for_each_sent(report: &Value, process: &Value) -> Option<f64> {
    let sent = report["messages"].as_f64().or_else(|| report["connections"].as_f64())?;
    Some(process["processor_seconds"].as_f64()? * 1e6 / sent)
}

/// Returns the number of deliveries, asks or connections.
fn things(report: &Value) -> Option<f64> {
    let counts = [&report["deliveries"]["received"], &report["messages"], &report["connections"]];
    counts.into_iter().find_map(Value::as_f64)
}

/// Several runs of one thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Returns `None` without values.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let (lower, upper) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median: f64::midpoint(lower, upper), least, most })
    }
}

/// Formats a number with three significant digits, and thousands separated.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        ..0.0995 => format!("{value:.3}"),
        ..9.95 => format!("{value:.2}"),
        ..99.5 => format!("{value:.1}"),
        _ => thousands(&format!("{value:.0}")),
    }
}

/// Formats a whole number with thousands separated.
pub(crate) fn thousands(whole: &str) -> String {
    let groups: Vec<_> = whole.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_read_from_a_run() {
        let report = json!({
            "mode": "broadcast", "connections": 11, "messages": 100, "seconds": 2.0,
            "deliveries": { "received": 1000 }, "latency_us": { "p50": 100.0, "p99": 1500.0 },
            "server": { "processor_seconds": 0.04, "kernel_seconds": 0.03, "processor_us_each": 10.0, "memory_bytes_each": 2048.0 },
        });
        let run = json!({ "report": report, "kernel_bytes": 11 * 1024 });
        let read = |figure: Figure| figure.of(&run).unwrap();
        assert_eq!([read(Figure::Cost), read(Figure::PerBroadcast), read(Figure::KernelShare)], [10.0, 400.0, 75.0]);
        assert_eq!([read(Figure::P50), read(Figure::P99), read(Figure::Rate)], [0.1, 1.5, 500.0]);
        assert_eq!([read(Figure::MemoryEach), read(Figure::KernelEach)], [2.0, 1.0]);
        assert_eq!((Figure::MemoryAfter.of(&run), Figure::BrokersCost.of(&run)), (None, None));
        assert_eq!(Figure::P99.of(&json!({ "fault": "gone" })), None);
    }

    #[test]
    fn more_cost_is_worse_and_so_are_fewer_a_second() {
        assert_eq!(Figure::Cost.ratio(3.0, 2.0), Some(1.5));
        assert_eq!(Figure::Rate.ratio(2.0, 3.0), Some(1.5));
        assert_eq!((Figure::KernelShare.ratio(2.0, 3.0), Figure::Cost.ratio(1.0, 0.0)), (None, None));
    }

    #[test]
    fn the_median_is_in_the_middle_or_between_the_two_middle_values() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.median, spread.least, spread.most), (2.0, 1.0, 3.0));
        assert_eq!(Spread::of(vec![1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(Spread::of(vec![]), None);
    }

    #[test]
    fn numbers_have_as_many_digits_as_count() {
        let written = [0.0567, 0.5, 5.678, 12.34, 123.4, 1_234_567.0].map(digits);
        assert_eq!(written, ["0.057", "0.50", "5.68", "12.3", "123", "1,234,567"]);
    }
}
