//! What any payload of a frame is held up against.

use bytes::Bytes;

use super::Message;
use super::wire::{self, NativeMode};
use crate::websocket::fuzzing::payload;
use crate::websocket::{Kind, Role};

/// Any bytes can be decoded; what they are decoded to is encoded to something that decodes to the same. The first byte of
/// `data` says what the frame was, and whether there are native messages.
///
/// # Panics
///
/// When that is not so.
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

/// Where both kinds of messages travel, a native one whose body has seven fields cannot be told from another: nothing is
/// promised for those that are native.
fn comes_back(mut message: Message, native: NativeMode) {
    if native == NativeMode::Mixed && message.is_native() {
        return;
    }
    let (kind, data) = payload(&wire::encode(&message, Role::Server));
    let again = wire::decode(data, kind, native).unwrap_or_else(|fault| panic!("{message:?} came back as {fault}"));
    // What is no text does not travel as text.
    if kind == Kind::Binary {
        message = message.binary();
    }
    assert_same(&again, &message);
}

/// # Panics
///
/// When they differ in anything that travels, or in whom they are for.
pub(crate) fn assert_same(left: &Message, right: &Message) {
    assert_eq!(format!("{left:?}"), format!("{right:?}"));
}
