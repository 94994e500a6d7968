//! Writes `docs/faults.md`: what each fault costs, as measured on this machine.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use cluster::{Fault, Kind, Report, trial};
use tokio::join;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut page = format!("{HEAD}{}", Report::HEADER);
    for fault in Fault::ALL {
        let (redis, nats) = join!(trial(Kind::Redis, fault), trial(Kind::Nats, fault));
        for report in [redis, nats] {
            println!("{report}");
            page.push_str(&report.row());
        }
    }
    let processors = available_parallelism().map_or(1, usize::from);
    let versions = Kind::ALL.map(Kind::version).join(", ");
    page.push_str(&FOOT.replace("MACHINE", &format!("{versions}, {processors} processors")));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/faults.md");
    fs::write(path, page).expect("docs takes a file");
}

const HEAD: &str = "\
# What a fault costs

Three servers share a broker, each over a connection of its own, and have a client each. Fifty times in a second each server
says something to everyone. Then something breaks. Every client keeps books on every sender: what is lost, what comes twice,
what comes out of order.

**Clients of the sender's own server** lose nothing, and get everything while the broker is still away: it is not on their way.

**Clients of other servers** lose nothing either, get nothing twice and nothing out of order. What is said while the sender is
cut off waits, and goes when everyone is back. What was on its way when a link broke, and what was said while only their own
server was cut off, is told again: each server keeps what it has published for ten seconds, four megabytes at most, and who was
away asks for what came after the last message that it heard. Newer messages wait until then, three seconds at most.

A run fails if anything is lost, comes twice or comes out of order. What lasts longer, or is more than is kept, costs what
`Cluster::status` tells: `dropped` where it was said, and `uncertain`.

";

const FOOT: &str = "
*at home*: deliveries to clients of the sender's own server; the longest way is that of the slowest of them during the fault.
*elsewhere*: deliveries to clients of other servers. *told again*: messages that a server had missed, and got when it asked.
*all reached after the end*: when every server was linked again, and heard all others. Connections that are half-open end when nothing has come back for three seconds; that is counted from their death.

Written by `cargo run -p cluster` (MACHINE). `cargo test -p cluster` holds the same faults
up against the same promises, and others besides: a broker that is not there at the start, a server that dies, queues that are full.

For comparison, neffos in Go (v0.0.25): in 3 s without a broker it loses 357 of 6,000 deliveries over Redis and 1,035 over NATS,
and a broker that stands still for 5 s delays the clients of the sender's own server by 5 s.
";
