//! Between servers: what reaches connections elsewhere, and how.
//!
//! A server with an exchange is a [`Node`]: it publishes what it broadcasts, on the channels of those whom it is for, and
//! subscribes to the channels of those who are here. Its own connections get a broadcast at once, whatever the broker does.
//!
//! - `seam.rs`: [`Exchange`] and [`Link`], what a broker must be able to do; `parcel.rs`: what a link publishes; `memory.rs`: an
//!   exchange within a process.
//! - `cluster.rs`: [`Cluster`], what applications see of it; `status.rs`: how it is going.
//! - `node/`: this server among the others; `keeper.rs`: the task that keeps its link.
//! - `interest.rs`: which channels are needed; `queue.rs`: what waits to be published; `kept.rs`: what was, lately.
//! - `node_id.rs`: what a node calls itself; `others.rs`: who else there is; `progress.rs`: how far one of them was heard.
//! - `gate.rs`: which signed envelopes are new, by their `seal.rs`; `resends.rs`: which resends are due.
//! - `dialect.rs`: names of channels; `draft.rs`: contents of envelopes; `envelope.rs`, `go.rs`: their encodings.
//! - `fuzzing/`: what fuzzers hold that up against, and links that do anything.

mod cluster;
mod dialect;
mod draft;
mod envelope;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gate;
mod go;
mod interest;
mod keeper;
mod kept;
mod memory;
mod node;
mod node_id;
mod others;
mod parcel;
mod progress;
mod queue;
mod resends;
mod seal;
mod seam;
mod status;

pub use cluster::Cluster;
pub(crate) use cluster::{Membership, Plan};
pub use dialect::Dialect;
pub use memory::{MemoryExchange, MemoryLink};
pub(crate) use node::reach::Claim;
pub(crate) use node::{Here, Node, Selection};
pub use parcel::Parcel;
pub(crate) use queue::QueueLimits;
pub use seam::{Exchange, Inbox, Link, LinkError};
pub use status::{ClusterCount, ClusterStatus, LinkState};
