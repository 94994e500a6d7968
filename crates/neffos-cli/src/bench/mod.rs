//! `neffos bench`: measures a server from outside.
//!
//! - `options.rs`: what is measured, and how much of it; `target.rs`: where.
//! - `broadcast.rs`, `ask.rs`, `crowd.rs`: the modes; `sender.rs`: who broadcasts.
//! - `fleet.rs`: thousands of connections on one thread; `talk/`: what one of them says, and in which dialect;
//!   `wire.rs`: the bytes; `clock.rs`: the time.
//! - `ledger.rs`: what became of every delivery; `timeline.rs`: how latency went; `process.rs`: what the server took.
//! - `report.rs`: all of that, for people and for machines; `html.rs`: with plots.

mod ask;
mod broadcast;
mod clock;
mod crowd;
mod fleet;
mod html;
mod ledger;
mod options;
mod process;
mod report;
mod sender;
mod talk;
mod target;
mod timeline;
mod wire;

use std::io::Write;

pub(crate) use options::BenchArgs;
use options::{Common, Mode};
use report::Report;

use crate::failure::Failure;

/// Measures, and prints what was found. Fails when something was lost that was promised.
pub(crate) fn start(args: &BenchArgs) -> Result<(), Failure> {
    let common = args.mode.common();
    let (address, script) = target::target(&args.mode).map_err(Failure::config)?;
    let measured = match &args.mode {
        Mode::Broadcast(args) => broadcast::run(args, address, &script),
        Mode::Ask(args) => ask::run(args, address, &script),
        Mode::Connect(args) => crowd::churn(args, address, &script),
        Mode::Idle(args) => crowd::hold(args, address, &script),
    };
    let (report, plots) = measured.map_err(Failure::run)?;
    print(&report, common);
    if let Some(path) = &common.html {
        let command = std::env::args().collect::<Vec<_>>().join(" ");
        let written = std::fs::write(path, html::page(&report, &plots, &command));
        written.map_err(|err| Failure::run(format!("{}: {err}", path.display())))?;
    }
    match report.deliveries.is_none_or(|sums| sums.is_clean()) {
        true => Ok(()),
        false => Err(Failure::run("not everything that was sent came once, and in order")),
    }
}

fn print(report: &Report, common: &Common) {
    let text = if common.json { report.to_json() + "\n" } else { report.to_table() };
    // Whoever closed stdout does not want to know.
    std::io::stdout().write_all(text.as_bytes()).ok();
}
