//! What the kernel makes a broadcast cost, and nothing more: one thread, one epoll loop, every frame made once, raw sockets.
//!
//! It speaks as much of the protocol as `neffos bench` needs to come in. A question is its own answer, and whatever else is said
//! goes to everyone else.
//! There are no rooms, no timeouts, no limits and no pings: a server that costs as little as this one has nothing left to save.
//!
//! - `wire.rs`: bytes in, bytes out; `peer.rs`: a socket and what it has not taken yet; `hub.rs`: the loop.

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

/// After this long nobody remembers that it runs.
const LIFETIME: Duration = Duration::from_secs(100 * 60);
