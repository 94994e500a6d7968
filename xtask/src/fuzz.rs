//! `cargo xtask fuzz`: looks for bytes that break a promise, with one program of `fuzz` after the other.

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

/// Checks that they compile; `cargo test` runs their corpus. A build with instruments would take a change's run close to half an
/// hour.
///
/// # Errors
/// When one does not.
pub(crate) fn check(steps: &mut Steps) -> Result {
    let mut check = command("cargo check --bins --manifest-path fuzz/Cargo.toml");
    steps.command(check.env("RUSTFLAGS", "--cfg fuzzing"))
}

/// Seconds for each program: enough for most faults that are easy to find.
pub(crate) const BRIEF: u32 = 3;
pub(crate) const LONG: u32 = 300;
const MANIFEST: &str = "fuzz/Cargo.toml";
/// The project has no unsafe code, so a sanitizer has little to find. Without one, the stable compiler is enough, and each second has
/// several times as many runs.
const HOW: &str = "--sanitizer none";
/// An input may take a few seconds and little memory. Only a fault is printed.
const LIMITS: &str = "-dict=fuzz/words.dict -timeout=10 -rss_limit_mb=512 -verbosity=0";
