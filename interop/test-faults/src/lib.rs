//! A cluster under every fault of its broker, and clients that record each message.
//!
//! - `trial.rs`: [`trial`], one fault of one broker from beginning to end, with every promise about it.
//! - `fault.rs`: [`Fault`], what goes wrong; `report.rs`: [`Report`], what came of it.
//! - `stand.rs`: [`Stand`], servers, each with a way to the broker of its own, and who says and hears what there.
//! - `broker.rs`: [`Broker`], a Redis or a NATS; `node.rs`: [`Node`], a server; `ear.rs`: [`Ear`], a client.
//! - `ledger.rs`: [`Ledger`], what a client has heard of each sender: what is lost, doubled, out of order.
//!
//! What cannot go on panics, and says why: a test has failed then. `cargo run -p test-faults` writes `docs/faults.md`.
#![allow(clippy::missing_panics_doc, reason = "all of this is for tests, which end so")]

mod broker;
mod ear;
mod fault;
mod ledger;
mod node;
mod report;
mod stand;
mod trial;

pub use broker::{Broker, Kind};
pub use ear::Ear;
pub use fault::{Fault, Reach};
pub use ledger::{Account, Ledger};
pub use node::{Node, Settings};
pub use report::Report;
pub use stand::{Moment, Stand, within};
pub use trial::trial;
