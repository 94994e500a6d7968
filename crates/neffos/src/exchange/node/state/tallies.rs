//! Counters of envelopes, published and received. Pure.

/// Counters, which only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::exchange) struct Tallies {
    pub(in crate::exchange) published: u64,
    /// Passed to a link that was lost before it confirmed them.
    pub(in crate::exchange) uncertain: u64,
    /// Impossible to publish.
    pub(in crate::exchange) refused: u64,
    pub(in crate::exchange) received: u64,
    /// Missed, and then resent by other nodes.
    pub(in crate::exchange) recovered: u64,
    /// No longer kept when they were requested.
    pub(in crate::exchange) missed: u64,
    pub(in crate::exchange) stale: u64,
    pub(in crate::exchange) rejected: u64,
    /// Signed envelopes that were accepted before, or whose sender sent no proof.
    pub(in crate::exchange) replayed: u64,
    pub(in crate::exchange) unconfirmed: u64,
    pub(in crate::exchange) links: u64,
}
