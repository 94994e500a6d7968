//! Probes: messages that take the path of all others, through the queue and the broker and back, and so show whether it
//! works. Pure.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Default)]
pub(in crate::exchange) struct Probes {
    /// The last probe that the broker has accepted.
    published: u64,
    /// The last probe that returned.
    returned: u64,
    /// The number of probes so far.
    count: u64,
    /// The time when the last probe was sent, until it returns.
    under_way: Option<Instant>,
    lag: Option<Duration>,
}

impl Probes {
    /// Returns the number of the next probe, which is sent now.
    pub(in crate::exchange) fn send(&mut self, now: Instant) -> u64 {
        self.count += 1;
        self.under_way = Some(now);
        self.count
    }

    pub(in crate::exchange) fn note_published(&mut self, number: u64) {
        self.published = self.published.max(number);
    }

    pub(super) fn note_returned(&mut self, number: u64, now: Instant) {
        self.returned = self.returned.max(number);
        if let Some(since) = self.under_way.take_if(|_| number == self.count) {
            self.lag = Some(now.duration_since(since));
        }
    }

    pub(in crate::exchange) fn is_published(&self, number: u64) -> bool {
        self.published >= number
    }

    pub(in crate::exchange) fn has_returned(&self, number: u64) -> bool {
        self.returned >= number
    }

    /// Returns the round trip time of the last probe, or the time that the next one has taken already, if that is
    /// longer.
    pub(in crate::exchange) fn lag(&self, now: Instant) -> Option<Duration> {
        self.under_way.map(|since| now.duration_since(since)).max(self.lag)
    }

    /// Forgets the lag of an earlier link.
    pub(super) fn forget_lag(&mut self) {
        (self.under_way, self.lag) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_returns_measures_the_round_trip() {
        let (mut probes, start) = (Probes::default(), Instant::now());
        let number = probes.send(start);
        assert!(!probes.is_published(number) && !probes.has_returned(number));
        probes.note_published(number);
        probes.note_returned(number, start + Duration::from_millis(3));
        assert!(probes.is_published(number) && probes.has_returned(number));
        assert_eq!(probes.lag(start + Duration::from_secs(9)), Some(Duration::from_millis(3)));
        probes.forget_lag();
        assert_eq!(probes.lag(start), None);
    }

    #[test]
    fn a_probe_that_returns_after_the_next_was_sent_measures_nothing() {
        let (mut probes, start) = (Probes::default(), Instant::now());
        let (late, next) = (probes.send(start), probes.send(start));
        probes.note_returned(late, start);
        assert!(probes.has_returned(late) && !probes.has_returned(next));
        assert_eq!(probes.lag(start), Some(Duration::ZERO));
    }

    #[test]
    fn the_lag_grows_with_a_probe_that_does_not_come_back() {
        let (mut probes, start) = (Probes::default(), Instant::now());
        let number = probes.send(start);
        probes.note_returned(number, start + Duration::from_millis(30));
        probes.send(start);
        for (passed, lag) in [(10, 30), (30, 30), (2000, 2000)] {
            let now = start + Duration::from_millis(passed);
            assert_eq!(probes.lag(now), Some(Duration::from_millis(lag)));
        }
        probes.forget_lag();
        assert_eq!(probes.lag(start + Duration::from_secs(9)), None);
    }
}
