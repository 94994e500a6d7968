//! The memory budget: the number of bytes in all queues, and its limit.
//!
//! Each byte is counted once: a broadcast counts once, in however many queues it is.
//!
//! - `mod.rs`: [`Budget`], the shared count; [`Charge`], a part of it. Pure.
//! - `machine.rs`: the memory available to the process.
//! - `reservation.rs`: [`Reservation`], a charge of the application.
//! - `shed.rs`: the task that closes the connections that hold most.
//! - `usage.rs`: the public types, [`MemoryBudget`] and [`MemoryUsage`].

mod machine;
mod reservation;
mod shed;
mod usage;

use std::fmt;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub use reservation::Reservation;
use shed::Shedder;
pub(crate) use shed::{Holder, Source, Steps};
pub use usage::{MemoryBudget, MemoryUsage};

/// The bytes in use, out of a limit.
pub(crate) struct Budget {
    used: AtomicUsize,
    /// The bytes that the application has reserved in small parts.
    small: AtomicUsize,
    /// The pressure that corresponds to `used`. It has its own cache line, because it is read often and rarely changes.
    level: Level,
    thresholds: Thresholds,
    pub(super) is_shedding: AtomicBool,
    /// The connections that may hold memory.
    sources: Mutex<Vec<Weak<dyn Source>>>,
    closed: AtomicU64,
    pauses: AtomicU64,
    refused: AtomicU64,
}

#[repr(align(128))]
struct Level(AtomicU8);

/// The number of bytes at which each level begins.
#[derive(Debug, Clone, Copy)]
struct Thresholds {
    tight: usize,
    over: usize,
    /// Below this, the level is no longer over.
    relieved: usize,
    /// The limit plus a twentieth.
    far: usize,
}

/// The level of memory use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Pressure {
    Calm,
    /// From four fifths of the limit on: reading pauses for connections whose handlers lag.
    Tight,
    /// From the limit on, until the use is below nine tenths of it: full sockets receive no more broadcasts, and the
    /// connections that hold most are closed.
    Over,
}

impl Budget {
    /// Creates a budget of `bytes` bytes; zero is no limit.
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        let part =
            |of_twenty: usize| (bytes / 20).saturating_mul(of_twenty).saturating_add(bytes % 20 * of_twenty / 20);
        let thresholds = match bytes {
            0 => Thresholds { tight: usize::MAX, over: usize::MAX, relieved: usize::MAX, far: usize::MAX },
            // A budget without any use is never exceeded.
            _ => Thresholds { tight: part(16).max(1), over: bytes, relieved: part(18).max(1), far: part(21) },
        };
        Arc::new(Self {
            used: AtomicUsize::new(0),
            small: AtomicUsize::new(0),
            level: Level(AtomicU8::new(Pressure::Calm as u8)),
            thresholds,
            is_shedding: AtomicBool::new(false),
            sources: Mutex::default(),
            closed: AtomicU64::new(0),
            pauses: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Creates a budget without a limit, which only counts.
    pub(crate) fn unlimited() -> Arc<Self> {
        Self::new(0)
    }

    /// Creates a budget of half of the memory available to this process.
    pub(crate) fn of_machine() -> Arc<Self> {
        Self::new(machine::memory().map_or(0, |bytes| bytes / 2))
    }

    /// Charges `bytes` bytes until the charge is dropped.
    pub(crate) fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        self.add(bytes);
        Charge { budget: Some(self.clone()), bytes }
    }

    pub(crate) fn add(self: &Arc<Self>, bytes: usize) {
        let used = self.used.fetch_add(bytes, SeqCst).saturating_add(bytes);
        if used >= self.thresholds.tight {
            self.settle();
        }
    }

    pub(crate) fn subtract(self: &Arc<Self>, bytes: usize) {
        self.used.fetch_sub(bytes, SeqCst);
        if self.level.load() != Pressure::Calm {
            self.settle();
        }
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(SeqCst)
    }

    /// Returns the limit, or `None` if there is none.
    pub(crate) fn limit(&self) -> Option<usize> {
        Some(self.thresholds.over).filter(|limit| *limit < usize::MAX)
    }

    /// Returns the level of memory use. At a low level, this reads one byte that does not change.
    pub(crate) fn pressure(self: &Arc<Self>) -> Pressure {
        match self.level.load() {
            Pressure::Calm => Pressure::Calm,
            _ => self.settle(),
        }
    }

    pub(crate) fn is_over(self: &Arc<Self>) -> bool {
        self.pressure() == Pressure::Over
    }

    /// Returns whether the use is so high that new clients are refused.
    pub(crate) fn is_far_over(&self) -> bool {
        self.used() >= self.thresholds.far
    }

    /// Returns the limit divided by `parts`: at least one byte, and `usize::MAX` without a limit.
    pub(crate) fn share(&self, parts: usize) -> usize {
        self.limit().map_or(usize::MAX, |limit| (limit / parts).max(1))
    }

    /// Adds connections that may hold memory.
    pub(crate) fn add_source(&self, source: Weak<dyn Source>) {
        let mut sources = self.sources();
        sources.retain(|source| source.strong_count() > 0);
        sources.push(source);
    }

    pub(crate) fn count_pause(&self) {
        self.pauses.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_refusal(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Sets the level that corresponds to `used`. Each change of one of the two is followed by a check of the other, so
    /// the last level is correct.
    fn settle(self: &Arc<Self>) -> Pressure {
        let fitting = || self.thresholds.level(self.used(), self.level.load());
        let mut level = fitting();
        loop {
            self.level.0.store(level as u8, SeqCst);
            let next = fitting();
            if next == level {
                break;
            }
            level = next;
        }
        if level == Pressure::Over {
            Shedder::start(self);
        }
        level
    }

    fn sources(&self) -> MutexGuard<'_, Vec<Weak<dyn Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("used", &self.used()).field("limit", &self.limit()).finish_non_exhaustive()
    }
}

impl Level {
    fn load(&self) -> Pressure {
        match self.0.load(SeqCst) {
            0 => Pressure::Calm,
            1 => Pressure::Tight,
            _ => Pressure::Over,
        }
    }
}

impl Thresholds {
    fn level(&self, used: usize, before: Pressure) -> Pressure {
        let over = if before == Pressure::Over { self.relieved } else { self.over };
        match used {
            _ if used >= over => Pressure::Over,
            _ if used >= self.tight => Pressure::Tight,
            _ => Pressure::Calm,
        }
    }
}

/// A part of the bytes in use, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Charge {
    /// `None` if it is not charged to any budget.
    budget: Option<Arc<Budget>>,
    bytes: usize,
}

impl Charge {
    pub(crate) fn budget(&self) -> Option<&Arc<Budget>> {
        self.budget.as_ref()
    }

