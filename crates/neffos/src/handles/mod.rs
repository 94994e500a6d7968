//! What an application holds of its connections.
//!
//! - `conn.rs`, `namespace.rs`: the handles `Conn`, `NsConn`, `Room`; `extensions.rs`: what the application keeps with a connection.
//! - `side.rs`: the two sides; `link.rs`: what a handle holds; `accepted.rs`, `line.rs`: that of a server, and that of a client.

mod accepted;
mod conn;
mod extensions;
mod line;
mod link;
mod namespace;
mod side;

pub(crate) use accepted::Accepted;
pub use conn::Conn;
pub use extensions::Extensions;
pub(crate) use line::{Away, Line, Recovery};
pub(crate) use link::Link;
pub use namespace::{NsConn, Room};
pub(crate) use side::Sealed;
pub use side::{ClientSide, ServerSide, Side};
