//! [`Seal`]: the serial number and the time of a signed envelope. Pure.

/// When an envelope was sealed, among the envelopes of its node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seal {
    /// Grows by one with every envelope of a node.
    pub(super) serial: u64,
    /// Milliseconds since the node started.
    pub(super) sealed_at: u64,
}
