//! [`Parcel`]: what a link publishes. Pure.

use std::sync::Arc;

use bytes::Bytes;

/// Bytes for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parcel {
    /// Where they go.
    pub channel: Arc<str>,
    /// What they are: nothing that a broker needs to look at.
    pub payload: Bytes,
}

impl Parcel {
    /// `payload` for `channel`.
    pub fn new(channel: impl Into<Arc<str>>, payload: impl Into<Bytes>) -> Self {
        Self { channel: channel.into(), payload: payload.into() }
    }
}
