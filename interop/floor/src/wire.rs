//! The necessary part of the wire protocol. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// Takes the upgrade from the front of `bytes` and returns the answer, or `None` if it is incomplete or has no key.
pub(crate) fn upgrade(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    *bytes = &bytes[end + 4..];
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    let key = headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))?.1;
    let digest = Sha1::new().chain_update(key.trim()).chain_update(GUID).finalize();
    let accept = STANDARD.encode(digest);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Some(answer.into_bytes())
}

/// A whole frame of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inbound<'a> {
    Message(&'a [u8]),
    Close,
    /// A ping or a pong, which this server ignores.
    Other,
}

/// Takes the next whole frame from the front of `bytes` and unmasks it. Returns `None` if it is incomplete.
pub(crate) fn next_frame<'a>(bytes: &mut &'a mut [u8]) -> Option<Inbound<'a>> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (mask_at, length): (usize, usize) = match second & 0x7F {
        126 => (4, be(bytes.get(2..4)?)),
        127 => (10, be(bytes.get(2..10)?)),
        length => (2, usize::from(length)),
    };
    let start = mask_at + 4;
    if bytes.len() < start.checked_add(length)? {
        return None;
    }
    let (frame, rest) = std::mem::take(bytes).split_at_mut(start + length);
    *bytes = rest;
    let (head, payload) = frame.split_at_mut(start);
    let mask = &head[mask_at..];
    if mask != [0; 4] {
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    }
    Some(match first & 0x0F {
        1 | 2 => Inbound::Message(payload),
        8 => Inbound::Close,
        _ => Inbound::Other,
    })
}

/// Returns a text frame of a server.
pub(crate) fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..126), _) => frame.push(length),
        (_, Ok(length)) => {
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// What a message requests from the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Greeting,
    /// A namespace or a room. The answer is the request itself.
    Place,
    /// Any other ask. The answer is the ask itself.
    Ask,
    Broadcast,
}

pub(crate) fn wish(message: &[u8]) -> Wish {
    match message.split(|byte| *byte == b';').nth(3) {
        None if message == b"M" => Wish::Greeting,
        Some(b"_OnNamespaceConnect" | b"_OnRoomJoin") => Wish::Place,
        _ if message.first().is_some_and(|byte| *byte != b';') => Wish::Ask,
        _ => Wish::Broadcast,
    }
}

fn be(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_is_answered_once_it_is_whole() {
        let request = b"GET / HTTP/1.1\r\nSEC-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nrest";
        assert_eq!(upgrade(&mut &request[..20]), None);
        let mut bytes = &request[..];
        let answer = String::from_utf8(upgrade(&mut bytes).unwrap()).unwrap();
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
        assert_eq!(bytes, b"rest");
    }

    #[test]
    fn frames_are_unmasked_one_by_one_and_only_when_they_are_whole() {
        let mut long = vec![0x81, 0xFE, 0, 200, 1, 1, 1, 1];
        long.extend_from_slice(&[b'x' ^ 1; 200]);
        let mut bytes = [&[0x81, 0x81, 0, 0, 0, 0, b'M', 0x88, 0x80, 0, 0, 0, 0][..], &long].concat();
        let mut rest = &mut bytes[..];
        assert_eq!(next_frame(&mut rest), Some(Inbound::Message(b"M")));
        assert_eq!(next_frame(&mut rest), Some(Inbound::Close));
        let short = rest.len() - 1;
        assert_eq!(next_frame(&mut &mut rest[..short]), None);
        assert_eq!(next_frame(&mut rest), Some(Inbound::Message(&[b'x'; 200])));
        assert_eq!(next_frame(&mut rest), None);
    }

    #[test]
    fn a_frame_has_its_length() {
        assert_eq!(frame(b"hi"), [0x81, 2, b'h', b'i']);
        assert_eq!(frame(&[0; 300])[..4], [0x81, 126, 1, 44]);
        assert_eq!(frame(&[0; 70_000])[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
    }

    #[test]
    fn connects_and_joins_are_distinguished_from_messages() {
        assert_eq!(wish(b"M"), Wish::Greeting);
        assert_eq!(wish(b"$c;default;;_OnNamespaceConnect;0;0;"), Wish::Place);
        assert_eq!(wish(b"$c;default;lobby;_OnRoomJoin;0;0;"), Wish::Place);
        assert_eq!(wish(b";default;;chat;0;0;M"), Wish::Broadcast);
        assert_eq!(wish(b"$c;default;;echo;0;0;M"), Wish::Ask);
    }
}
