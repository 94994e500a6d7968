//! The broadcast engine: selects the receivers of a message, and delivers it to many sockets with few writes.
//!
//! It knows members, their outboxes and the index of memberships. It knows neither handlers nor the protocol nor
//! sockets: a [`Member`] is any type that accepts chunks of bytes.
//!
//! - `mod.rs`: [`Fanout`], the interface of the engine: all shards, and the order across them.
//! - `shard.rs`: one part of the connections; `pending.rs`: its queued broadcasts and membership changes; `change.rs`:
//!   one such change; `walk.rs`: applies a batch of broadcasts in short steps.
//! - `dispatch.rs`: the task that applies them; `runtimes.rs`: the runtimes that can run it.
//! - `index.rs`: namespace and room to members, in groups (`group.rs`); `holders.rs`: ids to members.
//! - `member.rs`: [`Member`], one connection.
//! - `cast.rs`: one broadcast, in the forms that receivers need.
//! - `chunk.rs`: encoded frames, shared by all their receivers.
//! - `outbox.rs`: the bounded queue of outgoing frames of one connection; `queue.rs`: its storage.
//! - `counters.rs`: the outcome of every message; `watch.rs`: the observer of places that get or lose members.

mod cast;
mod change;
mod chunk;
mod counters;
mod dispatch;
mod group;
mod holders;
mod index;
mod member;
mod outbox;
mod pending;
mod queue;
mod runtimes;
mod shard;
mod walk;
mod watch;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::runtime::Handle;

pub(crate) use cast::{Audience, Cast, Except};
use change::{IndexUpdate, IndexUpdateKind, Places};
pub(crate) use chunk::Chunk;
pub use counters::Counters;
pub(crate) use counters::{Received, Tally, Totals};
use holders::At;
use index::Index;
pub(crate) use member::Member;
pub use outbox::Overflow;
pub(crate) use outbox::{Offer, Outbox, OutboxLimits};
use runtimes::Runtimes;
use shard::Shard;
pub(crate) use watch::{Place, Watch};

use crate::budget::Budget;
use crate::lock::lock;

/// All connections of one server.
pub(crate) struct Fanout<M> {
    shards: Box<[Arc<Shard<M>>]>,
    /// Locked while a broadcast is passed to all shards, so that all shards see all broadcasts in one order.
    sequencer: Option<Mutex<()>>,
    totals: Arc<Totals>,
    runtimes: Arc<Runtimes>,
}

impl<M: Member> Fanout<M> {
    pub(crate) fn new(shards: NonZeroUsize, ordered: bool) -> Self {
        Self::counted(shards, ordered, None, None)
    }

    /// Creates an engine that charges its rooms to `budget`, and notifies `watch` which places have members.
    pub(crate) fn counted(
        shards: NonZeroUsize,
        ordered: bool,
        budget: Option<&Arc<Budget>>,
        watch: Option<&Arc<dyn Watch>>,
    ) -> Self {
        let totals = Arc::new(Totals::default());
        let runtimes = Arc::new(Runtimes::default());
        let shard = |_| {
            let index = Index::new(budget, watch.cloned());
            Arc::new(Shard::new(totals.clone(), runtimes.clone(), index))
        };
        Self {
            shards: (0..shards.get()).map(shard).collect(),
            sequencer: ordered.then(Mutex::default),
            totals: totals.clone(),
            runtimes: runtimes.clone(),
        }
    }

