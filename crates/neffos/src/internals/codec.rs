//! Encoding and decoding of messages and frames.

use bytes::Bytes;

use crate::message::Message;
use crate::message::wire::{self, NativeMode};
use crate::websocket::{self, Incoming, Kind, ReadLimits, Reader, Role};

/// The side that sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sender {
    /// Its frames are masked.
    Client,
    /// Its frames are not masked.
    Server,
}

/// Encodes `message` as a frame of `sender`.
pub fn encode(message: &Message, sender: Sender) -> Bytes {
    wire::encode(message, sender.role())
}

/// Encodes `payload` as a text frame of `sender`.
pub fn frame(payload: &[u8], sender: Sender) -> Bytes {
    websocket::message(sender.role(), Kind::Text, payload)
}

/// Decodes the message in the payload of a text frame.
///
/// # Panics
///
/// When the payload is no message.
pub fn decode(payload: &Bytes) -> Message {
    wire::decode(payload.clone(), Kind::Text, NativeMode::Off).expect("a message of seven fields")
}

/// Reads the frames of one side.
#[derive(Debug)]
pub struct FrameReader(Reader);

impl FrameReader {
    /// Creates a reader for frames of `sender`, without limits.
    pub fn of(sender: Sender) -> Self {
        let reads = match sender {
            Sender::Client => Role::Server,
            Sender::Server => Role::Client,
        };
        Self(Reader::new(reads, ReadLimits { max_message: 0, max_fragments: 0 }, None))
    }

    /// Returns the total payload length of the messages in `bytes`.
    ///
    /// # Panics
    ///
    /// When the frames are invalid.
    pub fn read(&mut self, mut bytes: &[u8]) -> usize {
        let mut carried = 0;
        while let Some(incoming) = self.0.read(&mut bytes).expect("frames by the rules") {
            if let Incoming::Message { data, .. } = incoming {
                carried += data.len();
            }
        }
        carried
    }
}

impl Sender {
    fn role(self) -> Role {
        match self {
            Self::Client => Role::Client,
            Self::Server => Role::Server,
        }
    }
}
