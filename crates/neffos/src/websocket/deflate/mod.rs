//! permessage-deflate (RFC 7692), pure: what is agreed, and messages with fewer bytes.
//!
//! Neither side takes its context over from one message to the next. So a connection has no state of its own for this, a
//! frame is the same bytes for all receivers with one window, and what is needed to work belongs to the thread.
//!
//! - `offers.rs`: what a client offers, and what of it a server takes.
//! - `codec.rs`: bytes to fewer bytes, and back within a limit.
//! - `pack.rs`: whole frames to compressed frames.
//! - `fuzzing.rs`: what fuzzers hold this up against.

mod codec;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod offers;
mod pack;

use std::num::NonZeroU8;

pub(super) use codec::inflate;
pub(crate) use offers::AcceptedOffer;
pub(crate) use pack::pack;

/// How messages are compressed for clients that offer it: permessage-deflate, each message by itself.
///
/// It costs processor time for every message that is large enough: a broadcast once, whatever the number of receivers,
/// anything else for each message. Who reads what a connection carries can tell from its length what a secret next to a
/// guessed text is: do not compress the two together.
///
/// # Examples
///
/// ```
/// use neffos::{Compression, Events, Server};
///
/// let builder = Server::builder().namespace("default", Events::new());
/// let server = builder.compression(Compression::default().threshold(1024)).build()?;
/// # Ok::<(), neffos::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Compression {
    threshold: usize,
}

impl Compression {
    /// From which size on a message is compressed, in bytes: smaller ones gain nothing. The default is 512. What clients
    /// send may be compressed at any size.
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// What to answer to a client's `Sec-WebSocket-Extensions`, of which there may be several; none when it offers nothing
    /// that can be kept.
    pub(crate) fn answer<'a>(&self, offers: impl Iterator<Item = &'a str>) -> Option<AcceptedOffer> {
        offers::choose(offers)
    }

    pub(crate) fn packing(&self, window: Window) -> Packing {
        Packing { window, threshold: self.threshold }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self { threshold: 512 }
    }
}

/// How far back in a message its compressed form may point: a power of two. Where compression was agreed on, each side
/// keeps to one in what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window(NonZeroU8);

impl Window {
    pub(crate) const LARGEST: Self = Self(NonZeroU8::new(15).expect("not zero"));
    /// How many there are.
    const COUNT: usize = 7;

    /// Windows of 2^9 to 2^15 bytes. The standard knows 2^8 too, but there is no encoder for it.
    pub(crate) fn new(bits: u8) -> Option<Self> {
        NonZeroU8::new(bits).filter(|bits| (9..=15).contains(&bits.get())).map(Self)
    }

    fn bits(self) -> u8 {
        self.0.get()
    }

    /// Its place among all, the largest being the first.
    fn nth(self) -> usize {
        usize::from(15 - self.bits())
    }
}

/// How messages to one receiver are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packing {
    window: Window,
    threshold: usize,
}

#[cfg(test)]
mod tests;
