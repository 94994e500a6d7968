//! The report as a self-contained HTML page, with the table and the plots. Pure.
//!
//! - `mod.rs`: the page and the list of plots; `plot.rs`: one plot; `axis.rs`: its axes.

mod axis;
mod plot;

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::report::Study;
use super::timeline::{Point, Timeline};
use axis::{Axis, Scale};
use plot::{Line, Mark, Plot};

/// The plotted data of a series.
#[derive(Debug, Default)]
pub(super) struct Plots {
    /// The timeline of the last run.
    pub(super) timeline: Timeline,
    /// The latencies of all runs.
    pub(super) latency: Option<Histogram<u64>>,
}

impl Plots {
    /// Adds one more run.
    pub(super) fn and(self, next: Self) -> Self {
        let latency = match (self.latency, next.latency) {
            (Some(mut sum), Some(latency)) => {
                // All histograms have the same bounds, so adding cannot fail.
                sum.add(latency).ok();
                Some(sum)
            }
            (sum, latency) => sum.or(latency),
        };
        Self { timeline: next.timeline, latency }
    }
}

/// One picture, which is also written as a separate file.
#[derive(Debug)]
pub(super) struct Picture {
    /// The file name without extension.
    pub(super) name: String,
    pub(super) svg: String,
}

pub(super) fn page(study: &Study, pictures: &[Picture], command: &str) -> String {
    let mode = study.series.first().and_then(|series| series.runs.first()).map_or("", |run| run.mode);
    let mut page = String::from(HEAD);
    // Writing to a string cannot fail.
    write!(page, "<h1>neffos bench {mode}</h1>\n<p><code>{}</code></p>\n", escape(command)).ok();
    writeln!(page, "<pre>{}</pre>", escape(&study.to_table())).ok();
    for picture in pictures {
        writeln!(page, "<figure>{}</figure>", picture.svg).ok();
    }
    page + "</main>\n"
}

/// Draws all plots that have data: the growth first, and then the latencies of each series.
pub(super) fn pictures(study: &Study, plots: &[Plots]) -> Vec<Picture> {
    let mut pictures = Vec::new();
    let mut add = |name: String, plot: Option<Plot>| {
        pictures.extend(plot.map(|plot| Picture { name, svg: plot.draw() }));
    };
    add("growth".to_owned(), growth(study));
    for (series, plots) in study.series.iter().zip(plots) {
        let receivers = series.runs.first().and_then(|run| run.receivers).filter(|_| study.series.len() > 1);
        let (suffix, whom) = match receivers {
            None => (String::new(), String::new()),
            Some(count) => (format!("-{count}"), format!(", {count} receivers")),
        };
        add(format!("over-time{suffix}"), over_time(&plots.timeline.points(), &whom));
        add(format!("latency{suffix}"), plots.latency.as_ref().and_then(|latency| distribution(latency, &whom)));
    }
    pictures
}

/// Plots the server's cost of a delivery for each number of receivers.
fn growth(study: &Study) -> Option<Plot> {
    let place = |series: &super::report::Series| {
        let receivers = series.runs.first()?.receivers?;
        let spread = series.spread(|run| run.server.map(|server| server.processor_us_each))?;
        Some((to_f64(receivers as u64), spread))
    };
    let mut places: Vec<_> = study.series.iter().filter_map(place).collect();
    places.sort_by(|(left, _), (right, _)| left.total_cmp(right));
    let (first, last, most) = (places.first()?.0, places.last()?.0, places.iter().map(|(_, spread)| spread.most));
    if first >= last {
        return None;
    }
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
    Some(Plot {
        title: "Server processor time per delivery".to_owned(),
        x: Axis::new("receivers", Scale::Log, first, last),
        y: Axis::new("microseconds", Scale::Linear, 0.0, most),
        lines: vec![Line {
            name: String::new(),
            class: "first",
            points: places.iter().map(|(x, spread)| (*x, spread.median)).collect(),
        }],
        whiskers: places.iter().map(|(x, spread)| (*x, spread.least, spread.most)).collect(),
        ..Plot::default()
    })
}

fn over_time(points: &[Point], whom: &str) -> Option<Plot> {
    let (first, last) = (points.first()?, points.last()?);
    if first.seconds >= last.seconds {
        return None;
    }
    let worst = points.iter().map(|point| point.worst_us).fold(f64::MIN_POSITIVE, f64::max);
    let line = |name: &str, class, value: fn(&Point) -> f64| Line {
        name: name.to_owned(),
        class,
        points: points.iter().map(|point| (point.seconds, value(point) / 1e3)).collect(),
    };
    Some(Plot {
        title: format!("Latency over time{whom}"),
        x: Axis::new("seconds", Scale::Linear, 0.0, last.seconds),
        y: Axis::new("milliseconds", Scale::Linear, 0.0, worst / 1e3),
        lines: vec![line("worst", "second", |point| point.worst_us), line("mean", "first", |point| point.mean_us)],
        ..Plot::default()
    })
}

