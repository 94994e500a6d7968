//! RFC 6455 frames, pure: no socket, no clock, no task.
//!
//! - `reader.rs`: decodes bytes to messages and control frames, for either side, strictly.
//! - `frame.rs`: one incoming frame.
//! - `writer.rs`: encodes messages and control frames. A server's frame is the same bytes for every receiver.
//! - `close.rs`: close codes and close frames.
//! - `deflate/`: compressed messages (feature `deflate`); `no_deflate.rs`: its replacement without the feature.
//! - `accept.rs`: the key with which a server proves that it understood a handshake.
//! - `fuzzing.rs`: the properties that fuzzers test.

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
#[cfg(feature = "client")]
pub(crate) use frame::Violation;
pub(crate) use reader::{Incoming, ReadLimits, Reader};
pub(crate) use writer::{MAX_HEADER, begin_message, close, finish_message, header_len, message, ping, pong, text};

/// The side of a connection. A client masks its frames; a server does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// The type of a message.
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
/// Set in the second byte of a masked frame.
const MASKED: u8 = 0x80;
/// The most bytes of a control frame's payload.
const MAX_CONTROL: usize = 125;

/// Masks or unmasks `data`, which is the same operation.
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
