//! The bars for the measurements, and whether they are met.

use super::contestants::{CENTRIFUGO, FLOOR, FLOOR_16, GO_25, HUB, OURS, SOCKUDO};
use super::results::Results;
use crate::figures::Figure;

/// One bar. It is shown, never enforced: a time depends on the machine.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) text: &'static str,
    pub(super) ours: Term,
    pub(super) against: Against,
    pub(super) most: f64,
}

/// A median, or the best one of several contestants.
#[derive(Debug)]
pub(super) struct Term {
    pub(super) measure: &'static str,
    pub(super) whom: &'static [&'static str],
    pub(super) figure: Figure,
}

#[derive(Debug)]
pub(super) enum Against {
    Other(Term),
    /// A plain number, in the unit of the figure.
    Nothing,
}

/// The result of a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Verdict {
    pub(super) ours: f64,
    pub(super) other: Option<f64>,
    /// The ratio of our figure to the other one, or our figure if there is no other.
    pub(super) value: f64,
    /// The same ratio for the floor, if the other is not a floor itself. A server that writes to each socket cannot be
    /// below this ratio.
    pub(super) floor: Option<f64>,
    pub(super) is_met: bool,
}

impl Bar {
    /// Returns `None` if a figure that it needs was not measured.
    pub(super) fn judge(&self, results: &Results) -> Option<Verdict> {
        let ours = self.ours.value(results)?;
        let other = match &self.against {
            Against::Other(term) => Some(term.value(results)?),
            Against::Nothing => None,
        };
        let value = other.map_or(ours, |other| ours / other);
        Some(Verdict { ours, other, value, floor: self.floor(results), is_met: value <= self.most })
    }

    fn floor(&self, results: &Results) -> Option<f64> {
        let Against::Other(other) = &self.against else { return None };
        let floor = Term { measure: self.ours.measure, whom: &[FLOOR], figure: self.ours.figure };
        let is_of_interest = other.measure == floor.measure && other.whom != floor.whom;
        is_of_interest.then(|| Some(floor.value(results)? / other.value(results)?)).flatten()
    }

    /// Returns the unit of the numbers.
    pub(super) fn unit(&self) -> &'static str {
        self.ours.figure.title()
    }

    /// Whether `Verdict::value` is a ratio.
    pub(super) fn is_ratio(&self) -> bool {
        matches!(self.against, Against::Other(_))
    }
}

impl Term {
    pub(super) fn value(&self, results: &Results) -> Option<f64> {
        let medians = self.whom.iter().filter_map(|who| results.spread(self.measure, who, self.figure));
        medians.map(|spread| spread.median).min_by(f64::total_cmp)
    }
}

/// Compares our server in `measure` with the best of `whom`.
const fn against(
    text: &'static str,
    measure: &'static str,
    figure: Figure,
    whom: &'static [&'static str],
    most: f64,
) -> Bar {
    let other = Term { measure, whom, figure };
    Bar { text, ours: ours(measure, figure), against: Against::Other(other), most }
}

/// Compares the program `neffos` in `measure` with the best of `whom`.
const fn hub_against(
    text: &'static str,
    measure: &'static str,
    figure: Figure,
    whom: &'static [&'static str],
    most: f64,
) -> Bar {
    Bar { ours: Term { measure, whom: &[HUB], figure }, ..against(text, measure, figure, whom, most) }
}

/// Compares our server in `measure` with itself in another measure.
const fn growth(text: &'static str, [measure, other]: [&'static str; 2], figure: Figure, most: f64) -> Bar {
    Bar { text, ours: ours(measure, figure), against: Against::Other(ours(other, figure)), most }
}

/// Compares our server with a number.
const fn absolute(text: &'static str, measure: &'static str, figure: Figure, most: f64) -> Bar {
    Bar { text, ours: ours(measure, figure), against: Against::Nothing, most }
}

const fn ours(measure: &'static str, figure: Figure) -> Term {
    Term { measure, whom: &[OURS], figure }
}

use Figure::{Cost, MemoryAfter, MemoryEach, P99, PerBroadcast};

