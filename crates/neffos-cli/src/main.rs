//! The `neffos` program: a realtime hub for programs in any language, with a page, an HTTP API and metrics. It also has
//! a client for the terminal.
//!
//! - `config/`: flags, environment and file, merged into one set of settings.
//! - `serve.rs`: `neffos serve`, from the start to the shutdown.
//! - `listener.rs`: the listeners.
//! - `server.rs`: the websocket server from the settings; `tls.rs`: its certificate.
//! - `cluster/`: the cluster, and readiness.
//! - `hub.rs`: the relay rules for events of clients.
//! - `routes.rs`: the HTTP routes and their guards; `hosts.rs`: the host names of the server.
//! - `api/`: the HTTP API for programs; `body.rs`: the body of a message, read from JSON.
//! - `page.rs`, `live.rs`: the page, and its live numbers.
//! - `metrics/`, `log.rs`: metrics and logs; `watch.rs`: the log and metrics of connections.
//! - `reload.rs`: reads certificates and API keys again.
//! - `terminal/`: the client for the terminal: `neffos dial`, `emit`, `ask` and `watch`.
//! - `signals.rs`: signals; `failure.rs`: errors and exit codes; `usage.rs`: errors about wrong arguments.
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

// Many connections make many small allocations on several threads. With mimalloc, the process takes less memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A realtime hub over websockets: namespaces, rooms, events, and broadcasts that never block.
///
/// Without a command, `neffos` runs `neffos serve`, with the same options.
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
