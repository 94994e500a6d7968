//! How latency went over time. Pure.

use std::collections::BTreeMap;

/// The worst and the mean of each tenth of a second.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    slots: BTreeMap<u64, Slot>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    count: u64,
    sum: u64,
    worst: u64,
}

/// One point of a plot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// Since the first.
    pub(super) seconds: f64,
    pub(super) mean_us: f64,
    pub(super) worst_us: f64,
    pub(super) count: u64,
}

impl Timeline {
    /// Something came at `now`, `late` after it was meant to be sent, both in nanoseconds.
    pub(super) fn note(&mut self, now: u64, late: u64) {
        let slot = self.slots.entry(now / SLOT).or_default();
        slot.count += 1;
        slot.sum += late;
        slot.worst = slot.worst.max(late);
    }

    pub(super) fn points(&self) -> Vec<Point> {
        let first = self.slots.keys().next().copied().unwrap_or_default();
        let point = |(at, slot): (&u64, &Slot)| Point {
            seconds: std::time::Duration::from_nanos((at - first) * SLOT).as_secs_f64(),
            mean_us: std::time::Duration::from_nanos(slot.sum / slot.count.max(1)).as_secs_f64() * 1e6,
            worst_us: std::time::Duration::from_nanos(slot.worst).as_secs_f64() * 1e6,
            count: slot.count,
        };
        self.slots.iter().map(point).collect()
    }
}

const SLOT: u64 = 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_a_tenth_of_a_second_is_one_point() {
        let mut timeline = Timeline::default();
        timeline.note(1_000_000_000, 1_000);
        timeline.note(1_050_000_000, 3_000);
        timeline.note(1_300_000_000, 5_000);
        let points = timeline.points();
        assert_eq!(points[0], Point { seconds: 0.0, mean_us: 2.0, worst_us: 3.0, count: 2 });
        assert_eq!((points[1].seconds, points.len()), (0.3, 2));
    }
}
