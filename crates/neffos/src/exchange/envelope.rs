//! [`Envelope`]: the unit that a link publishes. Pure.

use std::sync::Arc;

use bytes::Bytes;

/// Bytes for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// The channel on which the bytes are published.
    pub channel: Arc<str>,
    /// The bytes, which are opaque to a broker.
    pub payload: Bytes,
}

impl Envelope {
    /// Creates an envelope with `payload` for `channel`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let envelope = Envelope::new("chat.lobby", "payload");
    /// assert_eq!(&*envelope.channel, "chat.lobby");
    /// ```
    pub fn new(channel: impl Into<Arc<str>>, payload: impl Into<Bytes>) -> Self {
        Self { channel: channel.into(), payload: payload.into() }
    }
}
