//! The client for the terminal: `neffos dial`, `emit`, `ask` and `watch`.
//!
//! - `args.rs`: the flags; `connection.rs`: what they say about a connection, and what its errors mean to the user.
//! - `dial.rs`: `neffos dial`, from the first line to good-bye.
//! - `line.rs`: what people type; `focus.rs`: where it goes; `command.rs`: what a session is told, and how programs say it.
//! - `session.rs`: does it on a connection.
//! - `happening.rs`: what can happen; `render.rs`: how people are told; `report.rs`: how programs are; `escape.rs`: what a
//!   terminal may show.
//! - `transcript.rs`: the way of what happens to stdout. `input.rs`: lines from stdin; `editor.rs`: lines that are typed on a
//!   terminal, with `vocabulary.rs` for the Tab key.
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

/// What to do.
#[derive(Debug)]
pub(crate) enum Task {
    Dial(Box<DialArgs>),
    Emit(Box<EmitArgs>),
    Ask(Box<AskArgs>),
    Watch(Box<WatchArgs>),
}

/// Does it, to its end.
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
    // A name may still be looked up: nobody waits for that.
    runtime.shutdown_background();
    outcome
}
