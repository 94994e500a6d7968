//! Decodes bytes to messages and control frames. Strict, and without storage between complete frames and messages.
//!
//! An announced length never sizes an allocation: a message's buffer grows with the bytes that arrive. A length above
//! the limit is refused when it is announced, and text that is not UTF-8 at its first invalid byte.

use bytes::{Bytes, BytesMut};

use super::deflate::{Window, inflate};
use super::frame::{Frame, Header, Violation, protocol_error};
use super::{BINARY, CONTINUATION, CloseCode, CloseFrame, Kind, MAX_CONTROL, PING, PONG, RSV1, Role, TEXT};

/// Reads the frames of one side.
#[derive(Debug)]
pub(crate) struct Reader {
    role: Role,
    limits: ReadLimits,
    /// Set if messages may be compressed.
    deflate: Option<Window>,
    /// A header, complete or in part.
    header: Header,
    frame: Option<Frame>,
    message: Option<Box<PartialMessage>>,
    /// A control frame whose payload has not arrived completely.
    control: Option<Box<Control>>,
    finished: bool,
}

/// Limits on one message; zero means none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadLimits {
    pub(crate) max_message: usize,
    pub(crate) max_fragments: usize,
}

/// A decoded message or control frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Message { kind: Kind, data: Bytes },
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<CloseFrame>),
}

/// A message that has not arrived completely.
#[derive(Debug)]
struct PartialMessage {
    kind: Kind,
    data: BytesMut,
    /// Set if `data` is compressed.
    deflate: Option<Window>,
    /// How many bytes of a text are known to be UTF-8.
    valid: usize,
    fragments: usize,
}

/// A control frame's payload, or the part of it that has arrived.
#[derive(Debug)]
struct Control {
    bytes: [u8; MAX_CONTROL],
    len: u8,
}

impl Reader {
    /// Creates a reader for the side `role`. With `deflate`, messages may be compressed.
    pub(crate) fn new(role: Role, limits: ReadLimits, deflate: Option<Window>) -> Self {
        Self {
            role,
            limits,
            deflate,
            header: Header::default(),
            frame: None,
            message: None,
            control: None,
            finished: false,
        }
    }

    /// Reads from the front of `input`, until a message or control frame is complete or no bytes are left. After a
    /// close frame or a violation, all further bytes are ignored.
    pub(crate) fn read(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, Violation> {
        let outcome = self.advance(input);
        if matches!(outcome, Ok(Some(Incoming::Close(_))) | Err(_)) {
            self.finish();
        }
        outcome
    }

    /// Returns whether no frame or message is read in part.
    pub(crate) fn is_idle(&self) -> bool {
        let is_between_frames = self.header.is_empty() && self.frame.is_none();
        self.finished || (is_between_frames && self.message.is_none() && self.control.is_none())
    }

    /// Returns how many bytes of an unfinished message have arrived.
    pub(crate) fn begun(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.data.len())
    }

    /// Ignores all later bytes, and drops an unfinished message.
    pub(crate) fn finish(&mut self) {
        self.finished = true;
        (self.frame, self.message, self.control) = (None, None, None);
    }

    /// Returns the capacity of the buffer for an unfinished message.
    pub(crate) fn room(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.data.capacity())
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, Violation> {
        while !self.finished {
            let frame = match self.frame {
                Some(frame) => frame,
                None => match self.header.read(input) {
                    false => return Ok(None),
                    true => self.open_frame()?,
                },
            };
            let whole = match frame.is_control() {
                true => self.read_control(frame, input)?,
                false if self.is_whole(frame, input) => Some(self.read_whole(frame, input)?),
                false => self.read_data(frame, input)?,
            };
            if whole.is_some() || self.frame.is_some() {
                return Ok(whole);
            }
        }
        *input = &[];
        Ok(None)
    }

    /// Checks a complete header before any payload is read.
    fn open_frame(&mut self) -> Result<Frame, Violation> {
        let frame = self.header.parse()?;
        if frame.mask.is_some() != (self.role == Role::Server) {
            return Err(protocol_error("masked by the wrong side"));
        }
        let may_be_deflated = self.deflate.is_some() && matches!(frame.opcode, TEXT | BINARY);
        if frame.reserved > 0 && !(may_be_deflated && frame.reserved == RSV1) {
            return Err(protocol_error("reserved bits are set"));
        }
        if frame.is_control() {
            frame.check_control()?;
        } else {
            self.check_data_frame(frame)?;
        }
        self.header.clear();
        self.frame = Some(frame);
        Ok(frame)
    }

