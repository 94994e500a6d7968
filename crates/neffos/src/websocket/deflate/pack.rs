//! Compresses whole frames.

use bytes::Bytes;

use super::super::frame::{Frame, Header};
use super::super::writer::{begin, finish_message};
use super::super::{BINARY, RSV1, Role, TEXT, apply_mask, header_len};
use super::{Packing, codec};

/// Compresses the message of `frame`, which this side has encoded, into a smaller frame. Returns `None` if it would not
/// be smaller, or if the message is below the threshold.
pub(crate) fn pack(frame: &[u8], packing: Packing) -> Option<Bytes> {
    let mut payload = frame;
    let mut header = Header::default();
    let frame = header.read(&mut payload).then(|| header.parse().ok())??;
    let is_plain = matches!(frame.opcode, TEXT | BINARY) && frame.is_final && frame.reserved == 0;
    if !is_plain || payload.len() < packing.threshold {
        return None;
    }
    match frame.mask {
        None => pack_payload(frame, payload, Role::Server, packing),
        Some(mask) => {
            let mut unmasked = payload.to_vec();
            apply_mask(&mut unmasked, mask);
            pack_payload(frame, &unmasked, Role::Client, packing)
        }
    }
}

fn pack_payload(frame: Frame, payload: &[u8], role: Role, packing: Packing) -> Option<Bytes> {
    codec::deflate(payload, packing.window, |packed| {
        let mut out = Vec::with_capacity(header_len(role, packed.len()) + packed.len());
        let start = begin(&mut out, role, RSV1 | frame.opcode, packed.len());
        out.extend_from_slice(packed);
        finish_message(&mut out, start);
        out.into()
    })
}
