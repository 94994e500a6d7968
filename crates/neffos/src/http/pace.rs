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
    /// The socket, while it takes no byte of an answer; a client that sends nothing more, while it is sent nothing.
    pub(super) stall: Duration,
    /// A connection, from an answer to the next request.
    pub(super) idle: Duration,
}

/// What one connection waits for, and since when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    stage: PaceStage,
    stalled: Option<Instant>,
    /// Since when the client has sent all that it will send, or the last time that it took bytes after that.
    half_closed: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PaceStage {
    /// For the head of the first request, or of one that has begun.
    Head(Instant),
    /// For the end of an answer.
    Answer(Instant),
    /// For another request.
    Idle(Instant),
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { stage: PaceStage::Head(now), stalled: None, half_closed: None }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, PaceStage::Idle(_))
    }

    /// For how long nothing has been asked; zero: something is.
    pub(super) fn idle_for(&self, now: Instant) -> Duration {
        match self.stage {
            PaceStage::Idle(since) => now.saturating_duration_since(since),
            PaceStage::Head(_) | PaceStage::Answer(_) => Duration::ZERO,
        }
    }

    pub(super) fn is_answering(&self) -> bool {
        matches!(self.stage, PaceStage::Answer(_))
    }

    /// Whether nothing is asked, and nothing waits to be written.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_idle() && self.stalled.is_none()
    }

    /// Bytes have come; true when they are the first of a request on a connection that was idle.
    pub(super) fn received(&mut self, now: Instant) -> bool {
        let begins = self.is_idle();
        if begins {
            self.stage = PaceStage::Head(now);
        }
        begins
    }

    /// The head of a request is complete.
    pub(super) fn asked(&mut self, now: Instant) {
        self.stage = PaceStage::Answer(now);
    }

    /// The whole answer has been handed over; true when the connection is idle now.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        let ends = matches!(self.stage, PaceStage::Answer(_));
        if ends {
            self.stage = PaceStage::Idle(now);
        }
        ends
    }

    /// Bytes wait, and the socket takes none.
    pub(super) fn stalled(&mut self, now: Instant) {
        self.stalled.get_or_insert(now);
    }

    /// The socket has taken bytes.
    pub(super) fn flowing(&mut self, now: Instant) {
        self.stalled = None;
        self.half_closed = self.half_closed.map(|_| now);
    }

    /// The client sends nothing more. It may wait for its answers, or be gone: only a socket that takes bytes tells.
    pub(super) fn half_closed(&mut self, now: Instant) {
        self.half_closed.get_or_insert(now);
    }

    /// When the connection is given up, if nothing changes.
    pub(super) fn deadline(&self, limits: &PaceLimits) -> Option<Instant> {
        let after = time_limit::end;
        let stage = match self.stage {
            PaceStage::Head(since) => after(since, limits.head),
            PaceStage::Answer(since) => after(since, limits.answer),
            PaceStage::Idle(since) => after(since, limits.idle),
        };
        let silent = self.stalled.or(self.half_closed.filter(|_| self.is_answering()));
        let stall = silent.and_then(|since| after(since, limits.stall));
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
        pace.flowing(start);
        assert_eq!(pace.deadline(&LIMITS), after(start, 120));
    }

    #[test]
    fn a_client_that_sends_nothing_more_is_given_up_when_it_is_sent_nothing_for_as_long() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.asked(start);
        pace.half_closed(start + Duration::from_secs(1));
        pace.half_closed(start + Duration::from_secs(2));
        assert_eq!(pace.deadline(&LIMITS), after(start, 21));
        pace.flowing(start + Duration::from_secs(15));
        assert_eq!(pace.deadline(&LIMITS), after(start, 35));
        pace.answered(start + Duration::from_secs(16));
        assert_eq!(pace.deadline(&LIMITS), after(start, 91));
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
