//! Counters of envelopes, published and received. Pure.

/// Counters. They only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::exchange) struct Tallies {
    pub(in crate::exchange) published: u64,
    /// Handed to a link that was lost before it said what became of it.
    pub(in crate::exchange) uncertain: u64,
    /// What cannot be published at all.
    pub(in crate::exchange) refused: u64,
    pub(in crate::exchange) received: u64,
    /// Resent by other nodes after they were missed.
    pub(in crate::exchange) recovered: u64,
    /// Not kept any more when they were requested.
    pub(in crate::exchange) missed: u64,
    pub(in crate::exchange) stale: u64,
    pub(in crate::exchange) rejected: u64,
    /// Signed envelopes that had been accepted before, or whose sender did not prove itself.
    pub(in crate::exchange) replayed: u64,
    pub(in crate::exchange) unconfirmed: u64,
    pub(in crate::exchange) links: u64,
}
