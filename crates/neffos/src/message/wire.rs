//! The seven fields `wait;namespace;room;event;isError;isNoOp;body`, to and from bytes.
//!
//! Encoding writes straight into a websocket frame; decoding shares the buffer that was read.

use std::fmt;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use super::{Encoding, Message, events};
use crate::websocket::{self, Kind, Role};

/// Whether frames without an envelope are messages too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NativeMode {
    /// A frame with fewer than six separators is invalid.
    Off,
    /// Such a frame is a native message.
    Mixed,
    /// Every frame is a native message, whatever it holds.
    Only,
}

/// Why a frame holds no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum DecodeError {
    /// Fewer than seven fields.
    Fields,
    /// A name that is not UTF-8.
    Utf8,
    /// A token longer than any client makes.
    Token,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fields => "fewer than seven fields",
            Self::Utf8 => "a name is not UTF-8",
            Self::Token => "the token is too long",
        })
    }
}

/// Reads one websocket message.
pub(crate) fn decode(frame: &Bytes, kind: Kind, native: NativeMode) -> Result<Message, DecodeError> {
    if native == NativeMode::Only {
        return Ok(native_message(frame.clone(), kind));
    }
    let mut fields = match split(frame) {
        Some(fields) => fields,
        None if native == NativeMode::Mixed => return Ok(native_message(frame.clone(), kind)),
        None => return Err(DecodeError::Fields),
    };
    let body = frame.slice_ref(fields[6]);
    if fields[0].len() > MAX_TOKEN {
        return Err(DecodeError::Token);
    }
    if fields[0].starts_with(SERVER_CONNECTION_PREFIX) {
        fields[0] = b"";
    }
    let is_error = fields[4] == b"1";
    let event = name(frame, fields[3])?;
    let encoding = match (kind, native == NativeMode::Mixed && event == events::NATIVE) {
        (Kind::Text, false) => Encoding::Text,
        (Kind::Binary, false) => Encoding::Binary,
        (Kind::Text, true) => Encoding::NativeText,
        (Kind::Binary, true) => Encoding::NativeBinary,
    };

    Ok(Message {
        token: verbatim(frame, fields[0])?,
        namespace: name(frame, fields[1])?,
        room: name(frame, fields[2])?,
        event,
        error: (is_error && !body.is_empty()).then(|| lossy(&body)),
        no_op: fields[5] == b"1",
        body: if is_error { Bytes::new() } else { body },
        encoding,
        ..Message::default()
    })
}

/// The token of a reply that says no more than "done", in the full form (`token;;;;;;`) or any shorter one: some clients
/// send `token;`.
pub(crate) fn empty_reply_token(frame: &[u8]) -> Option<&str> {
    let end = frame.iter().position(|&byte| byte == SEPARATOR)?;
    let rest = &frame[end..];
    (end > 0 && rest.len() <= 6 && rest.iter().all(|&byte| byte == SEPARATOR))
        .then(|| std::str::from_utf8(&frame[..end]).ok())
        .flatten()
}

/// Writes `message` as one websocket frame.
///
/// Text that is not UTF-8 goes in a binary frame: a browser must fail the connection over such a text frame.
pub(crate) fn encode(message: &Message, role: Role) -> Bytes {
    let token = if message.is_native() { "" } else { &*message.token };
    encode_with_token(message, token, role)
}

/// As [`encode`], with another token: replies of several connections, or the copies of others.
pub(crate) fn encode_with_token(message: &Message, token: &str, role: Role) -> Bytes {
    if message.is_native() && token.is_empty() {
        let kind = frame_kind(message.encoding == Encoding::NativeBinary, &message.body);
        return websocket::message(role, kind, &message.body);
    }
    let length = payload_len(message, token);
    let kind = frame_kind(message.is_binary(), last_field(message));
    // What is filled to the end needs no second allocation to be shared.
    let mut out = BytesMut::with_capacity(websocket::header_len(role, length) + length);
    let start = websocket::begin_message(&mut out, role, kind, length);
    put_payload(&mut out, message, token);
    websocket::finish_message(&mut out, start);
    out.freeze()
}

/// The seven fields alone, without a frame, with this token.
pub(crate) fn payload(message: &Message, token: &str) -> BytesMut {
    let mut out = BytesMut::with_capacity(payload_len(message, token));
    put_payload(&mut out, message, token);
    out
}

/// Writes the reply that says no more than "done".
pub(crate) fn encode_empty_reply(token: &str, role: Role) -> Bytes {
    websocket::text(role, token, ";;;;;;")
}

fn payload_len(message: &Message, token: &str) -> usize {
    let names = [&message.namespace, &message.room, &message.event];
    token.len() + names.iter().map(|name| escaped_len(name)).sum::<usize>() + 8 + last_field(message).len()
}