    #[cfg(feature = "tls")]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// As [`Budget::share`]; `usize::MAX` without a budget.
    pub(crate) fn share(&self, parts: usize) -> usize {
        self.budget.as_ref().map_or(usize::MAX, |budget| budget.share(parts))
    }

    /// Changes the charge to about `bytes` bytes, a multiple of 4 KiB. Most calls change nothing, and cost nothing.
    pub(crate) fn set_about(&mut self, bytes: usize) {
        self.set(bytes.checked_next_multiple_of(STEP).unwrap_or(bytes));
    }

    fn set(&mut self, bytes: usize) {
        let Some(budget) = &self.budget else { return };
        match bytes.checked_sub(self.bytes) {
            Some(0) => {}
            Some(more) => budget.add(more),
            None => budget.subtract(self.bytes - bytes),
        }
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

const STEP: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_level_rises_at_the_limit_and_falls_below_nine_tenths_of_it() {
        let budget = Budget::new(1000);
        let mut charges = vec![budget.charge(799)];
        assert_eq!(budget.pressure(), Pressure::Calm);
        charges.push(budget.charge(1));
        assert_eq!(budget.pressure(), Pressure::Tight);
        charges.push(budget.charge(200));
        assert_eq!(budget.pressure(), Pressure::Over);
        charges.push(budget.charge(50));
        assert!(budget.is_far_over());
        charges.pop();
        charges[2].set(100);
        assert_eq!((budget.used(), budget.pressure()), (900, Pressure::Over));
        charges[2].set(99);
        assert_eq!(budget.pressure(), Pressure::Tight);
        drop(charges);
        assert_eq!((budget.used(), budget.pressure()), (0, Pressure::Calm));
    }

    #[test]
    fn a_budget_of_zero_has_no_limit_and_counts() {
        let budget = Budget::unlimited();
        let _charge = budget.charge(usize::MAX / 2);
        assert_eq!((budget.used(), budget.limit(), budget.pressure()), (usize::MAX / 2, None, Pressure::Calm));
    }

    #[test]
    fn the_smallest_and_the_largest_budget_do_not_overflow() {
        let least = Budget::new(1);
        assert_eq!(least.pressure(), Pressure::Calm);
        let charge = least.charge(1);
        assert_eq!(least.pressure(), Pressure::Over);
        drop(charge);
        assert_eq!(least.pressure(), Pressure::Calm);
        let most = Budget::new(usize::MAX - 1);
        let _charge = most.charge(usize::MAX / 20);
        assert_eq!(most.pressure(), Pressure::Calm);
    }

    #[test]
    fn the_level_matches_the_use_with_concurrent_threads() {
        let budget = Budget::new(1 << 20);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| drop(budget.charge(400_000))));
            }
        });
        assert_eq!((budget.used(), budget.level.load()), (0, Pressure::Calm));
    }

    proptest! {
        #[test]
        fn use_is_the_sum_of_all_charges_and_zero_without_them(
            acts in proptest::collection::vec((0_usize..8, 0_usize..100_000), 0..100),
        ) {
            let budget = Budget::new(150_000);
            let mut charges: Vec<_> = (0..8).map(|_| budget.charge(0)).collect();
            for (nth, bytes) in acts {
                charges[nth].set_about(bytes);
                let sum: usize = charges.iter().map(|charge| charge.bytes).sum();
                prop_assert_eq!(budget.used(), sum);
                prop_assert!(charges[nth].bytes >= bytes && charges[nth].bytes < bytes + STEP);
            }
            drop(charges);
            prop_assert_eq!((budget.used(), budget.pressure()), (0, Pressure::Calm));
        }
    }
}
