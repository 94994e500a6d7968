//! What the benches measure and no user can reach: the parts below a connection, each by itself. No promise is made for any
//! of it, and applications have no use for it.
//!
//! - `codec.rs`: messages and frames to bytes, and back.
//! - `protocol.rs`: what one connection has agreed with its peer.
//! - `crowd.rs`: the broadcast engine, with members that have no socket.

mod codec;
mod crowd;
mod protocol;

pub use codec::{FrameReader, Sender, decode, encode, frame};
pub use crowd::Crowd;
pub use protocol::Protocol;
