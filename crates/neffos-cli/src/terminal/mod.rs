//! The client for the terminal: `neffos dial`, `emit`, `ask` and `watch`.
//!
//! - `args.rs`: the flags; `connection.rs`: the client from the flags, and its errors.
//! - `dial.rs`: `neffos dial`.
//! - `line.rs`: the lines that people type; `focus.rs`: the place in use; `command.rs`: commands, and their JSON.
//! - `session.rs`: carries commands out on a connection.
//! - `happening.rs`: the events; `render.rs`: their lines for people; `report.rs`: their JSON for programs;
//!   `escape.rs`:
//!   escapes for the terminal.
//! - `transcript.rs`: writes events to stdout; `input.rs`: reads lines from stdin; `editor.rs`: the line editor, with
//!   `vocabulary.rs` for completion.
//! - `once.rs`: `neffos emit` and `neffos ask`; `watch.rs`: `neffos watch`.

mod args;
mod command;
mod connection;
mod dial;
mod editor;
pub(crate) mod escape;
mod focus;
mod happening;
mod input;
mod line;
mod once;
mod render;
mod report;
mod session;
mod transcript;
mod vocabulary;
mod watch;

pub(crate) use args::{AskArgs, DialArgs, EmitArgs, WatchArgs};

use crate::failure::Failure;

/// The command of the terminal client.
#[derive(Debug)]
pub(crate) enum Task {
    Dial(Box<DialArgs>),
    Emit(Box<EmitArgs>),
    Ask(Box<AskArgs>),
    Watch(Box<WatchArgs>),
}

/// Runs the command until it ends.
pub(crate) fn start(task: Task) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::run)?;
    let outcome = runtime.block_on(async {
        match task {
            Task::Dial(args) => Box::pin(dial::dial(*args)).await,
            Task::Emit(args) => Box::pin(once::emit(*args)).await,
            Task::Ask(args) => Box::pin(once::ask(*args)).await,
            Task::Watch(args) => Box::pin(watch::watch(*args)).await,
        }
    });
    // A DNS lookup may still be running. The program does not wait for it.
    runtime.shutdown_background();
    outcome
}
