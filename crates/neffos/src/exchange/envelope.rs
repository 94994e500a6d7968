//! [`Envelope`]: what a link publishes. Pure.

use std::sync::Arc;

use bytes::Bytes;

/// Bytes for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// The channel that they go to.
    pub channel: Arc<str>,
    /// The bytes. A broker need not look at them.
    pub payload: Bytes,
}

impl Envelope {
    /// `payload` for `channel`.
    pub fn new(channel: impl Into<Arc<str>>, payload: impl Into<Bytes>) -> Self {
        Self { channel: channel.into(), payload: payload.into() }
    }
}