pub(super) const BARS: [Bar; 32] = [
    against("burst, 100 receivers: cost of a delivery, to the 16-message floor", "burst-100", Cost, &[FLOOR_16], 1.0),
    against("burst, 1,000 receivers, to the 16-message floor", "burst-1000-long", Cost, &[FLOOR_16], 1.0),
    against("burst, 5,000 receivers, to the 16-message floor", "burst-5000", Cost, &[FLOOR_16], 1.0),
    against("burst, 1,000 receivers, to neffos for Go 0.0.25", "burst-1000", Cost, &GO_25, 0.1),
    against("burst, 1,000 receivers, to socketioxide", "burst-1000", Cost, &["socketioxide"], 0.25),
    against("burst, 1,000 receivers, to Sockudo", "burst-1000", Cost, &[SOCKUDO], 1.0),
    growth(
        "burst, 1,000 receivers, while two clients join and leave: cost, to without them",
        ["burst-1000-churn", "burst-1000-long"],
        Cost,
        1.2,
    ),
    against("paced, 100 receivers: cost of a delivery, to the floor", "paced-100", Cost, &[FLOOR], 1.25),
    against("paced, 1,000 receivers, to the floor", "paced-1000", Cost, &[FLOOR], 1.2),
    against("paced, 5,000 receivers, to the floor", "paced-5000", Cost, &[FLOOR], 1.2),
    against("paced, 1,000 receivers: p99, to the floor's", "paced-1000", P99, &[FLOOR], 1.3),
    against("paced, 5,000 receivers: p99, to the floor's", "paced-5000", P99, &[FLOOR], 1.3),
    against("paced, 1,000 receivers: cost, to neffos for Go 0.0.25", "paced-1000", Cost, &GO_25, 0.4),
    against("paced, 1,000 receivers: p99, to neffos for Go 0.0.25", "paced-1000", P99, &GO_25, 0.5),
    against("paced, 1,000 receivers: cost, to Sockudo", "paced-1000", Cost, &[SOCKUDO], 1.0),
    growth("room of 10 among 5,000: cost, to the room alone", ["room-5000", "room-alone"], PerBroadcast, 1.3),
    growth("room of 10 among 10,000: cost, to the room alone", ["room-10000", "room-alone"], PerBroadcast, 1.3),
    against("room of 10 among 5,000: cost, to neffos for Go 0.0.25", "room-5000", PerBroadcast, &GO_25, 0.02),
    against("room of 10 among 10,000: cost, to neffos for Go 0.0.25", "room-10000", PerBroadcast, &GO_25, 0.02),
    absolute("memory of an idle connection, in a namespace and a room", "idle", MemoryEach, 2.0),
    absolute("memory of a connection, quiet after a burst of 1,000 messages", "afterwards", MemoryAfter, 3.0),
    against("connect, ack, namespace: cost, to neffos for Go 0.0.25", "connect", Cost, &GO_25, 0.6),
    against("ask: cost, to neffos for Go 0.0.25", "ask", Cost, &GO_25, 0.6),
    against("ask: p99, to neffos for Go 0.0.25", "ask", P99, &GO_25, 1.0),
    hub_against(
        "HTTP API, 1 receiver: cost of a message, to Centrifugo",
        "publish-1",
        PerBroadcast,
        &[CENTRIFUGO],
        1.0,
    ),
    hub_against(
        "HTTP API, 1,000 receivers: cost of a message, to Centrifugo",
        "publish-1000",
        PerBroadcast,
        &[CENTRIFUGO],
        1.0,
    ),
    growth("one reader in 1,000 stuck: the others' p99, to without it", ["stuck", "paced-1000"], P99, 1.2),
    growth("growth: burst, 10,000 receivers to 1,000", ["burst-10000", "burst-1000"], Cost, 1.5),
    growth("growth: paced, 10,000 receivers to 1,000", ["paced-10000", "paced-1000"], Cost, 1.5),
    absolute("memory of each of 19,000 connections", "crowd-19000", MemoryEach, 2.0),
    growth("memory of each of 19,000, to that of 2,000", ["crowd-19000", "crowd-2000"], MemoryEach, 1.15),
    growth("cost of a delivery to 19,000, to that to 2,000", ["crowd-19000", "crowd-2000"], Cost, 1.15),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::build::Faults;
    use super::super::contestants::CONTESTANTS;
    use super::super::measures::MEASURES;
    use super::*;

    fn results(costs: &[(&str, f64)]) -> Results {
        let mut results = Results::begin(json!({}), &Faults::new());
        let measure = MEASURES.iter().find(|measure| measure.name == "burst-1000").unwrap();
        for (name, cost) in costs {
            let who = CONTESTANTS.iter().find(|who| who.name == *name).unwrap();
            results.add(measure, who, 0, json!({ "report": { "server": { "processor_us_each": cost } } }));
        }
        results
    }

    #[test]
    fn ours_is_compared_with_the_best_of_the_others() {
        let bar = against("", "burst-1000", Cost, &GO_25, 0.1);
        let verdict = bar.judge(&results(&[(OURS, 1.0), (GO_25[0], 20.0), (GO_25[1], 5.0)])).unwrap();
        assert_eq!((verdict.ours, verdict.other, verdict.value), (1.0, Some(5.0), 0.2));
        assert!(!verdict.is_met);
        assert_eq!(verdict.floor, None);
        assert_eq!(bar.judge(&results(&[(OURS, 1.0)])), None);
    }

    #[test]
    fn the_ratio_of_the_floor_is_shown_if_others_are_the_reference() {
        let results = results(&[(OURS, 2.0), (FLOOR, 1.5), (GO_25[0], 3.0)]);
        assert_eq!(against("", "burst-1000", Cost, &GO_25, 0.4).judge(&results).unwrap().floor, Some(0.5));
        assert_eq!(against("", "burst-1000", Cost, &[FLOOR], 1.2).judge(&results).unwrap().floor, None);
    }

    #[test]
    fn every_bar_uses_measured_figures() {
        let named = |bar: &'static Bar| match &bar.against {
            Against::Other(other) => vec![&bar.ours, other],
            Against::Nothing => vec![&bar.ours],
        };
        for term in BARS.iter().flat_map(named) {
            let measure = MEASURES.iter().find(|measure| measure.name == term.measure).unwrap();
            let has_part = |name: &str| CONTESTANTS.iter().any(|who| who.name == name && measure.is_for(who));
            assert!(term.whom.iter().any(|name| has_part(name)), "{term:?}");
            assert!(measure.figures.contains(&term.figure), "{term:?}");
        }
    }
}
