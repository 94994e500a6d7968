//! `cargo xtask fuzz`: looks for bytes that break a promise, with every program of `fuzz` in turn.

use xtask::Result;
use xtask::steps::{Steps, command};
use xtask::workspace::{Workspace, programs_of};

use crate::subcommands::Subcommand;

/// Runs each program for so many seconds, beginning with all that is in its corpus.
///
/// # Errors
/// When one cannot be built, or finds something: its output says what, and where the bytes are kept.
pub(crate) fn run(steps: &mut Steps, workspace: &Workspace, seconds: u32) -> Result {
    steps.run("installation of cargo-fuzz", || Subcommand::FUZZ.install(workspace))?;
    steps.command(&mut Subcommand::FUZZ.command(workspace, &format!("fuzz build {HOW}")))?;
    for program in programs_of(MANIFEST)? {
        let line = format!("fuzz run {HOW} {program} -- -max_total_time={seconds} {LIMITS}");
        steps.command(&mut Subcommand::FUZZ.command(workspace, &line))?;
    }
    Ok(())
}

/// Says whether they compile; what they know runs with `cargo test`. To build them with their instruments would take a change's
/// run close to its half hour.
///
/// # Errors
/// When one does not.
pub(crate) fn check(steps: &mut Steps) -> Result {
    let mut check = command("cargo check --bins --manifest-path fuzz/Cargo.toml");
    steps.command(check.env("RUSTFLAGS", "--cfg fuzzing"))
}

/// So many that most of what is easy to find is found.
pub(crate) const BRIEF: u32 = 3;
pub(crate) const LONG: u32 = 300;
const MANIFEST: &str = "fuzz/Cargo.toml";
/// No code of ours is unsafe, so a sanitizer has little to find; without one the stable compiler will do, and runs are several
/// times as many.
const HOW: &str = "--sanitizer none";
/// One input is worth a few seconds and little memory; how the search goes is nobody's concern unless it finds something.
const LIMITS: &str = "-dict=fuzz/words.dict -timeout=10 -rss_limit_mb=512 -verbosity=0";
