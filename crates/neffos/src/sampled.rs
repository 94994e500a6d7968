//! Rate-limited log lines, for events that remote peers can cause. Each line counts the lines that were left out before
//! it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Admits a fixed number of lines in each period.
#[derive(Debug)]
pub(crate) struct Sampled {
    period: Duration,
    lines: u32,
    window: Mutex<SampleWindow>,
}

#[derive(Debug)]
struct SampleWindow {
    start: Option<Instant>,
    shown: u32,
    hidden: u64,
}

impl Sampled {
    /// Admits one line in each period.
    pub(crate) const fn every(period: Duration) -> Self {
        Self::up_to(1, period)
    }

    pub(crate) const fn up_to(lines: u32, period: Duration) -> Self {
        Self { period, lines, window: Mutex::new(SampleWindow { start: None, shown: 0, hidden: 0 }) }
    }

    /// Returns the number of lines left out since the last one, if a line may be written now.
    pub(crate) fn admit(&self, now: Instant) -> Option<u64> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.start.is_none_or(|start| now.saturating_duration_since(start) >= self.period) {
            (window.start, window.shown) = (Some(now), 0);
        }
        if window.shown >= self.lines {
            window.hidden = window.hidden.saturating_add(1);
            return None;
        }
        window.shown += 1;
        Some(std::mem::take(&mut window.hidden))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_flood_writes_few_lines_in_each_period_which_count_the_others() {
        for (sampled, first) in [(Sampled::every(SECOND), vec![0]), (Sampled::up_to(3, SECOND), vec![0; 3])] {
            let start = Instant::now();
            let flood = |after: u64| -> Vec<_> {
                (0..1000).filter_map(|_| sampled.admit(start + Duration::from_millis(after))).collect()
            };
            let shown = first.len() as u64;
            assert_eq!(flood(0), first);
            assert_eq!(flood(999), [0; 0]);
            let mut second = first.clone();
            second[0] = 2000 - shown;
            assert_eq!(flood(1000), second);
            second[0] = 1000 - shown;
            assert_eq!(flood(9000), second);
        }
    }
}
