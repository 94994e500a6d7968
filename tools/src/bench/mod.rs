//! `cargo tools bench`: measures our server and others with `neffos bench`, and writes the page.
//!
//! - `options.rs`: the extent; `contestants.rs`: the servers; `measures.rs`: the measures.
//! - `build.rs`: builds the programs; `foreign.rs`: configures those of others; `certificate.rs`: for TLS.
//! - `run.rs`: one measurement, `cluster.rs`: one between servers, `crowd.rs`: without sockets.
//! - `against.rs`: compares this commit with another.
//! - `facts.rs`: the machine and the versions of a run.
//! - `results.rs`: all measurements, as a file; `bars.rs`: the bars they must meet; `obstacles.rs`: reasons for missed bars.
//! - `page.rs`, `text.rs`: the page and its texts; `place.rs`: the files of a run.

mod against;
mod bars;
mod build;
mod certificate;
mod cluster;
mod contestants;
mod crowd;
mod facts;
mod foreign;
mod measures;
mod obstacles;
mod options;
mod page;
mod place;
mod results;
mod run;
mod text;

use contestants::Contestant;
use measures::{Measure, together};
use options::{Extent, Options};
use place::Place;
use results::Results;
use run::Stand;
use serde_json::json;
use xtask::Result;
use xtask::steps::Steps;
use xtask::workspace::Workspace;

use crate::figures::Figure;
use crate::{costs, scaling};

/// Builds, measures and writes the page, according to `arguments`.
///
/// # Errors
/// If an argument is unknown, or our own programs cannot be built. Also, after everything is written, if our server did
/// not start or lost a message.
pub(crate) fn run(steps: &mut Steps, workspace: &Workspace, arguments: &[&str]) -> Result {
    let options = Options::parse(arguments)?;
    let place = Place::of(workspace, &options);
    std::fs::create_dir_all(&place.logs)?;
    if options.extent == Extent::PageOnly {
        return page::write(&Results::load(&place.results)?, &place);
    }
    let contestants = options.contestants();
    let faults = build::all(steps, workspace, &options, &contestants)?;
    let stand = Stand::new(workspace, &options, &place);
    let facts = facts::of(&stand, arguments)?;
    if options.against.is_some() {
        return against::run(steps, workspace, &stand, &options, &facts);
    }
    let mut results = Results::begin(facts, &faults);
    let present: Vec<_> = contestants.iter().copied().filter(|who| !faults.contains_key(who.name)).collect();
    for measures in together(&options.measures()) {
        let name = measures.iter().map(|measure| measure.name).collect::<Vec<_>>().join(", ");
        steps.run(&name, || take(&stand, measures, &present, options.repeat, &mut results))?;
        results.save(&place.results)?;
    }
    if options.is_whole() {
        steps.run("in memory", || crowd::measure(workspace, options.extent, &place))?;
    }
    page::write(&results, &place)?;
    if options.is_whole() {
        note_costs(&results)?;
        scaling::write_page()?;
    }
    println!("\nsee {}", place.page.display());
    results.faults_of_ours()
}

/// Saves the costs that the model of a cluster needs.
fn note_costs(results: &Results) -> Result {
    let ours = |measure, figure| results.spread(measure, contestants::OURS, figure).map(|spread| spread.median);
    let both_ends = ours("crowd-19000", Figure::KernelEach);
    let facts = ["commit", "date", "processor"].map(|name| (name, results.fact(name).clone()));
    let numbers = [
        ("delivery_us", ours("paced-1000", Figure::Cost)),
        ("burst_us", ours("burst-1000-long", Figure::Cost)),
        ("ask_us", ours("ask", Figure::Cost)),
        ("connect_us", ours("connect", Figure::Cost)),
        ("memory_kib", ours("idle", Figure::MemoryEach)),
        ("kernel_kib", both_ends.map(|kib| kib / 2.0)),
    ];
    let numbers = numbers.map(|(name, number)| (name, json!(number)));
    let found = facts.into_iter().chain(numbers).map(|(name, value)| (name.to_owned(), value)).collect();
    costs::note("node", &found)
}

/// Measures every contestant once in each repetition. The order rotates, so that other load on the machine affects all
/// equally.
fn take(
    stand: &Stand<'_>,
    measures: &[&Measure],
    present: &[Contestant],
    repeat: usize,
    results: &mut Results,
) -> Result {
    let parts =
        |measure| present.iter().filter(move |who| Measure::is_for(measure, who)).map(move |who| (measure, who));
    let mut turn: Vec<_> = measures.iter().copied().flat_map(parts).collect();
    for repetition in 0..repeat {
        for (measure, who) in &turn {
            let outcome = stand.measure(measure, who);
            println!("{repetition} {:<14} {}", who.name, results::summary(&outcome));
            results.add(measure, who, repetition, outcome);
        }
        if !turn.is_empty() {
            turn.rotate_left(1);
        }
    }
    Ok(())
}
