//! The seeds of a test, and the report of a seed that fails.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `run` with each seed below `count`, or only with the seed in the environment.
pub(super) fn check(count: u64, run: impl Fn(u64)) {
    let chosen = std::env::var(VARIABLE).ok().map(|text| match text.parse() {
        Ok(seed) => seed,
        Err(_) => panic!("{VARIABLE}={text:?}: must be a number"),
    });
    let seeds = chosen.map_or(0..count, |seed: u64| seed..seed.saturating_add(1));
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            report(seed);
            resume_unwind(panic);
        }
    }
}

#[expect(clippy::print_stderr, reason = "the report of a test")]
fn report(seed: u64) {
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let thread = std::thread::current();
    eprintln!("{}", replay(seed, &package, thread.name().unwrap_or_default()));
}

/// Returns the command that runs a test again with one seed. The test harness names threads after their tests.
fn replay(seed: u64, package: &str, test: &str) -> String {
    let package = if package.is_empty() { String::new() } else { format!(" -p {package}") };
    let test = if matches!(test, "" | "main") { String::new() } else { format!(" {test}") };
    format!("seed {seed} failed; to replay it: {VARIABLE}={seed} cargo test{package}{test}")
}

const VARIABLE: &str = "NEFFOS_SEED";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_the_command_that_replays_the_seed() {
        let command = "seed 7 failed; to replay it: NEFFOS_SEED=7 cargo test -p neffos links_are_cut";
        assert_eq!(replay(7, "neffos", "links_are_cut"), command);
        assert_eq!(replay(7, "", "main"), "seed 7 failed; to replay it: NEFFOS_SEED=7 cargo test");
    }
}
