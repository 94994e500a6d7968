//! A cluster under every fault of its broker, and clients that record each message.
//!
//! - `trial.rs`: [`trial`], one fault of one broker from beginning to end, with every promise about it.
//! - `fault.rs`: [`Fault`]; `report.rs`: [`Report`], the effects of a fault.
//! - `stand.rs`: [`Stand`], servers that each reach the broker through a separate proxy, their clients, and the rounds of messages.
//! - `broker.rs`: [`Broker`], a Redis or a NATS; `node.rs`: [`Node`], a server; `ear.rs`: [`Ear`], a client.
//! - `ledger.rs`: [`Ledger`], the messages that a client received from each sender: lost, doubled, out of order.
//!
//! Faults of the servers panic with the reason, because the test has failed. `cargo run -p test-faults` writes `docs/faults.md`.
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
