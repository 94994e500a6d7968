//! The client for the terminal.
//!
//! - `once.rs`: `neffos emit` and `neffos ask`; `watch.rs`: `neffos watch`.
//! - `people.rs`: `neffos dial` for people; `screen.rs`: in a terminal; `programs.rs`: for programs.
//! - `secrets.rs`: secrets, which none of them shows.
//! - `manual.rs`: the examples in docs/terminal.md.

mod manual;
mod once;
mod people;
mod programs;
#[cfg(unix)]
mod screen;
mod secrets;
mod watch;
