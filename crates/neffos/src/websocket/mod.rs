//! RFC 6455 frames, pure: no socket, no clock, no task.
//!
//! - `reader.rs`: bytes to messages and control frames, for either side; strict.
//! - `frame.rs`: one frame on its way in.
//! - `writer.rs`: messages and control frames to bytes. A server's frames are the same bytes for every receiver.
//! - `close.rs`: close codes and close frames.
//! - `deflate/`: compressed messages (feature `deflate`); `no_deflate.rs`: that there are none.
//! - `accept.rs`: the key that proves that a handshake was understood.
//! - `fuzzing.rs`: what fuzzers hold this up against.

mod accept;
mod close;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(not(feature = "deflate"))]
#[path = "no_deflate.rs"]
mod deflate;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod reader;
mod writer;

pub(crate) use accept::{accept_key, is_valid_key};
pub use close::{CloseCode, CloseFrame};
#[cfg(feature = "deflate")]
pub use deflate::Compression;
#[cfg(not(feature = "deflate"))]
pub(crate) use deflate::Compression;
#[cfg(all(any(test, fuzzing), feature = "deflate"))]
pub(crate) use deflate::fuzzing as deflate_fuzzing;
pub(crate) use deflate::{AcceptedOffer, Packing, Window, pack};
pub(crate) use frame::Violation;
pub(crate) use reader::{Incoming, ReadLimits, Reader};
pub(crate) use writer::{MAX_HEADER, begin_message, close, finish_message, header_len, message, ping, pong, text};

/// Which side this is. A client masks what it sends; a server does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// What a message's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
}

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// Set in the first byte of a message's last frame.
const FIN: u8 = 0x80;
/// Set in the first byte of a message's first frame when the message is compressed.
const RSV1: u8 = 0x40;
/// Set in the second byte of a frame that is masked.
const MASKED: u8 = 0x80;
/// How much a control frame may carry.
const MAX_CONTROL: usize = 125;

/// Masks `data`, or unmasks it, which is the same.
fn apply_mask(data: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = data.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}
