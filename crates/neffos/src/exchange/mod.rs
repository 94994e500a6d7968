//! Between nodes: broadcasts, asks and counts reach the connections of other servers.
//!
//! A server with an exchange is a [`Node`]. It publishes its broadcasts on the channels of their receivers, and subscribes to the
//! channels of its connections. Its connections get a broadcast at once, independent of the broker.
//!
//! - `broker.rs`: [`Exchange`] and [`Link`], what a broker must be able to do; `envelope.rs`: what a link publishes; `memory.rs`:
//!   an exchange within a process.
//! - `cluster.rs`: [`Cluster`], the handle for applications; `status.rs`: the state of the link, and the counters.
//! - `node/`: this server as a node; `link_task.rs`: the task of its broker link.
//! - `interest.rs`: which channels are needed; `queue.rs`: queued messages; `kept.rs`: messages that were published lately.
//! - `node_id.rs`: the name of a node; `other_nodes.rs`: the other nodes; `progress.rs`: which messages of one were received.
//! - `replays.rs`: which signed envelopes are new, by their `seal.rs`; `resends.rs`: which resends are due.
//! - `dialect.rs`: names of channels; `draft.rs`: contents of envelopes; `native.rs`, `go.rs`: their encodings.
//! - `fuzzing/`: properties for fuzzers, and a simulated broker with links that fail.

mod broker;
mod cluster;
mod dialect;
mod draft;
mod envelope;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod go;
mod interest;
mod kept;
mod link_task;
mod memory;
mod native;
mod node;
mod node_id;
mod other_nodes;
mod progress;
mod queue;
mod replays;
mod resends;
mod seal;
mod status;

pub use broker::{EnvelopeSink, Exchange, Link, LinkError};
pub use cluster::Cluster;
pub(crate) use cluster::{Plan, RunningNode};
pub use dialect::Dialect;
pub use envelope::Envelope;
pub use memory::{MemoryExchange, MemoryLink};
pub(crate) use node::reach::Claim;
pub(crate) use node::{Here, Node, Selection};
pub(crate) use queue::QueueLimits;
pub use status::{ClusterCount, ClusterStatus, LinkState};
