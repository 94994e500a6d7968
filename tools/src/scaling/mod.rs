//! `cargo tools scaling`: the load and the resources of a cluster, computed from measured costs.
//!
//! - `options.rs`: the arguments
//! - `load.rs`, `traffic.rs`, `needs.rs`: the model, pure: the load of clients, the messages of servers, the resources for both
//! - `measure.rs`: measures the costs of brokers, and of servers that share one
//! - `tables.rs`: the tables; `page.rs`: their places in `docs/scaling.md`

mod load;
mod measure;
mod needs;
mod options;
mod page;
mod tables;
mod traffic;

use options::{Options, Task};
use xtask::Result;

use crate::costs::Costs;

/// # Errors
/// If an argument is unknown, a file is missing, or a broker cannot be measured.
pub(crate) fn run(arguments: &[&str]) -> Result {
    match Options::parse(arguments)?.task {
        Task::Print(load) => print!("{}", tables::one(&load, &Costs::read()?)),
        Task::Page => write_page()?,
        Task::Measure => measure::brokers()?,
    }
    Ok(())
}

/// Writes the page's tables again, after the costs have changed.
///
/// # Errors
/// If a file is missing or cannot be written.
pub(crate) fn write_page() -> Result {
    page::write(&Costs::read()?)
}
