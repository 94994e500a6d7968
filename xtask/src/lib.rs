//! The part that the project's commands share: `cargo xtask` and `cargo tools`.
//!
//! - `workspace.rs`: facts from cargo; `machine.rs`: installation of programs
//! - `steps.rs`: steps of a run; `background.rs`: programs that run beside it
//! - `go.rs`: the servers in Go, which tests and measurements start

#![expect(clippy::print_stdout, reason = "for programs in a terminal: a step prints its name and its time")]

pub mod background;
pub mod go;
pub mod machine;
pub mod steps;
pub mod workspace;

use std::error::Error;

/// Every fault ends the run, so its text is all that matters.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;
