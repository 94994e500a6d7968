//! The report as a page that needs nothing else: the table, latency over time, and how often which latency was seen. Pure.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::report::Report;
use super::timeline::{Point, Timeline};

/// What is plotted.
#[derive(Debug, Default)]
pub(super) struct Plots {
    pub(super) timeline: Timeline,
    pub(super) latency: Option<Histogram<u64>>,
}

pub(super) fn page(report: &Report, plots: &Plots, command: &str) -> String {
    let mut page = String::from(HEAD);
    // Writing to a string cannot fail.
    write!(page, "<h1>neffos bench {}</h1><p><code>{}</code></p>", report.mode, escape(command)).ok();
    write!(page, "<pre>{}</pre>", escape(&report.to_table())).ok();
    let points = plots.timeline.points();
    if points.len() > 1 {
        page += &figure("Latency over time: mean and worst of each 0.1 s, in milliseconds", &over_time(&points));
    }
    if let Some(latency) = plots.latency.as_ref().filter(|latency| !latency.is_empty()) {
        page += &figure("How many deliveries were how late: 20 steps for each power of ten", &distribution(latency));
    }
    page + "</main>"
}

fn figure(caption: &str, picture: &str) -> String {
    format!("<figure><figcaption>{caption}</figcaption>{picture}</figure>")
}

fn over_time(points: &[Point]) -> String {
    let end = points.last().map_or(1.0, |point| point.seconds).max(0.1);
    let worst = points.iter().map(|point| point.worst_us).fold(1.0, f64::max);
    let line = |value: fn(&Point) -> f64| {
        let at = |point: &Point| {
            format!("{:.1},{:.1}", LEFT + point.seconds / end * WIDTH, TOP + HEIGHT - value(point) / worst * HEIGHT)
        };
        points.iter().map(at).collect::<Vec<_>>().join(" ")
    };
    let lines = format!(
        r#"<polyline class="worst" points="{}"/><polyline class="mean" points="{}"/>"#,
        line(|point| point.worst_us),
        line(|point| point.mean_us),
    );
    axes(&format!("{:.2} ms", worst / 1e3), "0 s", &format!("{end:.1} s")) + &lines + "</svg>"
}

fn distribution(latency: &Histogram<u64>) -> String {
    let mut bars: Vec<(u64, u64)> = Vec::new();
    let mut upper = latency.min().max(1);
    while upper < latency.max() {
        let lower = upper;
        upper = upper + upper / STEP + 1;
        bars.push((upper, latency.count_between(lower, upper - 1)));
    }
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let width = WIDTH / to_f64(bars.len().max(1) as u64);
    let rectangles: String = (0_u64..)
        .zip(&bars)
        .map(|(nth, (_, count))| {
            let height = to_f64(*count) / to_f64(most) * HEIGHT;
            let (x, y) = (LEFT + to_f64(nth) * width, TOP + HEIGHT - height);
            format!(r#"<rect x="{x:.1}" y="{y:.1}" width="{:.1}" height="{height:.1}"/>"#, (width - 0.5).max(0.5))
        })
        .collect();
    let millis = |nanos| format!("{:.3} ms", to_f64(nanos) / 1e6);
    axes(&most.to_string(), &millis(latency.min()), &millis(latency.max())) + &rectangles + "</svg>"
}

fn axes(top: &str, left: &str, right: &str) -> String {
    let (bottom, end) = (TOP + HEIGHT, LEFT + WIDTH);
    format!(
        r#"<svg viewBox="0 0 {} {}" role="img"><path d="M{LEFT} {TOP}V{bottom}H{end}"/>
<text x="{}" y="{}" text-anchor="end">{top}</text><text x="{LEFT}" y="{}">{left}</text>
<text x="{end}" y="{}" text-anchor="end">{right}</text>"#,
        end + 10.0,
        bottom + 25.0,
        LEFT - 6.0,
        TOP + 10.0,
        bottom + 18.0,
        bottom + 18.0,
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
fn to_f64(number: u64) -> f64 {
    number as f64
}

const LEFT: f64 = 90.0;
const TOP: f64 = 10.0;
const WIDTH: f64 = 700.0;
const HEIGHT: f64 = 220.0;
/// A step is an eighth of the value: about twenty to a power of ten.
const STEP: u64 = 8;
const HEAD: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>neffos bench</title>
<style>
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
  main { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
  figure { margin: 2rem 0; }
  svg { width: 100%; font-size: 12px; }
  svg text { fill: currentColor; }
  svg path, svg polyline { fill: none; stroke: currentColor; stroke-width: 1.5; }
  svg .worst { stroke: #d9480f; }
  svg .mean { stroke: #1971c2; }
  svg rect { fill: #1971c2; }
  pre { overflow-x: auto; }
</style>
<main>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_drawn_and_what_was_typed_is_escaped() {
        let mut plots = Plots::default();
        let mut latency = Histogram::new_with_bounds(1_000, 60_000_000_000, 3).unwrap();
        for nth in 1..100_u64 {
            plots.timeline.note(nth * 20_000_000, nth * 10_000);
            latency.record(nth * 10_000).unwrap();
        }
        plots.latency = Some(latency);
        let page = page(&Report { mode: "ask", ..Report::default() }, &plots, "neffos bench ask <script>");
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
        assert_eq!(page.matches("<polyline").count(), 2);
        assert!(page.matches("<rect").count() > 20);
    }

    #[test]
    fn nothing_measured_is_nothing_drawn() {
        assert!(!page(&Report::default(), &Plots::default(), "").contains("<svg"));
    }
}
