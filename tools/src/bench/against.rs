//! Compares the servers of this commit with those of another commit, in the same run: is any figure worse?
//!
//! Each repetition measures both servers, one after the other, in alternating order, with the same `neffos bench`. A
//! ratio compares two consecutive measurements, so that other load on the machine affects both. The table shows the
//! median of the ratios, the least and the most.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use xtask::Result;
use xtask::steps::{Steps, command, output};
use xtask::workspace::Workspace;

use super::build::{Faults, own, profile};
use super::contestants::{CONTESTANTS, Contestant};
use super::crowd::{self, CROWDS};
use super::measures::Measure;
use super::options::{Extent, Options};
use super::results::{Results, summary};
use super::run::Stand;
use crate::figures::{Figure, Spread, digits};

/// Builds both, measures both, and writes the table.
///
/// # Errors
/// If there is no such commit, it cannot be built, or a server of this commit lost a message or did not start.
pub(super) fn run(
    steps: &mut Steps,
    workspace: &Workspace,
    stand: &Stand<'_>,
    options: &Options,
    facts: &Value,
) -> Result {
    let commit = options.against.as_deref().unwrap_or("HEAD");
    let programs = build(steps, workspace, options.extent, commit)?;
    let there = stand.with_servers(programs.clone());
    let mut pair = Pair::begin(facts);
    for measure in options.measures() {
        let ours: Vec<_> = options.contestants().into_iter().filter(|who| measure.is_for(who)).collect();
        if !ours.is_empty() {
            steps.run(measure.name, || pair.take([stand, &there], measure, &ours, options.repeat))?;
            pair.save(workspace)?;
        }
    }
    let mut comparisons = pair.comparisons(&options.measures());
    if options.takes_all() && options.extent != Extent::Brief {
        let folders = [own(workspace, options.extent), programs];
        steps.run("in memory", || {
            comparisons.extend(in_memory(&folders, options.repeat)?);
            Ok(())
        })?;
    }
    let table = format!("# This commit beside {commit}\n\n{}", table(&comparisons));
    let page = folder(workspace).with_extension("md");
    fs::write(&page, &table)?;
    println!("\n{table}\nsee {}", page.display());
    if let Err(faults) = pair.there.faults_of_ours() {
        println!("\nfaults of {commit}: {faults}");
    }
    pair.here.faults_of_ours()
}

/// Builds the programs of the other commit in a separate work tree. Returns their folder.
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
    let mut cargo = command("cargo build --locked -p neffos-cli -p fixture --bin neffos --bin load --bin crowd");
    if extent != Extent::Brief {
        cargo.arg("--release");
    }
    steps.command(cargo.arg("--manifest-path").arg(source.join("Cargo.toml")).arg("--target-dir").arg(&target))?;
    Ok(target.join(profile(extent)))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("bench/against")
}

/// The results of both commits.
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

    /// Returns every figure of `measures` that both have, and that can be worse.
    fn comparisons(&self, measures: &[&Measure]) -> Vec<Comparison> {
        let ours = CONTESTANTS.iter().filter(|who| who.is_ours());
        let parts = ours.flat_map(|who| measures.iter().map(move |measure| (measure, who)));
        let figures =
            parts.flat_map(|(measure, who)| measure.figures.iter().map(move |figure| (measure, who, *figure)));
        figures.filter_map(|(measure, who, figure)| self.compare(measure, who, figure)).collect()
    }

    /// Compares one figure in all repetitions that both have.
    fn compare(&self, measure: &Measure, who: &Contestant, figure: Figure) -> Option<Comparison> {
        let value = |results: &Results, repetition| results.value(measure.name, who.name, figure, repetition);
        let pair = |repetition| Some((value(&self.here, repetition)?, value(&self.there, repetition)?));
        let pairs = (0..self.here.repetitions()).filter_map(pair).collect();
        let title = format!("`{}`, {}", measure.name, who.title.replace("**", ""));
        Comparison::of(title, figure.title().to_owned(), pairs, |here, there| figure.ratio(here, there))
    }
}

/// Runs one crowd without sockets as often as everything else. Returns its costs by their names.
fn in_memory(folders: &[PathBuf; 2], repeat: usize) -> Result<Vec<Comparison>> {
    let mut runs = [Vec::new(), Vec::new()];
    for repetition in 0..repeat {
        for side in if repetition % 2 == 0 { [0, 1] } else { [1, 0] } {
            runs[side].push(serde_json::from_str(&crowd::run(&folders[side], CROWDS[0])?)?);
        }
    }
    Ok(costs_of_crowds(&runs))
}

fn costs_of_crowds([here, there]: &[Vec<Value>; 2]) -> Vec<Comparison> {
    let names = here.first().and_then(Value::as_object).into_iter().flat_map(|fields| fields.keys());
    let costs = names.filter(|name| name.starts_with("cpu_") || name.starts_with("memory_"));
    let compare = |name: &String| {
        let pairs =
            here.iter().zip(there).filter_map(|(here, there)| Some((here[name].as_f64()?, there[name].as_f64()?)));
        let title = format!("{} members in memory", CROWDS[0]);
        Comparison::of(title, name.replace('_', " "), pairs.collect(), |here, there| Figure::Cost.ratio(here, there))
    };
    costs.filter_map(compare).collect()
}

