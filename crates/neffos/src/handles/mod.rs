//! The handles through which an application uses its connections.
//!
//! - `conn.rs`, `namespace.rs`: the handles `Conn`, `NsConn`, `Room`; `extensions.rs`: values that the application
//!   stores with a connection.
//! - `side.rs`: the two sides; `connection_ref.rs`: the reference inside a handle; `accepted.rs`, `line.rs`: that of a
//!   server, and that of a client.

mod accepted;
mod conn;
mod connection_ref;
mod extensions;
mod line;
mod namespace;
mod side;

pub(crate) use accepted::Accepted;
pub use conn::Conn;
pub(crate) use connection_ref::ConnectionRef;
pub use extensions::Extensions;
pub(crate) use line::Line;
#[cfg(feature = "client")]
pub(crate) use line::{Away, Recovery};
pub use namespace::{NsConn, Room};
pub(crate) use side::Sealed;
pub use side::{ClientSide, ServerSide, Side};