/// Plots the distribution of the latency, in steps of a tenth, with marks at the quantiles.
fn distribution(latency: &Histogram<u64>, whom: &str) -> Option<Plot> {
    let (least, most) = (latency.min().max(1), latency.max());
    if latency.is_empty() || least >= most {
        return None;
    }
    let mut bars = Vec::new();
    let mut lower = least;
    while lower <= most {
        let upper = lower + lower / STEP + 1;
        bars.push((millis(lower), millis(upper), to_f64(latency.count_between(lower, upper - 1))));
        lower = upper;
    }
    let highest = bars.iter().map(|bar| bar.2).fold(1.0, f64::max);
    let end = bars.last().map_or(millis(most), |bar| bar.1);
    let mark = |(name, quantile)| Mark { name, x: millis(latency.value_at_quantile(quantile)) };
    Some(Plot {
        title: format!("How many were how late{whom}"),
        x: Axis::new("milliseconds", Scale::Log, millis(least), end),
        // The space above the bars is for the names of the quantiles.
        y: Axis::new("deliveries or answers", Scale::Linear, 0.0, highest * 1.2),
        bars,
        marks: [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)].map(mark).into(),
        ..Plot::default()
    })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn millis(nanos: u64) -> f64 {
    to_f64(nanos) / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
fn to_f64(number: u64) -> f64 {
    number as f64
}

const STEP: u64 = 10;
const HEAD: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>neffos bench</title>
<style>
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
  body { margin: 0; background: #fff; color: #1f2430; }
  main { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.4rem; margin: 0; }
  code { color: #5b6270; overflow-wrap: anywhere; }
  pre { overflow-x: auto; padding: 1rem; border-radius: 6px; background: #f4f5f7; font-size: 13px; line-height: 1.45; }
  figure { margin: 2rem 0; }
  figure svg { width: 100%; height: auto; display: block; }
  @media (prefers-color-scheme: dark) {
    body { background: #14161a; color: #e4e6ea; }
    code { color: #9aa1ad; }
    pre { background: #1d2026; }
  }
</style>
<main>
"#;

#[cfg(test)]
mod tests {
    use super::super::meter::Memory;
    use super::super::report::{Report, Series, Server};
    use super::*;

    fn series(receivers: usize, each: f64) -> Series {
        let server = Server {
            processor_seconds: 1.0,
            kernel_seconds: None,
            processor_us_each: each,
            memory: Memory::Resident,
            memory_bytes: 0,
            memory_peak_bytes: None,
            memory_bytes_each: 0.0,
            memory_bytes_each_after: 0.0,
            sockets: None,
        };
        let run = Report { mode: "broadcast", receivers: Some(receivers), server: Some(server), ..Report::default() };
        Series { runs: vec![run] }
    }

    fn plots() -> Plots {
        let mut plots = Plots::default();
        let mut latency = Histogram::new_with_bounds(1_000, 60_000_000_000, 3).unwrap();
        for nth in 1..100_u64 {
            plots.timeline.note(nth * 20_000_000, nth * 10_000);
            latency.record(nth * 10_000).unwrap();
        }
        plots.latency = Some(latency);
        plots
    }

    #[test]
    fn measurements_are_drawn_and_the_command_is_escaped() {
        let study = Study { series: vec![series(10, 1.0), series(100, 2.0)] };
        let pictures = pictures(&study, &[plots(), Plots::default().and(plots())]);
        let names: Vec<_> = pictures.iter().map(|picture| picture.name.as_str()).collect();
        assert_eq!(names, ["growth", "over-time-10", "latency-10", "over-time-100", "latency-100"]);
        assert_eq!(pictures[1].svg.matches("<polyline").count(), 2);
        assert!(pictures[2].svg.matches("<rect").count() > 20);
        let page = page(&study, &pictures, "neffos bench broadcast <script>");
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
        assert_eq!(page.matches("<figure>").count(), 5);
    }

    #[test]
    fn nothing_is_drawn_without_a_measurement() {
        let study = Study { series: vec![Series { runs: vec![Report::default()] }] };
        assert!(pictures(&study, &[Plots::default()]).is_empty());
    }

    #[test]
    fn runs_that_are_repeated_are_drawn_as_one() {
        let latency = plots().and(plots()).latency.unwrap();
        assert_eq!(latency.len(), 198);
    }
}
