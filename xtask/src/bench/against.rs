//! Ours of this commit beside ours of another, in the same run: whether anything has become dearer.
//!
//! In each repetition both servers are measured one after the other, in an order that turns, by the same `neffos bench`. A
//! ratio is that of two neighbours in time, so that what the machine does meanwhile hits both; the table shows the median of
//! the ratios, and how far they spread.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::build::{Faults, profile};
use super::contestants::{CONTESTANTS, Contestant};
use super::figures::{Figure, Spread, digits};
use super::measures::Measure;
use super::options::{Extent, Options};
use super::results::{Results, summary};
use super::run::Stand;
use crate::Result;
use crate::steps::{Steps, command, output};
use crate::workspace::Workspace;

/// Builds both, measures both, and writes the table.
///
/// # Errors
/// When there is no such commit, it cannot be built, or one of the servers lost a message or did not come up.
pub(super) fn run(
    steps: &mut Steps,
    workspace: &Workspace,
    stand: &Stand<'_>,
    options: &Options,
    facts: &Value,
) -> Result {
    let commit = options.against.as_deref().unwrap_or("HEAD");
    let there = stand.with_servers(build(steps, workspace, options.extent, commit)?);
    let mut pair = Pair::begin(facts);
    for measure in options.measures() {
        let ours: Vec<_> = options.contestants().into_iter().filter(|who| measure.is_for(who)).collect();
        if !ours.is_empty() {
            steps.run(measure.name, || pair.take([stand, &there], measure, &ours, options.repeat))?;
            pair.save(workspace)?;
        }
    }
    let table = format!("# This commit beside {commit}\n\n{}", pair.table());
    let page = folder(workspace).with_extension("md");
    fs::write(&page, &table)?;
    println!("\n{table}\nsee {}", page.display());
    pair.here.faults_of_ours()?;
    pair.there.faults_of_ours()
}

/// Makes the programs of the other commit, from a work tree of its own; returns the folder that they are in.
fn build(steps: &mut Steps, workspace: &Workspace, extent: Extent, commit: &str) -> Result<PathBuf> {
    let folder = folder(workspace);
    let (source, target) = (folder.join("source"), folder.join("build"));
    let whole = output(command("git rev-parse --verify --quiet").arg(format!("{commit}^{{commit}}")));
    let whole = whole.map_err(|_| format!("--against: there is no commit {commit}"))?;
    // The folder may have been removed without git's knowledge.
    steps.command(&mut command("git worktree prune"))?;
    if source.exists() {
        let mut git = command("git checkout --quiet --detach");
        steps.command(git.arg(whole.trim()).current_dir(&source))?;
    } else {
        steps.command(command("git worktree add --quiet --detach").arg(&source).arg(whole.trim()))?;
    }
    let mut cargo = command("cargo build --locked -p neffos-cli -p fixture --bin neffos --bin load");
    if extent != Extent::Brief {
        cargo.arg("--release");
    }
    steps.command(cargo.arg("--manifest-path").arg(source.join("Cargo.toml")).arg("--target-dir").arg(&target))?;
    Ok(target.join(profile(extent)))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("bench/against")
}

/// What both came to.
#[derive(Debug)]
struct Pair {
    here: Results,
    there: Results,
}

impl Pair {
    fn begin(facts: &Value) -> Self {
        let begin = || Results::begin(facts.clone(), &Faults::new());
        Self { here: begin(), there: begin() }
    }

