//! The one rule for all time limits of the settings.
//!
//! Zero means no limit. A limit of more than a century means no limit too, since clocks may not count that far.

use std::future::{Future, pending};
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Returns the limit, if there is one.
pub(crate) fn of(setting: Duration) -> Option<Duration> {
    (!setting.is_zero() && setting <= LONGEST).then_some(setting)
}

/// Returns the end of a limit that starts at `start`, if it has an end.
pub(crate) fn end(start: Instant, setting: Duration) -> Option<Instant> {
    of(setting).and_then(|limit| start.checked_add(limit))
}

/// Resolves when a limit that starts now has passed, or never if there is no limit.
pub(crate) async fn elapsed(setting: Duration) {
    match of(setting) {
        Some(limit) => sleep(limit).await,
        None => pending().await,
    }
}

/// Resolves at `end`, or never if there is none.
pub(crate) async fn reached(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => pending().await,
    }
}

/// Waits for `future` within the limit.
pub(crate) async fn within<T>(setting: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
    match of(setting) {
        Some(limit) => timeout(limit, future).await,
        None => Ok(future.await),
    }
}

const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_limit_and_so_is_a_limit_beyond_the_clock() {
        let now = Instant::now();
        assert_eq!(end(now, Duration::ZERO), None);
        assert_eq!(end(now, Duration::MAX), None);
        assert_eq!(end(now, Duration::from_nanos(1)), Some(now + Duration::from_nanos(1)));
        assert_eq!(end(now, LONGEST), Some(now + LONGEST));
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_is_waited_for_as_long_as_the_limit_says() {
        let after = |seconds| sleep(Duration::from_secs(seconds));
        assert!(within(Duration::from_secs(2), after(1)).await.is_ok());
        assert!(within(Duration::from_secs(1), after(2)).await.is_err());
        assert!(within(Duration::ZERO, after(1_000_000)).await.is_ok());
        assert!(within(Duration::MAX, after(1_000_000)).await.is_ok());
    }
}
