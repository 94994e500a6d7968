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
    /// Said again by others after they were missed.
    pub(in crate::exchange) recovered: Tally,
    /// Not kept any more when they were requested.
    pub(in crate::exchange) missed: Tally,
    pub(in crate::exchange) stale: Tally,
    pub(in crate::exchange) rejected: Tally,
    /// Signed envelopes that had been accepted before, or whose sender did not prove itself.
    pub(in crate::exchange) replayed: Tally,
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
    /// So many messages are handed to a link.
    pub(in crate::exchange) fn hand(&self, count: u64) -> Handed<'_> {
        Handed { tallies: self, count }
    }
}

/// Messages that were handed to a link. Dropped before the broker has taken them, they are uncertain.
#[derive(Debug)]
#[must_use]
pub(in crate::exchange) struct Handed<'a> {
    tallies: &'a Tallies,
    count: u64,
}

impl Handed<'_> {
    /// The broker has taken them.
    pub(in crate::exchange) fn taken(mut self) {
        self.tallies.published.add(std::mem::take(&mut self.count));
    }
}

impl Drop for Handed<'_> {
    fn drop(&mut self) {
        self.tallies.uncertain.add(self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_its_way_is_uncertain_only_if_the_broker_never_takes_it() {
        let tallies = Tallies::default();
        let (taken, lost) = (tallies.hand(3), tallies.hand(2));
        assert_eq!(tallies.uncertain.read(), 0);
        taken.taken();
        drop(lost);
        assert_eq!((tallies.published.read(), tallies.uncertain.read()), (3, 2));
    }
}
