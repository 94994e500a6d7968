//! The received messages of another node, and those held until missed ones are resent. Pure.
//!
//! Messages of a node have sequence numbers. When a link of that node or of this one is lost, messages may be missed.
//! Then this node requests a resend of the messages after the last one received. It holds newer ones until the answer
//! arrives, for a limited time.

use std::sync::Arc;

use super::draft::{Sequence, What};

#[derive(Debug)]
pub(super) struct NodeProgress {
    /// The last message that was or will be delivered.
    last: u64,
    /// The last resent message. One that is not newer is a duplicate.
    repeated: u64,
    pause: Option<Pause>,
    /// The last pause ended without an answer: the next envelope shows how many messages were missed.
    is_unsure: bool,
    /// The number of lost messages that are not counted yet.
    missed: u64,
}

/// A time in which newer messages are held.
#[derive(Debug)]
struct Pause {
    nth: u64,
    held: Vec<HeldMessage>,
    bytes: usize,
    /// The last message that the sender no longer keeps, if it has reported one.
    not_kept: u64,
    is_answered: bool,
}

/// A message that waits for earlier ones.
#[derive(Debug)]
pub(super) struct HeldMessage {
    pub(super) number: u64,
    pub(super) channel: Arc<str>,
    pub(super) what: What,
}

/// The missing messages: all after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// The pause that this gap is for.
    pub(super) pause: u64,
    pub(super) after: u64,
}

/// The action for a message.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is looked at at once, and never kept")]
pub(super) enum Turn {
    /// It was received before.
    Done,
    Now(What),
    /// It is held in this pause.
    Later(u64),
    /// It is held, and the limit is reached: this pause must end.
    TooMuch(u64),
}

impl NodeProgress {
    /// Begins with an unknown node, whose earlier messages are not missed.
    pub(super) fn begin(sequence: Sequence) -> Self {
        Self { last: sequence.before(), repeated: 0, pause: None, is_unsure: false, missed: 0 }
    }

    /// Returns whether messages before this envelope were not received.
    pub(super) fn is_behind(&self, sequence: Sequence) -> bool {
        sequence.before() > self.last
    }

    /// Records that all messages before this envelope were received, or had no receivers here: a link keeps the order.
    pub(super) fn note(&mut self, sequence: Sequence) {
        if self.pause.is_some() {
            return;
        }
        if std::mem::take(&mut self.is_unsure) {
            self.miss(sequence.before().saturating_sub(self.last));
        }
        self.last = self.last.max(sequence.before());
    }

    /// Holds newer messages from now on. Messages already held stay held.
    pub(super) fn pause(&mut self, nth: u64) {
        let before = self.pause.take();
        let (held, bytes) = before.map_or_else(Default::default, |before| (before.held, before.bytes));
        self.pause = Some(Pause { nth, held, bytes, not_kept: 0, is_answered: false });
    }

    /// Returns the messages to request during a pause.
    pub(super) fn gap(&self) -> Option<Gap> {
        self.pause.as_ref().map(|pause| Gap { pause: pause.nth, after: self.last })
    }

    /// Handles a message of `size` bytes.
    pub(super) fn take(&mut self, number: u64, channel: &str, what: What, size: usize) -> Turn {
        if number <= self.repeated {
            return Turn::Done;
        }
        let Some(pause) = &mut self.pause else {
            self.last = self.last.max(number);
            return Turn::Now(what);
        };
        pause.held.push(HeldMessage { number, channel: channel.into(), what });
        pause.bytes += size + size_of::<HeldMessage>();
        match pause.held.len() > MOST_HELD || pause.bytes > MOST_BYTES_HELD {
            true => Turn::TooMuch(pause.nth),
            false => Turn::Later(pause.nth),
        }
    }

    /// Returns the approximate number of held bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.pause.as_ref().map_or(0, |pause| pause.bytes)
    }

    /// Records a message of a resend. Returns whether it was missed. A sender resends all messages that it keeps, in
    /// order, so those that it skips are lost.
    pub(super) fn repeat(&mut self, number: u64) -> bool {
        let was_missed = self.pause.is_some() && number > self.last;
        if was_missed {
            self.miss(number - self.last - 1);
            (self.last, self.repeated) = (number, number);
        }
        was_missed
    }

    /// Records that the sender keeps none of the messages up to this one, except those that it resends.
    pub(super) fn note_not_kept(&mut self, until: u64) {
        if let Some(pause) = &mut self.pause {
            pause.not_kept = pause.not_kept.max(until);
        }
    }

    /// Records that the whole resend of a pause was received.
    pub(super) fn note_answer(&mut self, pause: u64) {
        if let Some(pause) = self.pause.as_mut().filter(|current| current.nth == pause) {
            pause.is_answered = true;
        }
    }

    /// Ends a pause, if it is still the current one. Returns the held messages.
    pub(super) fn resume(&mut self, pause: u64) -> Vec<HeldMessage> {
        let Some(pause) = self.pause.take_if(|current| current.nth == pause) else { return Vec::new() };
        let (not_kept, is_answered, mut held) = (pause.not_kept, pause.is_answered, pause.held);
        held.retain(|held| held.number > self.repeated);
        let first = held.iter().map(|held| held.number).min();
        self.is_unsure = !is_answered && first.is_none();
        // Without an answer, the messages before the first one of this link are lost.
        let until = if is_answered { not_kept } else { first.map_or(0, |first| first.saturating_sub(1)) };
        let came = held.iter().filter(|held| held.number > self.last && held.number <= until).count();
        self.miss(until.saturating_sub(self.last).saturating_sub(came as u64));
        self.last = held.iter().map(|held| held.number).fold(self.last.max(until), u64::max);
        held
    }

    fn miss(&mut self, count: u64) {
        self.missed = self.missed.saturating_add(count);
    }

    /// Returns how many messages were missed since the last call.
    pub(super) fn take_missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }
}

