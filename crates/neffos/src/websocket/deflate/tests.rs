//! Round trips of frames in both roles, and invalid frames.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::frame::Violation;
use super::super::{Incoming, Kind, ReadLimits, Reader, Role, message};
use super::*;

const LIMITS: ReadLimits = ReadLimits { max_message: 64 * 1024, max_fragments: 64 };

fn packing(bits: u8) -> Packing {
    Compression::default().packing(Window::new(bits).unwrap())
}

fn packed(role: Role, payload: &[u8], bits: u8) -> Option<Bytes> {
    let packing = Packing { threshold: 0, ..packing(bits) };
    pack(&message(role, Kind::Binary, payload), packing)
}

fn read(role: Role, mut bytes: &[u8]) -> Result<Option<Incoming>, Violation> {
    Reader::new(role, LIMITS, Some(Window::LARGEST)).read(&mut bytes)
}

/// Returns what a server reads from a client's frame.
fn read_frame(first: u8, payload: &[u8]) -> Result<Option<Incoming>, u16> {
    read(Role::Server, &frame(first, payload)).map_err(|violation| violation.code().as_u16())
}

/// Returns a client's frame with any first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = message(Role::Client, Kind::Binary, payload).to_vec();
    bytes[0] = first;
    bytes
}

/// Returns a client's payload that inflates to `data`.
fn deflated(data: &[u8]) -> Vec<u8> {
    codec::deflate(data, Window::LARGEST, <[u8]>::to_vec).unwrap()
}

fn text(data: &str) -> Incoming {
    Incoming::Message { kind: Kind::Text, data: data.to_owned().into() }
}

fn binary(data: impl Into<Bytes>) -> Incoming {
    Incoming::Message { kind: Kind::Binary, data: data.into() }
}

#[test]
fn the_examples_of_the_rfc_are_understood() {
    for payload in [
        &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00][..],
        &[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
        &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00],
        &[0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00],
    ] {
        assert_eq!(read_frame(0xC1, payload), Ok(Some(text("Hello"))), "{payload:?}");
    }
    assert_eq!(read_frame(0xC1, &[0x00]), Ok(Some(text(""))));
}

#[test]
fn a_compressed_message_may_come_in_fragments() {
    let payload = deflated("grüße ".repeat(100).as_bytes());
    let (front, back) = payload.split_at(3);
    let bytes = [frame(0x41, front), frame(0x89, b""), frame(0x00, b""), frame(0x80, back)].concat();
    let (mut reader, mut rest) = (Reader::new(Role::Server, LIMITS, Some(Window::LARGEST)), &bytes[..]);
    assert_eq!(reader.read(&mut rest), Ok(Some(Incoming::Ping(Bytes::new()))));
    assert_eq!(reader.read(&mut rest), Ok(Some(text(&"grüße ".repeat(100)))));
}

#[test]
fn messages_are_compressed_independently() {
    let bytes =
        [frame(0xC1, &deflated(&[b'a'; 100])), frame(0x81, b"plain"), frame(0xC1, &deflated(&[b'b'; 100]))].concat();
    let (mut reader, mut rest) = (Reader::new(Role::Server, LIMITS, Some(Window::LARGEST)), &bytes[..]);
    for expected in ["a".repeat(100), "plain".to_owned(), "b".repeat(100)] {
        assert_eq!(reader.read(&mut rest), Ok(Some(text(&expected))));
    }
}

#[test]
fn only_the_first_frame_of_a_message_may_say_that_it_is_compressed() {
    let continued = [frame(0x41, b"x"), frame(0xC0, b"x")].concat();
    let late = [frame(0x01, b"x"), frame(0xC0, b"x")].concat();
    for bytes in [&continued[..], &late, &frame(0xC9, b""), &frame(0xC8, b""), &frame(0xA1, b""), &frame(0xD1, b"")] {
        let mut reader = Reader::new(Role::Server, LIMITS, Some(Window::LARGEST));
        assert_eq!(reader.read(&mut &bytes[..]).unwrap_err().code().as_u16(), 1002, "{bytes:?}");
    }
    let mut reader = Reader::new(Role::Server, LIMITS, None);
    let bytes = frame(0xC1, &deflated(&[b'a'; 100]));
    assert_eq!(reader.read(&mut &bytes[..]).unwrap_err().code().as_u16(), 1002);
}

#[test]
fn corrupt_or_truncated_messages_are_refused() {
    let whole = deflated(&[b'a'; 1000]);
    let far_back = [0x02, 0x02, 0x00, 0x00];
    for payload in [&b"\xFF\xFF\xFF"[..], b"", b"\x07", &whole[..whole.len() - 2], &whole[2..], &far_back] {
        assert_eq!(read_frame(0xC2, payload), Err(1007), "{payload:?}");
    }
}

#[test]
fn text_is_checked_after_it_was_inflated() {
    let bad = [&[b'a'; 100][..], b"\xCE"].concat();
    assert_eq!(read_frame(0xC1, &deflated(&bad)), Err(1007));
    assert_eq!(read_frame(0xC2, &deflated(&bad)), Ok(Some(binary(bad))));
}

