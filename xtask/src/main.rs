//! The project's own commands: `cargo xtask help` lists them.

#![expect(clippy::print_stdout, reason = "a program for a terminal: printing is its work")]

mod autobahn;
mod autobahn_client;
mod book;
mod brokers;
mod ci;
mod docs;
mod fuzz;
mod layers;
mod python;
mod subcommands;
mod test;

use std::process::ExitCode;

use xtask::steps::Steps;
use xtask::workspace::Workspace;
use xtask::{Result, go, run_program};

fn main() -> ExitCode {
    run_program(HELP, run)
}

fn run(workspace: &Workspace, arguments: &[&str]) -> Result {
    let mut steps = Steps::default();
    match arguments {
        ["test"] => test::run(&mut steps, workspace)?,
        ["ci"] => ci::run(&mut steps, workspace)?,
        ["ci", "--long"] => ci::run_long(&mut steps, workspace)?,
        ["fuzz"] => fuzz::run(&mut steps, workspace, fuzz::LONG)?,
        ["fuzz", "--brief"] => fuzz::run(&mut steps, workspace, fuzz::BRIEF)?,
        ["go"] => go::run(&mut steps, workspace)?,
        ["client"] => test::build_client(&mut steps)?,
        ["book"] => book::build(&mut steps, workspace)?,
        ["layers"] => return layers::check(workspace),
        ["docs"] => return docs::check(workspace),
        ["autobahn"] => {
            return autobahn::check(workspace, autobahn::Extent::All).and_then(|()| autobahn_client::check(workspace));
        }
        ["autobahn", "--accept"] => {
            return autobahn::accept(workspace).and_then(|()| autobahn_client::accept(workspace));
        }
        unknown => return Err(format!("no such command: {}\n\n{HELP}", unknown.join(" ")).into()),
    }
    steps.print_times();
    Ok(())
}

const HELP: &str = "\
cargo xtask test       installs what the tests need and lacks (chromium, brokers, proxies, Go, npm packages), then runs them all
cargo xtask ci         `test`, and before it format, layers, spelling and lints; after it docs, the book, benches, `bench` and Autobahn in brief, cargo-deny, and whether fuzzers compile
cargo xtask ci --long  `ci`, and what takes long or needs more: all of Autobahn, the coverage of the docs, advisories, each feature alone, the packed crates, miri, fuzzing
cargo xtask fuzz       looks for bytes that break a promise: five minutes for each program of `fuzz`, with --brief seconds
cargo xtask go         builds the servers in Go, and holds the Go client up against `scenario`
cargo xtask client     builds clients/js/neffos.js from clients/js/src, and minifies it for servers; `test` checks that it was done
cargo xtask book       builds the book from `docs` into `book`: open book/index.html
cargo xtask layers     checks that the modules of crates/neffos depend one way, that pure files stay pure, and that no file is too long
cargo xtask docs       checks that all public items of the libraries have documentation, and 60 of 100 functions an example
cargo xtask autobahn   runs all of Autobahn's cases against `scenario` and `client`; `--accept` writes down how they end as expected
cargo xtask help       prints this, and `cargo tools help` how to measure";
