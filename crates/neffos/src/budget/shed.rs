//! The task that closes the connections that hold most, while the use is over the limit. It runs only then.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::{Budget, Pressure};

/// Connections that may hold memory.
pub(crate) trait Source: Send + Sync {
    /// Returns all of them, a few in each step. No lock is held between two steps.
    fn walk(self: Arc<Self>) -> Steps;

    /// Spawns `work`, or drops it if there is no runtime.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}

pub(crate) type Steps = Box<dyn Iterator<Item = Vec<Arc<dyn Holder>>> + Send>;

/// A connection that may hold memory.
pub(crate) trait Holder: Send + Sync {
    /// Returns how many bytes would be free without it.
    fn held(&self) -> usize;

    /// Closes it, and drops its queues.
    fn shed(&self);
}

pub(super) struct Shedder {
    budget: Arc<Budget>,
    said: Option<Instant>,
    unsaid: usize,
}

impl Shedder {
    /// Starts the task, unless it runs.
    pub(super) fn start(budget: &Arc<Budget>) {
        if budget.is_shedding.load(SeqCst) {
            return;
        }
        let source = budget.sources().iter().find_map(std::sync::Weak::upgrade);
        let Some(source) = source else { return };
        if !budget.is_shedding.swap(true, SeqCst) {
            // If the task is dropped before it runs, it no longer counts as running.
            let shedder = Self { budget: budget.clone(), said: None, unsaid: 0 };
            source.spawn(Box::pin(shedder.run()));
        }
    }

    async fn run(mut self) {
        while self.budget.pressure() == Pressure::Over {
            let begin = Instant::now();
            let largest = self.largest().await;
            let took = begin.elapsed();
            self.close(largest).await;
            sleep((took * RESTS).clamp(SHORTEST_REST, LONGEST_REST)).await;
        }
        let budget = self.budget.clone();
        drop(self);
        // The use may have risen again while this task still counted as running.
        budget.pressure();
    }

    /// Returns the connections that hold most, the largest first.
    async fn largest(&self) -> Vec<HeldMemory> {
        let sources: Vec<_> = self.budget.sources().iter().filter_map(std::sync::Weak::upgrade).collect();
        let mut largest = BinaryHeap::new();
        for holders in sources.into_iter().flat_map(Source::walk) {
            holders.into_iter().for_each(|holder| keep(&mut largest, HeldMemory { bytes: holder.held(), holder }));
            yield_now().await;
        }
        largest.into_sorted_vec().into_iter().map(|Reverse(held)| held).collect()
    }

    /// Closes connections until the expected use is low enough.
    async fn close(&mut self, largest: Vec<HeldMemory>) {
        let mut expected = self.budget.used();
        let mut closed = 0;
        for HeldMemory { bytes, holder } in largest {
            if expected < self.budget.thresholds.relieved {
                break;
            }
            holder.shed();
            expected = expected.saturating_sub(bytes);
            closed += 1;
            if closed % CLOSED_PER_TURN == 0 {
                yield_now().await;
            }
        }
        self.budget.closed.fetch_add(closed as u64, Relaxed);
        self.say(closed);
    }

    /// Logs it, at most once a second.
    fn say(&mut self, closed: usize) {
        self.unsaid += closed;
        let now = Instant::now();
        if self.said.is_none_or(|said| now - said >= PAUSE) {
            let (used, limit) = (self.budget.used(), self.budget.thresholds.over);
            tracing::warn!(used, limit, closed = self.unsaid, "memory over its budget");
            (self.said, self.unsaid) = (Some(now), 0);
        }
    }
}

/// A runtime that shuts down drops its tasks. The next check of the budget starts another one.
impl Drop for Shedder {
    fn drop(&mut self) {
        self.budget.is_shedding.store(false, SeqCst);
    }
}

/// A connection, and the memory that it holds.
struct HeldMemory {
    bytes: usize,
    holder: Arc<dyn Holder>,
}

/// Keeps the largest, with the smallest of them on top.
fn keep(largest: &mut BinaryHeap<Reverse<HeldMemory>>, held: HeldMemory) {
    if held.bytes < LEAST_HELD {
        return;
    }
    if largest.len() < MOST_AT_ONCE {
        largest.push(Reverse(held));
    } else if let Some(mut smallest) = largest.peek_mut()
        && smallest.0.bytes < held.bytes
    {
        *smallest = Reverse(held);
    }
}

impl Ord for HeldMemory {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl PartialOrd for HeldMemory {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for HeldMemory {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for HeldMemory {}

/// Between two walks over all connections, the task rests for this many times the duration of the last walk, within
/// these limits.
const RESTS: u32 = 10;
const SHORTEST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(1);
/// The most connections that are closed after one walk.
const MOST_AT_ONCE: usize = 4096;
/// How many are closed before the task yields.
const CLOSED_PER_TURN: usize = 16;
/// A connection that holds less is never closed.
const LEAST_HELD: usize = 1024;
/// The interval of log lines.
const PAUSE: Duration = Duration::from_secs(1);
