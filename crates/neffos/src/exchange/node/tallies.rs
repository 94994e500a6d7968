//! What became of what was published, and of what arrived.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(in crate::exchange) struct Tallies {
    pub(in crate::exchange) published: Tally,
    /// Handed to a link that was lost before it said what became of it.
    pub(in crate::exchange) uncertain: Tally,
    /// What cannot be published at all.
    pub(in crate::exchange) refused: Tally,
    pub(in crate::exchange) received: Tally,
    pub(in crate::exchange) stale: Tally,
    pub(in crate::exchange) rejected: Tally,
    pub(in crate::exchange) unconfirmed: Tally,
    pub(in crate::exchange) links: Tally,
}

#[derive(Debug, Default)]
pub(in crate::exchange) struct Tally(AtomicU64);

impl Tally {
    pub(in crate::exchange) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(in crate::exchange) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tallies {
    /// The broker has taken so many that were uncertain.
    pub(in crate::exchange) fn settle(&self, count: u64) {
        self.uncertain.0.fetch_sub(count, Ordering::Relaxed);
        self.published.add(count);
    }
}
