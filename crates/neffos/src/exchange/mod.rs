//! The connection between nodes: broadcasts, asks and counts reach the connections of other servers.
//!
//! A server with an exchange is a [`Node`]. It publishes its broadcasts on the channels of their receivers, and
//! subscribes to the channels of its connections. Its own connections receive a broadcast at once, regardless of the
//! broker.
//!
//! - `broker.rs`: [`Exchange`] and [`Link`], the interface of brokers; `envelope.rs`: the unit that a link publishes;
//!   `memory.rs`: an exchange within a process.
//! - `cluster.rs`: [`Cluster`], the handle for applications; `status.rs`: the state of the link, and the counters.
//! - `node/`: this server as a node; `link_task.rs`: the task of its broker link.
//! - `interest.rs`: the needed channels; `queue.rs`: queued messages; `kept.rs`: recently published messages.
//! - `node_id.rs`: the name of a node; `other_nodes.rs`: the other nodes; `progress.rs`: the received messages of one
//!   of them.
//! - `replays.rs`: detects replayed envelopes by their `seal.rs`; `resends.rs`: the requested resends.
//! - `dialect.rs`: names of channels; `draft.rs`: contents of envelopes; `native.rs`, `go.rs`: their encodings.
//! - `absent.rs`: all of this in a build without the feature `exchange`.
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
