//! The reasons why our server misses a bar, as far as the measurements show them. Pure.

use super::bars::{Against, BARS, Bar, Term, Verdict};
use super::contestants::{FLOOR, OURS};
use super::results::Results;
use crate::figures::{Figure, digits};

/// A line for each missed bar; empty when all are met.
pub(super) fn list(results: &Results) -> String {
    let judged = BARS.iter().filter_map(|bar| Some((bar, bar.judge(results)?)));
    let missed = judged.filter(|(_, verdict)| !verdict.is_met);
    let lines: String =
        missed.map(|(bar, verdict)| format!("- {}: {}\n", bar.text, obstacle(bar, &verdict, results))).collect();
    if lines.is_empty() { lines } else { format!("\nWhat stands in the way of what is missed:\n\n{lines}") }
}

/// One or two sentences about a missed bar.
fn obstacle(bar: &Bar, verdict: &Verdict, results: &Results) -> String {
    if let Some(floor) = verdict.floor.filter(|floor| *floor > bar.most) {
        return beyond_the_floor(bar, floor, results);
    }
    let found = match bar.ours.figure {
        Figure::Cost | Figure::PerBroadcast => kernels_part(bar, verdict, results),
        Figure::P50 | Figure::P99 => waiting(bar, verdict, results),
        _ => None,
    };
    found.unwrap_or_else(|| "These figures do not say.".to_owned()) + &in_the_best_case(bar, results)
}

fn beyond_the_floor(bar: &Bar, floor: f64, results: &Results) -> String {
    let share = results.spread(bar.ours.measure, FLOOR, Figure::KernelShare);
    let share =
        share.map_or_else(String::new, |share| format!(", {} % of which is the kernel's", digits(share.median)));
    format!(
        "The floor itself would be at {} ×{share}: no server that makes a system call for each can be at {} ×.",
        digits(floor),
        bar.most
    )
}

/// The kernel's part of the cost, and the rest that the bar leaves for our server.
fn kernels_part(bar: &Bar, verdict: &Verdict, results: &Results) -> Option<String> {
    let share = results.spread(bar.ours.measure, OURS, Figure::KernelShare)?.median / 100.0;
    let kernel = verdict.ours * share;
    let start = format!(
        "{} of our {} µs are the kernel's, {} the server's own.",
        digits(kernel),
        digits(verdict.ours),
        digits(verdict.ours - kernel)
    );
    let Some(other) = verdict.other else { return Some(start) };
    let left = bar.most * other - kernel;
    Some(match left > 0.0 {
        true => format!("{start} To meet it, at most {} µs may be.", digits(left)),
        false => format!(
            "{start} The kernel's part alone is at {} ×: a server that took nothing would miss it.",
            digits(kernel / other)
        ),
    })
}

/// The last receiver waits for the writes to all others; most of that time is the kernel's.
fn waiting(bar: &Bar, verdict: &Verdict, results: &Results) -> Option<String> {
    let Against::Other(other) = &bar.against else { return None };
    let cost = |term: &Term| Term { figure: Figure::Cost, ..*term }.value(results);
    let (ours, theirs) = (cost(&bar.ours)?, cost(other)?);
    let share = results.spread(bar.ours.measure, OURS, Figure::KernelShare)?.median;
    let without_us = verdict.ours / verdict.other? * share / 100.0;
    Some(format!(
        "It follows the cost of a delivery, which is {} to {} µs, {} ×: the last receiver waits for the writes to all others. \
         Of ours, {} % is the kernel's: a server that took nothing besides would be at {} ×.",
        digits(ours),
        digits(theirs),
        digits(ours / theirs),
        digits(share),
        digits(without_us)
    ))
}

/// The ratio of the least values: a shared machine is seldom quiet throughout.
fn in_the_best_case(bar: &Bar, results: &Results) -> String {
    let Against::Other(other) = &bar.against else { return String::new() };
    let least = |term: &Term| {
        let spreads = term.whom.iter().filter_map(|who| results.spread(term.measure, who, term.figure));
        spreads.map(|spread| spread.least).min_by(f64::total_cmp)
    };
    let ratio = least(&bar.ours).zip(least(other)).map(|(ours, theirs)| ours / theirs);
    ratio.map_or_else(String::new, |ratio| format!(" The least of each: {} ×.", digits(ratio)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::build::Faults;
    use super::super::contestants::{CONTESTANTS, GO_25};
    use super::super::measures::MEASURES;
    use super::*;

    /// Each with its processor time and the kernel's part of it, in microseconds, and its p99 in milliseconds.
    fn results(measure: &str, runs: &[(&str, f64, f64, f64)]) -> Results {
        let mut results = Results::begin(json!({}), &Faults::new());
        let measure = MEASURES.iter().find(|known| known.name == measure).unwrap();
        for (name, cost, kernel, p99) in runs {
            let who = CONTESTANTS.iter().find(|who| who.name == *name).unwrap();
            let server = json!({ "processor_us_each": cost, "processor_seconds": cost, "kernel_seconds": kernel });
            let report = json!({ "server": server, "latency_us": { "p99": p99 * 1e3 } });
            results.add(measure, who, 0, json!({ "report": report }));
        }
        results
    }

    fn said(text: &str, results: &Results) -> String {
        let bar = BARS.iter().find(|bar| bar.text == text).unwrap();
        obstacle(bar, &bar.judge(results).unwrap(), results)
    }

    #[test]
    fn what_the_floor_itself_could_not_meet_is_said_to_be_beyond_anyone() {
        let runs = [(OURS, 8.0, 6.0, 1.0), (FLOOR, 6.5, 6.0, 1.0), (GO_25[1], 10.0, 7.0, 3.0)];
        let said = said("ask: cost, to neffos for Go 0.0.25", &results("ask", &runs));
        assert!(said.contains("The floor itself would be at 0.65 ×, 92.3 % of which is the kernel's"), "{said}");
    }

    #[test]
    fn what_the_kernel_leaves_for_us_is_told() {
        let of = |kernel| {
            said(
                "paced, 5,000 receivers, to the floor",
                &results("paced-5000", &[(OURS, 8.0, kernel, 1.0), (FLOOR, 5.0, 4.9, 1.0)]),
            )
        };
        let own = of(5.5);
        assert!(
            own.contains(
                "5.50 of our 8.00 µs are the kernel's, 2.50 the server's own. To meet it, at most 0.50 µs may be."
            ),
            "{own}"
        );
        assert!(of(7.0).contains("The kernel's part alone is at 1.40 ×"));
        assert!(own.ends_with("The least of each: 1.60 ×."), "{own}");
    }

    #[test]
    fn who_is_late_is_told_what_it_waits_for() {
        let said = said(
            "paced, 5,000 receivers: p99, to the floor's",
            &results("paced-5000", &[(OURS, 8.0, 7.0, 60.0), (FLOOR, 5.0, 5.0, 40.0)]),
        );
        assert!(said.contains("8.00 to 5.00 µs, 1.60 ×"), "{said}");
        assert!(
            said.contains("Of ours, 87.5 % is the kernel's: a server that took nothing besides would be at 1.31 ×.")
        );
    }
}