fn put_payload(out: &mut BytesMut, message: &Message, token: &str) {
    out.extend_from_slice(token.as_bytes());
    for name in [&message.namespace, &message.room, &message.event] {
        out.extend_from_slice(&[SEPARATOR]);
        put_escaped(out, name);
    }
    out.extend_from_slice(match (message.error.is_some(), message.no_op) {
        (false, false) => b";0;0;",
        (false, true) => b";0;1;",
        (true, false) => b";1;0;",
        (true, true) => b";1;1;",
    });
    out.extend_from_slice(last_field(message));
}

/// An error takes the place of the body.
fn last_field(message: &Message) -> &[u8] {
    message.error.as_ref().map_or(&*message.body, |text| text.as_bytes())
}

fn frame_kind(binary: bool, body: &[u8]) -> Kind {
    match binary || simdutf8::basic::from_utf8(body).is_err() {
        true => Kind::Binary,
        false => Kind::Text,
    }
}

fn native_message(body: Bytes, kind: Kind) -> Message {
    let encoding = match kind {
        Kind::Text => Encoding::NativeText,
        Kind::Binary => Encoding::NativeBinary,
    };
    Message { event: ByteString::from_static(events::NATIVE), body, encoding, ..Message::default() }
}

fn split(frame: &[u8]) -> Option<[&[u8]; 7]> {
    let mut fields = [&frame[..0]; 7];
    let mut rest = frame;
    for field in &mut fields[..6] {
        let end = rest.iter().position(|&byte| byte == SEPARATOR)?;
        *field = &rest[..end];
        rest = &rest[end + 1..];
    }
    fields[6] = rest;
    Some(fields)
}

/// A field as it stands: tokens and bodies are never escaped.
fn verbatim(frame: &Bytes, field: &[u8]) -> Result<ByteString, DecodeError> {
    if field.is_empty() {
        return Ok(ByteString::new());
    }
    ByteString::try_from(frame.slice_ref(field)).map_err(|_| DecodeError::Utf8)
}

fn name(frame: &Bytes, field: &[u8]) -> Result<ByteString, DecodeError> {
    let name = verbatim(frame, field)?;
    match name.contains('@') && name.contains(ESCAPED) {
        true => Ok(name.replace(ESCAPED, ";").into()),
        false => Ok(name),
    }
}

fn lossy(body: &Bytes) -> ByteString {
    ByteString::try_from(body.clone()).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}

fn escaped_len(name: &str) -> usize {
    let separators = name.bytes().filter(|&byte| byte == SEPARATOR).count();
    name.len() + separators * (ESCAPED.len() - 1)
}

fn put_escaped(out: &mut BytesMut, name: &str) {
    if !name.as_bytes().contains(&SEPARATOR) {
        return out.extend_from_slice(name.as_bytes());
    }
    for (nth, part) in name.split(';').enumerate() {
        if nth > 0 {
            out.extend_from_slice(ESCAPED.as_bytes());
        }
        out.extend_from_slice(part.as_bytes());
    }
}