/// The most messages and bytes that are held of one node.
const MOST_HELD: usize = 16_384;
const MOST_BYTES_HELD: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(last: u64) -> NodeProgress {
        NodeProgress::begin(Sequence { number: last, is_message: false })
    }

    fn take(progress: &mut NodeProgress, number: u64) -> Turn {
        progress.take(number, "c", What::Bye, 1)
    }

    fn numbers(held: &[HeldMessage]) -> Vec<u64> {
        held.iter().map(|held| held.number).collect()
    }

    #[test]
    fn messages_pass_one_after_the_other_while_nothing_is_missed() {
        let mut progress = NodeProgress::begin(Sequence { number: 5, is_message: true });
        assert!(matches!(take(&mut progress, 5), Turn::Now(_)));
        assert!(matches!(take(&mut progress, 9), Turn::Now(_)));
        assert!(!progress.is_behind(Sequence { number: 9, is_message: false }));
        assert!(!progress.is_behind(Sequence { number: 10, is_message: true }));
        assert!(progress.is_behind(Sequence { number: 10, is_message: false }));
        progress.note(Sequence { number: 10, is_message: false });
        assert!(!progress.is_behind(Sequence { number: 10, is_message: false }));
        assert_eq!(progress.gap(), None);
    }

    #[test]
    fn newer_messages_wait_for_missed_ones_and_arrive_once() {
        let mut progress = heard(5);
        progress.pause(1);
        assert_eq!(progress.gap(), Some(Gap { pause: 1, after: 5 }));
        for number in [8, 9] {
            assert!(matches!(take(&mut progress, number), Turn::Later(1)));
        }
        assert_eq!(progress.held_bytes(), 2 * (1 + size_of::<HeldMessage>()));
        let repeated = [5, 6, 7, 8].map(|number| progress.repeat(number));
        assert_eq!(repeated, [false, true, true, true]);
        progress.note(Sequence { number: 12, is_message: false });
        assert_eq!(progress.gap(), Some(Gap { pause: 1, after: 8 }));
        assert_eq!(numbers(&progress.resume(1)), [9]);
        assert!(matches!(take(&mut progress, 7), Turn::Done));
        assert!(matches!(take(&mut progress, 10), Turn::Now(_)));
        assert!(!progress.repeat(11));
    }

    #[test]
    fn an_earlier_pause_does_not_end_a_later_one() {
        let mut progress = heard(5);
        progress.pause(1);
        assert!(matches!(take(&mut progress, 7), Turn::Later(1)));
        progress.pause(2);
        assert!(progress.resume(1).is_empty());
        assert_eq!(progress.gap(), Some(Gap { pause: 2, after: 5 }));
        assert_eq!(numbers(&progress.resume(2)), [7]);
        assert!(progress.resume(2).is_empty());
        assert!(!progress.is_behind(Sequence { number: 7, is_message: false }));
    }

    #[test]
    fn messages_that_the_sender_no_longer_keeps_are_counted_once() {
        let mut progress = heard(5);
        progress.pause(1);
        assert!(progress.repeat(9) && progress.repeat(10));
        assert_eq!((progress.take_missed(), progress.take_missed()), (3, 0));
        // The answer to an earlier request resends the same messages.
        assert!(!progress.repeat(9));
        progress.note_not_kept(14);
        assert!(matches!(take(&mut progress, 13), Turn::Later(1)));
        progress.note_answer(1);
        assert_eq!(numbers(&progress.resume(1)), [13]);
        assert_eq!(progress.take_missed(), 3, "11, 12 and 14");
        progress.note(Sequence { number: 20, is_message: false });
        assert_eq!(progress.take_missed(), 0, "those had no receivers here");
    }

    #[test]
    fn an_answered_pause_without_a_loss_counts_nothing() {
        let mut progress = heard(5);
        progress.pause(1);
        assert!(progress.repeat(6) && progress.repeat(7));
        assert!(matches!(take(&mut progress, 12), Turn::Later(1)));
        progress.note_answer(1);
        assert_eq!((numbers(&progress.resume(1)), progress.take_missed()), (vec![12], 0));
    }

    #[test]
    fn without_an_answer_the_next_message_of_the_sender_tells_how_many_were_missed() {
        let mut progress = heard(5);
        progress.pause(1);
        assert!(matches!(take(&mut progress, 9), Turn::Later(1)));
        progress.resume(1);
        assert_eq!(progress.take_missed(), 3);
        progress.pause(2);
        assert!(progress.resume(2).is_empty() && progress.take_missed() == 0);
        progress.note(Sequence { number: 12, is_message: true });
        assert_eq!(progress.take_missed(), 2);
        progress.note(Sequence { number: 19, is_message: true });
        assert_eq!(progress.take_missed(), 0);
    }

    #[test]
    fn numbers_at_their_end_are_counted_without_an_overflow() {
        let mut progress = heard(0);
        progress.pause(1);
        assert!(progress.repeat(u64::MAX));
        progress.note_not_kept(u64::MAX);
        progress.note_answer(1);
        progress.resume(1);
        assert_eq!(progress.take_missed(), u64::MAX - 1);
    }

    #[test]
    fn only_so_much_is_held_back() {
        let mut progress = heard(0);
        progress.pause(1);
        assert!(matches!(progress.take(1, "c", What::Bye, MOST_BYTES_HELD - size_of::<HeldMessage>()), Turn::Later(1)));
        assert!(matches!(take(&mut progress, 2), Turn::TooMuch(1)));
        assert_eq!(numbers(&progress.resume(1)), [1, 2]);
    }
}
