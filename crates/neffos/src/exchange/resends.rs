//! The resends that other nodes have requested: one for each node, in pieces, with a rate limit in bytes. Pure.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::envelope::Envelope;
use super::kept::Kept;
use super::node_id::NodeId;

#[derive(Debug)]
pub(super) struct Resends {
    due: VecDeque<Resend>,
    /// The highest answered pause of each node.
    answered: HashMap<NodeId, u64>,
    allowance: usize,
    counted: Instant,
}

/// The rest of a resend.
#[derive(Debug)]
struct Resend {
    to: NodeId,
    pause: u64,
    after: u64,
    /// The last message published before the request. The node receives later ones anyway.
    until: u64,
    since: Instant,
}

/// A piece of a resend.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) to: NodeId,
    pub(super) envelopes: Vec<Envelope>,
    /// The pause of that node that ends with it, if it is the last piece.
    pub(super) ends: Option<u64>,
    /// The last requested message, if it is no longer kept.
    pub(super) not_kept: Option<u64>,
}

impl Resends {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: VecDeque::new(), answered: HashMap::new(), allowance: MOST_AT_ONCE, counted: now }
    }

    /// Records a node's request, in one of its pauses, for the messages after `after`, up to `until`. Each pause is
    /// answered once.
    pub(super) fn request(&mut self, (to, pause): (NodeId, u64), after: u64, until: u64, now: Instant) {
        if !self.answered.contains_key(&to) && self.answered.len() >= MOST_NODES {
            return;
        }
        let answered = self.answered.entry(to).or_default();
        if pause <= *answered {
            return;
        }
        *answered = pause;
        // A node in a new pause has no use for the answer to an earlier one.
        self.due.retain(|resend| resend.to != to);
        self.due.push_back(Resend { to, pause, after, until, since: now });
    }

    /// Returns the next piece, if one is due and the rate allows it.
    pub(super) fn next(&mut self, kept: &mut Kept, now: Instant) -> Option<Piece> {
        if self.due.is_empty() {
            return None;
        }
        self.due.retain(|resend| now.duration_since(resend.since) < PATIENCE);
        self.refill(now);
        let resend = self.due.front_mut().filter(|_| self.allowance > 0)?;
        let (envelopes, last) = kept.between((resend.after, resend.until), MOST_TOGETHER, now);
        let bytes: usize = envelopes.iter().map(|envelope| envelope.channel.len() + envelope.payload.len()).sum();
        self.allowance = self.allowance.saturating_sub(bytes);
        let (to, pause) = (resend.to, resend.pause);
        match last {
            Some(last) => {
                resend.after = last;
                Some(Piece { to, envelopes, ends: None, not_kept: None })
            }
            None => {
                let is_lost = resend.until > resend.after && !kept.has(resend.until);
                let not_kept = is_lost.then_some(resend.until);
                self.due.pop_front();
                Some(Piece { to, envelopes, ends: Some(pause), not_kept })
            }
        }
    }

    /// Drops all due resends: the link over which they were requested has ended.
    pub(super) fn clear(&mut self) {
        self.due.clear();
    }

    /// Forgets the answered pauses of all nodes but `nodes`.
    pub(super) fn keep(&mut self, nodes: &[NodeId]) {
        self.answered.retain(|id, _| nodes.contains(id));
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.duration_since(self.counted).as_millis().min(REFILL_TIME.as_millis()) as usize;
        if passed > 0 {
            let share = MOST_AT_ONCE / REFILL_TIME.as_millis() as usize;
            self.allowance = self.allowance.saturating_add(passed.saturating_mul(share)).min(MOST_AT_ONCE);
            self.counted = now;
        }
    }
}

