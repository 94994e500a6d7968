//! The latency over time. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

/// The worst and the mean latency of each hundredth of a second.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    slots: BTreeMap<u64, Slot>,
    /// The latest slot. It is added to `slots` when the next one begins.
    current: (u64, Slot),
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
    /// Seconds since the first slot.
    pub(super) seconds: f64,
    pub(super) mean_us: f64,
    pub(super) worst_us: f64,
    pub(super) count: u64,
}

impl Timeline {
    /// Records an arrival at `now`, with the latency `late`, both in nanoseconds.
    pub(super) fn note(&mut self, now: u64, late: u64) {
        if now / SLOT != self.current.0 {
            put_away(&mut self.slots, self.current);
            self.current = (now / SLOT, Slot::default());
        }
        let slot = &mut self.current.1;
        slot.count += 1;
        slot.sum += late;
        slot.worst = slot.worst.max(late);
    }

    /// Returns the points of a plot: at most `MOST_POINTS` or so, each of which merges several slots if necessary.
    pub(super) fn points(&self) -> Vec<Point> {
        let mut slots = self.slots.clone();
        put_away(&mut slots, self.current);
        let ends = slots.first_key_value().zip(slots.last_key_value()).map(|((first, _), (last, _))| (*first, *last));
        let Some((first, last)) = ends else { return Vec::new() };
        let width = (last - first) / MOST_POINTS + 1;
        let mut merged = BTreeMap::new();
        for (at, slot) in slots {
            put_away(&mut merged, ((at - first) / width, slot));
        }
        let point = |(at, slot): (&u64, &Slot)| Point {
            seconds: Duration::from_nanos(at * width * SLOT).as_secs_f64(),
            mean_us: Duration::from_nanos(slot.sum / slot.count.max(1)).as_secs_f64() * 1e6,
            worst_us: Duration::from_nanos(slot.worst).as_secs_f64() * 1e6,
            count: slot.count,
        };
        merged.iter().map(point).collect()
    }
}

/// Adds a slot to the others, and merges it with a slot of the same time.
fn put_away(slots: &mut BTreeMap<u64, Slot>, (at, more): (u64, Slot)) {
    if more.count > 0 {
        let slot = slots.entry(at).or_default();
        slot.count += more.count;
        slot.sum += more.sum;
        slot.worst = slot.worst.max(more.worst);
    }
}

const SLOT: u64 = 10_000_000;
const MOST_POINTS: u64 = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_within_a_hundredth_of_a_second_are_one_point() {
        let mut timeline = Timeline::default();
        for (now, late) in [(1_000_000_000, 1_000), (1_300_000_000, 5_000), (1_005_000_000, 3_000)] {
            timeline.note(now, late);
        }
        let points = timeline.points();
        assert_eq!(points[0], Point { seconds: 0.0, mean_us: 2.0, worst_us: 3.0, count: 2 });
        assert_eq!((points[1].seconds, points.len()), (0.3, 2));
    }

    #[test]
    fn a_long_time_has_no_more_points_than_a_picture_shows() {
        let mut timeline = Timeline::default();
        (0..10_000).for_each(|nth| timeline.note(nth * SLOT, nth));
        let points = timeline.points();
        assert!((100..=240).contains(&points.len()), "{}", points.len());
        assert_eq!(points.iter().map(|point| point.count).sum::<u64>(), 10_000);
    }
}
