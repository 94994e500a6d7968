//! The `neffos` program: a realtime hub for programs in any language, with a page, an HTTP API and metrics.
//!
//! - `config/`: flags, environment and file, merged into one set of settings.
//! - `serve.rs`: `neffos serve`, from the listener to the last signal.
//! - `server.rs`: the websocket server that the settings describe; `tls.rs`: its certificate.
//! - `hub.rs`: who gets the events that clients send.
//! - `routes.rs`: the HTTP routes, and which of them are guarded.
//! - `api/`: the HTTP API for programs.
//! - `page.rs`, `live.rs`: the page, and the numbers that it shows.
//! - `metrics.rs`, `log.rs`: what operators see.
//! - `bench/`: `neffos bench`, which measures a server from outside.

mod api;
mod bench;
mod config;
mod failure;
mod hub;
mod live;
mod log;
mod metrics;
mod page;
mod routes;
mod serve;
mod server;
mod tls;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use bench::BenchArgs;
use config::ServeArgs;

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
    Bench(BenchArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.command {
        Some(Command::Serve(args)) => serve::start(*args).map(|()| ExitCode::SUCCESS),
        Some(Command::Bench(args)) => bench::start(&args),
        None => serve::start(cli.serve).map(|()| ExitCode::SUCCESS),
    };
    ended.unwrap_or_else(|failure| failure.report())
}
