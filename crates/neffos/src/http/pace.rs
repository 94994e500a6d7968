//! The time limits of one client's HTTP. Pure: instants come in, the next deadline comes out.

use std::time::Duration;

use tokio::time::Instant;

use crate::time_limit;

/// The time limits of each part.
#[derive(Debug, Clone, Copy)]
pub(super) struct PaceLimits {
    /// For a request, from the connection or its first byte to the end of its head.
    pub(super) head: Duration,
    /// For a request and its answer, from the end of the head to the last byte.
    pub(super) answer: Duration,
    /// For a socket that accepts no byte of an answer. After a half-close, for a client that is sent nothing.
    pub(super) stall: Duration,
    /// For an idle connection, from an answer to the next request.
    pub(super) idle: Duration,
}

/// The stage of one connection, and its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    stage: PaceStage,
    stalled: Option<Instant>,
    /// The time of the client's half-close, or of the last byte that its socket accepted after that.
    half_closed: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PaceStage {
    /// The connection waits for the head of the first request, or of one that has begun.
    Head(Instant),
    /// The connection waits for the end of an answer.
    Answer(Instant),
    /// The connection is idle.
    Idle(Instant),
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { stage: PaceStage::Head(now), stalled: None, half_closed: None }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, PaceStage::Idle(_))
    }

    /// Returns how long the connection has been idle, or zero if there is a request.
    pub(super) fn idle_for(&self, now: Instant) -> Duration {
        match self.stage {
            PaceStage::Idle(since) => now.saturating_duration_since(since),
            PaceStage::Head(_) | PaceStage::Answer(_) => Duration::ZERO,
        }
    }

    pub(super) fn is_answering(&self) -> bool {
        matches!(self.stage, PaceStage::Answer(_))
    }

    /// Returns whether there is neither a request nor a byte to write.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_idle() && self.stalled.is_none()
    }

    /// Records received bytes. Returns true if they begin a request on an idle connection.
    pub(super) fn received(&mut self, now: Instant) -> bool {
        let begins = self.is_idle();
        if begins {
            self.stage = PaceStage::Head(now);
        }
        begins
    }

    /// Records a complete head of a request.
    pub(super) fn asked(&mut self, now: Instant) {
        self.stage = PaceStage::Answer(now);
    }

    /// Records that the whole answer was handed over. Returns true if the connection is idle now.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        let ends = matches!(self.stage, PaceStage::Answer(_));
        if ends {
            self.stage = PaceStage::Idle(now);
        }
        ends
    }

    /// Records that the socket accepts no byte while bytes wait.
    pub(super) fn stalled(&mut self, now: Instant) {
        self.stalled.get_or_insert(now);
    }

    /// Records that the socket accepted bytes.
    pub(super) fn flowing(&mut self, now: Instant) {
        self.stalled = None;
        self.half_closed = self.half_closed.map(|_| now);
    }

    /// Records that the client sends nothing more. It may wait for answers, or may have disconnected; only a socket
    /// that accepts bytes shows which.
    pub(super) fn half_closed(&mut self, now: Instant) {
        self.half_closed.get_or_insert(now);
    }

    /// Returns when the connection is closed if nothing changes.
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
        // A head that arrives byte by byte gets no more time.
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
