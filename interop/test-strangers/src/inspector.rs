//! The rules for the frames that the library sends. They are decoded without the library: a fault of its reader must not
//! hide one of its writer.

use test_client::{BINARY, CLOSE, Frame, PING, PONG, TEXT};

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    /// Returns a whole frame of this side.
    pub(crate) fn frame(self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        Frame { masked: self == Self::Client, ..Frame::new(opcode, payload) }.encode()
    }

    /// Returns a control frame of this side, with as much of `payload` as fits.
    pub(crate) fn control(self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        self.frame(opcode, &payload[..payload.len().min(MAX_CONTROL)])
    }
}

/// Checks each frame that one side sends.
#[derive(Debug)]
pub(crate) struct Inspector {
    sender: Side,
    unread: Vec<u8>,
    has_closed: bool,
}

impl Inspector {
    pub(crate) fn of(sender: Side) -> Self {
        Self { sender, unread: Vec::new(), has_closed: false }
    }

    /// Takes the next bytes, and returns the frames that are complete.
    ///
    /// # Panics
    ///
    /// If a frame breaks a rule.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.unread.extend_from_slice(bytes);
        let mut frames = Vec::new();
        while let Some((frame, length)) = Frame::decode(&self.unread) {
            self.check(&frame, length);
            self.unread.drain(..length);
            frames.push(frame);
        }
        frames
    }

    fn check(&mut self, frame: &Frame, length: usize) {
        assert!(!self.has_closed, "{frame:?} comes after a close frame");
        assert_eq!(frame.masked, self.sender == Side::Client, "{frame:?}: the mask");
        assert!(
            frame.fin && frame.rsv == 0,
            "{frame:?}: the library sends each message in one frame, without extensions"
        );
        assert_eq!(length, shortest(frame), "{frame:?}: the length has a longer form than needed");
        let payload = frame.payload.as_slice();
        match frame.opcode {
            TEXT => assert!(is_text(payload), "{frame:?}: text is UTF-8"),
            BINARY => {}
            PING | PONG => assert!(payload.len() <= MAX_CONTROL, "{frame:?}: too long"),
            CLOSE => {
                assert!(payload.len() <= MAX_CONTROL && is_close(payload), "{frame:?}: code and reason");
                self.has_closed = true;
            }
            unknown => panic!("{frame:?}: there is no opcode {unknown}"),
        }
    }
}

/// Returns the shortest length of this frame on the wire.
fn shortest(frame: &Frame) -> usize {
    let length = match frame.payload.len() {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    2 + length + 4 * usize::from(frame.masked) + frame.payload.len()
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
}

/// Whether the payload is empty, or has a valid close code and a reason.
fn is_close(payload: &[u8]) -> bool {
    match payload.split_first_chunk() {
        Some((code, reason)) => neffos::CloseCode::new(u16::from_be_bytes(*code)).is_some() && is_text(reason),
        None => payload.is_empty(),
    }
}

const MAX_CONTROL: usize = 125;

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn is_refused(sender: Side, bytes: &[u8]) -> bool {
        let bytes = bytes.to_vec();
        catch_unwind(move || Inspector::of(sender).take(&bytes)).is_err()
    }

    #[test]
    fn valid_frames_are_returned_when_they_are_complete() {
        for side in [Side::Client, Side::Server] {
            let bytes =
                [side.frame(TEXT, b"hello"), side.control(PING, &[7; 300]), side.frame(CLOSE, b"\x03\xe8bye")].concat();
            let mut inspector = Inspector::of(side);
            let frames: Vec<_> = bytes.chunks(1).flat_map(|byte| inspector.take(byte)).collect();
            assert_eq!(frames.iter().map(|frame| frame.payload.len()).collect::<Vec<_>>(), [5, 125, 5]);
        }
    }

    #[test]
    fn invalid_frames_are_refused() {
        let server = Side::Server;
        assert!(is_refused(server, &Side::Client.frame(TEXT, b"masked")));
        assert!(is_refused(Side::Client, &server.frame(TEXT, b"not masked")));
        assert!(is_refused(server, &server.frame(TEXT, b"\xff")));
        assert!(is_refused(server, &server.frame(3, b"no such opcode")));
        assert!(is_refused(server, &server.frame(PONG, &[0; 126])));
        assert!(is_refused(server, b"\x01\x00"), "a fragment");
        assert!(is_refused(server, b"\xc1\x00"), "an extension");
        assert!(is_refused(server, b"\x81\x7e\x00\x01a"), "a longer form than needed");
        assert!(is_refused(server, &server.frame(CLOSE, b"\x03")));
        assert!(is_refused(server, &server.frame(CLOSE, b"\x03\xed")), "1005");
        assert!(is_refused(server, &[server.frame(CLOSE, b""), server.frame(TEXT, b"after")].concat()));
    }
}
