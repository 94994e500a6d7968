//! One monotonic clock for all threads. It starts at the time of day; later changes of the system time do not affect
//! it.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the epoch.
pub(super) fn now() -> u64 {
    let (start, epoch) = *START;
    as_nanos(epoch + start.elapsed())
}

pub(super) fn as_nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

static START: LazyLock<(Instant, Duration)> =
    LazyLock::new(|| (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back() {
        let (first, second) = (now(), now());
        assert!(first > 0 && second >= first);
    }
}
