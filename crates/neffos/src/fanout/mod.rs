//! The broadcast engine: who gets a message, and how it reaches many sockets with few writes.
//!
//! It knows members, their outboxes and the index of who is where. It knows no handlers, no protocol and no sockets: a
//! [`Member`] is whatever can take a chunk of bytes.
//!
//! - `mod.rs`: [`Fanout`], the engine's face: all shards, and the order across them.
//! - `shard.rs`: one part of the connections, its pending broadcasts and its dispatcher; `walk.rs`: how it gets through many.
//! - `index.rs`: namespace and room to members, in groups (`group.rs`); `holders.rs`: ids to members.
//! - `cast.rs`: one broadcast, in the forms that its receivers take.
//! - `chunk.rs`: encoded frames, shared by all who get them.
//! - `outbox.rs`: what one connection still has to be sent, bounded; `queue.rs`: its storage.
//! - `counters.rs`: what became of every message; `watch.rs`: who is told which places have members.

mod cast;
mod chunk;
mod counters;
mod group;
mod holders;
mod index;
mod outbox;
mod queue;
mod shard;
mod walk;
mod watch;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;

pub(crate) use cast::{Audience, Cast, Except};
pub(crate) use chunk::Chunk;
pub use counters::Counters;
pub(crate) use counters::{Tally, Totals};
pub use outbox::Overflow;
pub(crate) use outbox::{Offer, Outbox, OutboxLimits};
use shard::Shard;
pub(crate) use watch::{Place, Watch};

use crate::websocket::Packing;

/// One connection, as the engine sees it.
pub(crate) trait Member: Send + Sync + 'static {
    /// Unique in this process.
    fn key(&self) -> u64;

    /// The public id, which several members may share.
    fn id(&self) -> &Arc<str>;

    /// How messages to it are compressed, if they are.
    fn packing(&self) -> Option<Packing>;

    /// Takes `chunk` into the outbox, or drops it, and counts which. Never waits. True: [`Member::write`] is due.
    fn offer(&self, chunk: &Chunk, tally: &mut Tally) -> bool;

    /// Queues a reply, for which room is reserved. Never waits. True: [`Member::write`] is due.
    fn offer_reply(&self, frame: Bytes) -> bool;

    /// Writes what the socket takes without waiting, and counts what has gone.
    fn write(&self, tally: &mut Tally);
}

/// All connections of one server.
pub(crate) struct Fanout<M> {
    shards: Box<[Arc<Shard<M>>]>,
    /// Held while a broadcast is handed to all shards, so that no two shards see two broadcasts in different order.
    sequencer: Option<Mutex<()>>,
    len: AtomicUsize,
    totals: Arc<Totals>,
    runtime: OnceLock<Handle>,
}

impl<M: Member> Fanout<M> {
    pub(crate) fn new(shards: NonZeroUsize, ordered: bool) -> Self {
        Self::watched(shards, ordered, None)
    }

    /// An engine that tells `watch` which places have members.
    pub(crate) fn watched(shards: NonZeroUsize, ordered: bool, watch: Option<&Arc<dyn Watch>>) -> Self {
        let totals = Arc::new(Totals::default());
        Self {
            shards: (0..shards.get()).map(|_| Arc::new(Shard::new(totals.clone(), watch.cloned()))).collect(),
            sequencer: ordered.then(Mutex::default),
            len: AtomicUsize::new(0),
            totals,
            runtime: OnceLock::new(),
        }
    }

    /// Adds a connection, which is in no namespace yet. Must run inside the runtime that drives the connection.
    pub(crate) fn insert(&self, member: &Arc<M>) {
        self.runtime.get_or_init(Handle::current);
        self.shard(member.key()).lock().index.insert(member);
        self.len.fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets a connection, which is in `memberships`. Doing it again does nothing.
    pub(crate) fn remove(&self, member: &M, memberships: &[(Arc<str>, Vec<Arc<str>>)]) {
        let mut state = self.shard(member.key()).settled();
        for (namespace, rooms) in memberships {
            state.index.exit(member.key(), namespace, rooms);
        }
        let known = state.index.remove(member);
        drop(state);
        if known {
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Makes `member` one of `namespace`, then queues `reply` for it: no later broadcast overtakes the reply or is missed.
    pub(crate) fn enter(&self, member: &Arc<M>, namespace: &Arc<str>, reply: Option<Bytes>) {
        let mut state = self.shard(member.key()).settled();
        state.index.enter(member, namespace);
        let write_is_due = reply.is_some_and(|reply| member.offer_reply(reply));
        drop(state);
        if write_is_due {
            let mut tally = Tally::default();
            member.write(&mut tally);
            self.totals.add(&tally);
        }
    }

    /// Takes `member` out of `namespace` and of `rooms`, which are all that it joined there. What was broadcast before is
    /// in its outbox by then; nothing of the namespace comes after.
    pub(crate) fn exit(&self, member: &M, namespace: &str, rooms: &[Arc<str>]) {
        self.shard(member.key()).settled().index.exit(member.key(), namespace, rooms);
    }

    pub(crate) fn join(&self, member: &Arc<M>, namespace: &str, room: &Arc<str>) {
        self.shard(member.key()).settled().index.join(member, namespace, room);
    }

    pub(crate) fn leave(&self, member: &M, namespace: &str, room: &str) {
        self.shard(member.key()).settled().index.leave(member.key(), namespace, room);
    }

    /// Hands `cast` to all shards and returns. Waits for no socket.
    pub(crate) fn broadcast(&self, cast: &Arc<Cast>) {
        let Some(runtime) = self.runtime.get() else { return };
        let turn = self.sequencer.as_ref().map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        let mut touched = Vec::new();
        for shard in &self.shards {
            shard.cast(cast, runtime, &mut touched);
        }
        drop(turn);
        let mut tally = Tally::default();
        touched.iter().for_each(|member| member.write(&mut tally));
        self.totals.add(&tally);
    }

    /// Those whom `audience` selects at this moment.
    pub(crate) fn members(&self, audience: &Audience) -> Vec<Arc<M>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            shard.lock().index.for_each_member(audience, |member| found.push(member.clone()));
        }
        found
    }

    /// Every connection at this moment.
    pub(crate) fn all(&self) -> Vec<Arc<M>> {
        let mut found = Vec::with_capacity(self.len());
        for shard in &self.shards {
            found.extend(shard.lock().index.all().cloned());
        }
        found
    }

    /// The connections with this id.
    pub(crate) fn with_id(&self, id: &str) -> Vec<Arc<M>> {
        self.shards.iter().flat_map(|shard| shard.lock().index.with_id(id)).collect()
    }

    /// How many are in `namespace`, and in `room` of it when one is given.
    pub(crate) fn count(&self, namespace: &str, room: Option<&str>) -> usize {
        self.shards.iter().map(|shard| shard.lock().index.count(namespace, room)).sum()
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    fn shard(&self, key: u64) -> &Arc<Shard<M>> {
        // The remainder is below the number of shards, which is a `usize`.
        let nth = usize::try_from(key % self.shards.len() as u64).unwrap_or(0);
        &self.shards[nth]
    }
}

impl<M> std::fmt::Debug for Fanout<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fanout").field("shards", &self.shards.len()).field("len", &self.len).finish_non_exhaustive()
    }
}

/// Locks without regard to poisoning: no code of users runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
