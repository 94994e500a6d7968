//! Conversion of the seven fields `wait;namespace;room;event;isError;isNoOp;body` to and from bytes.
//!
//! The sixth field is `0`, `1`, or the sender mark (`sender.rs`).
//!
//! Messages are encoded directly into a websocket frame. A decoded body stays in the buffer that was read.

use std::borrow::Cow;
use std::fmt;

use bytes::{Buf, Bytes};
use smol_str::SmolStr;

use super::sender::Mark;
use super::transport::TransportFields;
use super::{Encoding, Message, events};
use crate::websocket::{self, Kind, Role};

/// Whether frames without an envelope are messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NativeMode {
    /// A frame with fewer than six separators is invalid.
    Off,
    /// A frame with fewer than six separators is a native message.
    Mixed,
    /// Every frame is a native message.
    Only,
}

/// The reason why a frame holds no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum DecodeError {
    /// The frame has fewer than seven fields.
    Fields,
    /// A name is not UTF-8.
    Utf8,
    /// The token is longer than that of any known client.
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

/// Decodes one websocket message. The body shares the memory of the frame.
pub(crate) fn decode(mut frame: Bytes, kind: Kind, native: NativeMode) -> Result<Message, DecodeError> {
    let ends = match native {
        NativeMode::Only => None,
        NativeMode::Off | NativeMode::Mixed => ends(&frame),
    };
    let Some(ends) = ends else {
        return if native == NativeMode::Off { Err(DecodeError::Fields) } else { Ok(native_message(frame, kind)) };
    };
    let body = ends[5] + 1;
    let head = str::from_utf8(&frame[..body]).map_err(|_| DecodeError::Utf8)?;
    let field = |nth: usize| &head[ends[nth - 1] + 1..ends[nth]];
    let token = &head[..ends[0]];
    if token.len() > MAX_TOKEN {
        return Err(DecodeError::Token);
    }
    let has_escapes = head.contains('@');
    let name = |nth| if has_escapes { unescaped(field(nth)) } else { SmolStr::new(field(nth)) };
    let transport = TransportFields {
        // Tokens are never escaped.
        token: if token.starts_with(SERVER_CONNECTION_PREFIX) { SmolStr::default() } else { SmolStr::new(token) },
        no_op: field(5) == "1",
        ..TransportFields::default()
    };
    let mut message = Message {
        namespace: name(1),
        room: name(2),
        event: name(3),
        sender: Mark::read(name(5)),
        transport,
        ..Message::default()
    };
    let is_error = field(4) == "1";
    message.transport.encoding = match (kind, native == NativeMode::Mixed && message.event == events::NATIVE) {
        (Kind::Text, false) => Encoding::Text,
        (Kind::Binary, false) => Encoding::Binary,
        (Kind::Text, true) => Encoding::NativeText,
        (Kind::Binary, true) => Encoding::NativeBinary,
    };
    match is_error {
        // An error without a text is still an error.
        true => message.error = Some(String::from_utf8_lossy(&frame[body..]).into()),
        false => {
            frame.advance(body);
            message.body = frame;
        }
    }
    Ok(message)
}

/// Returns the token if `frame` is an empty reply, which means "done". The full form is `token;;;;;;`. Shorter forms
/// are accepted too: some clients send `token;`.
pub(crate) fn empty_reply_token(frame: &[u8]) -> Option<&str> {
    let end = frame.iter().position(|&byte| byte == SEPARATOR)?;
    let rest = &frame[end..];
    (end > 0 && rest.len() <= 6 && rest.iter().all(|&byte| byte == SEPARATOR))
        .then(|| std::str::from_utf8(&frame[..end]).ok())
        .flatten()
}

/// Encodes `message` as one websocket frame.
///
/// Text that is not UTF-8 is sent in a binary frame: a browser must fail the connection if a text frame holds it.
pub(crate) fn encode(message: &Message, role: Role) -> Bytes {
    let token = if message.is_native() { "" } else { message.token() };
    encode_with_token(message, token, role)
}

