//! The messages to publish: bounded in number, bytes and age, and kept in order through an outage. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::draft::{Draft, Sequence};
use crate::budget::{Budget, Charge};

#[derive(Debug)]
pub(super) struct PublishQueue {
    limits: QueueLimits,
    /// Messages about nodes, which are published first.
    control: VecDeque<Draft>,
    control_bytes: usize,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    charge: Charge,
    flow: Flow,
    dropped: u64,
    /// The number of published messages.
    published: u64,
    /// Whether the last message of this node is queued or published.
    is_over: bool,
}

/// The limits on messages queued while the broker is slow or there is no link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { messages: 16_384, bytes: 16 * 1024 * 1024, age: Duration::from_secs(30) }
    }
}

impl QueueLimits {
    /// Returns the same limits, but at most a quarter of `budget` in bytes.
    pub(super) fn within(self, budget: &Budget) -> Self {
        Self { bytes: self.bytes.min(budget.share(4)), ..self }
    }
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    probe: Option<u64>,
    draft: Draft,
}

/// Whether messages are published, or only control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Held,
    Open,
}

/// Drafts that are published together.
#[derive(Debug, Default)]
pub(super) struct PublishBatch {
    pub(super) drafts: Vec<(Draft, Sequence)>,
    /// The last probe among them.
    pub(super) probe: Option<u64>,
}

impl PublishQueue {
    pub(super) fn new(limits: QueueLimits, charge: Charge) -> Self {
        Self {
            limits,
            control: VecDeque::new(),
            control_bytes: 0,
            waiting: VecDeque::new(),
            bytes: 0,
            charge,
            flow: Flow::Held,
            dropped: 0,
            published: 0,
            is_over: false,
        }
    }

    /// Adds the last message of this node. No control message may follow it: other nodes would count this node again.
    pub(super) fn push_last(&mut self, draft: Draft, now: Instant) {
        self.push(draft, now);
        self.is_over = true;
    }

    /// Adds a message at the end. If there is no room, drops and counts it.
    pub(super) fn push(&mut self, draft: Draft, now: Instant) {
        self.expire(now);
        let size = draft.size();
        let is_full = self.waiting.len() >= self.limits.messages || self.bytes + size > self.limits.bytes;
        if is_full {
            self.dropped += 1;
            return;
        }
        self.bytes += size;
        self.waiting.push_back(Waiting { since: now, probe: None, draft });
        self.account();
    }

    fn account(&mut self) {
        let storage = (self.waiting.capacity() + self.control.capacity()).saturating_sub(FREE) * size_of::<Waiting>();
        self.charge.set_about(self.bytes + self.control_bytes + storage);
    }

    /// Adds a probe after all messages, so that it takes their path.
    pub(super) fn push_probe(&mut self, number: u64, draft: Draft, now: Instant) {
        self.bytes += draft.size();
        self.waiting.push_back(Waiting { since: now, probe: Some(number), draft });
    }

    /// Adds a control message, which is published first. There are few. Beyond a limit the oldest is dropped, because
    /// newer ones replace it.
    pub(super) fn push_control(&mut self, draft: Draft) {
        if self.is_over {
            return;
        }
        self.control_bytes += draft.size();
        self.control.push_back(draft);
        while self.control.len() > MAX_CONTROL || self.control_bytes > MAX_CONTROL_BYTES {
            let Some(oldest) = self.control.pop_front() else { break };
            self.control_bytes -= oldest.size();
        }
        self.account();
    }

    /// Publishes messages from now on.
    pub(super) fn open(&mut self) {
        self.flow = Flow::Open;
    }

    /// Holds messages until the next link is ready. Drops control messages and probes, which were for the lost link.
    pub(super) fn hold(&mut self) {
        self.flow = Flow::Held;
        self.control.clear();
        self.control_bytes = 0;
        self.waiting.retain(|item| item.probe.is_none());
        self.bytes = self.waiting.iter().map(|item| item.draft.size()).sum();
        self.account();
    }

