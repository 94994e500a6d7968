//! One live connection, and the task that drives it.
//!
//! - `hub.rs`: what all connections of a server share, and what their tasks ask of the application; `values.rs`: values that applications keep; `casts.rs`: broadcasts out of messages.
//! - `outcome.rs`: what a handler decided; `here.rs`: the connections of a server, as the exchange sees them.
//! - `limits.rs`: limits that applications set, and the defaults of both sides.
//! - `peer.rs`: the shared state of one connection: session, outbox, socket; `socket.rs`: TCP or another stream; `driven.rs`: the latter;
//!   `secured.rs`: TLS.
//! - `closed.rs`: how a connection ended.
//! - `ask.rs`: requests to the peer, and what their replies agree to; `waiter.rs`: the caller that waits; `requests.rs`: requests for
//!   namespaces and rooms.
//! - `process.rs`: what one message of the peer does.
//! - `driver/`: the task: reads, runs handlers, writes what the dispatcher could not; `io.rs`: how it moves bytes;
//!   `inbox.rs`: events that wait for their turn; `deadlines.rs`: when it gives up; `rates.rs`: how fast a client may send.

pub(crate) mod ask;
mod casts;
mod closed;
mod deadlines;
mod driven;
mod driver;
mod here;
mod hub;
mod inbox;
mod input;
mod io;
mod limits;
mod outcome;
mod peer;
mod process;
mod rates;
pub(crate) mod requests;
#[cfg(feature = "tls")]
mod secured;
mod socket;
mod values;
mod waiter;

pub(crate) use ask::first_answer;
pub use closed::{Closed, ClosedBy};
pub(crate) use driven::Stream;
pub(crate) use driver::{Start, drive};
pub(crate) use hub::{Application, Hub};
pub(crate) use limits::EffectiveLimits;
pub use limits::Limits;
pub(crate) use outcome::{Outcome, OutcomeFuture, Running};
pub(crate) use peer::{Identity, Peer};
pub use rates::RateLimited;
#[cfg(feature = "tls")]
pub(crate) use secured::{Metered, Secured};
pub(crate) use socket::Socket;
pub(crate) use values::{StateMap, Values};
