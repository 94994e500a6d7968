//! The reasons why our server misses a bar, as far as the measurements show them. Pure.

use super::bars::{Against, BARS, Bar, Term, Verdict};
use super::contestants::{FLOOR, OURS};
use super::results::Results;
use crate::figures::{Figure, digits};

/// Returns a line for each missed bar, or an empty text if all are met.
pub(super) fn list(results: &Results) -> String {
    let judged = BARS.iter().filter_map(|bar| Some((bar, bar.judge(results)?)));
    let missed = judged.filter(|(_, verdict)| !verdict.is_met);
    let lines: String =
        missed.map(|(bar, verdict)| format!("- {}: {}\n", bar.text, obstacle(bar, &verdict, results))).collect();
    if lines.is_empty() { lines } else { format!("\nThe cost that remains in each missed target:\n\n{lines}") }
}

/// Returns one or two sentences about a missed bar.
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

/// Returns the kernel's part of the cost, and the rest that the bar leaves for our server.
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

/// The last receiver waits for the writes to all others, and most of that time is the kernel's.
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

/// Returns the ratio of the least values, because a shared machine is seldom quiet throughout.
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

    /// Returns results of contestants: each with its processor time and the kernel's part of it in microseconds, and
    /// its p99 in milliseconds.
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
    fn a_bar_that_the_floor_misses_is_out_of_reach() {
        let runs = [(OURS, 8.0, 6.0, 1.0), (FLOOR, 6.5, 6.0, 1.0), (GO_25[1], 10.0, 7.0, 3.0)];
        let said = said("ask: cost, to neffos for Go 0.0.25", &results("ask", &runs));
        assert!(said.contains("The floor itself would be at 0.65 ×, 92.3 % of which is the kernel's"), "{said}");
    }

    #[test]
    fn the_part_that_the_kernel_leaves_is_shown() {
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
    fn the_wait_of_a_late_receiver_is_explained() {
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