    /// Returns the next drafts to publish: control, then a piece of a resend, then messages. The node that waits for
    /// the resend would hold newer messages.
    pub(super) fn take(&mut self, resend: Option<Draft>, now: Instant) -> PublishBatch {
        let mut batch = PublishBatch::default();
        let mut bytes = 0;
        while bytes < MAX_BATCH_BYTES {
            let Some(draft) = self.control.pop_front() else { break };
            bytes += draft.size();
            self.control_bytes -= draft.size();
            batch.drafts.push((draft, self.last_sequence()));
        }
        if let Some(draft) = resend {
            batch.drafts.push((draft, self.last_sequence()));
            self.account();
            return batch;
        }
        while self.flow == Flow::Open && batch.drafts.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
            self.expire(now);
            let Some(Waiting { probe, draft, .. }) = self.waiting.pop_front() else { break };
            bytes += draft.size();
            self.bytes -= draft.size();
            batch.probe = probe.or(batch.probe);
            let is_message = probe.is_none();
            self.published += u64::from(is_message);
            batch.drafts.push((draft, Sequence { number: self.published, is_message }));
        }
        if self.waiting.is_empty() {
            // Frees the memory of an outage.
            self.waiting.shrink_to(MAX_BATCH);
        }
        if self.control.is_empty() {
            self.control.shrink_to(MAX_BATCH);
        }
        self.account();
        batch
    }

    /// Returns the sequence of an envelope without a message.
    fn last_sequence(&self) -> Sequence {
        Sequence { number: self.published, is_message: false }
    }

    /// Returns the number of the last published message.
    pub(super) fn last_published(&self) -> u64 {
        self.published
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how many messages found no room, or were queued for too long.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Drops messages that were queued for too long. A probe stays, because a task waits for it; the search ends there.
    fn expire(&mut self, now: Instant) {
        let is_old = |item: &Waiting| item.probe.is_none() && now.duration_since(item.since) > self.limits.age;
        while self.waiting.front().is_some_and(is_old) {
            if let Some(item) = self.waiting.pop_front() {
                self.bytes -= item.draft.size();
                self.dropped += 1;
            }
        }
    }
}

