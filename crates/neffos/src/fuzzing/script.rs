//! Bytes as steps: what a fuzzer has made up, as something that one side does.

use bytes::Bytes;

use crate::websocket::{CloseCode, CloseFrame, Kind, Role, close, message};

/// What is left of the steps.
pub(super) struct Script<'a>(pub(super) &'a [u8]);

impl<'a> Script<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// As many as the next byte says, or as there are.
    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte().unwrap_or(0));
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// One that says that its side ends.
    pub(super) fn close(&mut self, role: Role) -> Bytes {
        let code = u16::from_be_bytes([self.byte().unwrap_or(3), self.byte().unwrap_or(232)]);
        let reason = String::from_utf8_lossy(self.bytes()).into_owned();
        close(role, CloseCode::new(code).map(|code| CloseFrame::new(code, reason)).as_ref())
    }

    /// A fragment, something of an extension, or nothing by the rules.
    pub(super) fn frame(&mut self, role: Role) -> Vec<u8> {
        let first = self.byte().unwrap_or(0);
        let mut frame = message(role, Kind::Binary, self.bytes()).to_vec();
        frame[0] = first;
        frame
    }
}

/// A text in one frame.
pub(super) fn text(role: Role, payload: &[u8]) -> Bytes {
    message(role, Kind::Text, payload)
}

/// So many steps are done at most.
pub(super) const MOST_STEPS: usize = 64;
