//! The HTTP of one client on a listener: its time limits, and its place among the idle connections.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use atomic_waker::AtomicWaker;
use tokio::time::{Instant, sleep_until};

use super::pace::{Pace, PaceLimits};
use crate::admission::{RefusalCounts, RefusalReason};
use crate::lock::lock;

/// The HTTP of one client.
pub(super) struct Visit {
    pace: Mutex<Pace>,
    idle: Arc<Idle>,
    /// The key of this client among the idle connections; zero if it is not idle.
    turn: AtomicU64,
    is_evicted: AtomicBool,
    waker: AtomicWaker,
}

impl Visit {
    pub(super) fn new(idle: Arc<Idle>) -> Self {
        Self {
            pace: Mutex::new(Pace::new(Instant::now())),
            idle,
            turn: AtomicU64::new(0),
            is_evicted: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    /// Records received bytes, or the end of the stream.
    pub(super) fn received(&self) {
        if self.pace().received(Instant::now()) {
            self.idle.remove(self);
        }
    }

    /// Records a complete head of a request.
    pub(super) fn asked(&self) {
        self.pace().asked(Instant::now());
        self.idle.remove(self);
    }

    fn answered(self: &Arc<Self>) {
        if self.pace().answered(Instant::now()) {
            self.idle.add(self);
        }
    }

    /// Records whether the socket accepted bytes.
    pub(super) fn wrote(&self, has_taken: bool) {
        match has_taken {
            true => self.pace().flowing(Instant::now()),
            false => self.pace().stalled(Instant::now()),
        }
    }

    pub(super) fn is_answering(&self) -> bool {
        self.pace().is_answering()
    }

    /// Records that the client sends nothing more.
    pub(super) fn half_closed(&self) {
        self.pace().half_closed(Instant::now());
    }

    /// Resolves when the client must be closed: a deadline has passed, or its place is needed. Poll it after the
    /// connection, which changes the deadline.
    pub(super) async fn is_over(&self, limits: &PaceLimits) {
        let timer = sleep_until(Instant::now());
        tokio::pin!(timer);
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.is_evicted.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            let Some(deadline) = self.pace().deadline(limits) else { return Poll::Pending };
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            timer.as_mut().poll(cx)
        })
        .await;
    }

    /// Counts a client that was closed because it took too long. The end of an idle connection does not count. Evicted
    /// clients are counted already.
    pub(super) fn count_end(&self, refusals: &RefusalCounts) {
        if !self.is_evicted.load(Ordering::Acquire) && !self.pace().is_at_rest() {
            refusals.add(RefusalReason::Timeout);
        }
    }

    /// Returns a guard for an answer. When it is dropped, the connection is idle.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        Answering(self.clone())
    }

    /// Returns a guard for the HTTP. When it is dropped, the connection is removed from the idle ones.
    pub(super) fn present(self: &Arc<Self>) -> Present {
        Present(self.clone())
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        lock(&self.pace)
    }

    fn evict(&self) {
        self.is_evicted.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit").field("pace", &self.pace()).finish_non_exhaustive()
    }
}

pub(super) struct Answering(Arc<Visit>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answered();
    }
}

pub(super) struct Present(Arc<Visit>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.idle.remove(&self.0);
    }
}

/// Idle connections, in the order in which they became idle.
#[derive(Default)]
pub(super) struct Idle {
    queue: Mutex<BTreeMap<u64, Arc<Visit>>>,
    last: AtomicU64,
}

impl Idle {
    fn add(&self, visit: &Arc<Visit>) {
        let turn = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        visit.turn.store(turn, Ordering::Relaxed);
        lock(&self.queue).insert(turn, visit.clone());
    }

    fn remove(&self, visit: &Visit) {
        let turn = visit.turn.swap(0, Ordering::Relaxed);
        if turn > 0 {
            let _visit = lock(&self.queue).remove(&turn);
        }
    }

    /// Closes the connection that has been idle longest. Returns false if none has been idle for `rest`.
    pub(super) fn evict(&self, rest: Duration) -> bool {
        let longest = self.pop_longest(rest);
        longest.is_some_and(|visit| {
            visit.evict();
            true
        })
    }

    fn pop_longest(&self, rest: Duration) -> Option<Arc<Visit>> {
        let mut queue = lock(&self.queue);
        let longest = queue.first_entry()?;
        let idle = longest.get().pace().idle_for(Instant::now());
        (idle >= rest).then(|| longest.remove())
    }
}
