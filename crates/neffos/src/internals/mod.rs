//! Parts below a connection, for the benches. They are not public API: they may change at any time, and applications
//! have no use for them.
//!
//! - `codec.rs`: encoding and decoding of messages and frames.
//! - `protocol.rs`: the session of one connection.
//! - `crowd.rs`: the broadcast engine, with members without sockets.

mod codec;
mod crowd;
mod protocol;

pub use codec::{FrameReader, Sender, decode, encode, frame};
pub use crowd::Crowd;
pub use protocol::Protocol;