    /// Adds a frame to its message, or begins a message with it.
    fn check_data_frame(&mut self, frame: Frame) -> Result<(), Violation> {
        let (fragments, before, deflate) = match (&mut self.message, frame.opcode) {
            (Some(message), CONTINUATION) => {
                message.fragments += 1;
                (message.fragments, message.data.len(), message.deflate)
            }
            (None, TEXT | BINARY) => (1, 0, self.deflate_of(frame)),
            (Some(_), _) => return Err(protocol_error("a new message inside another")),
            (None, _) => return Err(protocol_error("continues no message")),
        };
        if self.limits.max_fragments > 0 && fragments > self.limits.max_fragments {
            return Err(Violation::new(CloseCode::TOO_BIG, "too many fragments"));
        }
        let length = frame.remaining.saturating_add(before as u64);
        if self.limits.max_message > 0 && length > most(self.limits.max_message, deflate) {
            return Err(Violation::new(CloseCode::TOO_BIG, "message too big"));
        }
        Ok(())
    }

    fn deflate_of(&self, first: Frame) -> Option<Window> {
        self.deflate.filter(|_| first.reserved == RSV1)
    }

    /// Returns whether the message is this one frame, completely in `input`, so that nothing needs to be kept. That is
    /// nearly always so.
    fn is_whole(&self, frame: Frame, input: &[u8]) -> bool {
        let is_alone = self.message.is_none() && frame.is_final && frame.reserved == 0;
        is_alone && frame.remaining <= input.len() as u64
    }

    fn read_whole(&mut self, frame: Frame, input: &mut &[u8]) -> Result<Incoming, Violation> {
        let data = frame.take_all(input);
        self.frame = None;
        let kind = kind_of(frame);
        if kind == Kind::Text && simdutf8::basic::from_utf8(&data).is_err() {
            return Err(not_text());
        }
        Ok(Incoming::Message { kind, data })
    }

    fn read_data(&mut self, mut frame: Frame, input: &mut &[u8]) -> Result<Option<Incoming>, Violation> {
        let deflate = self.deflate_of(frame);
        let message = self.message.get_or_insert_with(|| PartialMessage::of(kind_of(frame), deflate));
        frame.take(input, |bytes| {
            let start = message.data.len();
            message.data.extend_from_slice(bytes);
            &mut message.data[start..]
        });
        let is_whole = frame.remaining == 0 && frame.is_final;
        if is_whole {
            message.unpack(self.limits.max_message)?;
        }
        message.check_text(is_whole)?;
        self.frame = (frame.remaining > 0).then_some(frame);
        if !is_whole {
            return Ok(None);
        }
        let whole =
            self.message.take().map(|message| Incoming::Message { kind: message.kind, data: message.into_data() });
        Ok(whole)
    }

    fn read_control(&mut self, mut frame: Frame, input: &mut &[u8]) -> Result<Option<Incoming>, Violation> {
        let mut control = self.control.take().unwrap_or_default();
        frame.take(input, |bytes| control.append(bytes));
        self.frame = (frame.remaining > 0).then_some(frame);
        if self.frame.is_some() {
            self.control = Some(control);
            return Ok(None);
        }
        let payload = || Bytes::copy_from_slice(control.payload());
        match frame.opcode {
            PING => Ok(Some(Incoming::Ping(payload()))),
            PONG => Ok(Some(Incoming::Pong(payload()))),
            _ => parse_close(control.payload()).map(|frame| Some(Incoming::Close(frame))),
        }
    }
}

