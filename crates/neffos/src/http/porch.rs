//! Admission to a listener: how many clients use HTTP at the same time, and reserved descriptors for a full listener.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::visit::Idle;
use crate::admission::{RefusalCounts, RefusalReason, network};
use crate::budget::{Budget, Charge};

/// The state of a listener's clients until they are websockets or have disconnected.
pub(super) struct Porch {
    limits: PorchLimits,
    counts: Mutex<Counts>,
    idle: Arc<Idle>,
    seats: Arc<Seats>,
    refusals: Arc<RefusalCounts>,
    budget: Arc<Budget>,
}

/// The limits on clients that use HTTP at the same time; zero means no limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct PorchLimits {
    pub(super) all: usize,
    /// For one address. `None` if all clients come from the address of a proxy.
    pub(super) per_address: Option<usize>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    addresses: HashMap<IpAddr, usize>,
}

/// How a client was admitted.
pub(super) enum Entry {
    Place(#[expect(dead_code, reason = "it is held")] HttpPlace),
    /// There is no room. The client receives one answer within a short time.
    Seat(#[expect(dead_code, reason = "it is held")] Seat),
}

impl Porch {
    pub(super) fn new(limits: PorchLimits, refusals: Arc<RefusalCounts>, budget: Arc<Budget>) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default(), idle: Arc::default(), seats: Seats::new(), refusals, budget })
    }

    pub(super) fn idle(&self) -> &Arc<Idle> {
        &self.idle
    }

    /// Admits a client. Returns `None` if not even a seat is free. If there are too many clients, closes the connection
    /// that has been idle longest.
    pub(super) fn enter(self: &Arc<Self>, address: SocketAddr) -> Option<Entry> {
        self.seats.refill();
        match self.place(address) {
            Some(place) => Some(Entry::Place(place)),
            None => self.seat().map(Entry::Seat),
        }
    }

    /// Makes room when the process has no file descriptor left.
    pub(super) fn make_room(&self) -> FreedDescriptor {
        let evicted = (0..EVICTED_AT_ONCE).take_while(|_| self.evict(Duration::ZERO)).count();
        match evicted {
            0 => self.seats.take().map_or(FreedDescriptor::None, FreedDescriptor::Seat),
            _ => FreedDescriptor::Soon,
        }
    }

    /// Returns a seat for one brief answer.
    fn seat(&self) -> Option<Seat> {
        let seat = self.seats.take();
        if seat.is_none() {
            self.refusals.add(RefusalReason::NoRoom);
        }
        seat
    }

    /// Closes the connection that has been idle longest. Returns false if none has been idle for `rest`.
    fn evict(&self, rest: Duration) -> bool {
        let is_evicted = self.idle.evict(rest);
        if is_evicted {
            self.refusals.add(RefusalReason::Evicted);
        }
        is_evicted
    }

    fn place(self: &Arc<Self>, address: SocketAddr) -> Option<HttpPlace> {
        let most = self.limits.per_address.filter(|most| *most > 0 && !address.ip().is_loopback());
        let address = most.map(|_| network(address.ip()));
        let mut counts = self.counts();
        if let (Some(most), Some(address)) = (most, address)
            && counts.addresses.get(&address).is_some_and(|count| *count >= most)
        {
            return None;
        }
        if self.budget.is_far_over() && !self.frees_memory(counts.all) {
            self.budget.count_refusal();
            return None;
        }
        if self.limits.all > 0 && counts.all >= self.limits.all && !self.evict(Duration::ZERO) {
            return None;
        }
        counts.all += 1;
        if let Some(address) = address {
            *counts.addresses.entry(address).or_default() += 1;
        }
        Some(HttpPlace { porch: self.clone(), address, charge: self.budget.charge(CLIENT_BYTES) })
    }

    /// Closes a connection to free memory, and returns whether it did. It closes none if this listener's clients hold
    /// little: then other parts use the memory, and must free it.
    fn frees_memory(&self, clients: usize) -> bool {
        clients.saturating_mul(CLIENT_BYTES) >= self.budget.share(LARGE_SHARE) && self.evict(REST)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result of [`Porch::make_room`].
pub(super) enum FreedDescriptor {
    /// Connections are being closed.
    Soon,
    /// One descriptor is free, for a client that receives one answer.
    Seat(Seat),
    None,
}

/// A place among the clients that use HTTP.
pub(super) struct HttpPlace {
    porch: Arc<Porch>,
    address: Option<IpAddr>,
    #[expect(dead_code, reason = "it is held")]
    charge: Charge,
}

impl Drop for HttpPlace {
    fn drop(&mut self) {
        let mut counts = self.porch.counts();
        counts.all -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = counts.addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.addresses.remove(&address);
            }
        }
    }
}

