//! Shared by the project's commands: `cargo xtask` and `cargo tools`.
//!
//! - `workspace.rs`: facts from cargo; `machine.rs`: installation of programs
//! - `steps.rs`: steps of a run; `background.rs`: programs that run in the background
//! - `go.rs`: the servers in Go, which tests and measurements start

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "for programs in a terminal: printing is their work")]

pub mod background;
pub mod go;
pub mod machine;
pub mod steps;
pub mod workspace;

use std::error::Error;
use std::process::ExitCode;

use workspace::Workspace;

/// Every fault ends the run, so only its text matters.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Runs a program of the project with its arguments. Without arguments, or if they ask for it, prints `help`. Prints
/// why a run failed.
pub fn run_program(help: &str, run: impl FnOnce(&Workspace, &[&str]) -> Result) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let [] | ["help" | "--help" | "-h"] = &arguments[..] {
        println!("{help}");
        return ExitCode::SUCCESS;
    }
    match Workspace::enter().and_then(|workspace| run(&workspace, &arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("\n{fault}");
            ExitCode::FAILURE
        }
    }
}
