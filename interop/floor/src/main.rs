//! The cost of a broadcast in the kernel, and almost nothing else: one thread, one epoll loop, each frame made once,
//! raw sockets.
//!
//! It implements the part of the protocol that `neffos bench` needs to connect. The answer to an ask is the ask itself.
//! Every other message is sent to all other connections. There are no rooms, no timeouts, no limits and no pings, so a
//! broadcast cannot cost less.
//!
//! - `wire.rs`: bytes to messages and back; `peer.rs`: a socket and its unsent bytes; `hub.rs`: the loop.

mod hub;
mod peer;
mod wire;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use hub::Hub;

/// The least that a broadcast can cost.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9301")]
    addr: SocketAddr,
    /// How many messages may go to a socket in one write, when more than one was read.
    #[arg(long, default_value = "1", value_parser = RangedU64ValueParser::<usize>::new().range(1..=64))]
    frames: usize,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let hub = Hub::bind(options.addr, options.frames)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {}", hub.address()?)?;
    stdout.flush()?;
    hub.run(LIFETIME)
}

/// A server that runs longer than this was forgotten.
const LIFETIME: Duration = Duration::from_secs(100 * 60);
