//! `cargo xtask fuzz`: runs the programs of `fuzz`, one after the other, to find bytes that break a guarantee.

use xtask::Result;
use xtask::steps::{Steps, command};
use xtask::workspace::{Workspace, programs_of};

use crate::subcommands::Subcommand;

/// Runs each program for `seconds` seconds, starting with all inputs of its corpus.
///
/// # Errors
/// If one cannot be built, or finds a fault. Its output describes the fault, and names the file with the bytes.
pub(crate) fn run(steps: &mut Steps, workspace: &Workspace, seconds: u32) -> Result {
    steps.run("installation of cargo-fuzz", || Subcommand::FUZZ.install(workspace))?;
    steps.command(&mut Subcommand::FUZZ.command(workspace, &format!("fuzz build {HOW}")))?;
    for program in programs_of(MANIFEST)? {
        let line = format!("fuzz run {HOW} {program} -- -max_total_time={seconds} {LIMITS}");
        steps.command(&mut Subcommand::FUZZ.command(workspace, &line))?;
    }
    Ok(())
}

/// Checks that the programs compile. `cargo test` runs their corpus. An instrumented build would make a change's run
/// take almost half an hour.
///
/// # Errors
/// If one does not compile.
pub(crate) fn check(steps: &mut Steps) -> Result {
    let mut check = command("cargo check --bins --manifest-path fuzz/Cargo.toml");
    steps.command(check.env("RUSTFLAGS", "--cfg fuzzing"))
}

/// Seconds for each program, enough for most faults that are easy to find.
pub(crate) const BRIEF: u32 = 3;
pub(crate) const LONG: u32 = 300;
const MANIFEST: &str = "fuzz/Cargo.toml";
/// The project has no unsafe code, so a sanitizer would find little. Without one, the stable compiler suffices, and
/// each second has several times as many runs.
const HOW: &str = "--sanitizer none";
/// An input may take a few seconds and little memory. Only a fault is printed.
const LIMITS: &str = "-dict=fuzz/words.dict -timeout=10 -rss_limit_mb=512 -verbosity=0";
