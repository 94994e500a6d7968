//! Encodes messages and control frames.

use bytes::{BufMut, Bytes};

use super::{BINARY, CLOSE, CloseFrame, FIN, Kind, MASKED, MAX_CONTROL, PING, PONG, Role, TEXT, apply_mask};

/// The longest header of a frame.
pub(crate) const MAX_HEADER: usize = 14;

/// A frame whose payload is being written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameStart {
    payload: usize,
    mask: Option<[u8; 4]>,
}

/// Returns the length of the header of a single-frame message.
pub(crate) fn header_len(role: Role, payload_len: usize) -> usize {
    let length = match payload_len {
        ..126 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    if role == Role::Client { length + 4 } else { length }
}

/// Begins a message of `payload_len` bytes. The caller writes the payload next, and then calls [`finish_message`].
pub(crate) fn begin_message(out: &mut Vec<u8>, role: Role, kind: Kind, payload_len: usize) -> FrameStart {
    begin(out, role, opcode(kind), payload_len)
}

/// Finishes a message, and masks the payload of a client.
pub(crate) fn finish_message(out: &mut [u8], start: FrameStart) {
    if let Some(mask) = start.mask {
        apply_mask(&mut out[start.payload..], mask);
    }
}

/// Encodes one message in one frame.
pub(crate) fn message(role: Role, kind: Kind, payload: &[u8]) -> Bytes {
    frame(role, opcode(kind), [payload])
}

/// Encodes one text message of two parts in one frame.
pub(crate) fn text(role: Role, head: &str, tail: &str) -> Bytes {
    frame(role, TEXT, [head.as_bytes(), tail.as_bytes()])
}

/// Encodes a ping. `payload` is cut to the size of a control frame.
pub(crate) fn ping(role: Role, payload: &[u8]) -> Bytes {
    control(role, PING, payload)
}

/// Encodes the answer to a ping with `payload`.
pub(crate) fn pong(role: Role, payload: &[u8]) -> Bytes {
    control(role, PONG, payload)
}

/// Encodes a close frame, without code and reason if `frame` is `None`.
pub(crate) fn close(role: Role, frame: Option<&CloseFrame>) -> Bytes {
    let Some(frame) = frame else { return control(role, CLOSE, b"") };
    let code = frame.code().as_u16().to_be_bytes();
    control(role, CLOSE, &[&code, frame.reason().as_bytes()].concat())
}

fn control(role: Role, opcode: u8, payload: &[u8]) -> Bytes {
    frame(role, opcode, [&payload[..payload.len().min(MAX_CONTROL)]])
}

fn frame<const N: usize>(role: Role, opcode: u8, parts: [&[u8]; N]) -> Bytes {
    let length = parts.iter().map(|part| part.len()).sum();
    // An exact capacity avoids a second allocation when the buffer becomes shared `Bytes`.
    let mut out = Vec::with_capacity(header_len(role, length) + length);
    let start = begin(&mut out, role, opcode, length);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    finish_message(&mut out, start);
    out.into()
}

fn opcode(kind: Kind) -> u8 {
    match kind {
        Kind::Text => TEXT,
        Kind::Binary => BINARY,
    }
}

/// Writes the header of a message's only frame. `opcode` includes the bits reserved for extensions.
pub(super) fn begin(out: &mut Vec<u8>, role: Role, opcode: u8, payload_len: usize) -> FrameStart {
    let masked = if role == Role::Client { MASKED } else { 0 };
    out.put_u8(FIN | opcode);
    match (u8::try_from(payload_len), u16::try_from(payload_len)) {
        (Ok(len @ ..126), _) => out.put_u8(masked | len),
        (_, Ok(len)) => {
            out.put_u8(masked | 126);
            out.put_u16(len);
        }
        _ => {
            out.put_u8(masked | 127);
            out.put_u64(payload_len as u64);
        }
    }
    let mask = (role == Role::Client).then(rand::random::<[u8; 4]>);
    out.extend_from_slice(mask.as_ref().map_or(&[], |mask| mask));
    FrameStart { payload: out.len(), mask }
}
