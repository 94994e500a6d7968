//! What an application holds of its connections.
//!
//! - `conn.rs`, `namespace.rs`: the handles `Conn`, `NsConn`, `Room`; `extensions.rs`: what the application keeps with a connection.
//! - `side.rs`: the two sides; `accepted.rs`, `line.rs`: what the handles of a server and those of a client hold.

mod accepted;
mod conn;
mod extensions;
mod line;
mod namespace;
mod side;

pub(crate) use accepted::Accepted;
pub use conn::Conn;
pub use extensions::Extensions;
pub(crate) use line::{Away, Line, Recovery};
pub use namespace::{NsConn, Room};
pub use side::{ClientSide, ServerSide, Side};
pub(crate) use side::{Link, Sealed};
