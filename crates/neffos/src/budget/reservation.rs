//! Reservations: memory that an application charges to the budget.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::{Budget, Charge, MemoryBudget};

impl Budget {
    /// Adds `more` bytes to a reservation of `held`, if there is room.
    fn grow_reservation(self: &Arc<Self>, charge: &mut Charge, more: usize) -> bool {
        let held = charge.bytes;
        let Some(bytes) = held.checked_add(more) else { return false };
        if !self.has_room(self.used() - held, bytes) && !self.is_small_and_fits(held, bytes) {
            return false;
        }
        // Other reservations may have grown meanwhile. Of several that grow at the same time, each sees the earlier
        // ones.
        charge.set(bytes);
        self.count_small(held, bytes);
        let fits = self.has_room(self.used() - bytes, bytes) || self.is_small_and_fits(bytes, bytes);
        if !fits {
            self.shrink_reservation(charge, held);
        }
        fits
    }

    fn shrink_reservation(self: &Arc<Self>, charge: &mut Charge, bytes: usize) {
        self.count_small(charge.bytes, bytes);
        charge.set(bytes);
    }

    /// Returns whether a reservation of `bytes` fits. It may take half of the room below the pressure at which reading
    /// pauses, so that a large one leaves room for small ones.
    fn has_room(&self, used: usize, bytes: usize) -> bool {
        bytes <= self.thresholds.tight.saturating_sub(used) / 2
    }

    /// Returns whether a reservation, of `held` bytes until now, is small, and all small ones fit into their part of
    /// the limit. Neither connections nor large reservations can use that part.
    fn is_small_and_fits(&self, held: usize, bytes: usize) -> bool {
        let others = self.small.load(SeqCst).saturating_sub(self.if_small(held));
        bytes <= self.most_small() && others.saturating_add(bytes) <= self.share(SMALL_SHARE)
    }

    /// Records that a reservation of `before` bytes has changed to `after`.
    fn count_small(&self, before: usize, after: usize) {
        self.small.fetch_add(self.if_small(after), SeqCst);
        self.small.fetch_sub(self.if_small(before), SeqCst);
    }

    /// Returns the largest size of a small reservation. Without a limit, none needs a separate part.
    fn most_small(&self) -> usize {
        self.limit().map_or(0, |limit| limit / SMALL)
    }

    fn if_small(&self, bytes: usize) -> usize {
        if bytes <= self.most_small() { bytes } else { 0 }
    }
}

impl MemoryBudget {
    /// Charges `bytes` bytes until the reservation is dropped, or returns `None` if there is no room. It is for memory
    /// that the application queues itself: uploads, jobs, or answers of another service.
    ///
    /// - A reservation may take half of the free room below four fifths of the budget. So a small one still finds room
    ///   when a large one does not.
    /// - A twentieth of the budget is only for reservations of at most a thousandth of it. So neither connections nor
    ///   large reservations keep the application from small jobs.
    /// - Refusals count in [`MemoryUsage::refused`].
    ///
    /// [`MemoryUsage::refused`]: super::MemoryUsage::refused
    ///
    /// # Examples
    ///
    /// ```
    /// use neffos::MemoryBudget;
    ///
    /// let budget = MemoryBudget::new(64 * 1024 * 1024);
    /// let Some(mut upload) = budget.reserve(64 * 1024) else {
    ///     panic!("503 with `Retry-After`");
    /// };
    /// assert_eq!(budget.usage().used(), 64 * 1024);
    /// // The upload is larger than it seemed.
    /// assert!(upload.resize(1024 * 1024));
    /// drop(upload);
    /// assert_eq!(budget.usage().used(), 0);
    /// ```
    pub fn reserve(&self, bytes: usize) -> Option<Reservation> {
        let mut reservation = Reservation { charge: self.0.charge(0) };
        reservation.resize(bytes).then_some(reservation)
    }
}

/// Memory of the application that is charged to a budget until this is dropped. [`MemoryBudget::reserve`] returns it.
pub struct Reservation {
    charge: Charge,
}

