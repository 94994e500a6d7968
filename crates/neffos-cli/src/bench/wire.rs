//! Websocket frames for a load client: few kinds, read without copies and written without the cost of masking. Pure.
//!
//! This is not a complete websocket client: it trusts its server, and fails on frames that it does not know.

use std::fmt::Write;

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// One message in a single frame.
    Message(&'a [u8]),
    /// A ping, whose payload goes back.
    Ping(&'a [u8]),
    Close(&'a [u8]),
    /// A pong.
    Other,
}

/// Takes the next frame from the front of `bytes`. Returns `None` if the frame is not complete.
pub(crate) fn next_frame<'a>(bytes: &mut &'a [u8]) -> Result<Option<Frame<'a>>, &'static str> {
    let [first, second, ..] = **bytes else { return Ok(None) };
    let (header, length) = match second {
        length @ ..126 => (2, u64::from(length)),
        126 => match bytes.get(2..4) {
            None => return Ok(None),
            Some(length) => (4, length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
        },
        127 => match bytes.get(2..10) {
            None => return Ok(None),
            Some(length) => (10, length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
        },
        _ => return Err("a masked frame from a server"),
    };
    let end = usize::try_from(length).ok().and_then(|length| length.checked_add(header)).ok_or("an endless frame")?;
    let Some(payload) = bytes.get(header..end) else { return Ok(None) };
    let frame = match first {
        0x81 | 0x82 => Frame::Message(payload),
        0x89 => Frame::Ping(payload),
        0x88 => Frame::Close(payload),
        0x8A => Frame::Other,
        _ => return Err("a frame that a load client does not know"),
    };
    *bytes = &bytes[end..];
    Ok(Some(frame))
}

/// Writes a client's frame with a mask of zeros, which does not change the payload.
pub(crate) fn put_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..126), _) => out.push(0x80 | length),
        (_, Ok(length)) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

pub(crate) const TEXT: u8 = 0x1;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PONG: u8 = 0xA;

/// The beginning of every body: the number of the message, and the time at which it was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) number: u32,
    /// Nanoseconds since the epoch.
    pub(super) nanos: u64,
}

impl Stamp {
    /// Returns a body of `size` bytes, or of the size of the stamp if that is larger.
    pub(super) fn body(self, size: usize) -> String {
        let mut body = String::with_capacity(size.max(STAMP));
        // Writing to a string cannot fail.
        write!(body, "{:08}{:019}", self.number, self.nanos).ok();
        body.extend(std::iter::repeat_n('x', size.saturating_sub(STAMP)));
        body
    }

    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let (eights, rest) = body.get(..STAMP)?.as_chunks();
        let [number, high, low] = eights else { return None };
        let last =
            rest.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))?;
        // Most numbers of nineteen digits fit into 64 bits. The others are times far in the future.
        let nanos = eight_digits(*high)?.wrapping_mul(100_000_000_000).wrapping_add(eight_digits(*low)? * 1_000 + last);
        Some(Self { number: u32::try_from(eight_digits(*number)?).ok()?, nanos })
    }
}

/// Parses eight digits together. This runs for every delivery; parsing digit by digit took a sixth of the total time.
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let bytes = u64::from_le_bytes(text);
    // A digit plus six stays in the same row of the ASCII table.
    let rows = bytes & ROWS | (bytes.wrapping_add(SIXES) & ROWS) >> 4;
    if rows != DIGITS_ROW {
        return None;
    }
    // Adjacent digits become pairs, pairs become groups of four, and these the whole number.
    let ones = bytes & !ROWS;
    let pairs = (ones.wrapping_mul(10 << 8 | 1) >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_FFFF_0000_FFFF;
    Some(fours.wrapping_mul(10_000 << 32 | 1) >> 32)
}

const ROWS: u64 = 0xF0F0_F0F0_F0F0_F0F0;
const SIXES: u64 = 0x0606_0606_0606_0606;
const DIGITS_ROW: u64 = 0x3333_3333_3333_3333;
/// Eight digits of the number, and nineteen of the nanoseconds.
const STAMP: usize = 27;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_one_by_one_and_only_when_they_are_whole() {
        let long = [b'x'; 300];
        let bytes = [&[0x81, 2, b'h', b'i', 0x89, 1, b'p', 0x82, 126, 1, 44][..], &long].concat();
        let mut rest = &bytes[..];
        assert_eq!(next_frame(&mut rest), Ok(Some(Frame::Message(b"hi"))));
        assert_eq!(next_frame(&mut rest), Ok(Some(Frame::Ping(b"p"))));
        assert_eq!(next_frame(&mut &rest[..rest.len() - 1]), Ok(None));
        assert_eq!(next_frame(&mut rest), Ok(Some(Frame::Message(&long))));
        assert_eq!(next_frame(&mut rest), Ok(None));
        assert!(next_frame(&mut &[0x01, 0][..]).is_err());
    }

    #[test]
    fn a_written_frame_is_masked_with_nothing() {
        let mut out = Vec::new();
        put_frame(&mut out, TEXT, b"M");
        assert_eq!(out, [0x81, 0x81, 0, 0, 0, 0, b'M']);
    }

    #[test]
    fn a_body_begins_with_its_stamp_and_has_the_requested_size() {
        let stamp = Stamp { number: 42, nanos: 1_790_000_000_000_000_001 };
        let body = stamp.body(128);
        assert_eq!(body.len(), 128);
        assert_eq!(Stamp::read(body.as_bytes()), Some(stamp));
        for wrong in 0..STAMP {
            for byte in [b'/', b':', b' ', 0xB1] {
                let mut body = body.clone().into_bytes();
                body[wrong] = byte;
                assert_eq!(Stamp::read(&body), None, "{wrong}");
            }
        }
        assert_eq!(Stamp::read(b"short"), None);
        assert_eq!(Stamp::read(&[b'x'; 30]), None);
    }
}
