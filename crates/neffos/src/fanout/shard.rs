//! One part of the connections: its index, and the broadcasts and membership changes that are pending for it.
//!
//! All of them take effect in one order, that of the calls. They queue in `pending`, and are only ever taken out under the
//! lock of `state`. So a member receives exactly what was broadcast while it belonged, in the order of the calls.
//!
//! Nothing here does unbounded work for others. A batch is bounded, a large audience is served in steps (`walk.rs`), and the
//! members of a step are written to before the next step. At low rates a message leaves immediately; under load the batches
//! grow by themselves.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::oneshot;

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
    /// Locked after `state`, when both are.
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
    /// Broadcasts that are offered to some of their receivers, and come before all that are pending.
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

    /// Applies `change` immediately when nothing is pending, else queues it behind the broadcasts that were made before.
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

    /// Resolves once every change that is queued now is applied. None: there is no such change.
    pub(super) fn settled(&self) -> Option<oneshot::Receiver<()>> {
        lock(&self.pending).settled()
    }

    // ---- broadcasts

    /// Offers `cast` immediately when that is cheap and nothing comes before it, else leaves it to the dispatcher. Members to
    /// write to are added to `touched`.
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

    /// A lone broadcast to few receivers is cheapest where it is made: no task is woken. In a burst the dispatcher is better,
    /// since it joins pending broadcasts.
    fn cast_inline(&self, cast: &Arc<Cast>, touched: &mut Vec<Arc<M>>) -> bool {
        let Ok(state) = self.state.try_lock() else { return false };
        let size = state.index.size_hint(&cast.audience);
        if size > MAX_INLINE {
            return false;
        }
        let mut pending = lock(&self.pending);
        if pending.dispatching || pending.note_cast(Instant::now()) {
            // Without receivers there is nothing to dispatch, provided that no change comes before it.
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

    /// Does a share of the dispatcher's work, which does not keep up: the callers of `broadcast` are slowed down before the
    /// process runs out of memory. It waits for no socket.
    fn help(self: &Arc<Self>, is_memory_short: bool) {
        let mut due = Vec::new();
        while lock(&self.pending).is_over_limit(is_memory_short) && self.step(&mut due) {
            self.write(&due);
            due.clear();
        }
    }

    // ---- what the dispatcher does

    /// Takes one step and adds the members to write to to `due`, which is empty. False when there is nothing left to do.
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
            // The receiver may have given up.
            settled.send(()).ok();
        }
        state.walk = Walk::of(&batch.casts);
    }

    pub(super) fn write(&self, members: &[Arc<M>]) {
        let mut tally = Tally::default();
        members.iter().for_each(|member| member.write(&mut tally));
        self.totals.add(&tally);
    }

    /// Ends the dispatcher when there is nothing left to do; false when there is.
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

    /// Takes back members that a dispatcher was to write to, and did not.
    pub(super) fn give_back(&self, due: impl Iterator<Item = Arc<M>>) {
        self.lock().touched.extend(due);
    }
}

impl<M: Member> ShardState<M> {
    fn walk_on(&mut self, tally: &mut Tally) {
        let mut around = Surroundings { index: &self.index, touched: &mut self.touched, tally };
        self.walk.take_if(|walk| walk.step(&mut around) == WalkProgress::Over);
    }

    /// Whether the members that were offered something so far are to be written to now.
    fn may_write(&self) -> bool {
        self.walk.as_ref().is_none_or(Walk::writes_between_steps)
    }
}

impl<M> std::fmt::Debug for Shard<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").finish_non_exhaustive()
    }
}

/// Up to this many members of one shard are written to by the caller.
const MAX_INLINE: usize = 64;
