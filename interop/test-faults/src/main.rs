//! Writes `docs/faults.md`: what each fault costs, as measured on this machine.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use test_faults::{Fault, Kind, Report, trial};
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

Three nodes share a broker. Each has one client and its own connections to the broker. Fifty times a second, each node broadcasts a
message to everyone. Then something breaks. Every client records what it receives: which messages are lost, doubled or out of order.

**Clients of the sending node** lose nothing. They receive every message even while the broker is away, because the broker is not on
their path.

**Clients of other nodes** lose nothing either, receive nothing twice and nothing out of order:

- A node without a broker link queues its messages. It publishes them when it is linked again and the other nodes are back.
- A node keeps what it has published for ten seconds, 4 MiB at most. On a new link, each node requests the messages after the last one
  that it received, and the others resend them.
- The request is repeated until the answer arrives, also when the other node opens a new link later. Newer messages of that
  node are held until then, for three seconds at most.

A run fails if a message is lost, doubled or out of order. It also fails if connections were only cut and messages between the nodes do
not flow again at once. A longer outage, or more data than is kept, loses messages. `Cluster::status` counts them:

- `dropped`, at the sender: messages that found no room in its queue, or waited too long.
- `uncertain`, at the sender: messages that were on their way when its link broke. Other nodes request them on a new link.
- `missed`, at the receiver: messages that the sender no longer kept when the receiver requested them. Their receivers are unknown by
  then, so this is an upper bound for the node. A warning in the log has the sender and the number. A node that was silent for more than a
  minute counts as a new one: messages that it published meanwhile are not counted.

";

const FOOT: &str = "
*at home*: deliveries to clients of the sending node. The longest way is the slowest of them during the fault.
*elsewhere*: deliveries to clients of other nodes. *resent*: messages that a node had missed and then received on request.
*all reached after the end*: the time until every node was linked and every client had received a message of every node that was
broadcast after that. Half-open connections end when nothing has come back for three seconds, which is included.

Over NATS, envelopes were signed.

Written by `cargo run -p test-faults` (MACHINE). `cargo test -p test-faults` runs the same faults
with the same checks, and more: a broker that is not there at the start, a node that dies, queues that are full.

For comparison, neffos in Go (v0.0.25) loses 357 of 6,000 deliveries over Redis and 1,035 over NATS in 3 s without a broker.
A broker that stands still for 5 s delays the clients of the sending node by 5 s.
";
