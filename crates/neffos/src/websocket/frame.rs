//! One incoming frame: its header, and the progress of its payload.

use bytes::Bytes;

use super::{CLOSE, CloseCode, FIN, MASKED, MAX_CONTROL, MAX_HEADER, PING, PONG, apply_mask};

/// A header, or the part of it that has arrived.
#[derive(Debug, Default)]
pub(super) struct Header {
    bytes: [u8; MAX_HEADER],
    len: u8,
}

/// A frame whose payload is being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) opcode: u8,
    /// The bits that extensions define.
    pub(super) reserved: u8,
    pub(super) is_final: bool,
    pub(super) mask: Option<[u8; 4]>,
    /// How many bytes of the payload have not arrived.
    pub(super) remaining: u64,
}

/// A violation of the protocol by the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation {
    code: CloseCode,
    reason: &'static str,
}

impl Header {
    /// Reads the missing bytes. Returns true when the header is complete.
    pub(super) fn read(&mut self, input: &mut &[u8]) -> bool {
        self.fill(2, input) && self.fill(self.mask_len() + self.length_end(), input)
    }

    /// Reads bytes until there are `needed`. Returns false if the input ends before.
    fn fill(&mut self, needed: usize, input: &mut &[u8]) -> bool {
        let have = usize::from(self.len);
        let count = needed.saturating_sub(have).min(input.len());
        let (taken, rest) = input.split_at(count);
        self.bytes[have..have + count].copy_from_slice(taken);
        // At most `MAX_HEADER`, which is below 256.
        self.len += u8::try_from(count).unwrap_or(0);
        *input = rest;
        have + count >= needed
    }

    fn mask_len(&self) -> usize {
        if self.bytes[1] & MASKED > 0 { 4 } else { 0 }
    }

    fn length_end(&self) -> usize {
        match self.bytes[1] & !MASKED {
            127 => 10,
            126 => 4,
            _ => 2,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Prepares for the next header.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Parses a complete header.
    pub(super) fn parse(&self) -> Result<Frame, Violation> {
        let [first, second, ..] = self.bytes;
        let end = self.length_end();
        let announced = self.bytes[2..end].iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        let remaining = match end {
            2 => u64::from(second & !MASKED),
            4 if announced > 125 => announced,
            10 if announced > 0xFFFF && announced >> 63 == 0 => announced,
            _ => return Err(protocol_error("a length in the wrong form")),
        };
        let mask = self.bytes[..usize::from(self.len)].last_chunk().copied().filter(|_| second & MASKED > 0);
        Ok(Frame { opcode: first & 0x0F, reserved: first & 0x70, is_final: first & FIN > 0, mask, remaining })
    }
}

impl Frame {
    pub(super) fn is_control(self) -> bool {
        self.opcode & 0x8 > 0
    }

    pub(super) fn check_control(self) -> Result<(), Violation> {
        if !matches!(self.opcode, CLOSE | PING | PONG) {
            return Err(protocol_error("unknown opcode"));
        }
        if !self.is_final || self.remaining > MAX_CONTROL as u64 {
            return Err(protocol_error("a control frame that is fragmented or too long"));
        }
        Ok(())
    }

    /// Returns the whole payload, with which `input` begins.
    pub(super) fn take_all(self, input: &mut &[u8]) -> Bytes {
        let count = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
        let mut data = input[..count].to_vec();
        *input = &input[count..];
        if let Some(mask) = self.mask {
            apply_mask(&mut data, mask);
        }
        data.into()
    }

    /// Moves payload from `input` to the place that `keep` returns, and unmasks it there.
    pub(super) fn take<'a>(&mut self, input: &mut &[u8], keep: impl FnOnce(&[u8]) -> &'a mut [u8]) {
        let count = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
        let (taken, rest) = input.split_at(count);
        *input = rest;
        self.remaining -= count as u64;
        let kept = keep(taken);
        if let Some(mask) = &mut self.mask {
            apply_mask(kept, *mask);
            mask.rotate_left(count % 4);
        }
    }
}

impl Violation {
    pub(super) fn new(code: CloseCode, reason: &'static str) -> Self {
        Self { code, reason }
    }

    pub(crate) fn code(self) -> CloseCode {
        self.code
    }

    pub(crate) fn reason(self) -> &'static str {
        self.reason
    }
}

pub(super) fn protocol_error(reason: &'static str) -> Violation {
    Violation::new(CloseCode::PROTOCOL_ERROR, reason)
}
