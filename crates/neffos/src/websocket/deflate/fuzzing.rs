//! The properties that fuzzers test on arbitrary compressed bytes, and on arbitrary data to compress.

use bytes::Bytes;

use super::super::fuzzing::Reading;
use super::super::{Incoming, Kind, Role, message};
use super::{Compression, Window, inflate, offers, pack};

/// Checks compression:
///
/// - Decompressing never holds more than the limit, however large the result would be.
/// - Compressed frames are read alike however they are split.
/// - The other side can read what this side compresses.
///
/// The first two bytes of `data` select the reader, the splits and the window.
///
/// # Panics
///
/// When one of these does not hold.
pub fn deflate(data: &[u8]) {
    let Some((&[choice, cuts], rest)) = data.split_first_chunk() else { return };
    stays_within_the_limit(usize::from(cuts) * usize::from(choice), rest);
    let reading = Reading::chosen_by(choice, Some(Window::LARGEST));
    reading.outcome(cuts, rest);
    reading.outcome(cuts, &compressed_frame(reading.role, rest));
    comes_back(9 + choice % 7, rest);
}

/// Checks that the answer to a client's offers can be used, and is itself an offer with the same answer.
///
/// # Panics
///
/// When that does not hold.
pub(crate) fn offers<'a>(headers: impl Iterator<Item = &'a str>) {
    let Some(answer) = Compression::default().answer(headers) else { return };
    let text = answer.to_string();
    let again = offers::choose([&*text].into_iter());
    assert_eq!(again, Some(answer), "{text}");
}

/// Checks the limit; zero is none. A few kilobytes decompress to a few megabytes at most.
fn stays_within_the_limit(limit: usize, data: &[u8]) {
    let Ok(inflated) = inflate(Window::LARGEST, data, limit) else { return };
    assert!(limit == 0 || inflated.capacity() <= limit + 1, "{} bytes of {limit}", inflated.capacity());
    assert!(limit == 0 || inflated.len() <= limit, "{} bytes of {limit}", inflated.len());
}

/// Returns a frame that is marked as compressed, with `payload`.
fn compressed_frame(reads: Role, payload: &[u8]) -> Vec<u8> {
    const COMPRESSED: u8 = 0x40;
    let writes = if reads == Role::Server { Role::Client } else { Role::Server };
    let kind = if payload.len().is_multiple_of(2) { Kind::Text } else { Kind::Binary };
    let mut frame = message(writes, kind, payload).to_vec();
    frame[0] |= COMPRESSED;
    frame
}

fn comes_back(bits: u8, data: &[u8]) {
    let Some(window) = Window::new(bits) else { return };
    let packing = Compression::default().threshold(0).packing(window);
    for (writes, reads) in [(0, Role::Client), (1, Role::Server)] {
        let reading = Reading { role: reads, ..Reading::chosen_by(0, Some(window)) };
        let frame = message(if writes == 0 { Role::Server } else { Role::Client }, Kind::Binary, data);
        let Some(packed) = pack(&frame, packing) else { continue };
        assert!(packed.len() < frame.len(), "it has become longer");
        let said = Incoming::Message { kind: Kind::Binary, data: Bytes::copy_from_slice(data) };
        assert_eq!(reading.outcome(bits, &packed).heard, [said], "a window of {bits} bits");
    }
}