/// Reserved file descriptors, for clients that are refused or that request the server's state.
struct Seats {
    kept: Mutex<Vec<Option<File>>>,
}

impl Seats {
    fn new() -> Arc<Self> {
        let kept = (0..SEATS).map(|_| keep()).collect();
        Arc::new(Self { kept: Mutex::new(kept) })
    }

    /// Returns one descriptor to the system.
    fn take(self: &Arc<Self>) -> Option<Seat> {
        let kept = self.kept().pop()?;
        drop(kept);
        Some(Seat(self.clone()))
    }

    /// Reserves a descriptor again, if an earlier attempt failed.
    fn refill(&self) {
        let mut kept = self.kept();
        if let Some(missing) = kept.iter_mut().find(|file| file.is_none()) {
            *missing = keep();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Option<File>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reserved descriptor in use.
pub(super) struct Seat(Arc<Seats>);

impl Drop for Seat {
    fn drop(&mut self) {
        let file = keep();
        self.0.kept().push(file);
    }
}

fn keep() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Returns whether the process, or the system, has no file descriptor left.
pub(super) fn is_out_of_files(err: &io::Error) -> bool {
    // EMFILE and ENFILE have these numbers everywhere but on Windows.
    cfg!(unix) && matches!(err.raw_os_error(), Some(23 | 24))
}

/// Logs a repeated fault at most once a second.
#[derive(Default)]
pub(super) struct Complaint {
    last: Option<Instant>,
    unsaid: u64,
}

impl Complaint {
    pub(super) fn say(&mut self, err: &io::Error) {
        let now = Instant::now();
        if self.last.is_some_and(|last| now - last < PAUSE) {
            self.unsaid += 1;
            return;
        }
        tracing::error!(%err, repeated = self.unsaid, "cannot accept connections");
        (self.last, self.unsaid) = (Some(now), 0);
    }
}

/// The approximate memory of a client that uses HTTP: a buffer for the head of its request (16 KiB), one for the heads
/// of answers (8 KiB), and the task.
const CLIENT_BYTES: usize = 28 * 1024;
/// The clients of a listener must hold at least a twentieth of the budget before one of them is closed to free memory.
const LARGE_SHARE: usize = 20;
/// A connection whose last answer ended less than this ago is in use. It is not closed to free memory.
const REST: Duration = Duration::from_secs(1);
const SEATS: usize = 16;
const EVICTED_AT_ONCE: usize = 8;
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::super::visit::Visit;
    use super::*;

    fn porch(all: usize, per_address: usize) -> Arc<Porch> {
        Porch::new(PorchLimits { all, per_address: Some(per_address) }, Arc::default(), Budget::unlimited())
    }

    fn from(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 1)
    }

    fn is_place(entry: Option<&Entry>) -> bool {
        matches!(entry, Some(Entry::Place(_)))
    }

    #[test]
    fn beyond_the_limit_of_an_address_there_are_seats_and_then_nothing() {
        let porch = porch(0, 2);
        let mut entries: Vec<_> = (0..2 + SEATS).map(|_| porch.enter(from("192.0.2.1"))).collect();
        assert!(entries[..2].iter().all(|entry| is_place(entry.as_ref())));
        assert!(entries[2..].iter().all(|entry| matches!(entry, Some(Entry::Seat(_)))));
        assert!(porch.enter(from("192.0.2.1")).is_none());
        assert_eq!(porch.refusals.of(RefusalReason::NoRoom), 1);
        assert!(is_place(porch.enter(from("192.0.2.2")).as_ref()));
        entries.remove(0);
        assert!(is_place(porch.enter(from("192.0.2.1")).as_ref()));
        drop(entries);
        let counts = porch.counts();
        assert!(counts.all == 0 && counts.addresses.is_empty());
    }

    #[test]
    fn one_address_with_many_clients_is_no_matter_on_this_machine_or_behind_a_proxy() {
        let near = porch(0, 1);
        let entries: Vec<_> = (0..8).map(|_| near.enter(from("127.0.0.1"))).collect();
        assert!(entries.iter().all(|entry| is_place(entry.as_ref())));
        let behind = Porch::new(PorchLimits { all: 0, per_address: None }, Arc::default(), Budget::unlimited());
        let entries: Vec<_> = (0..8).map(|_| behind.enter(from("192.0.2.1"))).collect();
        assert!(entries.iter().all(|entry| is_place(entry.as_ref())));
    }

    #[test]
    fn clients_are_charged_to_the_memory_budget_and_refused_beyond_it() {
        let budget = Budget::new(4 * CLIENT_BYTES);
        let porch = Porch::new(PorchLimits { all: 0, per_address: None }, Arc::default(), budget.clone());
        let entries: Vec<_> = (0..8).map(|_| porch.enter(from("192.0.2.1"))).collect();
        let places = entries.iter().filter(|entry| is_place(entry.as_ref())).count();
        assert_eq!((places, budget.used()), (5, 5 * CLIENT_BYTES));
        drop(entries);
        assert_eq!(budget.used(), 0);
        assert!(is_place(porch.enter(from("192.0.2.1")).as_ref()));
    }

    /// Returns a client of `porch` after its answer.
    fn answered(porch: &Arc<Porch>) -> (Option<Entry>, Arc<Visit>) {
        let (entry, visit) = (porch.enter(from("192.0.2.1")), Arc::new(Visit::new(porch.idle().clone())));
        visit.asked();
        drop(visit.answering());
        (entry, visit)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_in_use_or_of_a_listener_that_holds_little_is_not_closed_for_the_memory_that_others_take() {
        let budget = Budget::new(100 * CLIENT_BYTES);
        let limits = PorchLimits { all: 0, per_address: None };
        let [internal, public] = [(); 2].map(|()| Porch::new(limits, Arc::default(), budget.clone()));
        let _operator = answered(&internal);
        let strangers: Vec<_> = (0..5).map(|_| answered(&public)).collect();
        let _load = budget.charge(100 * CLIENT_BYTES);
        let evicted = |porch: &Porch| porch.refusals.of(RefusalReason::Evicted);
        // All connections are in use, so a new client receives one answer.
        assert!(!is_place(public.enter(from("192.0.2.2")).as_ref()) && evicted(&public) == 0);
        tokio::time::advance(REST).await;
        assert!(is_place(public.enter(from("192.0.2.2")).as_ref()) && evicted(&public) == 1);
        // The operator's connection is idle too, but closing it would free almost nothing.
        assert!(matches!(internal.enter(from("192.0.2.2")), Some(Entry::Seat(_))));
        assert_eq!(evicted(&internal), 0);
        drop(strangers);
    }

    #[test]
    fn all_together_have_a_limit() {
        let porch = porch(1, 0);
        let first = porch.enter(from("192.0.2.1"));
        assert!(is_place(first.as_ref()) && !is_place(porch.enter(from("192.0.2.2")).as_ref()));
        drop(first);
        assert!(is_place(porch.enter(from("192.0.2.2")).as_ref()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_that_repeats_is_logged_once_a_second() {
        let mut complaint = Complaint::default();
        let err = io::Error::from_raw_os_error(24);
        (0..1000).for_each(|_| complaint.say(&err));
        assert_eq!(complaint.unsaid, 999);
        tokio::time::advance(PAUSE).await;
        complaint.say(&err);
        assert_eq!(complaint.unsaid, 0);
    }
}
