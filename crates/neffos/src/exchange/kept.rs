//! What was published lately, kept for servers that had no link meanwhile. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::parcel::Parcel;
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
    parcel: Parcel,
}

impl Kept {
    /// As much as may wait to be published, but not more than a server that comes back can be told at once.
    pub(super) fn new(limits: QueueLimits, charge: Charge) -> Self {
        let QueueLimits { messages, bytes, age } = limits;
        let limits = QueueLimits { messages, bytes: bytes.min(MOST_BYTES), age: age.min(LONGEST) };
        Self { limits, published: VecDeque::new(), bytes: 0, charge }
    }

    /// Keeps what is being published, in place of the oldest when there is no room.
    pub(super) fn push(&mut self, number: u64, parcel: Parcel, now: Instant) {
        self.bytes += size(&parcel);
        self.published.push_back(Published { number, since: now, parcel });
        self.expire(now);
    }

    /// The messages after number `after`, up to number `until`, if they are still kept: the first `most` bytes of them,
    /// and at least one. Also the number of the last one when there are more.
    pub(super) fn between(
        &mut self,
        (after, until): (u64, u64),
        most: usize,
        now: Instant,
    ) -> (Vec<Parcel>, Option<u64>) {
        self.expire(now);
        let [first, end] = [after, until].map(|number| self.published.partition_point(|other| other.number <= number));
        let mut bytes = 0;
        let mut fits = |nth: usize, published: &Published| {
            bytes += published.parcel.channel.len() + published.parcel.payload.len();
            nth == 0 || bytes <= most
        };
        let due = self.published.range(first..end.max(first));
        let count = due.clone().enumerate().map_while(|(nth, published)| fits(nth, published).then_some(())).count();
        let last = due.clone().nth(count).and_then(|_| due.clone().nth(count - 1)).map(|published| published.number);
        (due.take(count).map(|published| published.parcel.clone()).collect(), last)
    }

    /// Whether a message is still kept.
    pub(super) fn has(&self, number: u64) -> bool {
        self.published.binary_search_by_key(&number, |published| published.number).is_ok()
    }

    /// Forgets what is too old, or too much.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(oldest) = self.published.front() {
            let is_too_much = self.published.len() > self.limits.messages || self.bytes > self.limits.bytes;
            if !is_too_much && now.duration_since(oldest.since) <= self.limits.age {
                break;
            }
            self.bytes -= size(&oldest.parcel);
            self.published.pop_front();
        }
        if self.published.is_empty() {
            // What was kept in a busy moment must not leave its room behind.
            self.published.shrink_to(FEW);
        }
        self.charge.set_about(self.bytes);
    }
}

/// About how many bytes it takes to keep.
fn size(parcel: &Parcel) -> usize {
    size_of::<Published>() + parcel.channel.len() + parcel.payload.len()
}

/// What brokers let wait for one subscriber before they give it up is several times as much.
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

    fn after(kept: &mut Kept, number: u64, now: Instant) -> Vec<Parcel> {
        kept.between((number, u64::MAX), usize::MAX, now).0
    }

    fn texts(parcels: &[Parcel]) -> Vec<&[u8]> {
        parcels.iter().map(|parcel| &parcel.payload[..]).collect()
    }

    #[test]
    fn what_came_after_a_message_is_found_again_in_order() {
        let (mut kept, now) = (kept(9), Instant::now());
        for (number, text) in [(3, "c"), (4, "d"), (7, "g")] {
            kept.push(number, Parcel::new("c", text), now);
        }
        assert_eq!(texts(&after(&mut kept, 0, now)), [b"c", b"d", b"g"]);
        assert_eq!(texts(&after(&mut kept, 3, now)), [b"d", b"g"]);
        assert_eq!(texts(&after(&mut kept, 5, now)), [b"g"]);
        assert!(after(&mut kept, 7, now).is_empty());
    }

    #[test]
    fn much_is_found_piece_by_piece() {
        let (mut kept, now) = (kept(9), Instant::now());
        for number in 1..=4 {
            kept.push(number, Parcel::new("c", vec![b'x'; 9]), now);
        }
        let mut piece = |after, until, most| {
            let (parcels, last) = kept.between((after, until), most, now);
            (parcels.len(), last)
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
            kept.push(number, Parcel::new("c", text), now);
        }
        assert_eq!(texts(&after(&mut kept, 0, now)), [b"b", b"c"]);
        kept.push(4, Parcel::new("c", vec![0; 9_900]), now);
        assert_eq!(after(&mut kept, 0, now).len(), 1);
        kept.push(5, Parcel::new("c", vec![0; 20_000]), now);
        assert!(after(&mut kept, 0, now).is_empty());
        assert_eq!(kept.bytes, 0);
    }

    #[test]
    fn what_is_too_old_is_forgotten() {
        let (mut kept, start) = (kept(9), Instant::now());
        kept.push(1, Parcel::new("c", "old"), start);
        kept.push(2, Parcel::new("c", "new"), start + Duration::from_secs(4));
        assert_eq!(texts(&after(&mut kept, 0, start + Duration::from_secs(6))), [b"new"]);
    }
}
