//! Probes: they go the way that messages go, through the queue, the broker and back, and so tell whether that works. Pure.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Probes {
    /// The last one that the broker has taken.
    published: u64,
    /// The last one that came back.
    returned: u64,
    sent: Option<(u64, Instant)>,
    lag: Option<Duration>,
}

impl Probes {
    /// The number of the next one, which is sent now.
    pub(super) fn send(&mut self, now: Instant) -> u64 {
        let number = self.sent.map_or(1, |(number, _)| number + 1);
        self.sent = Some((number, now));
        number
    }

    pub(super) fn note_published(&mut self, number: u64) {
        self.published = self.published.max(number);
    }

    pub(super) fn note_returned(&mut self, number: u64, now: Instant) {
        self.returned = self.returned.max(number);
        if let Some((_, since)) = self.sent.filter(|(sent, _)| *sent == number) {
            self.lag = Some(now.duration_since(since));
        }
    }

    pub(super) fn is_published(&self, number: u64) -> bool {
        self.published >= number
    }

    pub(super) fn has_returned(&self, number: u64) -> bool {
        self.returned >= number
    }

    /// How long the last one took that came back.
    pub(super) fn lag(&self) -> Option<Duration> {
        self.lag
    }

    /// The way is another one now.
    pub(super) fn forget_lag(&mut self) {
        self.lag = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_comes_back_tells_how_long_it_took() {
        let (mut probes, start) = (Probes::default(), Instant::now());
        let number = probes.send(start);
        assert!(!probes.is_published(number) && !probes.has_returned(number));
        probes.note_published(number);
        probes.note_returned(number, start + Duration::from_millis(3));
        assert!(probes.is_published(number) && probes.has_returned(number));
        assert_eq!(probes.lag(), Some(Duration::from_millis(3)));
        probes.forget_lag();
        assert_eq!(probes.lag(), None);
    }

    #[test]
    fn one_that_comes_back_when_the_next_is_on_its_way_tells_no_time() {
        let (mut probes, start) = (Probes::default(), Instant::now());
        let (late, next) = (probes.send(start), probes.send(start));
        probes.note_returned(late, start);
        assert!(probes.has_returned(late) && !probes.has_returned(next));
        assert_eq!(probes.lag(), None);
    }
}
