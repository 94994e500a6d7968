//! The properties that fuzzers test on arbitrary bytes for a reader of frames.

use super::{Incoming, Kind, ReadLimits, Reader, Role, Violation, Window, close, message, ping, pong};

/// Checks that a reader gives the same result however the bytes are split, and that it allocates no more than it
/// received. A message that it read can be written and read again.
///
/// The first two bytes of `data` select the reader and the splits.
///
/// # Panics
///
/// When one of these does not hold.
pub fn frames(data: &[u8]) {
    let Some((&[choice, cuts], stream)) = data.split_first_chunk() else { return };
    let reading = Reading::chosen_by(choice, None);
    for incoming in reading.outcome(cuts, stream).heard {
        reading.say_again(incoming);
    }
}

/// The settings for reading bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) role: Role,
    pub(super) limits: ReadLimits,
    pub(super) deflate: Option<Window>,
}

/// The result of reading bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) heard: Vec<Incoming>,
    pub(super) violation: Option<Violation>,
}

impl Reading {
    pub(super) fn chosen_by(choice: u8, deflate: Option<Window>) -> Self {
        let role = if choice & 1 == 0 { Role::Server } else { Role::Client };
        let max_message = [0, 16, 300, 64 * 1024][usize::from(choice >> 1 & 3)];
        let max_fragments = [0, 1, 4, 1024][usize::from(choice >> 3 & 3)];
        Self { role, limits: ReadLimits { max_message, max_fragments }, deflate }
    }

    /// Returns the result for `stream`, and checks that it does not depend on the splits.
    pub(super) fn outcome(&self, cuts: u8, stream: &[u8]) -> Outcome {
        let whole = self.read([stream]);
        assert_eq!(self.read(stream.chunks(1)), whole, "byte by byte");
        assert_eq!(self.read(cut(stream, cuts)), whole, "cut at {cuts}");
        whole
    }

    fn read<'a>(&self, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        let mut reader = Reader::new(self.role, self.limits, self.deflate);
        let mut outcome = Outcome { heard: Vec::new(), violation: None };
        let mut come = 0;
        for chunk in chunks {
            come += chunk.len();
            outcome.hear(&mut reader, chunk);
            // A growing buffer doubles, starting with eight bytes.
            assert!(reader.room() <= (2 * come).max(8), "room for {} bytes, and {come} have come", reader.room());
        }
        let is_within = |incoming: &Incoming| match incoming {
            Incoming::Message { data, .. } => self.limits.max_message == 0 || data.len() <= self.limits.max_message,
            _ => true,
        };
        assert!(outcome.heard.iter().all(is_within), "a message over the limit");
        outcome
    }

    fn say_again(&self, incoming: Incoming) {
        let (says, limits) = (self.role.other(), ReadLimits { max_message: 0, max_fragments: 0 });
        let frame = match &incoming {
            Incoming::Message { kind, data } => message(says, *kind, data),
            Incoming::Ping(payload) => ping(says, payload),
            Incoming::Pong(payload) => pong(says, payload),
            Incoming::Close(frame) => close(says, frame.as_ref()),
        };
        let again = Reader::new(self.role, limits, None).read(&mut &frame[..]);
        assert_eq!(again, Ok(Some(incoming)), "an encoded message decodes to itself");
    }
}

impl Outcome {
    /// Reads all of `chunk`. No message may follow the end.
    fn hear(&mut self, reader: &mut Reader, chunk: &[u8]) {
        let mut rest = chunk;
        loop {
            let has_ended = self.violation.is_some() || matches!(self.heard.last(), Some(Incoming::Close(_)));
            let outcome = reader.read(&mut rest);
            assert!(!has_ended || outcome == Ok(None), "{outcome:?} after the end");
            match outcome {
                Ok(Some(incoming)) => self.heard.push(incoming),
                Ok(None) => break,
                Err(violation) => self.violation = Some(violation),
            }
        }
        assert!(rest.is_empty(), "{} bytes were left behind", rest.len());
    }
}

impl Role {
    fn other(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

/// Returns the type and the payload of a message's frame, as the other side reads them.
pub(crate) fn payload(frame: &[u8]) -> (Kind, bytes::Bytes) {
    let mut reader = Reader::new(Role::Client, ReadLimits { max_message: 0, max_fragments: 0 }, None);
    let mut rest = frame;
    match reader.read(&mut rest) {
        Ok(Some(Incoming::Message { kind, data })) if rest.is_empty() => (kind, data),
        other => panic!("not a message: {other:?}"),
    }
}

/// Returns parts of `stream`, whose lengths `cuts` determines.
fn cut(stream: &[u8], cuts: u8) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut state) = (stream, u32::from(cuts));
    std::iter::from_fn(move || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let length = 1 + (state >> 16) as usize % 19;
        let (part, behind) = rest.split_at(length.min(rest.len()));
        rest = behind;
        (!part.is_empty()).then_some(part)
    })
}
