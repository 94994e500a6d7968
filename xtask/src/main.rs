//! The project's own commands: `cargo xtask help` lists them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal: printing is its work")]

mod autobahn;
mod autobahn_client;
mod background;
mod bench;
mod brokers;
mod ci;
mod fuzz;
mod go;
mod layers;
mod machine;
mod python;
mod scaling;
mod steps;
mod test;
mod tools;
mod workspace;

use std::error::Error;
use std::process::ExitCode;

use steps::Steps;
use workspace::Workspace;

/// Every fault ends the run, so its text is all that matters.
type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("\n{fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result {
    if let [] | ["help" | "--help" | "-h"] = arguments {
        println!("{HELP}");
        return Ok(());
    }
    let workspace = Workspace::enter()?;
    let mut steps = Steps::default();
    match arguments {
        ["test"] => test::run(&mut steps, &workspace)?,
        ["ci"] => ci::run(&mut steps, &workspace)?,
        ["ci", "--long"] => ci::run_long(&mut steps, &workspace)?,
        ["fuzz"] => fuzz::run(&mut steps, &workspace, fuzz::LONG)?,
        ["fuzz", "--brief"] => fuzz::run(&mut steps, &workspace, fuzz::BRIEF)?,
        ["go"] => go::run(&mut steps, &workspace)?,
        ["bench", arguments @ ..] => return bench::run(&mut steps, &workspace, arguments),
        ["scaling", arguments @ ..] => return scaling::run(arguments),
        ["client"] => test::build_client(&mut steps)?,
        ["layers"] => return layers::check(&workspace),
        ["autobahn"] => {
            return autobahn::check(&workspace, autobahn::Extent::All)
                .and_then(|()| autobahn_client::check(&workspace));
        }
        ["autobahn", "--accept"] => {
            return autobahn::accept(&workspace).and_then(|()| autobahn_client::accept(&workspace));
        }
        unknown => return Err(format!("no such command: {}\n\n{HELP}", unknown.join(" ")).into()),
    }
    steps.print_times();
    Ok(())
}

const HELP: &str = "\
cargo xtask test       installs what the tests need and lacks (chromium, brokers, proxies, Go, npm packages), then runs them all
cargo xtask ci         `test`, and before it format, layers, spelling and lints; after it docs, benches, `bench` and Autobahn in brief, cargo-deny, and whether fuzzers compile
cargo xtask ci --long  `ci`, and what takes long or needs more: all of Autobahn, advisories, each feature alone, the packed crates, miri, fuzzing
cargo xtask fuzz       looks for bytes that break a promise: five minutes for each program of `fuzz`, with --brief seconds
cargo xtask go         builds the servers in Go, and holds the Go client up against `scenario`
cargo xtask client     builds clients/js/neffos.js from clients/js/src, and minifies it for servers; `test` checks that it was done
cargo xtask layers     checks that the modules of crates/neffos depend one way, and that the pure ones stay pure
cargo xtask autobahn   runs all of Autobahn's cases against `scenario` and `client`; `--accept` writes down how they end as expected
cargo xtask bench      builds our server and others, measures all, and writes docs/benchmarks.md: about an hour
                       --repeat N          so often instead of five times
                       --only NAME,…       only these servers, these measures; the page goes below target/
                       --brief             only ours and the floor, once, in debug builds: shows that it works
                       --page              measures nothing, and writes the page anew from the last whole run
                       --against COMMIT    our servers only, of this commit and of another: the figures of both, and their ratios
cargo xtask scaling    what a cluster does and takes, from what was measured: --servers N --connections N --rooms N --room-size N --rate N
                       --page              writes the tables of docs/scaling.md anew
                       --measure           measures what Redis and NATS cost, and servers that share them
cargo xtask help       prints this";
