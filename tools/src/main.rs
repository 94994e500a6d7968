//! The project's measuring tools: `cargo tools help` lists them.
//!
//! - `bench/`: our server and others; `scaling/`: the load and the resources of a cluster, from a model
//! - `broker/`: a Redis or a NATS for measurements; `host.rs`: the machine of the measurements
//! - `costs.rs`: the measured costs, which `bench` writes and `scaling` reads
//! - `figures.rs`: the figures of a run; `plot.rs`: pictures of them

#![expect(clippy::print_stdout, reason = "a program for a terminal: printing is its work")]

mod bench;
mod broker;
mod costs;
mod figures;
mod host;
mod plot;
mod scaling;

use std::process::ExitCode;

use xtask::steps::Steps;
use xtask::workspace::Workspace;
use xtask::{Result, run_program};

fn main() -> ExitCode {
    run_program(HELP, run)
}

fn run(workspace: &Workspace, arguments: &[&str]) -> Result {
    match arguments {
        ["bench", arguments @ ..] => bench::run(&mut Steps::default(), workspace, arguments),
        ["scaling", arguments @ ..] => scaling::run(arguments),
        unknown => Err(format!("no such command: {}\n\n{HELP}", unknown.join(" ")).into()),
    }
}

const HELP: &str = "\
cargo tools bench      builds our server and others, measures all, and writes docs/benchmarks.md: about an hour
                       --repeat N          so often instead of five times
                       --only NAME,…       only these servers, these measures; the page goes below target/
                       --brief             only ours and the floor, once, in debug builds: shows that it works
                       --page              measures nothing, and writes the page anew from the last whole run
                       --against COMMIT    our servers only, of this commit and of another: the figures of both, and their ratios
cargo tools scaling    what a cluster does and takes, from what was measured: --servers N --connections N --rooms N --room-size N --rate N
                       --page              writes the tables of docs/scaling.md anew; so does a whole `bench`
                       --measure           measures what Redis and NATS cost, and servers that share them
cargo tools help       prints this";