/// As [`encode`], with another token. A broadcast is encoded with an empty one.
pub(crate) fn encode_with_token(message: &Message, token: &str, role: Role) -> Bytes {
    if message.is_native() && token.is_empty() {
        let kind = frame_kind(message.encoding() == Encoding::NativeBinary, &message.body);
        return websocket::message(role, kind, &message.body);
    }
    let payload = Payload::of(message, token);
    let (length, kind) = (payload.len(), frame_kind(message.is_binary(), payload.last));
    // An exact capacity avoids a second allocation when the buffer becomes shared `Bytes`.
    let mut out = Vec::with_capacity(websocket::header_len(role, length) + length);
    let start = websocket::begin_message(&mut out, role, kind, length);
    payload.put(&mut out);
    websocket::finish_message(&mut out, start);
    out.into()
}

/// Encodes the seven fields with this token, without a frame.
pub(crate) fn payload(message: &Message, token: &str) -> Vec<u8> {
    let payload = Payload::of(message, token);
    let mut out = Vec::with_capacity(payload.len());
    payload.put(&mut out);
    out
}

/// Returns the number of bytes of `message` without a token and a frame.
pub(crate) fn encoded_len(message: &Message) -> usize {
    match message.is_native() {
        true => message.body.len(),
        false => Payload::of(message, "").len(),
    }
}

/// Encodes the empty reply, which means "done".
pub(crate) fn encode_empty_reply(token: &str, role: Role) -> Bytes {
    websocket::text(role, token, ";;;;;;")
}

/// The seven fields, ready to write.
struct Payload<'a> {
    token: &'a str,
    names: [Cow<'a, str>; 3],
    is_error: &'static str,
    /// The no-op flag, or the sender mark.
    mark: Cow<'a, str>,
    last: &'a [u8],
}

impl<'a> Payload<'a> {
    fn of(message: &'a Message, token: &'a str) -> Self {
        Self {
            token,
            names: [escaped(&message.namespace), escaped(&message.room), escaped(&message.event)],
            is_error: if message.error.is_some() { ";1;" } else { ";0;" },
            // The mark has precedence: a no-op flag that a client sets must not hide the sender.
            mark: match message.sender.as_str() {
                "" if message.transport.no_op => "1".into(),
                "" => "0".into(),
                mark => escaped(mark),
            },
            last: last_field(message),
        }
    }

    fn len(&self) -> usize {
        let names = self.names.iter().map(|name| 1 + name.len()).sum::<usize>();
        self.token.len() + names + self.is_error.len() + self.mark.len() + 1 + self.last.len()
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.token.as_bytes());
        for name in &self.names {
            out.push(SEPARATOR);
            out.extend_from_slice(name.as_bytes());
        }
        out.extend_from_slice(self.is_error.as_bytes());
        out.extend_from_slice(self.mark.as_bytes());
        out.push(SEPARATOR);
        out.extend_from_slice(self.last);
    }
}

/// Returns the last field: the error if there is one, else the body.
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
    Message { event: SmolStr::new_static(events::NATIVE), body, ..Message::default() }.with_encoding(encoding)
}

/// Returns the ends of the six fields before the body.
fn ends(frame: &[u8]) -> Option<[usize; 6]> {
    let mut ends = [0; 6];
    let mut from = 0;
    for end in &mut ends {
        *end = from + frame[from..].iter().position(|&byte| byte == SEPARATOR)?;
        from = *end + 1;
    }
    Some(ends)
}

fn unescaped(field: &str) -> SmolStr {
    match field.contains(ESCAPED) {
        true => field.replace(ESCAPED, ";").into(),
        false => SmolStr::new(field),
    }
}

fn escaped(name: &str) -> Cow<'_, str> {
    match name.as_bytes().contains(&SEPARATOR) {
        true => name.replace(';', ESCAPED).into(),
        false => name.into(),
    }
}

