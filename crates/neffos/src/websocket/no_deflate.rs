//! Replaces `deflate` in builds without it. Its types have no values, so code that handles them costs nothing.

use bytes::Bytes;

use super::frame::Violation;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Compression {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {}

#[derive(Debug)]
pub(crate) enum AcceptedOffer {}

impl Compression {
    pub(crate) fn answer<'a>(&self, _offers: impl Iterator<Item = &'a str>) -> Option<AcceptedOffer> {
        match *self {}
    }

    pub(crate) fn packing(&self, _window: Window) -> Packing {
        match *self {}
    }
}

impl AcceptedOffer {
    pub(crate) fn window(&self) -> Window {
        match *self {}
    }
}

impl std::fmt::Display for AcceptedOffer {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {}
    }
}

pub(crate) fn pack(_frame: &[u8], packing: Packing) -> Option<Bytes> {
    match packing {}
}

pub(crate) fn inflate(within: Window, _data: &[u8], _limit: usize) -> Result<Vec<u8>, Violation> {
    match within {}
}
