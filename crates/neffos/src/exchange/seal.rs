//! [`Seal`]: the serial number and the time of a signed envelope. Pure.

use tokio::time::Instant;

/// The position of an envelope among those of its node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seal {
    /// Grows by one with every envelope of a node.
    pub(super) serial: u64,
    /// Milliseconds since the node started.
    pub(super) sealed_at: u64,
}

/// Makes the seals of a node.
#[derive(Debug)]
pub(super) struct Seals {
    start: Instant,
    last: u64,
}

impl Seals {
    /// Begins with a node that starts now.
    pub(super) fn new(now: Instant) -> Self {
        Self { start: now, last: 0 }
    }

    pub(super) fn next(&mut self, now: Instant) -> Seal {
        self.last += 1;
        let sealed_at = u64::try_from(now.duration_since(self.start).as_millis()).unwrap_or(u64::MAX);
        Seal { serial: self.last, sealed_at }
    }
}