const SEPARATOR: u8 = b';';
const ESCAPED: &str = "@%!semicolon@%!";
/// Longer than the tokens of all known clients.
const MAX_TOKEN: usize = 128;
/// The prefix of connection ids inside Go servers. No client has a reason to send it.
const SERVER_CONNECTION_PREFIX: &str = "neffos(0x";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Sender;
    use super::*;
    use crate::websocket::{Incoming, ReadLimits, Reader};

    #[test]
    fn the_length_of_a_message_is_that_of_its_payload() {
        let message = Message::new("a;b", "body").in_namespace("default").to_room("r;");
        assert_eq!(message.encoded_len(), super::payload(&message, "").len());
        assert_eq!(Message::native("four").encoded_len(), 4);
    }

    fn decode_text(text: &str) -> Result<Message, DecodeError> {
        decode(Bytes::copy_from_slice(text.as_bytes()), Kind::Text, NativeMode::Off)
    }

    /// Returns the payload that the other side reads from an encoded frame.
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
    fn the_sender_is_in_the_sixth_field_and_may_be_any_text() {
        let message = Message::new("chat", "a;b").in_namespace("default").sent_by("a;1");
        let text = text_of(&encode(&message, Role::Server));
        assert_eq!(text, ";default;;chat;0;@a@%!semicolon@%!1;a;b");
        let back = decode_text(&text).unwrap();
        assert_eq!((back.sender(), &back.body[..]), (Some(Sender::Connection("a;1")), &b"a;b"[..]));
        let program = text_of(&encode(&Message::new("e", "").sent_by_program(), Role::Server));
        assert_eq!(program, ";;;e;0;!;");
        assert_eq!(decode_text(&program).unwrap().sender(), Some(Sender::Program));
        assert_eq!(decode_text(";;;e;0;@;").unwrap().sender(), Some(Sender::Connection("")));
        for other in ["", "0", "1", "2", "x", "!!", "ada", "0@ada"] {
            assert_eq!(decode_text(&format!(";;;e;0;{other};")).unwrap().sender(), None, "{other}");
        }
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
    fn an_error_without_a_text_is_an_error() {
        assert_eq!(decode_text(";default;;e;1;0;").unwrap().error(), Some(""));
    }

    #[test]
    fn fewer_than_seven_fields_are_no_message_unless_native_messages_are_allowed() {
        assert_eq!(decode_text("a;b;c").unwrap_err(), DecodeError::Fields);
        let native = decode(Bytes::from_static(b"a;b;c"), Kind::Text, NativeMode::Mixed).unwrap();
        assert!(native.is_native());
    }

    #[test]
    fn a_token_that_looks_like_a_servers_own_id_is_dropped() {
        assert_eq!(decode_text("neffos(0xdead(beef));default;;echo;0;0;x").unwrap().token(), "");
    }

    #[test]
    fn a_token_that_is_too_long_is_refused() {
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
    fn text_that_is_not_utf8_is_sent_in_a_binary_frame() {
        let message = Message::new("e", &b"\xff\x00"[..]);
        assert_eq!(payload(&encode(&message, Role::Server)).0, Kind::Binary);
    }

    #[test]
    fn a_decoded_body_shares_the_frames_buffer() {
        let frame = Bytes::from_static(b";default;;chat;0;0;hello");
        let message = decode(frame.clone(), Kind::Text, NativeMode::Off).unwrap();
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
                let _unused = decode(Bytes::from(frame.clone()), kind, native);
            }
        }

        #[test]
        fn an_encoded_message_decodes_to_the_same(
            token in "[a-z0-9$.]{0,20}", namespace in field(), room in field(), event in field(),
            body in proptest::collection::vec(any::<u8>(), 0..300), binary: bool, no_op: bool, error: Option<String>,
        ) {
            let encoding = if binary { Encoding::Binary } else { Encoding::Text };
            let message = Message {
                namespace: namespace.into(),
                room: room.into(),
                event: event.into(),
                error: error.clone().filter(|text| !text.is_empty()).map(Into::into),
                body: if error.is_some() { Bytes::new() } else { body.into() },
                transport: TransportFields { token: token.into(), encoding, no_op, ..TransportFields::default() },
                ..Message::default()
            };
            let (kind, data) = payload(&encode(&message, Role::Server));
            let back = decode(data, kind, NativeMode::Off).unwrap();
            prop_assert_eq!(back.token(), message.token());
            prop_assert_eq!(back.namespace, message.namespace);
            prop_assert_eq!(back.room, message.room);
            prop_assert_eq!(back.event, message.event);
            prop_assert_eq!(back.body, message.body);
            prop_assert_eq!(back.error, message.error);
            prop_assert_eq!(back.transport.no_op, message.transport.no_op);
        }
    }
}
