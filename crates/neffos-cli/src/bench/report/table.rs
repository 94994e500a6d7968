//! The table for people: a row for each number, a column for each series.

use std::fmt::Write;

use super::{Report, Series, Study, as_f64};

/// The format of a number.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Count,
    Seconds,
    Millis,
    Micros,
    Kibibytes,
    Mebibytes,
}

/// The name and unit of a row, and the function that reads its value from a report.
type Row = (&'static str, Unit, fn(&Report) -> Option<f64>);

impl Study {
    /// Returns the table. For several runs, a number is the median, with the least and the most.
    pub(in crate::bench) fn to_table(&self) -> String {
        let cells = ROWS.iter().map(|row| self.series.iter().map(|series| cell(series, row)).collect::<Vec<_>>());
        let rows: Vec<_> = ROWS.iter().map(|row| row.0).zip(cells).collect();
        let widths: Vec<_> = (0..self.series.len())
            .map(|nth| rows.iter().map(|(_, cells)| cells[nth].chars().count()).max().unwrap_or_default().max(COLUMN))
            .collect();
        let mut table = String::new();
        for (name, cells) in rows.iter().filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty())) {
            // Writing to a string cannot fail.
            write!(table, "{name:<28}").ok();
            for (cell, width) in cells.iter().zip(&widths) {
                write!(table, "  {cell:>width$}").ok();
            }
            table.push('\n');
        }
        table
    }
}

/// Returns the text of a cell, which is empty if the number was not measured.
fn cell(series: &Series, (_, unit, value): &Row) -> String {
    let Some(spread) = series.spread(value) else { return String::new() };
    let median = unit.write(spread.median);
    match spread.least.total_cmp(&spread.most).is_eq() {
        true => median,
        false => format!("{median} ({} .. {})", unit.write_bare(spread.least), unit.write_bare(spread.most)),
    }
}

impl Unit {
    fn write(self, value: f64) -> String {
        self.write_bare(value) + self.name()
    }

    fn write_bare(self, value: f64) -> String {
        match self {
            Self::Count => format!("{value:.0}"),
            Self::Seconds | Self::Micros => format!("{value:.3}"),
            Self::Millis => format!("{:.3}", value / 1e3),
            Self::Kibibytes => format!("{:.2}", value / 1024.0),
            Self::Mebibytes => format!("{:.1}", value / 1024.0 / 1024.0),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Seconds => " s",
            Self::Millis => " ms",
            Self::Micros => " us",
            Self::Kibibytes => " KiB",
            Self::Mebibytes => " MiB",
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn float(count: usize) -> f64 {
    count as f64
}

const COLUMN: usize = 14;
const ROWS: &[Row] = &[
    ("connections", Unit::Count, |run| Some(float(run.connections))),
    ("  closed by the server", Unit::Count, |run| (run.left > 0).then(|| float(run.left))),
    ("receivers", Unit::Count, |run| run.receivers.map(float)),
    ("seconds", Unit::Seconds, |run| Some(run.seconds)),
    ("messages", Unit::Count, |run| run.messages.map(as_f64)),
    ("joins and leaves", Unit::Count, |run| run.changes.map(as_f64)),
    ("deliveries expected", Unit::Count, |run| run.deliveries.map(|sums| as_f64(sums.expected))),
    ("  received", Unit::Count, |run| run.deliveries.map(|sums| as_f64(sums.received))),
    ("  lost", Unit::Count, |run| run.deliveries.map(|sums| as_f64(sums.lost))),
    ("  doubled", Unit::Count, |run| run.deliveries.map(|sums| as_f64(sums.doubled))),
    ("  out of order", Unit::Count, |run| run.deliveries.map(|sums| as_f64(sums.out_of_order))),
    ("  unknown", Unit::Count, |run| run.deliveries.map(|sums| as_f64(sums.unknown))),
    ("  a second", Unit::Count, |run| run.deliveries.map(|sums| as_f64(sums.received) / run.seconds.max(1e-9))),
    ("latency p50", Unit::Millis, |run| run.latency_us.map(|latency| latency.p50)),
    ("  p90", Unit::Millis, |run| run.latency_us.map(|latency| latency.p90)),
    ("  p99", Unit::Millis, |run| run.latency_us.map(|latency| latency.p99)),
    ("  p99.9", Unit::Millis, |run| run.latency_us.map(|latency| latency.p999)),
    ("  max", Unit::Millis, |run| run.latency_us.map(|latency| latency.max)),
    ("server processor time", Unit::Seconds, |run| run.server.map(|server| server.processor_seconds)),
    ("  of it in the kernel", Unit::Seconds, |run| run.server?.kernel_seconds),
    ("  each", Unit::Micros, |run| run.server.map(|server| server.processor_us_each)),
    ("server memory in the end", Unit::Mebibytes, |run| run.server.map(|server| as_f64(server.memory_bytes))),
    ("  most ever", Unit::Mebibytes, |run| run.server?.memory_peak_bytes.map(as_f64)),
    ("  each connection, idle", Unit::Kibibytes, |run| run.server.map(|server| server.memory_bytes_each)),
    ("  each connection, after", Unit::Kibibytes, |run| run.server.map(|server| server.memory_bytes_each_after)),
    ("kernel's socket buffers", Unit::Mebibytes, |run| run.server?.sockets.map(|sockets| as_f64(sockets.bytes_after))),
    ("  each connection, idle", Unit::Kibibytes, |run| run.server?.sockets.map(|sockets| sockets.bytes_each)),
    ("  each connection, after", Unit::Kibibytes, |run| run.server?.sockets.map(|sockets| sockets.bytes_each_after)),
    ("others' processor time", Unit::Seconds, |run| {
        (!run.others.is_empty()).then(|| run.others.values().map(|other| other.processor_seconds).sum())
    }),
    ("load's processor time", Unit::Seconds, |run| run.client.map(|client| client.processor_seconds)),
    ("  each", Unit::Micros, |run| run.client.map(|client| client.processor_us_each)),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn study(columns: &[&[f64]]) -> String {
        let run = |seconds: &f64| Report { mode: "idle", seconds: *seconds, ..Report::default() };
        let series = |seconds: &&[f64]| Series { runs: seconds.iter().map(run).collect() };
        Study { series: columns.iter().map(series).collect() }.to_table()
    }

    #[test]
    fn a_number_that_was_not_measured_has_no_row() {
        let table = study(&[&[1.5]]);
        let rows: Vec<_> = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(rows, ["connections 0", "seconds 1.500 s"]);
    }

    #[test]
    fn each_series_has_a_column_and_several_runs_a_spread() {
        let table = study(&[&[1.5], &[3.0, 1.0, 2.0]]);
        let seconds: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(seconds.join(" "), "seconds 1.500 s 2.000 s (1.000 .. 3.000)");
        let lengths: Vec<_> = table.lines().map(str::len).collect();
        assert_eq!(lengths[0], lengths[1]);
    }
}
