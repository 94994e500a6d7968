//! One live connection, and the task that drives it.
//!
//! - `hub.rs`: the state that all connections of a server share, and the trait of the application; `values.rs`: values
//!   that applications store; `casts.rs`: conversion of messages to broadcasts.
//! - `running.rs`: a running handler; `here.rs`: the connections of a server, behind the trait that the exchange calls.
//! - `limits.rs`: limits that applications set, and the defaults of both sides.
//! - `peer.rs`: the shared state of one connection; `outgoing.rs`: its outbox and socket; `socket.rs`: TCP or another
//!   stream; `driven.rs`: the latter; `secured.rs`: TLS.
//! - `closed.rs`: the end of a connection; `kept_request.rs`: its HTTP request, if the server keeps requests.
//! - `ask.rs`: requests to the peer, and the effects of their replies; `waiter.rs`: the waiting caller; `requests.rs`:
//!   requests for namespaces and rooms.
//! - `driver/`: the task, which reads, performs the session's actions, and writes what the dispatcher could not write;
//!   `io.rs`: its input and output.
//! - `unhandled.rs`: events without a handler, each logged once; `rates.rs`: counters of exceeded rates; `input.rs`: the memory of a connection.

pub(crate) mod ask;
mod casts;
mod closed;
mod driven;
mod driver;
#[cfg(feature = "exchange")]
mod here;
mod hub;
mod input;
mod io;
mod kept_request;
mod limits;
mod outgoing;
mod peer;
mod rates;
pub(crate) mod requests;
mod running;
#[cfg(feature = "tls")]
mod secured;
mod socket;
mod unhandled;
mod values;
mod waiter;

pub(crate) use ask::first_answer;
pub use closed::{Closed, ClosedBy};
#[cfg(feature = "client")]
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
