//! Tests of applications, and of exchanges: clients over memory, handlers without a server, simulated clusters, and the
//! conformance suite. It needs the feature `testing`, for `[dev-dependencies]`.
//!
//! - [`connect`] connects a client to a server over memory. No port is opened. The connection is a real one: handshake,
//!   greeting, `on_connect`, protocol, outbox and inbox.
//! - [`event`] runs one handler, or a table of [`Events`](crate::Events) with its layers, and returns the reply.
//! - [`World`] runs servers, clients and a broker in simulated time, from a seed, with the faults that a test adds.
//! - [`conformance`] tests an implementation of [`Exchange`](crate::Exchange).
//!
//! [`connect`] and [`event`] work with the paused clock of tokio (`#[tokio::test(start_paused = true)]`): then a test
//! of a timeout takes no time.
//!
//! # Examples
//!
//! ```
//! use neffos::{Error, Events, Json, Message, NsConn, Server, testing};
//!
//! fn chat() -> Events {
//!     Events::new()
//!         .on("chat", async |ns: NsConn, message: Message| ns.broadcast_others(message))
//!         .on("double", async |Json(number): Json<i64>| match number.checked_mul(2) {
//!             Some(double) => Ok(Json(double)),
//!             None => Err(Error::new("too large")),
//!         })
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! // One handler, without a server.
//! let reply = testing::event("double").json(&i64::MAX).call(&chat()).await;
//! assert_eq!(reply.error(), Some("too large"));
//!
//! // Two clients of a server.
//! let server = Server::builder().namespace("default", chat()).build()?;
//! let ada = testing::connect(&server).id("ada").await?;
//! let mut bob = testing::connect(&server).id("bob").await?;
//! bob.connect("default").await?;
//! ada.connect("default").await?.emit("chat", "hello")?;
//! assert_eq!(bob.next().await?.text()?, "hello");
//! # Ok(())
//! # }
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot go on has failed")]

mod conformance;
mod connect;
mod event;
mod reply;
mod stand;
mod world;

pub use conformance::conformance;
pub use connect::{Connect, TestClient, connect};
pub use event::{TestEvent, event};
pub use reply::TestReply;
pub use world::{Verdict, World, WorldClient, WorldServer};
