//! The client for the terminal.
//!
//! - `once.rs`: `neffos emit` and `neffos ask`; `watch.rs`: `neffos watch`.
//! - `people.rs`: `neffos dial` for people; `screen.rs`: in a terminal; `programs.rs`: for programs.
//! - `secrets.rs`: what none of them shows.
//! - `manual.rs`: what docs/terminal.md says.

mod manual;
mod once;
mod people;
mod programs;
#[cfg(unix)]
mod screen;
mod secrets;
mod watch;
