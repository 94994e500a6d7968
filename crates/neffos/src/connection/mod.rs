//! One live connection: what applications hold of it, their handlers, and the task that drives it.
//!
//! - `hub.rs`: what all connections of a server share.
//! - `side.rs`: the two sides; `accepted.rs`, `line.rs`: what the handles of a server and those of a client hold.
//! - `limits.rs`: bounds and deadlines.
//! - `peer.rs`: the shared state of one connection: session, outbox, socket; `socket.rs`: TCP or another stream; `driven.rs`: the latter;
//!   `secured.rs`: TLS.
//! - `closed.rs`: how a connection ended, and the hooks that observe connections.
//! - `conn.rs`, `namespace.rs`: the handles `Conn`, `NsConn`, `Room`.
//! - `ask.rs`: requests to the peer, and what their replies agree to; `requests.rs`: those for namespaces and rooms.
//! - `events.rs`: the table of handlers; `handler.rs`, `extract.rs`, `reply.rs`: what a handler may take and return;
//!   `protobuf.rs`: one more of both.
//! - `process.rs`: what one message of the peer does.
//! - `driver.rs`: the task: reads, runs handlers, writes what the dispatcher could not; `io.rs`: how it moves bytes;
//!   `inbox.rs`: events that wait for their turn; `deadlines.rs`: when it gives up; `rates.rs`: how fast a client may send.

mod accepted;
mod ask;
mod closed;
mod conn;
mod deadlines;
mod driven;
mod driver;
mod events;
mod extensions;
mod extract;
mod handler;
mod hub;
mod inbox;
mod input;
mod io;
mod limits;
mod line;
mod namespace;
mod peer;
mod process;
#[cfg(feature = "protobuf")]
mod protobuf;
mod rates;
mod reply;
mod requests;
#[cfg(feature = "tls")]
mod secured;
mod side;
mod socket;

pub(crate) use ask::first_answer;
pub(crate) use closed::Observers;
pub use closed::{Closed, ClosedBy};
pub use conn::Conn;
pub(crate) use driven::Stream;
pub(crate) use driver::{Start, drive};
pub use events::Events;
pub(crate) use events::Namespaces;
pub use extensions::Extensions;
pub use extract::{Event, FromEvent, Json, Setup, State};
pub use handler::Handler;
pub(crate) use handler::{ConnectHook, DisconnectHook, connect_hook, disconnect_hook};
pub(crate) use hub::{Hub, StateMap};
pub(crate) use limits::Limits;
pub(crate) use line::{Away, Line, Recovery};
pub use namespace::{NsConn, Room};
pub(crate) use peer::{Identity, Peer};
#[cfg(feature = "protobuf")]
pub use protobuf::Protobuf;
pub use rates::{Rate, RateLimited};
pub use reply::{IntoDecision, IntoReply, Reply};
pub(crate) use requests::{connect, join};
#[cfg(feature = "tls")]
pub(crate) use secured::{Metered, Secured};
pub use side::{ClientSide, ServerSide, Side};
pub(crate) use socket::Socket;