    /// Spawns `work` on the current runtime, or on one that drives connections.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = Handle::try_current().ok().or_else(|| self.runtimes.latest()) {
            runtime.spawn(work);
        }
    }

    /// Adds a connection, which is in no namespace yet. Must run inside the runtime that drives the connection.
    pub(crate) fn insert(&self, member: &Arc<M>) {
        self.runtimes.add_current();
        self.shard(member.key()).insert(member);
    }

    /// Removes a connection, which has `memberships`. A second call does nothing.
    pub(crate) fn remove(&self, member: &Arc<M>, memberships: Places) {
        self.change(member, IndexUpdateKind::Remove(memberships), None);
    }

    /// Adds `member` to `namespace`, then queues `reply` for it. So no later broadcast overtakes the reply, and none is
    /// missed.
    pub(crate) fn connect(&self, member: &Arc<M>, namespace: &Arc<str>, reply: Option<Bytes>) {
        self.change(member, IndexUpdateKind::Connect(namespace.clone()), reply);
    }

    /// Removes `member` from `namespace` and from `rooms`, which are all rooms that it joined there.
    pub(crate) fn disconnect(&self, member: &Arc<M>, namespace: &Arc<str>, rooms: Vec<Arc<str>>) {
        self.change(member, IndexUpdateKind::Disconnect(namespace.clone(), rooms), None);
    }

    /// Adds `member` to `room`, then queues `reply` for it, as [`Fanout::connect`] does.
    pub(crate) fn join(&self, member: &Arc<M>, namespace: &Arc<str>, room: &Arc<str>, reply: Option<Bytes>) {
        self.change(member, IndexUpdateKind::Join(namespace.clone(), room.clone()), reply);
    }

    /// Removes `member` from `room`.
    pub(crate) fn leave(&self, member: &Arc<M>, namespace: &Arc<str>, room: &Arc<str>) {
        self.change(member, IndexUpdateKind::Leave(namespace.clone(), room.clone()), None);
    }

    /// Resolves when every earlier change of `member` has taken effect. Earlier broadcasts are then in its outbox or
    /// dropped, and queries see the change. It resolves at once unless broadcasts are pending, and waits for no socket.
    pub(crate) fn settled(&self, member: &M) -> impl Future<Output = ()> + Send + use<M> {
        let pending = self.shard(member.key()).settled();
        async move {
            if let Some(settled) = pending {
                // An error means that the engine is gone, and the change with it.
                settled.await.ok();
            }
        }
    }

    /// Passes `cast` to all shards and returns. Waits for no socket.
    pub(crate) fn broadcast(&self, cast: &Arc<Cast>) {
        let turn = self.sequencer.as_ref().map(lock);
        let mut touched = Vec::new();
        for shard in &self.shards {
            shard.cast(cast, &mut touched);
        }
        drop(turn);
        let mut tally = Tally::default();
        touched.iter().for_each(|member| member.write(&mut tally));
        self.totals.add(&tally);
    }

    /// Returns the members that `audience` selects now.
    pub(crate) fn members(&self, audience: &Audience) -> Vec<Arc<M>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            shard.lock().index.for_each_member(audience, |member| found.push(member.clone()));
        }
        found
    }

    /// Returns all connections.
    pub(crate) fn all(&self) -> Vec<Arc<M>> {
        let mut found = Vec::with_capacity(self.len());
        for shard in &self.shards {
            found.extend(shard.lock().index.all().cloned());
        }
        found
    }

    /// Returns some connections from `cursor` on, and moves `cursor` behind them. Returns `None` at the end. Locks a
    /// shard only for these.
    pub(crate) fn some(&self, cursor: &mut Cursor) -> Option<Vec<Arc<M>>> {
        while let Some(shard) = self.shards.get(cursor.shard) {
            let found = shard.lock().index.some(&mut cursor.at, MEMBERS_PER_STEP);
            if found.is_some() {
                return found;
            }
            *cursor = Cursor { shard: cursor.shard + 1, ..Cursor::default() };
        }
        None
    }

    /// Returns the connections with this id.
    pub(crate) fn with_id(&self, id: &str) -> Vec<Arc<M>> {
        self.shards.iter().flat_map(|shard| shard.lock().index.with_id(id)).collect()
    }

    /// Returns the number of connections in `namespace`, or in its room `room`.
    pub(crate) fn count(&self, namespace: &str, room: Option<&str>) -> usize {
        self.shards.iter().map(|shard| shard.lock().index.count(namespace, room)).sum()
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len()).sum()
    }

    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    fn change(&self, member: &Arc<M>, kind: IndexUpdateKind, reply: Option<Bytes>) {
        self.shard(member.key()).change(IndexUpdate { member: member.clone(), kind, reply });
    }

    fn shard(&self, key: u64) -> &Arc<Shard<M>> {
        // The remainder is below the number of shards, which is a `usize`.
        let nth = usize::try_from(key % self.shards.len() as u64).unwrap_or(0);
        &self.shards[nth]
    }
}

/// The position of a walk over all connections.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cursor {
    shard: usize,
    at: At,
}

impl<M> std::fmt::Debug for Fanout<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fanout").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

/// How many connections one step of a walk returns.
const MEMBERS_PER_STEP: usize = 64;

#[cfg(test)]
mod promises;
#[cfg(test)]
mod tests;
