//! Recently published messages, kept for nodes that had no link at that time. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::envelope::Envelope;
use super::queue::QueueLimits;
use crate::budget::Charge;

#[derive(Debug)]
pub(super) struct Kept {
    limits: QueueLimits,
    published: VecDeque<Published>,
    bytes: usize,
    charge: Charge,
}

#[derive(Debug)]
struct Published {
    number: u64,
    since: Instant,
    envelope: Envelope,
}

impl Kept {
    /// Keeps at most as much as the queue, and at most as much as one resend may send at once.
    pub(super) fn new(limits: QueueLimits, charge: Charge) -> Self {
        let QueueLimits { messages, bytes, age } = limits;
        let limits = QueueLimits { messages, bytes: bytes.min(MOST_BYTES), age: age.min(LONGEST) };
        Self { limits, published: VecDeque::new(), bytes: 0, charge }
    }

    /// Keeps a message that is being published, and drops the oldest ones to make room.
    pub(super) fn push(&mut self, number: u64, envelope: Envelope, now: Instant) {
        self.bytes += size(&envelope);
        self.published.push_back(Published { number, since: now, envelope });
        self.expire(now);
    }

    /// Returns the kept messages after number `after`, up to number `until`: the first `most` bytes of them, and at
    /// least one message. If there are more, also returns the number of the last one returned.
    pub(super) fn between(
        &mut self,
        (after, until): (u64, u64),
        most: usize,
        now: Instant,
    ) -> (Vec<Envelope>, Option<u64>) {
        self.expire(now);
        let [first, end] = [after, until].map(|number| self.published.partition_point(|other| other.number <= number));
        let mut bytes = 0;
        let mut fits = |nth: usize, published: &Published| {
            bytes += published.envelope.channel.len() + published.envelope.payload.len();
            nth == 0 || bytes <= most
        };
        let due = self.published.range(first..end.max(first));
        let count = due.clone().enumerate().map_while(|(nth, published)| fits(nth, published).then_some(())).count();
        let last = due.clone().nth(count).and_then(|_| due.clone().nth(count - 1)).map(|published| published.number);
        (due.take(count).map(|published| published.envelope.clone()).collect(), last)
    }

    /// Returns whether a message is still kept.
    pub(super) fn has(&self, number: u64) -> bool {
        self.published.binary_search_by_key(&number, |published| published.number).is_ok()
    }

    /// Drops messages that are too old, or too many.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(oldest) = self.published.front() {
            let is_too_much = self.published.len() > self.limits.messages || self.bytes > self.limits.bytes;
            if !is_too_much && now.duration_since(oldest.since) <= self.limits.age {
                break;
            }
            self.bytes -= size(&oldest.envelope);
            self.published.pop_front();
        }
        if self.published.is_empty() {
            // Frees the memory of a burst.
            self.published.shrink_to(FEW);
        }
        self.charge.set_about(self.bytes);
    }
}

/// Returns the approximate memory use in bytes.
fn size(envelope: &Envelope) -> usize {
    size_of::<Published>() + envelope.channel.len() + envelope.payload.len()
}

/// Brokers buffer several times as much for one subscriber before they disconnect it.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// How long messages are kept at most.
const LONGEST: Duration = Duration::from_secs(10);
const FEW: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(messages: usize) -> Kept {
        Kept::new(QueueLimits { messages, bytes: 10_000, age: Duration::from_secs(5) }, Charge::default())
    }

    fn after(kept: &mut Kept, number: u64, now: Instant) -> Vec<Envelope> {
        kept.between((number, u64::MAX), usize::MAX, now).0
    }

    fn texts(envelopes: &[Envelope]) -> Vec<&[u8]> {
        envelopes.iter().map(|envelope| &envelope.payload[..]).collect()
    }

    #[test]
    fn messages_after_a_number_are_found_in_order() {
        let (mut kept, now) = (kept(9), Instant::now());
        for (number, text) in [(3, "c"), (4, "d"), (7, "g")] {
            kept.push(number, Envelope::new("c", text), now);
        }
        assert_eq!(texts(&after(&mut kept, 0, now)), [b"c", b"d", b"g"]);
        assert_eq!(texts(&after(&mut kept, 3, now)), [b"d", b"g"]);
        assert_eq!(texts(&after(&mut kept, 5, now)), [b"g"]);
        assert!(after(&mut kept, 7, now).is_empty());
    }

    #[test]
    fn large_resends_are_found_in_pieces() {
        let (mut kept, now) = (kept(9), Instant::now());
        for number in 1..=4 {
            kept.push(number, Envelope::new("c", vec![b'x'; 9]), now);
        }
        let mut piece = |after, until, most| {
            let (envelopes, last) = kept.between((after, until), most, now);
            (envelopes.len(), last)
        };
        assert_eq!(piece(0, 9, 20), (2, Some(2)));
        assert_eq!(piece(2, 9, 20), (2, None));
        assert_eq!(piece(0, 3, 1), (1, Some(1)));
        assert_eq!(piece(0, 1, 1), (1, None));
        assert_eq!(piece(3, 2, 99), (0, None));
    }

    #[test]
    fn the_oldest_make_room_for_the_newest() {
        let (mut kept, now) = (kept(2), Instant::now());
        for (number, text) in [(1, "a"), (2, "b"), (3, "c")] {
            kept.push(number, Envelope::new("c", text), now);
        }
        assert_eq!(texts(&after(&mut kept, 0, now)), [b"b", b"c"]);
        kept.push(4, Envelope::new("c", vec![0; 9_900]), now);
        assert_eq!(after(&mut kept, 0, now).len(), 1);
        kept.push(5, Envelope::new("c", vec![0; 20_000]), now);
        assert!(after(&mut kept, 0, now).is_empty());
        assert_eq!(kept.bytes, 0);
    }

    #[test]
    fn messages_that_are_too_old_are_dropped() {
        let (mut kept, start) = (kept(9), Instant::now());
        kept.push(1, Envelope::new("c", "old"), start);
        kept.push(2, Envelope::new("c", "new"), start + Duration::from_secs(4));
        assert_eq!(texts(&after(&mut kept, 0, start + Duration::from_secs(6))), [b"new"]);
    }
}