/// Returns all comparisons as a table, and the number of worse figures.
fn table(comparisons: &[Comparison]) -> String {
    let mut table = "| measure | | here | there | here to there | worse by more than 5 % | |\n\
                     | --- | --- | ---: | ---: | ---: | ---: | --- |\n"
        .to_owned();
    for comparison in comparisons {
        // Writing to a string cannot fail.
        writeln!(table, "{}", comparison.row()).ok();
    }
    let worse = comparisons.iter().filter(|comparison| comparison.is_worse()).count();
    write!(table, "\n{worse} of {} figures are worse by more than 5 %.\n", comparisons.len()).ok();
    table
}

/// One figure of both commits.
#[derive(Debug)]
struct Comparison {
    title: String,
    unit: String,
    here: Spread,
    there: Spread,
    /// Above 1 if it is worse here.
    ratios: Spread,
    /// How many ratios there are, and how many of them are above [`MOST`].
    count: usize,
    worse: usize,
}

impl Comparison {
    /// Returns `None` if there is nothing to compare.
    fn of(
        title: String,
        unit: String,
        pairs: Vec<(f64, f64)>,
        ratio: impl Fn(f64, f64) -> Option<f64>,
    ) -> Option<Self> {
        let ratios: Vec<_> = pairs.iter().filter_map(|(here, there)| ratio(*here, *there)).collect();
        let (count, worse) = (ratios.len(), ratios.iter().filter(|ratio| **ratio > MOST).count());
        let (here, there) = pairs.into_iter().unzip();
        let (here, there) = (Spread::of(here)?, Spread::of(there)?);
        Some(Self { title, unit, here, there, ratios: Spread::of(ratios)?, count, worse })
    }

    fn is_worse(&self) -> bool {
        self.ratios.median > MOST
    }

    fn row(&self) -> String {
        let Self { title, unit, here, there, ratios, count, worse } = self;
        let Spread { median, least, most } = ratios;
        let (here, there) = (digits(here.median), digits(there.median));
        let mark = if self.is_worse() { "**worse**" } else { "" };
        format!(
            "| {title} | {unit} | {here} | {there} | **{median:.3} ×** ({least:.3}–{most:.3}) | {worse} of {count} | {mark} |"
        )
    }
}

/// Up to this ratio, two figures count as equal.
const MOST: f64 = 1.05;

#[cfg(test)]
mod tests {
    use super::super::contestants::OURS;
    use super::super::measures::MEASURES;
    use super::*;

    /// Returns a pair with these costs in each repetition.
    fn pair(costs: &[(f64, f64)]) -> Pair {
        let mut pair = Pair::begin(&json!({}));
        let measure = MEASURES.iter().find(|measure| measure.name == "burst-1000").unwrap();
        let who = CONTESTANTS.iter().find(|who| who.name == OURS).unwrap();
        for (nth, (here, there)) in costs.iter().enumerate() {
            let run =
                |cost| json!({ "report": { "messages": 10, "seconds": 1.0, "server": { "processor_us_each": cost } } });
            pair.here.add(measure, who, nth, run(here));
            pair.there.add(measure, who, nth, run(there));
        }
        pair
    }

    fn table_of(pair: &Pair) -> String {
        table(&pair.comparisons(&MEASURES.iter().collect::<Vec<_>>()))
    }

    #[test]
    fn costs_in_memory_are_compared_by_their_names() {
        let run = |cost: f64| vec![json!({ "cpu_us_per_delivery_all": cost, "seconds": 1.0 })];
        let table = table(&costs_of_crowds(&[run(1.0), run(2.0)]));
        assert!(
            table.contains("| 100000 members in memory | cpu us per delivery all | 1.00 | 2.00 | **0.500 ×**"),
            "{table}"
        );
        assert!(table.ends_with("0 of 1 figures are worse by more than 5 %.\n"), "{table}");
    }

    #[test]
    fn consecutive_measurements_are_compared() {
        // The machine was half as fast in the second repetition, for both commits.
        let table = table_of(&pair(&[(1.0, 1.0), (2.2, 2.0), (1.02, 1.0)]));
        assert!(table.contains("| 1.02 | 1.00 | **1.020 ×** (1.000–1.100) | 1 of 3 |  |"), "{table}");
        assert!(table.contains("0 of 2 figures"), "{table}");
    }

    #[test]
    fn a_figure_that_is_worse_most_of_the_time_is_marked() {
        let table = table_of(&pair(&[(1.1, 1.0), (1.2, 1.0), (0.9, 1.0)]));
        assert!(table.contains("2 of 3 | **worse** |") && table.contains("1 of 2 figures are worse"), "{table}");
    }

    #[test]
    fn figures_of_only_one_commit_are_left_out() {
        let mut pair = pair(&[(1.0, 1.0)]);
        pair.there = Results::begin(json!({}), &Faults::new());
        assert!(table_of(&pair).ends_with("0 of 0 figures are worse by more than 5 %.\n"));
    }
}
