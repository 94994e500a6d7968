//! The `neffos` program: a realtime hub for programs in any language, with a page, an HTTP API and metrics; and its client for
//! the terminal.
//!
//! - `config/`: flags, environment and file, merged into one set of settings.
//! - `serve.rs`: `neffos serve`, from the listener to the last signal.
//! - `listener.rs`: the address that the program listens at.
//! - `server.rs`: the websocket server that the settings describe; `tls.rs`: its certificate.
//! - `cluster/`: the other servers, and whether they are reached.
//! - `hub.rs`: who gets the events that clients send.
//! - `routes.rs`: the HTTP routes, and which of them are guarded; `hosts.rs`: by which names they may be reached.
//! - `api/`: the HTTP API for programs; `body.rs`: the body of a message, as JSON gives it.
//! - `page.rs`, `live.rs`: the page, and the numbers that it shows.
//! - `metrics/`, `log.rs`: metrics and logs; `watch.rs`: those about connections.
//! - `reload.rs`: reads certificates and API keys again.
//! - `terminal/`: the client for the terminal: `neffos dial`, `emit`, `ask` and `watch`.
//! - `signals.rs`, `failure.rs`: how programs end; `usage.rs`: errors about wrong arguments.
//! - `bench/`: `neffos bench`, which measures a server from outside.

mod api;
mod bench;
mod body;
mod cluster;
mod config;
mod failure;
mod files;
mod hosts;
mod hub;
mod listener;
mod live;
mod log;
mod metrics;
mod page;
mod reload;
mod routes;
mod serve;
mod server;
mod signals;
mod terminal;
mod tls;
mod usage;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use bench::BenchArgs;
use config::ServeArgs;
use terminal::{AskArgs, DialArgs, EmitArgs, Task, WatchArgs};

// Many connections mean many small allocations on several threads: with mimalloc the process stays smaller.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A realtime hub over websockets: namespaces, rooms, events, and broadcasts that never block.
///
/// Without a command, `neffos` does what `neffos serve` does, with the same options.
#[derive(Debug, Parser)]
#[command(name = "neffos", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<ServeArgs>),
    Dial(Box<DialArgs>),
    Emit(Box<EmitArgs>),
    Ask(Box<AskArgs>),
    Watch(Box<WatchArgs>),
    Bench(Box<BenchArgs>),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) => usage::end(&err),
    };
    let outcome = match cli.command {
        None => serve::start(cli.serve),
        Some(Command::Serve(args)) => serve::start(*args),
        Some(Command::Bench(args)) => bench::start(&args),
        Some(Command::Dial(args)) => terminal::start(Task::Dial(args)),
        Some(Command::Emit(args)) => terminal::start(Task::Emit(args)),
        Some(Command::Ask(args)) => terminal::start(Task::Ask(args)),
        Some(Command::Watch(args)) => terminal::start(Task::Watch(args)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
