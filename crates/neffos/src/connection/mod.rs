//! One live connection, and the task that drives it.
//!
//! - `hub.rs`: what all connections of a server share, and what their tasks ask of the application; `values.rs`: values that applications keep; `casts.rs`: broadcasts out of messages.
//! - `running.rs`: a handler at work; `here.rs`: the connections of a server, as the exchange sees them.
//! - `limits.rs`: limits that applications set, and the defaults of both sides.
//! - `peer.rs`: the shared state of one connection; `outgoing.rs`: its outbox and socket; `socket.rs`: TCP or another stream;
//!   `driven.rs`: the latter; `secured.rs`: TLS.
//! - `closed.rs`: how a connection ended.
//! - `ask.rs`: requests to the peer, and what their replies agree to; `waiter.rs`: the caller that waits; `requests.rs`: requests for
//!   namespaces and rooms.
//! - `driver/`: the task: reads, does what the session says, writes what the dispatcher could not; `io.rs`: how it moves bytes.
//! - `rates.rs`: how often clients sent too fast; `input.rs`: the memory that a connection takes.

pub(crate) mod ask;
mod casts;
mod closed;
mod driven;
mod driver;
mod here;
mod hub;
mod input;
mod io;
mod limits;
mod outgoing;
mod peer;
mod rates;
pub(crate) mod requests;
mod running;
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
pub(crate) use peer::{Identity, Peer};
pub use rates::RateLimited;
pub(crate) use running::{OutcomeFuture, Running};
#[cfg(feature = "tls")]
pub(crate) use secured::{Metered, Secured};
pub(crate) use socket::Socket;
pub(crate) use values::{StateMap, Values};
