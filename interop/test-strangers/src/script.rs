//! A fuzzer's bytes as steps of one side. Pure.

use neffos::{CloseCode, CloseFrame};
use test_client::{BINARY, CLOSE, TEXT};

use crate::inspector::Side;

/// The remaining steps.
#[derive(Debug)]
pub(crate) struct Script<'a>(pub(crate) &'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Returns as many bytes as the next byte says, or all that are left.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte().unwrap_or(0));
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Returns a close frame, mostly with a code.
    pub(crate) fn close(&mut self, side: Side) -> Vec<u8> {
        let code = u16::from_be_bytes([self.byte().unwrap_or(3), self.byte().unwrap_or(232)]);
        let reason = String::from_utf8_lossy(self.bytes()).into_owned();
        match CloseCode::new(code).map(|code| CloseFrame::new(code, reason)) {
            Some(frame) => {
                let code = frame.code().as_u16().to_be_bytes();
                side.frame(CLOSE, &[&code, frame.reason().as_bytes()].concat())
            }
            None => side.frame(CLOSE, b""),
        }
    }

    /// Returns a frame with any first byte: a fragment, a frame of an extension, or an invalid one.
    pub(crate) fn frame(&mut self, side: Side) -> Vec<u8> {
        let first = self.byte().unwrap_or(0);
        let mut frame = side.frame(BINARY, self.bytes());
        frame[0] = first;
        frame
    }
}

/// Returns a text message in one frame.
pub(crate) fn text(side: Side, payload: &[u8]) -> Vec<u8> {
    side.frame(TEXT, payload)
}

/// The most steps of a script.
pub(crate) const MOST_STEPS: usize = 64;