impl Reservation {
    /// Returns the number of charged bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let budget = MemoryBudget::new(64 * 1024 * 1024);
    /// let upload = budget.reserve(4096).unwrap();
    /// assert_eq!(upload.bytes(), 4096);
    /// ```
    pub fn bytes(&self) -> usize {
        self.charge.bytes
    }

    /// Changes the size to `bytes` bytes. If there is no room for more, it changes nothing and returns false.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let budget = MemoryBudget::new(64 * 1024 * 1024);
    /// let mut upload = budget.reserve(4096).unwrap();
    /// assert!(upload.resize(8192));
    /// assert!(!upload.resize(64 * 1024 * 1024), "no room");
    /// assert_eq!(upload.bytes(), 8192);
    /// ```
    #[must_use = "without room, nothing more is charged"]
    pub fn resize(&mut self, bytes: usize) -> bool {
        let Some(budget) = self.charge.budget.clone() else { return true };
        match bytes.checked_sub(self.bytes()) {
            Some(0) => true,
            Some(more) => {
                let has_grown = budget.grow_reservation(&mut self.charge, more);
                if !has_grown {
                    budget.count_refusal();
                }
                has_grown
            }
            None => {
                budget.shrink_reservation(&mut self.charge, bytes);
                true
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // A reservation can always become smaller.
        let _is_done = self.resize(0);
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// A reservation of at most this part of the limit is small.
const SMALL: usize = 1000;
/// The part of the limit that is only for small reservations.
const SMALL_SHARE: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_takes_half_of_the_room_below_four_fifths_so_that_small_ones_find_room_when_large_ones_do_not() {
        let budget = MemoryBudget::new(1000);
        let large = budget.reserve(400).unwrap();
        assert!(budget.reserve(201).is_none());
        let mut second = budget.reserve(200).unwrap();
        assert!(!second.resize(201) && second.bytes() == 200);
        let small: Vec<_> = std::iter::from_fn(|| budget.reserve(10)).take(1000).collect();
        assert!(small.len() >= 18 && budget.usage().used() <= 800, "{budget:?}");
        assert_eq!(budget.usage().refused(), 3);
        drop((large, small));
        assert!(second.resize(300) && second.resize(1));
        drop(second);
        assert_eq!((budget.usage().used(), budget.0.small.load(SeqCst)), (0, 0));
    }

    #[test]
    fn connections_and_large_reservations_that_use_all_of_the_budget_leave_a_twentieth_to_small_ones() {
        let budget = MemoryBudget::new(1_000_000);
        let _large = budget.reserve(400_000).unwrap();
        let _connections = budget.0.charge(650_000);
        assert!(budget.reserve(1_001).is_none());
        let mut small: Vec<_> = std::iter::from_fn(|| budget.reserve(1_000)).take(1000).collect();
        assert_eq!(small.len(), 50);
        assert!(!small[0].resize(1_001) && small[0].resize(500) && small[1].resize(10));
        assert!(budget.reserve(1_000).is_some() && budget.reserve(1_001).is_none());
        drop(small);
        assert_eq!(budget.0.small.load(SeqCst), 0);
    }

    #[test]
    fn reservations_do_not_overflow_and_have_no_limit_without_a_budget() {
        for budget in [MemoryBudget::new(0), MemoryBudget::new(usize::MAX), MemoryBudget::new(1)] {
            assert!(budget.reserve(usize::MAX).is_none());
            assert_eq!(budget.usage().used(), 0);
            assert!(budget.reserve(0).is_some());
        }
        let most = MemoryBudget::new(0).reserve(usize::MAX / 2).unwrap();
        assert_eq!(most.bytes(), usize::MAX / 2);
    }

    #[test]
    fn threads_that_reserve_at_once_stay_within_the_room() {
        let budget = MemoryBudget::new(1_000_000);
        let reserve_some = || {
            let held: Vec<_> = (0..8).filter_map(|_| budget.reserve(100_000)).collect();
            assert!(held.iter().map(Reservation::bytes).sum::<usize>() <= 800_000);
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5_000).for_each(|_| reserve_some()));
            }
        });
        assert_eq!((budget.usage().used(), budget.0.small.load(SeqCst)), (0, 0));
    }
}
