//! Limits on the peer's rate of input: token buckets for messages, bytes and joins. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::rate::Rate;

/// The rates of one server. By default there is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rates {
    pub(crate) messages: Rate,
    pub(crate) bytes: Rate,
    pub(crate) joins: Rate,
}

impl Rates {
    pub(crate) fn are_limited(&self) -> bool {
        [self.messages, self.bytes, self.joins].iter().any(|rate| rate.is_limit())
    }

    fn of(&self, kind: RateKind) -> Rate {
        match kind {
            RateKind::Messages => self.messages,
            RateKind::Bytes => self.bytes,
            RateKind::Joins => self.joins,
        }
    }
}

/// The kinds of input that have a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateKind {
    /// Websocket frames and messages of all kinds.
    Messages,
    /// Bytes as they were received.
    Bytes,
    /// Requests to connect a namespace or to join a room.
    Joins,
}

impl RateKind {
    pub(crate) const ALL: [Self; 3] = [Self::Messages, Self::Bytes, Self::Joins];
}

/// The result of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateVerdict {
    Allowed,
    /// Reading pauses until this instant.
    Pause(Instant),
    /// The client must be closed.
    Exceeded,
}

/// The recent input of one client. An idle client has none.
#[derive(Debug)]
pub(crate) struct Meter {
    /// The time at which each bucket is full again. A time in the past means that it is full.
    full_at: [Instant; RateKind::ALL.len()],
}

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self { full_at: [now; RateKind::ALL.len()] }
    }

    /// Counts input of the client.
    pub(crate) fn count(&mut self, kind: RateKind, count: u32, now: Instant, rates: &Rates) -> RateVerdict {
        let rate = rates.of(kind);
        if !rate.is_limit() {
            return RateVerdict::Allowed;
        }
        let full_at = &mut self.full_at[kind as usize];
        let missing = full_at.saturating_duration_since(now).saturating_add(rate.time_of(count));
        // A debt lasts a few bursts at most, so a later instant is never needed.
        *full_at = now + missing.min(LONGEST);
        let burst = rate.time_of_burst();
        if missing <= burst {
            return RateVerdict::Allowed;
        }
        if missing > burst.saturating_mul(BURSTS_BEFORE_CLOSE) {
            return RateVerdict::Exceeded;
        }
        RateVerdict::Pause(full_at.checked_sub(burst).unwrap_or(now))
    }

    /// Returns whether all buckets are full. The meter can then be dropped.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.full_at.iter().all(|full_at| *full_at <= now)
    }
}

/// A client that sends this many bursts before reading pauses is closed.
const BURSTS_BEFORE_CLOSE: u32 = 4;
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates = Rates {
        messages: Rate::per_second(10).with_burst(20),
        bytes: Rate::per_second(0),
        joins: Rate::per_second(1).with_burst(1),
    };

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn meter() -> (Meter, Instant) {
        let now = Instant::now();
        (Meter::new(now), now)
    }

    #[test]
    fn a_burst_is_allowed_and_reading_pauses_beyond_it_until_the_average_holds() {
        let (mut meter, now) = meter();
        for _ in 0..20 {
            assert_eq!(meter.count(RateKind::Messages, 1, now, &RATES), RateVerdict::Allowed);
        }
        assert_eq!(meter.count(RateKind::Messages, 1, now, &RATES), RateVerdict::Pause(now + ms(100)));
        assert_eq!(meter.count(RateKind::Messages, 1, now, &RATES), RateVerdict::Pause(now + ms(200)));
        // One message is due each 100 ms from now on.
        let later = now + ms(300);
        assert_eq!(meter.count(RateKind::Messages, 1, later, &RATES), RateVerdict::Allowed);
        assert_eq!(meter.count(RateKind::Messages, 1, later, &RATES), RateVerdict::Pause(later + ms(100)));
    }

    #[test]
    fn a_client_that_sends_at_the_average_is_never_paused() {
        let (mut meter, now) = meter();
        for nth in 0..1_000 {
            assert_eq!(meter.count(RateKind::Messages, 1, now + ms(100) * nth, &RATES), RateVerdict::Allowed);
        }
    }

    #[test]
    fn a_client_that_has_sent_more_than_four_bursts_is_to_be_closed() {
        let (mut meter, now) = meter();
        assert_eq!(meter.count(RateKind::Messages, 80, now, &RATES), RateVerdict::Pause(now + ms(6_000)));
        assert_eq!(meter.count(RateKind::Messages, 1, now, &RATES), RateVerdict::Exceeded);
    }

    #[test]
    fn each_kind_has_a_bucket_and_a_rate_of_zero_is_no_limit() {
        let (mut meter, now) = meter();
        assert_eq!(meter.count(RateKind::Bytes, u32::MAX, now, &RATES), RateVerdict::Allowed);
        assert_eq!(meter.count(RateKind::Joins, 1, now, &RATES), RateVerdict::Allowed);
        assert_eq!(meter.count(RateKind::Joins, 1, now, &RATES), RateVerdict::Pause(now + ms(1_000)));
        assert_eq!(meter.count(RateKind::Messages, 1, now, &RATES), RateVerdict::Allowed);
    }

    #[test]
    fn the_largest_and_the_smallest_rates_do_not_overflow() {
        let now = Instant::now();
        for rate in
            [Rate::per_second(u32::MAX), Rate::per_second(1).with_burst(u32::MAX), Rate::per_second(1).with_burst(0)]
        {
            let rates = Rates { messages: rate, ..Rates::default() };
            let mut meter = Meter::new(now);
            for _ in 0..3 {
                meter.count(RateKind::Messages, u32::MAX, now, &rates);
            }
        }
        assert_eq!(Rate::per_second(5).with_burst(0), Rate::per_second(5).with_burst(1));
    }

    #[test]
    fn a_meter_is_idle_once_its_buckets_are_full() {
        let (mut meter, now) = meter();
        meter.count(RateKind::Messages, 1, now, &RATES);
        assert!(!meter.is_idle(now + ms(99)));
        assert!(meter.is_idle(now + ms(100)));
    }
}