#[test]
fn a_message_may_be_as_large_as_the_limit_and_no_larger() {
    let most = vec![7; LIMITS.max_message];
    assert_eq!(read_frame(0xC2, &deflated(&most)), Ok(Some(binary(most.clone()))));
    assert_eq!(read_frame(0xC2, &deflated(&[&most[..], b"x"].concat())), Err(1009));
    assert_eq!(read_frame(0xC2, &deflated(&vec![0; 1 << 20])), Err(1009));
}

#[test]
fn incompressible_messages_may_be_as_large_as_the_limit() {
    let mut data = vec![0; LIMITS.max_message];
    rand::fill(&mut data[..]);
    let stored = data.chunks(1000).flat_map(|part| {
        let length = u16::try_from(part.len()).unwrap();
        [&[0x00][..], &length.to_le_bytes(), &(!length).to_le_bytes(), part].concat()
    });
    let payload: Vec<u8> = stored.chain([0x00]).collect();
    assert_eq!(read_frame(0xC2, &payload), Ok(Some(binary(data))));
    assert_eq!(read_frame(0xC2, &payload.repeat(2)), Err(1009));
}

#[test]
fn a_bomb_takes_no_more_room_than_the_limit() {
    let bomb = deflated(&vec![0; 16 << 20]);
    assert!(bomb.len() < 32 * 1024);
    let inflated = inflate(Window::LARGEST, &bomb, 100_000);
    assert_eq!(inflated.unwrap_err().code().as_u16(), 1009);
    let fitting = inflate(Window::LARGEST, &deflated(&[0; 100_000]), 100_000).unwrap();
    assert!(fitting.capacity() <= 100_001);
}

#[test]
fn a_limit_that_nothing_reaches_and_none_at_all_let_everything_inflate() {
    let payload = deflated(&[7; 100_000]);
    for limit in [usize::MAX, 0] {
        assert_eq!(inflate(Window::LARGEST, &payload, limit).unwrap().len(), 100_000);
    }
}

#[test]
fn messages_that_do_not_shrink_stay_plain() {
    assert_eq!(packed(Role::Server, b"", 15), None);
    assert_eq!(packed(Role::Server, b"abc", 15), None);
    let mut noise = [0; 4000];
    rand::fill(&mut noise[..]);
    assert_eq!(packed(Role::Server, &noise, 15), None);
}

#[test]
fn an_incompressible_message_leaves_no_state_for_the_next() {
    let text = "to be or not to be ".repeat(50);
    for bits in [9, 12, 15] {
        let whole = packed(Role::Server, text.as_bytes(), bits).unwrap();
        for _ in 0..100 {
            let mut noise = vec![0; 3000];
            rand::fill(&mut noise[..]);
            assert_eq!(packed(Role::Server, &noise, bits), None, "{bits}");
        }
        assert_eq!(packed(Role::Server, text.as_bytes(), bits).unwrap(), whole, "{bits}");
    }
}

#[test]
fn small_messages_stay_as_they_are() {
    let frame = |length| message(Role::Server, Kind::Text, "a".repeat(length).as_bytes());
    assert_eq!(pack(&frame(511), packing(15)), None);
    let packed = pack(&frame(512), packing(15)).unwrap();
    assert_eq!(packed[0], 0xC1);
    assert!(packed.len() < 32);
    assert_eq!(pack(&packed, Packing { threshold: 0, ..packing(15) }), None, "it is compressed once");
    let ping = super::super::ping(Role::Server, &[b'a'; 125]);
    assert_eq!(pack(&ping, Packing { threshold: 0, ..packing(15) }), None);
}

#[test]
fn compression_stays_within_the_window() {
    let mut noise = vec![0; 1 << 15];
    rand::fill(&mut noise[..]);
    // Noise may shrink a little by chance, since some bytes occur in it more often than others.
    let is_found =
        |data: &[u8], bits| packed(Role::Server, data, bits).is_some_and(|frame| frame.len() < data.len() / 2);
    for bits in 9..=15 {
        let (near, far) = (noise[..100].repeat(16), noise[..1 << bits].repeat(3));
        assert!(is_found(&near, bits), "{bits}");
        // This repeats data outside the window.
        assert!(!is_found(&far, bits), "{bits}");
        assert_eq!(is_found(&far, 15), bits < 15, "{bits}");
    }
}

proptest! {
    #[test]
    fn compressed_messages_are_read_by_the_other_side(
        words in proptest::collection::vec("[a-f]{1,9}", 20..2000), bits in 9_u8..=15, client: bool,
    ) {
        let data = words.concat();
        let (from, to) = if client { (Role::Client, Role::Server) } else { (Role::Server, Role::Client) };
        if let Some(frame) = packed(from, data.as_bytes(), bits) {
            prop_assert!(frame.len() < message(from, Kind::Binary, data.as_bytes()).len());
            prop_assert_eq!(read(to, &frame).unwrap(), Some(binary(data)));
        }
    }

    #[test]
    fn no_compressed_bytes_make_it_panic_or_pass_the_limit(
        bytes in proptest::collection::vec(any::<u8>(), 0..300), limit in 0_usize..2000,
    ) {
        if let Ok(data) = inflate(Window::LARGEST, &bytes, limit) {
            prop_assert!(limit == 0 || data.len() <= limit);
        }
    }
}
