//! One part of the connections: its index, the broadcasts that wait for it, and the dispatcher that applies them.
//!
//! All changes of a shard happen in one order. Broadcasts queue in `pending`; they are only ever taken out by whoever holds
//! `state`, and whoever changes a membership first applies what was queued before. So a member gets exactly what was
//! broadcast while it belonged, in the order of the calls.
//!
//! The dispatcher first applies all that waits to the outboxes, then writes to each touched connection once. At low rates a
//! message leaves at once; under load the batches grow by themselves. What is for one audience alone it applies and writes
//! step by step (`walk.rs`).

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::yield_now;

use super::cast::{Cast, Forms};
use super::counters::{Tally, Totals};
use super::index::Index;
use super::walk::{Walk, runs};
use super::{Member, Watch, lock};

pub(crate) struct Shard<M> {
    pending: Mutex<Pending>,
    state: Mutex<State<M>>,
    totals: Arc<Totals>,
}

#[derive(Debug)]
struct Pending {
    casts: VecDeque<Arc<Cast>>,
    bytes: usize,
    /// A dispatcher runs, or will.
    dispatching: bool,
    last_cast: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct State<M> {
    pub(crate) index: Index<M>,
    /// Members to write to.
    touched: Vec<Arc<M>>,
    /// Broadcasts that have come to some members, before all that are pending.
    walk: Option<Walk>,
}

impl<M: Member> Shard<M> {
    pub(crate) fn new(totals: Arc<Totals>, watch: Option<Arc<dyn Watch>>) -> Self {
        let pending = Pending { casts: VecDeque::new(), bytes: 0, dispatching: false, last_cast: None };
        let state = State { index: Index::new(watch), touched: Vec::new(), walk: None };
        Self { pending: Mutex::new(pending), state: Mutex::new(state), totals }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<M>> {
        lock(&self.state)
    }

    /// The state, once all that was broadcast before is applied. The dispatcher, which is awake then, does the writing.
    pub(crate) fn settled(&self) -> MutexGuard<'_, State<M>> {
        let mut state = self.lock();
        let mut tally = Tally::default();
        state.walk_on(usize::MAX, &mut tally);
        let batch = lock(&self.pending).take(usize::MAX);
        state.apply(&batch, &mut tally);
        self.totals.add(&tally);
        state
    }

    /// Applies `cast` at once when that is cheap and nothing is before it, else leaves it to the dispatcher. Members to
    /// write to are added to `touched`.
    pub(crate) fn cast(self: &Arc<Self>, cast: &Arc<Cast>, runtime: &Handle, touched: &mut Vec<Arc<M>>) {
        if self.cast_inline(cast, touched) {
            return;
        }
        let mut pending = lock(&self.pending);
        pending.last_cast = Some(Instant::now());
        pending.bytes += cast.chunk.len();
        pending.casts.push_back(cast.clone());
        let overfull = pending.casts.len() > MAX_PENDING || pending.bytes > MAX_PENDING_BYTES;
        let start = !mem::replace(&mut pending.dispatching, true);
        drop(pending);
        if start {
            runtime.spawn(self.clone().dispatch());
        }
        // The dispatcher does not keep up: whoever broadcasts does its share. That fills outboxes, never memory.
        if overfull {
            drop(self.settled());
        }
    }

    /// A lone broadcast to few is cheapest where it is made: no task wakes. In a burst the dispatcher is better, since it
    /// joins what waits.
    fn cast_inline(&self, cast: &Arc<Cast>, touched: &mut Vec<Arc<M>>) -> bool {
        let Ok(state) = self.state.try_lock() else { return false };
        let size = state.index.size_hint(&cast.audience);
        if size > MAX_INLINE {
            return false;
        }
        let now = Instant::now();
        let mut pending = lock(&self.pending);
        if pending.dispatching || pending.last_cast.is_some_and(|last| now - last < BURST_GAP) {
            // Nobody to tell: that needs no dispatcher, if nothing is before it.
            return size == 0 && pending.casts.is_empty();
        }
        pending.last_cast = Some(now);
        drop(pending);
        let mut tally = Tally::default();
        deliver(&state.index, std::slice::from_ref(cast), touched, &mut tally);
        self.totals.add(&tally);
        true
    }

