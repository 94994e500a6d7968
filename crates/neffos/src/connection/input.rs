//! The memory of one connection that is charged to the budget: unhandled bytes, memberships and open requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::budget::Budget;

/// Set only by the connection's task, except `session`. In KiB, so that small changes cost nothing; less than one KiB
/// counts as zero.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// Bytes that were read, partial messages, queued events, and the message that a handler has.
    all: AtomicU32,
    /// The message that a handler has. It cannot be dropped.
    handled: AtomicU32,
    /// The connected namespaces and joined rooms, and the open requests.
    session: AtomicU32,
}

impl Input {
    /// Sets the total to `bytes`.
    pub(super) fn set(&self, bytes: usize, budget: &Arc<Budget>) {
        set(&self.all, bytes, budget);
    }

    /// Sets the size of the memberships and open requests. Called under the lock of the session, since several tasks do
    /// it.
    pub(super) fn set_session(&self, bytes: usize, budget: &Arc<Budget>) {
        set(&self.session, bytes, budget);
    }

    /// Sets the size of the message that a handler has.
    pub(super) fn set_handled(&self, bytes: usize) {
        self.handled.store(kib(bytes), Ordering::Relaxed);
    }

    pub(super) fn handled(&self) -> usize {
        in_bytes(self.handled.load(Ordering::Relaxed))
    }

    /// Returns how many bytes would be free without the connection.
    pub(super) fn held(&self) -> usize {
        let session = in_bytes(self.session.load(Ordering::Relaxed));
        in_bytes(self.all.load(Ordering::Relaxed)).saturating_sub(self.handled()).saturating_add(session)
    }
}

fn set(count: &AtomicU32, bytes: usize, budget: &Arc<Budget>) {
    let (before, now) = (count.load(Ordering::Relaxed), kib(bytes));
    if now == before {
        return;
    }
    count.store(now, Ordering::Relaxed);
    match now.checked_sub(before) {
        Some(more) => budget.add(in_bytes(more)),
        None => budget.subtract(in_bytes(before - now)),
    }
}

/// Rounds up, but less than one KiB to zero.
fn kib(bytes: usize) -> u32 {
    if bytes < 1024 { 0 } else { u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX) }
}

fn in_bytes(kib: u32) -> usize {
    usize::try_from(kib).unwrap_or(usize::MAX).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_counts_in_kib_and_a_handlers_message_is_not_held() {
        let (input, budget) = (Input::default(), Budget::unlimited());
        input.set(1023, &budget);
        assert_eq!((budget.used(), input.held()), (0, 0));
        input.set(5000, &budget);
        assert_eq!((budget.used(), input.held()), (5 * 1024, 5 * 1024));
        input.set_handled(2048);
        assert_eq!(input.held(), 3 * 1024);
        input.set(2048, &budget);
        assert_eq!((budget.used(), input.held()), (2048, 0));
        input.set(0, &budget);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn session_state_counts_from_one_kib_on_and_is_held() {
        let (input, budget) = (Input::default(), Budget::unlimited());
        input.set_session(1023, &budget);
        assert_eq!((budget.used(), input.held()), (0, 0));
        input.set_session(1025, &budget);
        input.set(2048, &budget);
        assert_eq!((budget.used(), input.held()), (4096, 4096));
        input.set_session(0, &budget);
        assert_eq!((budget.used(), input.held()), (2048, 2048));
    }
}