impl Control {
    /// Keeps `bytes`. They fit: a frame that is too long was refused when its length was announced.
    fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
        let free = &mut self.bytes[usize::from(self.len)..];
        let count = bytes.len().min(free.len());
        free[..count].copy_from_slice(&bytes[..count]);
        // At most `MAX_CONTROL`, which is below 256.
        self.len += u8::try_from(count).unwrap_or(0);
        &mut free[..count]
    }

    fn payload(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Default for Control {
    fn default() -> Self {
        Self { bytes: [0; MAX_CONTROL], len: 0 }
    }
}

impl PartialMessage {
    fn of(kind: Kind, deflate: Option<Window>) -> Box<Self> {
        Box::new(Self { kind, data: BytesMut::new(), deflate, valid: 0, fragments: 1 })
    }

    /// Returns the whole message, in an allocation that is not much larger.
    fn into_data(self) -> Bytes {
        let is_roomy = self.data.capacity() - self.data.len() > self.data.len() / 4 + 1024;
        if is_roomy { Bytes::copy_from_slice(&self.data) } else { self.data.freeze() }
    }

    /// Decompresses `data`.
    fn unpack(&mut self, limit: usize) -> Result<(), Violation> {
        if let Some(window) = self.deflate.take() {
            self.data = Bytes::from(inflate(window, &self.data, limit)?).into();
        }
        Ok(())
    }

    /// Checks the text that has arrived since the last call. A character may be incomplete at the end of these bytes,
    /// but not at the end of the message.
    fn check_text(&mut self, is_whole: bool) -> Result<(), Violation> {
        if self.kind == Kind::Binary || self.deflate.is_some() {
            return Ok(());
        }
        self.valid += match simdutf8::compat::from_utf8(&self.data[self.valid..]) {
            Ok(text) => text.len(),
            Err(err) if err.error_len().is_none() && !is_whole => err.valid_up_to(),
            Err(_) => return Err(not_text()),
        };
        Ok(())
    }
}

/// Returns the largest length of a message as received. Data that cannot be compressed grows by an eighth at most.
fn most(limit: usize, deflate: Option<Window>) -> u64 {
    match deflate {
        None => limit as u64,
        Some(_) => (limit as u64).saturating_add(limit as u64 / 8 + 16),
    }
}

/// Returns the type of the message that begins with this frame.
fn kind_of(first: Frame) -> Kind {
    if first.opcode == TEXT { Kind::Text } else { Kind::Binary }
}

fn parse_close(payload: &[u8]) -> Result<Option<CloseFrame>, Violation> {
    let [high, low, reason @ ..] = payload else {
        return match payload.is_empty() {
            true => Ok(None),
            false => Err(protocol_error("half a close code")),
        };
    };
    let code =
        CloseCode::new(u16::from_be_bytes([*high, *low])).ok_or(protocol_error("a close code that none may send"))?;
    let reason = simdutf8::basic::from_utf8(reason).map_err(|_| not_text())?;
    Ok(Some(CloseFrame::new(code, reason)))
}

fn not_text() -> Violation {
    Violation::new(CloseCode::INVALID_PAYLOAD, "text that is not UTF-8")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{close, message, ping, pong};
    use super::*;

    const LIMITS: ReadLimits = ReadLimits { max_message: 1 << 20, max_fragments: 8 };

    fn server() -> Reader {
        Reader::new(Role::Server, LIMITS, None)
    }

    /// Returns a client's frame with any first byte.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = message(Role::Client, Kind::Binary, payload).to_vec();
        bytes[0] = first;
        bytes
    }

    fn read_all(reader: &mut Reader, mut bytes: &[u8]) -> Result<Vec<Incoming>, Violation> {
        let mut found = Vec::new();
        while let Some(incoming) = reader.read(&mut bytes)? {
            found.push(incoming);
        }
        Ok(found)
    }

    fn violation(bytes: &[u8]) -> u16 {
        read_all(&mut server(), bytes).unwrap_err().code().as_u16()
    }

    fn text(data: &'static str) -> Incoming {
        Incoming::Message { kind: Kind::Text, data: Bytes::from_static(data.as_bytes()) }
    }

    #[test]
    fn control_frames_may_come_between_the_fragments_of_a_message() {
        let bytes = [frame(0x01, b"he"), frame(0x89, b"p"), frame(0x00, b""), frame(0x80, b"llo")].concat();
        let mut reader = server();
        let found = read_all(&mut reader, &bytes).unwrap();
        assert_eq!(found, [Incoming::Ping(Bytes::from_static(b"p")), text("hello")]);
        assert!(reader.is_idle());
    }

    #[test]
    fn invalid_frames_are_protocol_errors() {
        let fragmented_ping = frame(0x09, b"");
        let long_ping = frame(0x89, &[0; 126]);
        let unmasked = message(Role::Server, Kind::Text, b"x");
        let not_minimal = [0x82, 0xFE, 0, 125, 0, 0, 0, 0];
        let huge = [0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let nested = [frame(0x01, b"a"), frame(0x01, b"b")].concat();
        for bytes in [
            &fragmented_ping[..],
            &long_ping,
            &unmasked,
            &not_minimal,
            &huge,
            &nested,
            &frame(0x80, b"x"),
            &frame(0xC1, b"x"),
            &frame(0x83, b""),
            &frame(0x8B, b""),
            &frame(0x88, b"x"),
            &frame(0x88, &999_u16.to_be_bytes()),
        ] {
            assert_eq!(violation(bytes), 1002, "{bytes:?}");
        }
    }

    #[test]
    fn bad_utf8_is_refused_at_its_first_byte() {
        let bytes = frame(0x01, b"\xCE\xBA\xE1\xFF");
        let (most, last) = bytes.split_at(bytes.len() - 1);
        let mut reader = server();
        assert_eq!(read_all(&mut reader, most), Ok(vec![]));
        assert_eq!(read_all(&mut reader, last).unwrap_err().code(), CloseCode::INVALID_PAYLOAD);
        assert_eq!(violation(&frame(0x81, b"\xCE")), 1007);
        assert_eq!(violation(&frame(0x88, b"\x03\xE8\xFF")), 1007);
    }

    #[test]
    fn a_character_may_be_split_between_fragments() {
        let bytes = [frame(0x01, b"\xCE"), frame(0x80, b"\xBA")].concat();
        assert_eq!(read_all(&mut server(), &bytes).unwrap(), [text("κ")]);
    }

    #[test]
    fn a_message_that_is_too_big_is_refused_when_it_is_announced() {
        let announced = [0x82, 0xFF, 0, 0, 0, 0, 0x10, 0, 0, 0, 1, 2, 3, 4];
        assert_eq!(violation(&announced), 1009);
        let parts = [frame(0x02, &[0; 1 << 19]), frame(0x00, &[0; 1 << 19]), frame(0x80, b"x")].concat();
        assert_eq!(violation(&parts), 1009);
    }

    #[test]
    fn empty_fragments_count() {
        let bytes = [frame(0x01, b""), frame(0x00, b"").repeat(8)].concat();
        assert_eq!(violation(&bytes), 1009);
    }

    #[test]
    fn an_announced_length_allocates_nothing() {
        let mut reader = Reader::new(Role::Server, ReadLimits { max_message: 0, max_fragments: 0 }, None);
        let announced = [0x82, 0xFF, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5];
        assert_eq!(read_all(&mut reader, &announced), Ok(vec![]));
        assert!(reader.message.unwrap().data.capacity() < 1024);
    }

    #[test]
    fn bytes_after_the_end_are_ignored() {
        let mut reader = server();
        let bytes =
            [close(Role::Client, Some(&CloseFrame::new(CloseCode::NORMAL, "bye"))), ping(Role::Client, b"")].concat();
        let found = read_all(&mut reader, &bytes).unwrap();
        assert_eq!(found, [Incoming::Close(Some(CloseFrame::new(CloseCode::NORMAL, "bye")))]);
        assert_eq!(read_all(&mut reader, b"anything"), Ok(vec![]));
    }

    fn anything() -> impl Strategy<Value = (Incoming, Bytes)> {
        let payload = || proptest::collection::vec(any::<u8>(), 0..125);
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..70_000).prop_map(|data| {
                let bytes = message(Role::Client, Kind::Binary, &data);
                (Incoming::Message { kind: Kind::Binary, data: data.into() }, bytes)
            }),
            any::<String>().prop_map(|data| {
                let bytes = message(Role::Client, Kind::Text, data.as_bytes());
                (Incoming::Message { kind: Kind::Text, data: data.into() }, bytes)
            }),
            payload().prop_map(|data| (Incoming::Ping(data.clone().into()), ping(Role::Client, &data))),
            payload().prop_map(|data| (Incoming::Pong(data.clone().into()), pong(Role::Client, &data))),
        ]
    }

    proptest! {
        #[test]
        fn written_messages_are_read_however_they_are_split(
            sent in proptest::collection::vec(anything(), 0..6),
            cuts in proptest::collection::vec(1_usize..5_000, 1..20),
        ) {
            let bytes: Vec<u8> = sent.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect();
            let (mut reader, mut found, mut rest) = (server(), Vec::new(), &bytes[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at(rest.len().min(*cut));
                found.extend(read_all(&mut reader, now).unwrap());
                rest = later;
            }
            let expected: Vec<_> = sent.into_iter().map(|(incoming, _)| incoming).collect();
            prop_assert_eq!(found, expected);
            prop_assert!(reader.is_idle());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), client: bool) {
            let role = if client { Role::Client } else { Role::Server };
            let _unused = read_all(&mut Reader::new(role, LIMITS, None), &bytes);
        }
    }
}
