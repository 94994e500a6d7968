//! One part of the connections: its index, and its queued broadcasts and membership changes.
//!
//! All of them take effect in the order of the calls. They are queued in `pending`, and removed only under the lock of
//! `state`. So a member receives exactly the broadcasts of the time while it belonged, in the order of the calls.
//!
//! No call does unbounded work for other connections. Batches are bounded, a large audience is served in steps
//! (`walk.rs`), and each step writes to its members before the next. At low rates a message leaves immediately; under
//! load the batches grow.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Member;
use super::cast::{Cast, Forms};
use super::change::IndexUpdate;
use super::counters::{Tally, Totals};
use super::dispatch::Dispatcher;
use super::index::Index;
use super::pending::{Batch, Pending};
use super::runtimes::Runtimes;
use super::walk::{Surroundings, Walk, WalkProgress};
use crate::lock::lock;

pub(crate) struct Shard<M> {
    /// Locked after `state` if both locks are needed.
    pending: Mutex<Pending<M>>,
    state: Mutex<ShardState<M>>,
    len: AtomicUsize,
    totals: Arc<Totals>,
    runtimes: Arc<Runtimes>,
}

#[derive(Debug)]
pub(crate) struct ShardState<M> {
    pub(crate) index: Index<M>,
    /// Members to write to.
    touched: Vec<Arc<M>>,
    /// A batch of broadcasts, offered to some of its receivers so far. It comes before all pending entries.
    walk: Option<Walk>,
}

