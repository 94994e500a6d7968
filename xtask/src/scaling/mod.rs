//! `cargo xtask scaling`: what a number of servers does and takes, by a model that is fed with what was measured.
//!
//! - `options.rs`: what is asked; `load.rs`: what clients do; `traffic.rs`: what servers then say, hear and deliver; `needs.rs`:
//!   what that takes; all three are the model, and pure.
//! - `costs.rs`: what each thing costs, as a file; `measure.rs`: measures what of that is the brokers', with `broker.rs`, one that
//!   runs, and `wire.rs`, as much of their languages as it takes.
//! - `tables.rs`: the tables; `page.rs`: their places in `docs/scaling.md`.

pub(crate) mod broker;
pub(crate) mod costs;
mod load;
mod measure;
mod needs;
mod options;
mod page;
mod tables;
mod traffic;
pub(crate) mod wire;

use costs::Costs;
use options::{Options, Task};

use crate::Result;

/// # Errors
/// When an argument is unknown, a file is missing, a broker cannot be measured, or the page holds other tables than it should.
pub(crate) fn run(arguments: &[&str]) -> Result {
    match Options::parse(arguments)?.task {
        Task::Print(load) => print!("{}", tables::one(&load, &Costs::read()?)),
        Task::Page => page::write(&Costs::read()?)?,
        Task::Measure => measure::brokers()?,
    }
    Ok(())
}

/// Whether the page's tables are what the model says today.
///
/// # Errors
/// When they are not.
pub(crate) fn check() -> Result {
    page::check(&Costs::read()?)
}
