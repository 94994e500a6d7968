//! What any compressed bytes are held up against, and anything that is compressed.

use bytes::Bytes;

use super::super::fuzzing::Reading;
use super::super::{Incoming, Kind, Role, message};
use super::{Compression, Window, inflate, offers, pack};

/// However large what was compressed may be, no more of it is held than the limit allows; frames that hold it are read alike
/// however they are cut; and what this side compresses, the other side reads. The first two bytes of `data` choose the
/// reader, the cuts and the window.
///
/// # Panics
///
/// When that is not so.
pub fn deflate(data: &[u8]) {
    let Some((&[choice, cuts], rest)) = data.split_first_chunk() else { return };
    stays_within_the_limit(usize::from(cuts) * usize::from(choice), rest);
    let reading = Reading::chosen_by(choice, Some(Window::LARGEST));
    reading.outcome(cuts, rest);
    reading.outcome(cuts, &compressed_frame(reading.role, rest));
    comes_back(9 + choice % 7, rest);
}

/// What is answered to a client's offers can be kept, and is an offer that would be answered alike.
///
/// # Panics
///
/// When that is not so.
pub(crate) fn offers<'a>(headers: impl Iterator<Item = &'a str>) {
    let Some(answer) = Compression::default().answer(headers) else { return };
    let text = answer.to_string();
    let again = offers::choose([&*text].into_iter());
    assert_eq!(again, Some(answer), "{text}");
}

/// Zero is no limit; what a few kilobytes become is a few megabytes at most.
fn stays_within_the_limit(limit: usize, data: &[u8]) {
    let Ok(inflated) = inflate(Window::LARGEST, data, limit) else { return };
    assert!(limit == 0 || inflated.capacity() <= limit + 1, "{} bytes of {limit}", inflated.capacity());
    assert!(limit == 0 || inflated.len() <= limit, "{} bytes of {limit}", inflated.len());
}

/// A frame that says that `payload` is compressed.
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