impl<M: Member> Shard<M> {
    pub(super) fn new(totals: Arc<Totals>, runtimes: Arc<Runtimes>, index: Index<M>) -> Self {
        let state = ShardState { index, touched: Vec::new(), walk: None };
        Self { pending: Mutex::default(), state: Mutex::new(state), len: AtomicUsize::new(0), totals, runtimes }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ShardState<M>> {
        lock(&self.state)
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(super) fn runtimes(&self) -> &Runtimes {
        &self.runtimes
    }

    pub(super) fn insert(&self, member: &Arc<M>) {
        self.lock().index.insert(member);
        self.len.fetch_add(1, Ordering::Relaxed);
    }

    // ---- membership changes

    /// Applies `change` immediately if nothing is pending. Otherwise queues it behind the earlier broadcasts.
    pub(super) fn change(self: &Arc<Self>, change: IndexUpdate<M>) {
        let Err(change) = self.change_inline(change) else { return };
        let start = {
            let mut pending = lock(&self.pending);
            pending.push_change(change);
            !mem::replace(&mut pending.dispatching, true)
        };
        if start {
            Dispatcher::start(self.clone());
        }
    }

    fn change_inline(&self, change: IndexUpdate<M>) -> Result<(), IndexUpdate<M>> {
        let Ok(mut state) = self.state.try_lock() else { return Err(change) };
        if state.walk.is_some() || !lock(&self.pending).is_empty() {
            return Err(change);
        }
        let write_to = self.apply(change, &mut state.index);
        drop(state);
        if let Some(member) = write_to {
            self.write(&[member]);
        }
        Ok(())
    }

    fn apply(&self, change: IndexUpdate<M>, index: &mut Index<M>) -> Option<Arc<M>> {
        let applied = change.apply(index);
        self.len.fetch_sub(usize::from(applied.removed), Ordering::Relaxed);
        applied.write_to
    }

    /// Resolves when every queued change is applied. Returns `None` if there is none.
    pub(super) fn settled(&self) -> Option<oneshot::Receiver<()>> {
        lock(&self.pending).settled()
    }

    // ---- broadcasts

    /// Offers `cast` immediately if that is cheap and no entry comes before it. Otherwise queues it for the dispatcher.
    /// Adds the members to write to to `touched`.
    pub(super) fn cast(self: &Arc<Self>, cast: &Arc<Cast>, touched: &mut Vec<Arc<M>>) {
        if self.cast_inline(cast, touched) {
            return;
        }
        let is_memory_short = cast.chunk.is_memory_short();
        let (start, is_over_limit) = {
            let mut pending = lock(&self.pending);
            pending.note_cast(Instant::now());
            pending.push_cast(cast.clone());
            (!mem::replace(&mut pending.dispatching, true), pending.is_over_limit(is_memory_short))
        };
        if start {
            Dispatcher::start(self.clone());
        }
        if is_over_limit {
            self.help(is_memory_short);
        }
    }

    /// Offers a lone broadcast to few receivers directly: the caller's task is the cheapest place, since no task is
    /// woken. In a burst the dispatcher is better, because it joins pending broadcasts.
    fn cast_inline(&self, cast: &Arc<Cast>, touched: &mut Vec<Arc<M>>) -> bool {
        let Ok(state) = self.state.try_lock() else { return false };
        let size = state.index.size_hint(&cast.audience);
        if size > MAX_INLINE {
            return false;
        }
        let mut pending = lock(&self.pending);
        if pending.dispatching || pending.note_cast(Instant::now()) {
            // Without receivers there is nothing to dispatch, unless an earlier change is pending.
            return size == 0 && pending.is_empty();
        }
        drop(pending);
        let mut tally = Tally::default();
        if let Some(mut forms) = Forms::of(std::slice::from_ref(cast)) {
            state.index.for_each_member(&cast.audience, forms.offering(touched, &mut tally));
        }
        drop(state);
        self.totals.add(&tally);
        true
    }

    /// Does part of the work of a dispatcher that is too slow. This slows down the callers of `broadcast` before the
    /// process runs out of memory. It waits for no socket.
    fn help(self: &Arc<Self>, is_memory_short: bool) {
        let mut due = Vec::new();
        while lock(&self.pending).is_over_limit(is_memory_short) && self.step(&mut due) {
            self.write(&due);
            due.clear();
        }
    }

    // ---- steps of the dispatcher

    /// Takes one step, and adds the members to write to to `due`, which is empty. Returns false if there is nothing
    /// left to do.
    pub(super) fn step(&self, due: &mut Vec<Arc<M>>) -> bool {
        let mut state = self.lock();
        if state.walk.is_none() && state.touched.is_empty() {
            let Some(batch) = lock(&self.pending).next_batch() else { return false };
            self.begin(batch, &mut state);
        }
        let mut tally = Tally::default();
        state.walk_on(&mut tally);
        if state.may_write() {
            mem::swap(&mut state.touched, due);
        }
        drop(state);
        self.totals.add(&tally);
        true
    }

    fn begin(&self, batch: Batch<M>, state: &mut ShardState<M>) {
        for change in batch.changes {
            let write_to = self.apply(change, &mut state.index);
            state.touched.extend(write_to);
        }
        for settled in batch.settled {
            // The receiver may be dropped.
            settled.send(()).ok();
        }
        state.walk = Walk::of(&batch.casts);
    }

    pub(super) fn write(&self, members: &[Arc<M>]) {
        let mut tally = Tally::default();
        members.iter().for_each(|member| member.write(&mut tally));
        self.totals.add(&tally);
    }

    /// Ends the dispatcher if there is nothing left to do, and returns whether it did.
    pub(super) fn rest(&self) -> bool {
        let state = self.lock();
        let mut pending = lock(&self.pending);
        let is_done = state.walk.is_none() && state.touched.is_empty() && pending.is_empty();
        if is_done {
            pending.dispatching = false;
            pending.shrink();
        }
        is_done
    }

    /// Takes back members that a dispatcher should have written to.
    pub(super) fn give_back(&self, due: impl Iterator<Item = Arc<M>>) {
        self.lock().touched.extend(due);
    }
}

impl<M: Member> ShardState<M> {
    fn walk_on(&mut self, tally: &mut Tally) {
        let mut around = Surroundings { index: &self.index, touched: &mut self.touched, tally };
        self.walk.take_if(|walk| walk.step(&mut around) == WalkProgress::Over);
    }

    /// Returns whether the members with new messages are written to now.
    fn may_write(&self) -> bool {
        self.walk.as_ref().is_none_or(Walk::writes_between_steps)
    }
}

impl<M> std::fmt::Debug for Shard<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").finish_non_exhaustive()
    }
}

/// The caller writes to at most this many members of one shard.
const MAX_INLINE: usize = 64;
