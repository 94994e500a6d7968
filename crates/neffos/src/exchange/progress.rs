//! How far another server was heard, and what waits until it has said again what was missed. Pure.
//!
//! Messages of a server have numbers. When a link is lost, its own or ours, some may be missed: then it is asked for those after
//! the last one that was heard, and newer ones are held back until it has answered, or a moment has passed.

use std::sync::Arc;

use super::draft::{Said, What};

#[derive(Debug)]
pub(super) struct Progress {
    /// The last message that was passed on.
    last: u64,
    /// The last one that was said again. One that is not newer has come by both ways.
    repeated: u64,
    pause: Option<Pause>,
}

/// Newer messages are held back.
#[derive(Debug)]
struct Pause {
    nth: u64,
    held: Vec<Held>,
    bytes: usize,
}

/// A message that waits for those before it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) number: u64,
    pub(super) channel: Arc<str>,
    pub(super) what: What,
}

/// What is missing: all after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// Which pause it is for.
    pub(super) pause: u64,
    pub(super) after: u64,
}

/// What to do with a message.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is looked at at once, and never kept")]
pub(super) enum Turn {
    /// It has come before.
    Done,
    Now(What),
    /// It was held back in this pause.
    Later(u64),
    /// It was held back, and no more can be: this pause must end.
    TooMuch(u64),
}

impl Progress {
    /// Of a server that was never heard before: what it said until then is not missed.
    pub(super) fn begin(said: Said) -> Self {
        Self { last: said.before(), repeated: 0, pause: None }
    }

    /// Whether it has said something that was not heard.
    pub(super) fn is_behind(&self, said: Said) -> bool {
        said.before() > self.last
    }

    /// Everything before this was heard, or was for nobody here: what a link brings is in order.
    pub(super) fn note(&mut self, said: Said) {
        if self.pause.is_none() {
            self.last = self.last.max(said.before());
        }
    }

    /// Holds newer messages back from now on. Messages that are held already stay held.
    pub(super) fn pause(&mut self, nth: u64) {
        let before = self.pause.take();
        let (held, bytes) = before.map_or_else(Default::default, |before| (before.held, before.bytes));
        self.pause = Some(Pause { nth, held, bytes });
    }

    /// What to ask for, during a pause.
    pub(super) fn gap(&self) -> Option<Gap> {
        self.pause.as_ref().map(|pause| Gap { pause: pause.nth, after: self.last })
    }

    /// Takes a message of so many bytes in its turn.
    pub(super) fn take(&mut self, number: u64, channel: &str, what: What, size: usize) -> Turn {
        if number <= self.repeated {
            return Turn::Done;
        }
        let Some(pause) = &mut self.pause else {
            self.last = self.last.max(number);
            return Turn::Now(what);
        };
        pause.held.push(Held { number, channel: channel.into(), what });
        pause.bytes += size;
        match pause.held.len() > MOST_HELD || pause.bytes > MOST_BYTES_HELD {
            true => Turn::TooMuch(pause.nth),
            false => Turn::Later(pause.nth),
        }
    }

    /// About how many bytes are held back.
    pub(super) fn held_bytes(&self) -> usize {
        self.pause.as_ref().map_or(0, |pause| pause.bytes)
    }

    /// Whether a message that is said again was missed.
    pub(super) fn repeat(&mut self, number: u64) -> bool {
        let was_missed = self.pause.is_some() && number > self.last;
        if was_missed {
            (self.last, self.repeated) = (number, number);
        }
        was_missed
    }

    /// Ends a pause, if it is still that one: what was held back has its turn.
    pub(super) fn resume(&mut self, pause: u64) -> Vec<Held> {
        let Some(pause) = self.pause.take_if(|current| current.nth == pause) else { return Vec::new() };
        let mut held = pause.held;
        held.retain(|held| held.number > self.repeated);
        self.last = held.iter().map(|held| held.number).fold(self.last, u64::max);
        held
    }
}

/// How much may be held back of one server.
const MOST_HELD: usize = 16_384;
const MOST_BYTES_HELD: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(last: u64) -> Progress {
        Progress::begin(Said { number: last, is_message: false })
    }

    fn take(progress: &mut Progress, number: u64) -> Turn {
        progress.take(number, "c", What::Bye, 1)
    }

    fn numbers(held: &[Held]) -> Vec<u64> {
        held.iter().map(|held| held.number).collect()
    }

    #[test]
    fn messages_pass_one_after_the_other_while_nothing_is_missed() {
        let mut progress = Progress::begin(Said { number: 5, is_message: true });
        assert!(matches!(take(&mut progress, 5), Turn::Now(_)));
        assert!(matches!(take(&mut progress, 9), Turn::Now(_)));
        assert!(!progress.is_behind(Said { number: 9, is_message: false }));
        assert!(!progress.is_behind(Said { number: 10, is_message: true }));
        assert!(progress.is_behind(Said { number: 10, is_message: false }));
        progress.note(Said { number: 10, is_message: false });
        assert!(!progress.is_behind(Said { number: 10, is_message: false }));
        assert_eq!(progress.gap(), None);
    }

    #[test]
    fn what_is_newer_waits_for_what_was_missed_and_comes_once() {
        let mut progress = heard(5);
        progress.pause(1);
        assert_eq!(progress.gap(), Some(Gap { pause: 1, after: 5 }));
        for number in [8, 9] {
            assert!(matches!(take(&mut progress, number), Turn::Later(1)));
        }
        assert_eq!(progress.held_bytes(), 2);
        let repeated = [5, 6, 7, 8].map(|number| progress.repeat(number));
        assert_eq!(repeated, [false, true, true, true]);
        progress.note(Said { number: 12, is_message: false });
        assert_eq!(progress.gap(), Some(Gap { pause: 1, after: 8 }));
        assert_eq!(numbers(&progress.resume(1)), [9]);
        assert!(matches!(take(&mut progress, 7), Turn::Done));
        assert!(matches!(take(&mut progress, 10), Turn::Now(_)));
        assert!(!progress.repeat(11));
    }

    #[test]
    fn a_pause_that_gave_way_to_another_does_not_end_it() {
        let mut progress = heard(5);
        progress.pause(1);
        assert!(matches!(take(&mut progress, 7), Turn::Later(1)));
        progress.pause(2);
        assert!(progress.resume(1).is_empty());
        assert_eq!(progress.gap(), Some(Gap { pause: 2, after: 5 }));
        assert_eq!(numbers(&progress.resume(2)), [7]);
        assert!(progress.resume(2).is_empty());
        assert!(!progress.is_behind(Said { number: 7, is_message: false }));
    }

    #[test]
    fn only_so_much_is_held_back() {
        let mut progress = heard(0);
        progress.pause(1);
        assert!(matches!(progress.take(1, "c", What::Bye, MOST_BYTES_HELD), Turn::Later(1)));
        assert!(matches!(take(&mut progress, 2), Turn::TooMuch(1)));
        assert_eq!(numbers(&progress.resume(1)), [1, 2]);
    }
}
