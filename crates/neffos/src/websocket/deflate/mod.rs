//! permessage-deflate (RFC 7692), pure: the negotiation, and the compression of messages.
//!
//! Neither side takes its context over from one message to the next. So a connection has no compression state, and a
//! frame is the same bytes for all receivers with one window. The working memory belongs to the thread.
//!
//! - `offers.rs`: a client's offers, and the server's answer.
//! - `codec.rs`: compresses bytes, and decompresses them within a limit.
//! - `pack.rs`: compresses whole frames.
//! - `fuzzing.rs`: the properties that fuzzers test.

mod codec;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod offers;
mod pack;

use std::num::NonZeroU8;

pub(super) use codec::inflate;
pub(crate) use offers::AcceptedOffer;
pub(crate) use pack::pack;

/// The settings for compression of messages to clients that offer permessage-deflate. Each message is compressed by
/// itself.
///
/// Compression costs processor time for every message above the threshold: for a broadcast once, regardless of the
/// number of receivers, and for any other message each time.
///
/// The length of a compressed message can reveal a secret to an observer of the connection, if the message also
/// contains text that the observer chooses. Do not compress the two together.
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
    /// Sets the smallest message that is compressed, in bytes: smaller ones would not shrink. The default is 512.
    /// Clients may send compressed messages of any size.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let compression = Compression::default().threshold(2048);
    /// ```
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Returns the answer to a client's `Sec-WebSocket-Extensions` headers, or `None` if no offer is acceptable.
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

/// The compression window: how far back in a message its compressed form may point, a power of two. Each side keeps to
/// the agreed window in the messages that it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window(NonZeroU8);

impl Window {
    pub(crate) const LARGEST: Self = Self(NonZeroU8::new(15).expect("not zero"));
    /// The number of windows.
    const COUNT: usize = 7;

    /// Returns a window of 2^9 to 2^15 bytes. The standard allows 2^8 too, but there is no encoder for it.
    pub(crate) fn new(bits: u8) -> Option<Self> {
        NonZeroU8::new(bits).filter(|bits| (9..=15).contains(&bits.get())).map(Self)
    }

    fn bits(self) -> u8 {
        self.0.get()
    }

    /// Returns its index among all windows, from the largest on.
    fn nth(self) -> usize {
        usize::from(15 - self.bits())
    }
}

/// The settings for compression of messages to one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packing {
    window: Window,
    threshold: usize,
}

#[cfg(test)]
mod tests;
