//! The queued broadcasts and membership changes of one shard, in the order of the calls. Pure.
//!
//! They are applied in batches, which are bounded in messages and bytes, so that each takes a short time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::cast::Cast;
use super::change::IndexUpdate;

#[derive(Debug)]
pub(super) struct Pending<M> {
    entries: VecDeque<PendingEntry<M>>,
    casts: usize,
    bytes: usize,
    changes: usize,
    /// Whether a dispatcher runs or is starting.
    pub(super) dispatching: bool,
    last_cast: Option<Instant>,
}

#[derive(Debug)]
enum PendingEntry<M> {
    Cast(Arc<Cast>),
    IndexUpdate(IndexUpdate<M>),
    /// Notified when every earlier change is applied.
    Settled(oneshot::Sender<()>),
}

/// The entries to apply next: first the changes, then the broadcasts.
#[derive(Debug)]
pub(super) struct Batch<M> {
    pub(super) changes: Vec<IndexUpdate<M>>,
    pub(super) settled: Vec<oneshot::Sender<()>>,
    pub(super) casts: Vec<Arc<Cast>>,
    bytes: usize,
}

impl<M> Pending<M> {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn push_cast(&mut self, cast: Arc<Cast>) {
        self.casts += 1;
        self.bytes += cast.chunk.len();
        self.entries.push_back(PendingEntry::Cast(cast));
    }

    pub(super) fn push_change(&mut self, change: IndexUpdate<M>) {
        self.changes += 1;
        self.entries.push_back(PendingEntry::IndexUpdate(change));
    }

    /// Resolves when every queued change is applied. Returns `None` if there is none.
    pub(super) fn settled(&mut self) -> Option<oneshot::Receiver<()>> {
        if self.changes == 0 {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.entries.push_back(PendingEntry::Settled(sender));
        Some(receiver)
    }

    /// Returns whether the dispatcher is too slow. When memory is short, only one batch may be pending.
    pub(super) fn is_over_limit(&self, is_memory_short: bool) -> bool {
        let most = if is_memory_short { MAX_BATCH_BYTES } else { MAX_PENDING_BYTES };
        self.casts > MAX_PENDING || self.bytes > most
    }

    /// Records a broadcast at `now`. Returns true if the previous one was so recent that both belong to a burst.
    pub(super) fn note_cast(&mut self, now: Instant) -> bool {
        let last = self.last_cast.replace(now);
        last.is_some_and(|last| now.duration_since(last) < BURST_GAP)
    }

    /// Removes and returns the next batch, or `None` if nothing is pending.
    ///
    /// A change may overtake broadcasts of the same batch whose receivers it does not affect. It ends the batch if it
    /// affects the receivers of one.
    pub(super) fn next_batch(&mut self) -> Option<Batch<M>> {
        let mut batch = Batch { changes: Vec::new(), settled: Vec::new(), casts: Vec::new(), bytes: 0 };
        while self.entries.front().is_some_and(|next| batch.takes(next)) {
            let Some(entry) = self.entries.pop_front() else { break };
            match entry {
                PendingEntry::Cast(cast) => {
                    self.casts -= 1;
                    self.bytes -= cast.chunk.len();
                    batch.bytes += cast.chunk.len();
                    batch.casts.push(cast);
                }
                PendingEntry::IndexUpdate(change) => {
                    self.changes -= 1;
                    batch.changes.push(change);
                }
                PendingEntry::Settled(sender) => batch.settled.push(sender),
            }
        }
        batch.is_some().then_some(batch)
    }

    /// Frees the memory of a burst.
    pub(super) fn shrink(&mut self) {
        self.entries.shrink_to(MAX_BATCH);
    }
}

impl<M> Default for Pending<M> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), casts: 0, bytes: 0, changes: 0, dispatching: false, last_cast: None }
    }
}

impl<M> Batch<M> {
    fn takes(&self, next: &PendingEntry<M>) -> bool {
        match next {
            PendingEntry::Cast(cast) => {
                let fits = self.casts.len() < MAX_BATCH && self.bytes + cast.chunk.len() <= MAX_BATCH_BYTES;
                self.casts.is_empty() || fits
            }
            PendingEntry::IndexUpdate(change) => {
                self.changes.len() < MAX_BATCH && !self.casts.iter().any(|cast| change.affects(&cast.audience))
            }
            PendingEntry::Settled(_) => self.settled.len() < MAX_BATCH,
        }
    }

    fn is_some(&self) -> bool {
        !(self.changes.is_empty() && self.settled.is_empty() && self.casts.is_empty())
    }
}

/// Broadcasts closer together than this are a burst.
const BURST_GAP: Duration = Duration::from_micros(200);
/// The most broadcasts, and the most changes, in one batch.
const MAX_BATCH: usize = 256;
/// The most bytes of broadcasts in one batch, unless the first broadcast is larger.
const MAX_BATCH_BYTES: usize = 256 * 1024;
/// The most broadcasts, and the most bytes of them, that a shard queues before callers of `broadcast` help the
/// dispatcher.
const MAX_PENDING: usize = 65_536;
const MAX_PENDING_BYTES: usize = 64 * 1024 * 1024;
