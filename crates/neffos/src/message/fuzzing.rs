//! The properties that fuzzers test on arbitrary payloads of a frame.

use bytes::Bytes;

use super::Message;
use super::wire::{self, NativeMode};
use crate::websocket::fuzzing::payload;
use crate::websocket::{Kind, Role};

/// Checks that any bytes can be decoded without a panic, and that a decoded message survives encoding and decoding.
///
/// The first byte of `data` selects the type of the frame and the mode for native messages.
///
/// # Panics
///
/// When one of the two does not hold.
pub fn messages(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let kind = if choice & 1 == 0 { Kind::Text } else { Kind::Binary };
    let native = [NativeMode::Off, NativeMode::Mixed, NativeMode::Only][usize::from(choice >> 1) % 3];
    let frame = Bytes::copy_from_slice(rest);
    if let Ok(message) = wire::decode(frame.clone(), kind, native) {
        assert!(native != NativeMode::Only || message.is_native() && message.body == frame);
        comes_back(message, native);
    }
    if let Some(token) = wire::empty_reply_token(&frame) {
        let reply = payload(&wire::encode_empty_reply(token, Role::Server)).1;
        assert_eq!(wire::empty_reply_token(&reply), Some(token));
    }
}

/// Checks that `message` decodes to itself after encoding.
///
/// In mixed mode, a native message whose body has seven fields looks like one with an envelope. So native messages are
/// not checked there.
fn comes_back(mut message: Message, native: NativeMode) {
    if native == NativeMode::Mixed && message.is_native() {
        return;
    }
    let (kind, data) = payload(&wire::encode(&message, Role::Server));
    let again = wire::decode(data, kind, native).unwrap_or_else(|fault| panic!("{message:?} came back as {fault}"));
    // A body that is not UTF-8 is sent in a binary frame.
    if kind == Kind::Binary {
        message = message.binary();
    }
    assert_same(&again, &message);
}

/// # Panics
///
/// When they differ in a field that is sent, or in their recipient.
pub(crate) fn assert_same(left: &Message, right: &Message) {
    assert_eq!(format!("{left:?}"), format!("{right:?}"));
}