    async fn dispatch(self: Arc<Self>) {
        let mut due = Vec::new();
        while self.next_step(&mut due) {
            self.write_to_all(&due).await;
            due.clear();
        }
    }

    /// Between some and the next, other tasks of this worker get their turn; also when there is nobody to write to.
    async fn write_to_all(&self, due: &[Arc<M>]) {
        let mut due = due.chunks(MEMBERS_PER_TURN);
        self.write(due.next().unwrap_or_default());
        for some in due {
            yield_now().await;
            self.write(some);
        }
        yield_now().await;
    }

    /// Takes a walk on, or begins with what is pending, and hands out whom to write to in `due`, which is empty. False when
    /// there is nothing left to do.
    fn next_step(&self, due: &mut Vec<Arc<M>>) -> bool {
        let mut state = self.lock();
        let mut tally = Tally::default();
        if state.walk.is_none() && state.touched.is_empty() {
            let Some(batch) = self.next_batch() else { return false };
            state.walk = Walk::of(&batch);
            if state.walk.is_none() {
                state.apply(&batch, &mut tally);
            }
        }
        state.walk_on(MEMBERS_PER_TURN, &mut tally);
        self.totals.add(&tally);
        mem::swap(&mut state.touched, due);
        true
    }

    fn write(&self, members: &[Arc<M>]) {
        let mut tally = Tally::default();
        members.iter().for_each(|member| member.write(&mut tally));
        self.totals.add(&tally);
    }

    /// None when nothing is pending: the dispatcher counts as gone.
    fn next_batch(&self) -> Option<Vec<Arc<Cast>>> {
        let mut pending = lock(&self.pending);
        if pending.casts.is_empty() {
            pending.dispatching = false;
            // A burst must not leave its room behind.
            pending.casts.shrink_to(MAX_BATCH);
            return None;
        }
        Some(pending.take(MAX_BATCH))
    }
}

impl Pending {
    fn take(&mut self, most: usize) -> Vec<Arc<Cast>> {
        let count = self.casts.len().min(most);
        let batch: Vec<_> = self.casts.drain(..count).collect();
        self.bytes -= batch.iter().map(|cast| cast.chunk.len()).sum::<usize>();
        batch
    }
}

impl<M: Member> State<M> {
    /// Takes a walk on by so many members.
    fn walk_on(&mut self, most: usize, tally: &mut Tally) {
        self.walk.take_if(|walk| !walk.go_on(&self.index, most, &mut self.touched, tally));
    }

    fn apply(&mut self, batch: &[Arc<Cast>], tally: &mut Tally) {
        for run in runs(batch) {
            deliver(&self.index, run, &mut self.touched, tally);
        }
    }
}

impl<M> std::fmt::Debug for Shard<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").finish_non_exhaustive()
    }
}

/// Offers a run of broadcasts with one audience to everyone in it, joined into one chunk, in the form that each takes.
fn deliver<M: Member>(index: &Index<M>, run: &[Arc<Cast>], touched: &mut Vec<Arc<M>>, tally: &mut Tally) {
    let (Some(mut forms), [first, ..]) = (Forms::of(run), run) else { return };
    index.for_each_member(&first.audience, forms.offering(touched, tally));
}

/// Up to this many members of one shard are written to by the caller.
const MAX_INLINE: usize = 64;
/// Broadcasts closer together than this are a burst.
const BURST_GAP: Duration = Duration::from_micros(200);
/// How many broadcasts are applied before the members are written to: well below the smallest sensible outbox.
const MAX_BATCH: usize = 256;
/// How many members are written to before other tasks get their turn, and before the next ones of a walk are looked at.
const MEMBERS_PER_TURN: usize = 64;
/// What may wait for a dispatcher.
const MAX_PENDING: usize = 65_536;
const MAX_PENDING_BYTES: usize = 64 * 1024 * 1024;
