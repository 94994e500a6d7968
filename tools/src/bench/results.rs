//! All measurements, and the file in which they are saved.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use xtask::Result;
use xtask::steps::read;

use super::build::Faults;
use super::contestants::{CONTESTANTS, Contestant};
use super::measures::Measure;
use crate::figures::{Figure, Spread, digits};

#[derive(Debug)]
pub(super) struct Results {
    facts: Value,
    /// The reasons why contestants were left out.
    faults: Value,
    runs: Vec<Value>,
}

/// Deliveries that were lost, doubled or out of order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    pub(super) expected: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) out_of_order: u64,
}

impl Results {
    pub(super) fn begin(facts: Value, faults: &Faults) -> Self {
        Self { facts, faults: json!(faults), runs: Vec::new() }
    }

    /// # Errors
    /// If there is no such file, or it has other content.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let mut all: Value = serde_json::from_str(&read(path)?)?;
        let Value::Array(runs) = all["runs"].take() else { return Err("there are no runs in the results".into()) };
        Ok(Self { facts: all["facts"].take(), faults: all["faults"].take(), runs })
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "facts": self.facts, "faults": self.faults, "runs": self.runs })
    }

    /// # Errors
    /// If the file cannot be written.
    pub(super) fn save(&self, path: &Path) -> Result {
        Ok(fs::write(path, format!("{:#}\n", self.to_json()))?)
    }

    pub(super) fn add(&mut self, measure: &Measure, who: &Contestant, repetition: usize, outcome: Value) {
        let mut run = outcome;
        run["measure"] = measure.name.into();
        run["contestant"] = who.name.into();
        run["repetition"] = repetition.into();
        self.runs.push(run);
    }

    pub(super) fn fact(&self, name: &str) -> &Value {
        &self.facts[name]
    }

    /// Returns how often each was measured.
    pub(super) fn repetitions(&self) -> u64 {
        self.runs.iter().filter_map(|run| run["repetition"].as_u64()).max().map_or(0, |last| last + 1)
    }

    pub(super) fn has(&self, measure: &str) -> bool {
        self.runs.iter().any(|run| run["measure"] == measure)
    }

    pub(super) fn spread(&self, measure: &str, who: &str, figure: Figure) -> Option<Spread> {
        Spread::of(self.runs_of(measure, who).filter_map(|run| figure.of(run)).collect())
    }

    /// Returns the figure of one repetition.
    pub(super) fn value(&self, measure: &str, who: &str, figure: Figure, repetition: u64) -> Option<f64> {
        self.runs_of(measure, who).find(|run| run["repetition"] == repetition).and_then(|run| figure.of(run))
    }

    /// Returns the losses of all repetitions together.
    pub(super) fn losses(&self, measure: &str, who: &str) -> Losses {
        let sum = |name: &str| {
            let counts = self.runs_of(measure, who).map(|run| &run["report"]["deliveries"][name]);
            counts.filter_map(Value::as_u64).sum()
        };
        let [expected, lost, doubled, out_of_order] = ["expected", "lost", "doubled", "out_of_order"].map(sum);
        Losses { expected, lost, doubled, out_of_order }
    }

    /// Returns the reason why there is no figure, or why some are missing.
    pub(super) fn fault(&self, measure: &str, who: &str) -> Option<&str> {
        let mut faults = self.runs_of(measure, who).filter_map(|run| run["fault"].as_str());
        faults.next().or_else(|| self.faults[who].as_str())
    }

    /// Returns the command line of `neffos bench` in one run.
    pub(super) fn command(&self, measure: &str, who: &str) -> Option<&str> {
        self.runs_of(measure, who).find_map(|run| run["command"].as_str())
    }

    /// # Errors
    /// If one of our servers did not start, lost a message, or delivered one twice or out of order.
    pub(super) fn faults_of_ours(&self) -> Result {
        CONTESTANTS.iter().filter(|who| who.is_ours()).try_for_each(|who| self.faults_of(who.name))
    }

    /// # Errors
    /// If `who` did not start, or lost a message, or delivered one twice or out of order. The text names each.
    fn faults_of(&self, who: &str) -> Result {
        let mut measures: Vec<_> = self.runs.iter().filter_map(|run| run["measure"].as_str()).collect();
        measures.dedup();
        let mut faults = Vec::new();
        for measure in measures {
            let losses = self.losses(measure, who);
            if losses != (Losses { expected: losses.expected, ..Losses::default() }) {
                faults.push(format!("{who}, {measure}: {losses:?}"));
            }
            if let Some(fault) = self.fault(measure, who).filter(|fault| !fault.starts_with("skipped")) {
                faults.push(format!("{who}, {measure}: {fault}"));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
    }

    fn runs_of(&self, measure: &str, who: &str) -> impl Iterator<Item = &Value> {
        self.runs.iter().filter(move |run| run["measure"] == measure && run["contestant"] == who)
    }
}

/// Describes one run in a line, for the terminal.
pub(super) fn summary(run: &Value) -> String {
    if let Some(fault) = run["fault"].as_str() {
        return fault.to_owned();
    }
    let figures = [Figure::Cost, Figure::P99, Figure::MemoryEach, Figure::Rate];
    let known =
        figures.into_iter().filter_map(|figure| Some(format!("{} {}", digits(figure.of(run)?), figure.title())));
    let lost = run["report"]["deliveries"]["lost"].as_u64().filter(|lost| *lost > 0);
    known.chain(lost.map(|lost| format!("{lost} lost"))).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::super::contestants::CONTESTANTS;
    use super::super::measures::MEASURES;
    use super::*;

    fn results(outcomes: &[Value]) -> Results {
        let mut results = Results::begin(json!({}), &Faults::from([("axum", "could not be built".to_owned())]));
        for (nth, outcome) in outcomes.iter().enumerate() {
            results.add(&MEASURES[0], &CONTESTANTS[0], nth, outcome.clone());
        }
        results
    }

    fn delivered(lost: u64) -> Value {
        json!({ "report": { "deliveries": { "expected": 10, "received": 10 - lost, "lost": lost }, "server": { "processor_us_each": 2.5 } } })
    }

    #[test]
    fn repetitions_are_combined() {
        let results = results(&[delivered(0), delivered(3)]);
        let (measure, who) = (MEASURES[0].name, CONTESTANTS[0].name);
        assert_eq!(results.repetitions(), 2);
        assert_eq!(results.spread(measure, who, Figure::Cost).unwrap().median, 2.5);
        assert_eq!(results.losses(measure, who), Losses { expected: 20, lost: 3, ..Losses::default() });
        assert_eq!(results.fault(measure, "axum"), Some("could not be built"));
        assert_eq!(results.spread(measure, "axum", Figure::Cost), None);
    }

    #[test]
    fn a_loss_or_a_failed_start_is_a_fault() {
        let who = CONTESTANTS[0].name;
        assert!(results(&[delivered(0)]).faults_of(who).is_ok());
        assert!(results(&[delivered(1)]).faults_of(who).unwrap_err().to_string().contains("lost: 1"));
        assert!(results(&[json!({ "fault": "gone" })]).faults_of(who).is_err());
        assert!(results(&[json!({ "fault": "skipped: too few files" })]).faults_of(who).is_ok());
    }
}
