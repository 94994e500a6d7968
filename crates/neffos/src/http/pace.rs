//! When the HTTP of one client is given up. Pure: instants come in, the next deadline comes out.

use std::time::Duration;

use tokio::time::Instant;

use crate::time_limit;

/// How long each part may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct PaceLimits {
    /// A request, from the connection or its first byte to the end of its head.
    pub(super) head: Duration,
    /// A request and its answer, from the end of the head to the last byte.
    pub(super) answer: Duration,
    /// The socket, while it takes no byte of an answer.
    pub(super) stall: Duration,
    /// A connection, from an answer to the next request.
    pub(super) idle: Duration,
}

/// What one connection waits for, and since when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    stage: Stage,
    stalled: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// For the head of the first request, or of one that has begun.
    Head(Instant),
    /// For the end of an answer.
    Answer(Instant),
    /// For another request.
    Idle(Instant),
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { stage: Stage::Head(now), stalled: None }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle(_))
    }

    /// Whether nothing is asked, and nothing waits to be written.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_idle() && self.stalled.is_none()
    }

    /// Bytes have come; true when they are the first of a request on a connection that was idle.
    pub(super) fn received(&mut self, now: Instant) -> bool {
        let begins = self.is_idle();
        if begins {
            self.stage = Stage::Head(now);
        }
        begins
    }

    /// The head of a request is complete.
    pub(super) fn asked(&mut self, now: Instant) {
        self.stage = Stage::Answer(now);
    }

    /// The whole answer has been handed over; true when the connection is idle now.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        let ends = matches!(self.stage, Stage::Answer(_));
        if ends {
            self.stage = Stage::Idle(now);
        }
        ends
    }

    /// Bytes wait, and the socket takes none.
    pub(super) fn stalled(&mut self, now: Instant) {
        self.stalled.get_or_insert(now);
    }

    /// The socket has taken bytes.
    pub(super) fn flowing(&mut self) {
        self.stalled = None;
    }

    /// When the connection is given up, if nothing changes.
    pub(super) fn deadline(&self, limits: &PaceLimits) -> Option<Instant> {
        let after = time_limit::end;
        let stage = match self.stage {
            Stage::Head(since) => after(since, limits.head),
            Stage::Answer(since) => after(since, limits.answer),
            Stage::Idle(since) => after(since, limits.idle),
        };
        let stall = self.stalled.and_then(|since| after(since, limits.stall));
        stage.into_iter().chain(stall).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PaceLimits = PaceLimits {
        head: Duration::from_secs(10),
        answer: Duration::from_secs(120),
        stall: Duration::from_secs(20),
        idle: Duration::from_secs(75),
    };

    fn after(start: Instant, seconds: u64) -> Option<Instant> {
        Some(start + Duration::from_secs(seconds))
    }

    #[test]
    fn each_part_has_its_own_time() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!(pace.deadline(&LIMITS), after(start, 10));
        // The head comes byte by byte: that gains no time.
        assert!(!pace.received(start + Duration::from_secs(9)));
        assert_eq!(pace.deadline(&LIMITS), after(start, 10));
        pace.asked(start + Duration::from_secs(9));
        assert_eq!(pace.deadline(&LIMITS), after(start, 129));
        assert!(pace.answered(start + Duration::from_secs(10)) && pace.is_idle());
        assert_eq!(pace.deadline(&LIMITS), after(start, 85));
        assert!(pace.received(start + Duration::from_secs(80)));
        assert_eq!(pace.deadline(&LIMITS), after(start, 90));
    }

    #[test]
    fn a_socket_that_takes_nothing_is_given_up_earlier() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.asked(start);
        pace.stalled(start);
        pace.stalled(start + Duration::from_secs(19));
        assert_eq!(pace.deadline(&LIMITS), after(start, 20));
        pace.flowing();
        assert_eq!(pace.deadline(&LIMITS), after(start, 120));
    }

    #[test]
    fn zero_and_the_maximum_are_no_limit() {
        let start = Instant::now();
        for limit in [Duration::ZERO, Duration::MAX] {
            let limits = PaceLimits { head: limit, answer: limit, stall: limit, idle: limit };
            let mut pace = Pace::new(start);
            assert_eq!(pace.deadline(&limits), None);
            pace.asked(start);
            pace.stalled(start);
            assert_eq!(pace.deadline(&limits), None);
            pace.answered(start);
            assert_eq!(pace.deadline(&limits), None);
        }
    }
}