/// Small enough that a broken link loses little.
const MAX_BATCH: usize = 64;
/// A batch ends after this many bytes, so that it passes a slow link within a few seconds.
const MAX_BATCH_BYTES: usize = 64 * 1024;
/// The storage of this many items is not charged, because it stays when the queue is empty.
const FREE: usize = 3 * MAX_BATCH;
const MAX_CONTROL: usize = 1024;
const MAX_CONTROL_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::super::draft::Stamp;
    use super::*;

    fn draft(text: impl AsRef<[u8]>) -> Draft {
        Draft { channel: "c".into(), bytes: text.as_ref().into(), stamp: Stamp::None }
    }

    fn queue(messages: usize) -> PublishQueue {
        PublishQueue::new(QueueLimits { messages, bytes: 10_000, age: Duration::from_secs(5) }, Charge::default())
    }

    fn texts(batch: &PublishBatch) -> Vec<&[u8]> {
        batch.drafts.iter().map(|(draft, _)| &draft.bytes[..]).collect()
    }

    #[test]
    fn messages_wait_in_order_until_the_queue_opens() {
        let (mut queue, now) = (queue(9), Instant::now());
        queue.push(draft("a"), now);
        queue.push(draft("b"), now);
        queue.push_control(draft("hello"));
        assert_eq!(texts(&queue.take(None, now)), [b"hello"]);
        queue.open();
        assert_eq!(texts(&queue.take(None, now)), [b"a", b"b"]);
        assert_eq!((queue.len(), queue.bytes()), (0, 0));
    }

    #[test]
    fn control_is_published_first_then_a_resend_then_messages() {
        let (mut queue, now) = (queue(9), Instant::now());
        queue.open();
        queue.push(draft("a"), now);
        queue.push_control(draft("hello"));
        assert_eq!(texts(&queue.take(Some(draft("resend")), now)), [&b"hello"[..], b"resend"]);
        assert_eq!(texts(&queue.take(None, now)), [b"a"]);
    }

    #[test]
    fn control_is_bounded_in_number_and_bytes_and_goes_in_batches() {
        let (mut queue, now) = (queue(9), Instant::now());
        (0..2 * MAX_CONTROL).for_each(|_| queue.push_control(draft("alive")));
        assert_eq!(queue.control.len(), MAX_CONTROL);
        (0..40).for_each(|_| queue.push_control(draft(vec![b'x'; 60_000])));
        assert!(queue.control_bytes <= MAX_CONTROL_BYTES && queue.control.len() == MAX_CONTROL_BYTES / 60_100);
        let batches: Vec<_> =
            std::iter::from_fn(|| Some(queue.take(None, now).drafts.len()).filter(|len| *len > 0)).collect();
        assert_eq!((batches[0], batches.len(), queue.control_bytes), (2, 9, 0));
    }

    #[test]
    fn messages_beyond_the_limit_are_dropped_and_counted() {
        let (mut queue, now) = (queue(2), Instant::now());
        ["a", "b", "c"].into_iter().for_each(|text| queue.push(draft(text), now));
        queue.push(draft([0; 20_000]), now);
        queue.open();
        assert_eq!((texts(&queue.take(None, now)), queue.dropped()), (vec![&b"a"[..], b"b"], 2));
    }

    #[test]
    fn what_has_waited_for_too_long_is_dropped_and_counted() {
        let (mut queue, start) = (queue(9), Instant::now());
        queue.push(draft("old"), start);
        queue.push(draft("new"), start + Duration::from_secs(4));
        queue.open();
        assert_eq!(texts(&queue.take(None, start + Duration::from_secs(6))), [b"new"]);
        assert_eq!((queue.dropped(), queue.bytes()), (1, 0));
    }

    #[test]
    fn a_lost_link_drops_control_and_probes_and_keeps_messages() {
        let (mut queue, now) = (queue(9), Instant::now());
        queue.open();
        queue.push(draft("a"), now);
        queue.push_probe(1, draft("probe"), now);
        queue.push_control(draft("hello"));
        queue.hold();
        assert!(queue.take(None, now).drafts.is_empty());
        queue.open();
        assert_eq!(texts(&queue.take(None, now)), [b"a"]);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn messages_are_numbered_and_other_envelopes_have_the_number_of_the_last() {
        let (mut queue, now) = (queue(9), Instant::now());
        queue.open();
        queue.push(draft("a"), now);
        queue.push_probe(7, draft("probe"), now);
        queue.push(draft("b"), now);
        queue.push_control(draft("hello"));
        let sequence =
            queue.take(None, now).drafts.into_iter().map(|(_, sequence)| (sequence.number, sequence.is_message));
        assert_eq!(sequence.collect::<Vec<_>>(), [(0, false), (1, true), (1, false), (2, true)]);
        queue.push_control(draft("alive"));
        assert_eq!(queue.take(None, now).drafts[0].1, Sequence { number: 2, is_message: false });
    }

    #[test]
    fn a_batch_tells_which_probe_it_carries() {
        let (mut queue, now) = (queue(99), Instant::now());
        queue.open();
        queue.push_probe(7, draft("probe"), now);
        (0..MAX_BATCH).for_each(|_| queue.push(draft("a"), now));
        let batches = [queue.take(None, now), queue.take(None, now)];
        assert_eq!(
            batches.each_ref().map(|batch| (batch.drafts.len(), batch.probe)),
            [(MAX_BATCH, Some(7)), (1, None)]
        );
    }

    #[test]
    fn large_messages_go_one_by_one_so_that_a_slow_link_has_the_time_for_each() {
        let limits = QueueLimits { messages: 99, bytes: 1 << 20, age: Duration::from_secs(5) };
        let (mut queue, now) = (PublishQueue::new(limits, Charge::default()), Instant::now());
        queue.open();
        for size in [MAX_BATCH_BYTES, MAX_BATCH_BYTES / 2, MAX_BATCH_BYTES / 2, 1] {
            queue.push(draft(vec![b'x'; size]), now);
        }
        let batches = std::array::from_fn(|_| queue.take(None, now).drafts.len());
        assert_eq!(batches, [1, 2, 1, 0]);
    }
}