/// How long a node waits for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// The most bytes of one piece, unless a single message is larger.
const MOST_TOGETHER: usize = 64 * 1024;
/// The most bytes that are resent in a burst: as much as sixteen nodes may have missed.
const MOST_AT_ONCE: usize = 64 * 1024 * 1024;
/// The time until a burst of that size is allowed again.
const REFILL_TIME: Duration = Duration::from_secs(4);
/// More nodes than any cluster has.
const MOST_NODES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::super::queue::QueueLimits;
    use super::*;
    use crate::budget::Charge;

    const ONE: NodeId = NodeId([1; 16]);
    const TWO: NodeId = NodeId([2; 16]);

    /// Returns kept messages 1, 2, 3, … of these sizes.
    fn kept(sizes: &[usize], now: Instant) -> Kept {
        let mut kept = Kept::new(QueueLimits::default(), Charge::default());
        for (nth, size) in sizes.iter().enumerate() {
            kept.push(nth as u64 + 1, Envelope::new("c", vec![b'x'; *size]), now);
        }
        kept
    }

    fn ends(resends: &mut Resends, kept: &mut Kept, now: Instant) -> Vec<(NodeId, usize, Option<u64>)> {
        let pieces = std::iter::from_fn(|| resends.next(kept, now));
        pieces.map(|piece| (piece.to, piece.envelopes.len(), piece.ends)).collect()
    }

    #[test]
    fn a_resend_comes_in_pieces_and_the_last_one_ends_the_pause() {
        let now = Instant::now();
        let (mut resends, mut kept) = (Resends::new(now), kept(&[10, 40_000, 40_000, 70_000, 10], now));
        resends.request((ONE, 1), 1, 5, now);
        let expected = vec![(ONE, 1, None), (ONE, 1, None), (ONE, 1, None), (ONE, 1, Some(1))];
        assert_eq!(ends(&mut resends, &mut kept, now), expected);
        resends.request((ONE, 2), 5, 5, now);
        assert_eq!(ends(&mut resends, &mut kept, now), [(ONE, 0, Some(2))]);
    }

    #[test]
    fn the_answer_tells_that_the_last_messages_are_no_longer_kept() {
        let now = Instant::now();
        let (mut resends, mut kept) = (Resends::new(now), kept(&[10, 10], now));
        let mut not_kept = |pause, after, until| {
            resends.request((ONE, pause), after, until, now);
            resends.next(&mut kept, now).unwrap().not_kept
        };
        assert_eq!([not_kept(1, 0, 2), not_kept(2, 1, 3), not_kept(3, 3, 3)], [None, Some(3), None]);
        resends.request((ONE, 4), 0, 2, now);
        let piece = resends.next(&mut kept, now + Duration::from_secs(1)).unwrap();
        assert_eq!((piece.envelopes.len(), piece.not_kept), (2, None));
    }

    #[test]
    fn each_pause_is_answered_once_and_a_later_one_takes_its_place() {
        let now = Instant::now();
        let (mut resends, mut kept) = (Resends::new(now), kept(&[10, 10], now));
        resends.request((ONE, 4), 0, 2, now);
        resends.request((ONE, 4), 0, 2, now);
        resends.request((ONE, 3), 0, 2, now);
        resends.request((TWO, 1), 1, 2, now);
        resends.request((ONE, 5), 0, 2, now);
        assert_eq!(ends(&mut resends, &mut kept, now), [(TWO, 1, Some(1)), (ONE, 2, Some(5))]);
        resends.request((ONE, 5), 0, 2, now);
        assert_eq!(ends(&mut resends, &mut kept, now), []);
    }

    #[test]
    fn messages_that_were_published_after_the_request_are_not_resent() {
        let now = Instant::now();
        let (mut resends, mut kept) = (Resends::new(now), kept(&[10, 10, 10, 10], now));
        resends.request((ONE, 1), 1, 3, now);
        assert_eq!(ends(&mut resends, &mut kept, now), [(ONE, 2, Some(1))]);
    }

    #[test]
    fn however_many_nodes_ask_only_so_much_is_resent_in_a_second() {
        let now = Instant::now();
        let (mut resends, mut kept) = (Resends::new(now), kept(&[60_000; 60], now));
        let ask = |resends: &mut Resends, now| {
            (0..100_u128).for_each(|nth| {
                let pause = resends.answered.len() as u64 + 1;
                resends.request((NodeId(nth.to_be_bytes()), pause), 0, 60, now);
            });
        };
        ask(&mut resends, now);
        let bytes =
            ends(&mut resends, &mut kept, now).iter().map(|(_, envelopes, _)| envelopes * 60_000).sum::<usize>();
        assert!((MOST_AT_ONCE..MOST_AT_ONCE + 60_001).contains(&bytes), "{bytes}");
        let later = now + Duration::from_secs(1);
        let bytes =
            ends(&mut resends, &mut kept, later).iter().map(|(_, envelopes, _)| envelopes * 60_000).sum::<usize>();
        assert!((MOST_AT_ONCE / 5..MOST_AT_ONCE / 3).contains(&bytes), "{bytes}");
        assert_eq!(ends(&mut resends, &mut kept, now + PATIENCE), []);
    }
}