const SEPARATOR: u8 = b';';
const ESCAPED: &str = "@%!semicolon@%!";
/// Longer than the tokens of all known clients.
const MAX_TOKEN: usize = 128;
/// How Go servers name a connection of theirs; no client has business sending it.
const SERVER_CONNECTION_PREFIX: &[u8] = b"neffos(0x";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::websocket::{Incoming, ReadLimits, Reader};

    fn decode_text(text: &str) -> Result<Message, DecodeError> {
        decode(&Bytes::copy_from_slice(text.as_bytes()), Kind::Text, NativeMode::Off)
    }

    /// What the other side reads of a frame that we wrote.
    fn payload(frame: &Bytes) -> (Kind, Bytes) {
        let mut reader = Reader::new(Role::Client, ReadLimits { max_message: 0, max_fragments: 0 }, None);
        match reader.read(&mut &frame[..]).unwrap() {
            Some(Incoming::Message { kind, data }) => (kind, data),
            other => panic!("not a message: {other:?}"),
        }
    }

    fn text_of(frame: &Bytes) -> String {
        String::from_utf8(payload(frame).1.to_vec()).unwrap()
    }

    #[test]
    fn an_emit_has_seven_fields() {
        let message = Message::new("chat", "hi").in_namespace("default");
        assert_eq!(text_of(&encode(&message, Role::Server)), ";default;;chat;0;0;hi");
    }

    #[test]
    fn a_body_may_hold_separators_and_names_are_escaped() {
        let message = Message::new("a;b", "x;y;").in_namespace("semi;ns").to_room("r");
        let text = text_of(&encode(&message, Role::Server));
        assert_eq!(text, ";semi@%!semicolon@%!ns;r;a@%!semicolon@%!b;0;0;x;y;");
        let back = decode_text(&text).unwrap();
        assert_eq!((back.namespace(), back.event(), &back.body[..]), ("semi;ns", "a;b", &b"x;y;"[..]));
    }

    #[test]
    fn an_error_takes_the_place_of_the_body() {
        let mut ask = decode_text("$1;default;;sum;0;0;[1,2]").unwrap();
        ask.turn_into_error_reply("bad input");
        assert_eq!(text_of(&encode(&ask, Role::Server)), "$1;default;;sum;1;0;bad input");
        let back = decode_text("$1;default;;sum;1;0;bad input").unwrap();
        assert_eq!((back.error(), back.body.len()), (Some("bad input"), 0));
    }

    #[test]
    fn an_error_without_a_text_is_no_error() {
        assert_eq!(decode_text(";default;;e;1;0;").unwrap().error(), None);
    }

    #[test]
    fn fewer_than_seven_fields_are_no_message_unless_native_messages_are_allowed() {
        assert_eq!(decode_text("a;b;c").unwrap_err(), DecodeError::Fields);
        let native = decode(&Bytes::from_static(b"a;b;c"), Kind::Text, NativeMode::Mixed).unwrap();
        assert!(native.is_native());
    }

    #[test]
    fn a_token_that_looks_like_a_servers_own_id_is_dropped() {
        assert_eq!(decode_text("neffos(0xdead(beef));default;;echo;0;0;x").unwrap().token, "");
    }

    #[test]
    fn a_token_beyond_all_measure_is_refused() {
        let long = format!("{};default;;e;0;0;", "t".repeat(129));
        assert_eq!(decode_text(&long).unwrap_err(), DecodeError::Token);
    }

    #[test]
    fn a_short_form_of_the_empty_reply_is_understood() {
        for reply in ["tok;", "tok;;", "tok;;;;;;"] {
            assert_eq!(empty_reply_token(reply.as_bytes()), Some("tok"));
        }
        assert_eq!(empty_reply_token(b";;;;;;"), None);
        assert_eq!(empty_reply_token(b"tok;;;;;;body"), None);
        assert_eq!(empty_reply_token(b"tok"), None);
    }

    #[test]
    fn text_that_is_not_utf8_goes_in_a_binary_frame() {
        let message = Message::new("e", &b"\xff\x00"[..]);
        assert_eq!(payload(&encode(&message, Role::Server)).0, Kind::Binary);
    }

    #[test]
    fn a_decoded_body_shares_the_frames_buffer() {
        let frame = Bytes::from_static(b";default;;chat;0;0;hello");
        let message = decode(&frame, Kind::Text, NativeMode::Off).unwrap();
        assert_eq!(message.body.as_ptr(), frame[19..].as_ptr());
    }

    fn field() -> impl Strategy<Value = String> {
        "[a-z;$ é!]{0,12}"
    }

    proptest! {
        #[test]
        fn decoding_never_panics(frame in proptest::collection::vec(any::<u8>(), 0..200), binary: bool) {
            let kind = if binary { Kind::Binary } else { Kind::Text };
            for native in [NativeMode::Off, NativeMode::Mixed, NativeMode::Only] {
                let _unused = decode(&Bytes::from(frame.clone()), kind, native);
            }
        }

        #[test]
        fn what_is_encoded_decodes_to_the_same(
            token in "[a-z0-9$.]{0,20}", namespace in field(), room in field(), event in field(),
            body in proptest::collection::vec(any::<u8>(), 0..300), binary: bool, no_op: bool, error: Option<String>,
        ) {
            let message = Message {
                token: token.into(),
                namespace: namespace.into(),
                room: room.into(),
                event: event.into(),
                error: error.clone().filter(|text| !text.is_empty()).map(Into::into),
                body: if error.is_some() { Bytes::new() } else { body.into() },
                encoding: if binary { Encoding::Binary } else { Encoding::Text },
                no_op,
                ..Message::default()
            };
            let (kind, data) = payload(&encode(&message, Role::Server));
            let back = decode(&data, kind, NativeMode::Off).unwrap();
            prop_assert_eq!(back.token, message.token);
            prop_assert_eq!(back.namespace, message.namespace);
            prop_assert_eq!(back.room, message.room);
            prop_assert_eq!(back.event, message.event);
            prop_assert_eq!(back.body, message.body);
            prop_assert_eq!(back.error, message.error);
            prop_assert_eq!(back.no_op, message.no_op);
        }
    }
}
