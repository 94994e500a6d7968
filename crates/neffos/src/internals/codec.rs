//! Messages and frames to bytes, and back.

use bytes::Bytes;

use crate::message::Message;
use crate::message::wire::{self, NativeMode};
use crate::websocket::{self, Incoming, Kind, ReadLimits, Reader, Role};

/// Which side sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sender {
    /// Its frames are masked.
    Client,
    /// Its frames are not.
    Server,
}

/// `message` as the frame that `sender` sends.
pub fn encode(message: &Message, sender: Sender) -> Bytes {
    wire::encode(message, sender.role())
}

/// `payload` in a text frame that `sender` sends.
pub fn frame(payload: &[u8], sender: Sender) -> Bytes {
    websocket::message(sender.role(), Kind::Text, payload)
}

/// The message in the payload of a text frame.
///
/// # Panics
///
/// When there is none.
pub fn decode(payload: &Bytes) -> Message {
    wire::decode(payload.clone(), Kind::Text, NativeMode::Off).expect("a message of seven fields")
}

/// Reads the frames that one side sends.
#[derive(Debug)]
pub struct FrameReader(Reader);

impl FrameReader {
    /// A reader of what `sender` sends, without a limit.
    pub fn of(sender: Sender) -> Self {
        let reads = match sender {
            Sender::Client => Role::Server,
            Sender::Server => Role::Client,
        };
        Self(Reader::new(reads, ReadLimits { max_message: 0, max_fragments: 0 }, None))
    }

    /// How many bytes the messages in `bytes` carry.
    ///
    /// # Panics
    ///
    /// When they break the rules.
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
