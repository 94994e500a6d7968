//! The publications of this node: the queue, resends, and probes, which detect a dead broker link.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::draft::{Draft, Sequence, Stamp};
use super::super::envelope::Envelope;
use super::super::go;
use super::super::native::{self, Body, Enclosed};
use super::super::queue::PublishBatch;
use super::super::resends::Piece;
use super::super::seal::Seals;
use super::Node;

impl Node {
    // ---- into the queue

    /// Queues drafts after all others, with nothing between them.
    pub(super) fn publish(&self, drafts: impl IntoIterator<Item = Draft>) {
        let drafts: Vec<_> = drafts.into_iter().collect();
        let now = Instant::now();
        let mut queue = self.queue();
        drafts.into_iter().for_each(|draft| queue.push(draft, now));
        drop(queue);
        self.queue_changed.notify_one();
    }

    /// Queues a message about this node, before all messages of applications.
    pub(super) fn control(&self, channel: &Arc<str>, body: &Body<'_>) {
        let draft = native::write(channel, self.id, body);
        self.queue().push_control(draft);
        self.queue_changed.notify_one();
    }

    pub(in crate::exchange) fn tell_all(&self, body: &Body<'_>) {
        self.control(&self.dialect.of_servers(), body);
    }

    /// Notifies the other nodes, after all queued messages, that this one ends. Returns when the broker has accepted
    /// the notice.
    pub(in crate::exchange) async fn farewell(&self) {
        let bye = native::write(&self.dialect.of_servers(), self.id, &Body::Bye);
        self.queue().push_last(bye, Instant::now());
        let probe = self.probe();
        self.until_published(probe).await;
    }

    // ---- from the queue to the broker

    /// Returns the next drafts to publish.
    pub(in crate::exchange) fn next_batch(&self) -> PublishBatch {
        let now = Instant::now();
        let piece = self.state().next_piece(now);
        let resend = piece.map(|Piece { to, envelopes, ends, not_kept }| {
            if let Some(until) = not_kept {
                self.control(&self.dialect.of_server(to), &Body::NotKept { until });
            }
            let envelopes = envelopes.iter().map(Enclosed::of).collect();
            native::write(&self.dialect.of_server(to), self.id, &Body::Resent { envelopes, ends })
        });
        self.queue().take(resend, now)
    }

    /// Seals a draft for broker link number `link`.
    pub(in crate::exchange) fn sealed(
        &self,
        mut draft: Draft,
        sequence: Sequence,
        link: u32,
        seals: &mut Seals,
    ) -> Envelope {
        match draft.stamp {
            Stamp::Envelope => {
                let signing = self.dialect.key().map(|key| (key, seals.next(Instant::now())));
                native::seal(&mut draft, link, sequence, signing);
            }
            Stamp::Mark => go::seal(&mut draft, link),
            Stamp::None => {}
        }
        draft.into_envelope()
    }

    /// Keeps messages that are being published, for resends.
    pub(in crate::exchange) fn keep<'a>(&self, messages: impl IntoIterator<Item = (u64, &'a Envelope)>) {
        self.state().keep(messages, Instant::now());
    }

    pub(in crate::exchange) fn forget_old(&self) {
        self.state().forget_old(Instant::now());
    }

    /// Returns a guard for `count` messages that are passed to a link.
    pub(in crate::exchange) fn hand(&self, count: usize) -> Handed<'_> {
        Handed { node: self, count: count as u64 }
    }

    // ---- probes

    /// Queues a probe after all messages. Returns its number.
    pub(in crate::exchange) fn probe(&self) -> u64 {
        let now = Instant::now();
        let number = self.state().probes.send(now);
        let draft = native::write(&self.own_channels[1], self.id, &Body::Probe { number });
        self.queue().push_probe(number, draft, now);
        self.queue_changed.notify_one();
        number
    }

    /// Queues a probe before all messages, over a new link. Returns its number.
    pub(in crate::exchange) fn first_probe(&self) -> u64 {
        let number = self.state().probes.send(Instant::now());
        self.control(&self.own_channels[1], &Body::Probe { number });
        number
    }

    /// Records that the broker has accepted a probe, and everything before it.
    pub(in crate::exchange) fn probe_published(&self, number: u64) {
        self.state().probes.note_published(number);
        self.heard.notify_waiters();
    }

    /// Returns when the broker has accepted a probe.
    pub(in crate::exchange) async fn until_published(&self, probe: u64) {
        self.until(|| self.state().probes.is_published(probe)).await;
    }

    /// Returns when a probe has returned.
    pub(in crate::exchange) async fn until_returned(&self, probe: u64) {
        self.until(|| self.state().probes.has_returned(probe)).await;
    }

    pub(in crate::exchange) fn lag(&self) -> Option<Duration> {
        self.state().probes.lag(Instant::now())
    }
}

/// Messages passed to a link. If this is dropped before the broker has accepted them, they count as uncertain.
#[derive(Debug)]
#[must_use]
pub(in crate::exchange) struct Handed<'a> {
    node: &'a Node,
    count: u64,
}

impl Handed<'_> {
    /// Records that the broker has accepted them.
    pub(in crate::exchange) fn taken(mut self) {
        self.node.state().tallies.published += std::mem::take(&mut self.count);
    }
}

impl Drop for Handed<'_> {
    fn drop(&mut self) {
        if self.count > 0 {
            self.node.state().tallies.uncertain += self.count;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use super::super::super::dialect::Dialect;
    use super::super::super::queue::QueueLimits;
    use super::*;
    use crate::budget::Budget;

    #[tokio::test]
    async fn messages_in_flight_are_uncertain_only_if_the_broker_does_not_accept_them() {
        let node = Node::new(Dialect::native("app"), (QueueLimits::default(), &Budget::unlimited()), Handle::current());
        let (taken, lost) = (node.hand(3), node.hand(2));
        assert_eq!(node.state().tallies.uncertain, 0);
        taken.taken();
        drop(lost);
        let tallies = node.state().tallies;
        assert_eq!((tallies.published, tallies.uncertain), (3, 2));
    }
}
