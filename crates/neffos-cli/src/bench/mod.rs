//! `neffos bench`: measures a server from outside.
//!
//! - `options.rs`: the arguments; `target.rs`: the server to measure.
//! - `broadcast.rs`, `ask.rs`, `crowd.rs`: the modes; `ground.rs`: their common parts.
//! - `sender.rs`: the sender; `poster.rs`: its HTTP requests; `churn.rs`: clients that join and leave rooms meanwhile.
//! - `fleet.rs`: thousands of connections on one thread; `talk/`: the dialects that they speak; `stream.rs`: its
//!   socket; `wire.rs`: the bytes; `clock.rs`: the time; `room.rs`: the addresses and file descriptors of this machine.
//! - `ledger.rs`: the account of all deliveries; `timeline.rs`: the latency over time; `meter/`: the server's usage.
//! - `progress.rs`: the progress line; `report/`: the results, for people and for programs; `html/`: the page with
//!   plots.

mod ask;
mod broadcast;
mod churn;
mod clock;
mod crowd;
mod fleet;
mod ground;
mod html;
mod ledger;
mod meter;
mod options;
mod poster;
mod progress;
mod report;
mod room;
mod sender;
mod stream;
mod talk;
mod target;
mod timeline;
pub(crate) mod wire;

use std::io::Write;
use std::path::Path;

use ground::Ground;
use html::Plots;
use meter::{Meter, Others};
pub(crate) use options::BenchArgs;
use options::{Common, Mode};
use report::{Series, Study};

use crate::failure::Failure;

/// Measures the server, and prints the results. Fails if a delivery was lost, doubled or out of order.
pub(crate) fn start(args: &BenchArgs) -> Result<(), Failure> {
    let common = args.mode.common();
    let target = target::target(&args.mode).map_err(Failure::config)?;
    let meter = Meter::new(common).map_err(Failure::config)?;
    let senders = target::senders_target(&args.mode).map_err(Failure::config)?;
    let others = Others::new(&common.also).map_err(Failure::config)?;
    let mut ground = Ground::new(common, target, meter, others).map_err(Failure::run)?;
    ground.senders = senders;
    let (study, plots) = measure(ground, &args.mode).map_err(Failure::run)?;
    print(&study, common);
    draw(&study, &plots, common).map_err(Failure::run)?;
    match study.is_clean() {
        true => Ok(()),
        false => Err(Failure::run("not everything that was sent came once and in order, to connections that stayed")),
    }
}

/// Measures each number of receivers as often as requested. Returns the results, and the data of the plots.
fn measure(mut ground: Ground, mode: &Mode) -> Result<(Study, Vec<Plots>), String> {
    let (mut study, mut plots) = (Study { series: Vec::new() }, Vec::new());
    let columns = match mode {
        Mode::Broadcast(args) => args.receivers.clone(),
        Mode::Ask(_) | Mode::Connect(_) | Mode::Idle(_) => vec![0],
    };
    for receivers in columns {
        let (mut series, mut pictures) = (Series { runs: Vec::new() }, Plots::default());
        for nth in 0..mode.common().repeat.get() {
            if nth > 0 || !study.series.is_empty() {
                ground.leave()?;
            }
            let (run, picture) = match mode {
                Mode::Broadcast(args) => broadcast::run(&mut ground, args, receivers),
                Mode::Ask(args) => ask::run(&mut ground, args),
                Mode::Connect(args) => crowd::churn(&mut ground, args),
                Mode::Idle(args) => crowd::hold(&mut ground, args),
            }?;
            series.runs.push(run);
            pictures = pictures.and(picture);
        }
        study.series.push(series);
        plots.push(pictures);
    }
    Ok((study, plots))
}

/// Writes the page and the separate pictures, if requested.
fn draw(study: &Study, plots: &[Plots], common: &Common) -> Result<(), String> {
    let pictures = html::pictures(study, plots);
    let write =
        |path: &Path, text: &str| std::fs::write(path, text).map_err(|err| format!("{}: {err}", path.display()));
    if let Some(path) = &common.html {
        let command = std::env::args().collect::<Vec<_>>().join(" ");
        write(path, &html::page(study, &pictures, &command))?;
    }
    let Some(folder) = &common.svg else { return Ok(()) };
    pictures.iter().try_for_each(|picture| write(&folder.join(format!("{}.svg", picture.name)), &picture.svg))
}

fn print(study: &Study, common: &Common) {
    let text = if common.json { study.to_json() + "\n" } else { study.to_table() };
    // If stdout is closed, there is no reader to report an error to.
    std::io::stdout().write_all(text.as_bytes()).ok();
}