    fn take(&mut self, stands: [&Stand<'_>; 2], measure: &Measure, ours: &[Contestant], repeat: usize) -> Result {
        for repetition in 0..repeat {
            ours.iter().for_each(|who| self.take_both(stands, measure, who, repetition));
        }
        Ok(())
    }

    fn take_both(&mut self, [here, there]: [&Stand<'_>; 2], measure: &Measure, who: &Contestant, repetition: usize) {
        let mut turn = [("here", here, &mut self.here), ("there", there, &mut self.there)];
        if repetition % 2 == 1 {
            turn.reverse();
        }
        for (place, stand, results) in turn {
            let outcome = stand.measure(measure, who);
            println!("{repetition} {place:<5} {:<10} {}", who.name, summary(&outcome));
            results.add(measure, who, repetition, outcome);
        }
    }

    fn save(&self, workspace: &Workspace) -> Result {
        let both = json!({ "here": self.here.to_json(), "there": self.there.to_json() });
        Ok(fs::write(folder(workspace).with_extension("json"), format!("{both:#}\n"))?)
    }

    /// Every figure that both have and of which less is better.
    fn table(&self) -> String {
        let comparisons: Vec<_> = self.comparisons().collect();
        let mut table = "| measure | | here | there | here to there | dearer by more than 5 % | |\n\
                         | --- | --- | ---: | ---: | ---: | ---: | --- |\n"
            .to_owned();
        for comparison in &comparisons {
            // Writing to a string cannot fail.
            writeln!(table, "{}", comparison.row()).ok();
        }
        let dearer: Vec<_> = comparisons.iter().filter(|comparison| comparison.is_dearer()).collect();
        write!(table, "\n{} of {} figures are dearer by more than 5 %.\n", dearer.len(), comparisons.len()).ok();
        table
    }

    fn comparisons(&self) -> impl Iterator<Item = Comparison> {
        let measures = super::measures::BRIEF.iter().chain(&super::measures::MEASURES);
        let mut named = Vec::new();
        let measures = measures.filter(|measure| {
            let is_new = self.here.has(measure.name) && !named.contains(&measure.name);
            named.push(measure.name);
            is_new
        });
        let measures: Vec<_> = measures.collect();
        let ours = CONTESTANTS.iter().filter(|who| who.is_ours());
        ours.flat_map(move |who| measures.clone().into_iter().map(move |measure| (measure, who))).flat_map(
            |(measure, who)| {
                let figures = measure.figures.iter().filter(|figure| figure.is_cost());
                figures.filter_map(|figure| Comparison::of(self, measure.name, who, *figure)).collect::<Vec<_>>()
            },
        )
    }
}

/// One figure of both.
#[derive(Debug)]
struct Comparison {
    measure: &'static str,
    title: &'static str,
    figure: Figure,
    here: Spread,
    there: Spread,
    ratios: Vec<f64>,
}

impl Comparison {
    /// None when one of them has no such figure, as when it could not do what was measured.
    fn of(pair: &Pair, measure: &'static str, who: &Contestant, figure: Figure) -> Option<Self> {
        let value = |results: &Results, repetition| results.value(measure, who.name, figure, repetition);
        let ratio = |repetition| Some(value(&pair.here, repetition)? / value(&pair.there, repetition)?);
        let ratios: Vec<_> = (0..pair.here.repetitions()).filter_map(ratio).filter(|ratio| ratio.is_finite()).collect();
        let here = pair.here.spread(measure, who.name, figure)?;
        let there = pair.there.spread(measure, who.name, figure)?;
        (!ratios.is_empty()).then_some(Self { measure, title: who.title, figure, here, there, ratios })
    }

    fn is_dearer(&self) -> bool {
        Spread::of(self.ratios.clone()).is_some_and(|spread| spread.median > MOST)
    }

    fn row(&self) -> String {
        let Self { measure, title, figure, here, there, ratios } = self;
        let ratio = Spread::of(ratios.clone()).map_or_else(String::new, |Spread { median, least, most }| {
            format!("**{median:.3} ×** ({least:.3}–{most:.3})")
        });
        let often = ratios.iter().filter(|ratio| **ratio > MOST).count();
        let verdict = if self.is_dearer() { "**dearer**" } else { "" };
        let (here, there) = (digits(here.median), digits(there.median));
        let (title, figure, all) = (title.replace("**", ""), figure.title(), ratios.len());
        format!("| `{measure}`, {title} | {figure} | {here} | {there} | {ratio} | {often} of {all} | {verdict} |")
    }
}

/// What still counts as the same.
const MOST: f64 = 1.05;

#[cfg(test)]
mod tests {
    use super::super::contestants::OURS;
    use super::super::measures::MEASURES;
    use super::*;

    /// Costs of both in each repetition.
    fn pair(costs: &[(f64, f64)]) -> Pair {
        let mut pair = Pair::begin(&json!({}));
        let measure = MEASURES.iter().find(|measure| measure.name == "burst-1000").unwrap();
        let who = CONTESTANTS.iter().find(|who| who.name == OURS).unwrap();
        for (nth, (here, there)) in costs.iter().enumerate() {
            let run = |cost| json!({ "report": { "seconds": 1.0, "server": { "processor_us_each": cost } } });
            pair.here.add(measure, who, nth, run(here));
            pair.there.add(measure, who, nth, run(there));
        }
        pair
    }

    #[test]
    fn neighbours_in_time_are_held_against_each_other() {
        // The machine was twice as slow in the second repetition: both were.
        let table = pair(&[(1.0, 1.0), (2.2, 2.0), (1.02, 1.0)]).table();
        assert!(table.contains("| 1.02 | 1.00 | **1.020 ×** (1.000–1.100) | 1 of 3 |  |"), "{table}");
        assert!(table.contains("0 of 1 figures"), "{table}");
    }

    #[test]
    fn what_is_dearer_most_of_the_time_is_named() {
        let table = pair(&[(1.1, 1.0), (1.2, 1.0), (0.9, 1.0)]).table();
        assert!(table.contains("2 of 3 | **dearer** |") && table.contains("1 of 1 figures are dearer"), "{table}");
    }

    #[test]
    fn what_only_one_of_them_has_is_left_out() {
        let mut pair = pair(&[(1.0, 1.0)]);
        pair.there = Results::begin(json!({}), &Faults::new());
        assert!(pair.table().ends_with("0 of 0 figures are dearer by more than 5 %.\n"));
    }
}
