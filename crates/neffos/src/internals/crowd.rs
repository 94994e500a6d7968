//! The broadcast engine, with members without sockets.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};

use crate::budget::Budget;
use crate::fanout::{Audience, Cast, Chunk, Except, Fanout, Member, Offer, Outbox, OutboxLimits, Overflow, Tally};
use crate::websocket::Packing;

/// Members of the namespace `default`, in rooms of ten, whose outboxes are emptied by every write.
pub struct Crowd {
    engine: Fanout<Null>,
    members: Vec<Arc<Null>>,
    namespace: Arc<str>,
    rooms: Vec<Arc<str>>,
    delivered: Arc<AtomicUsize>,
    budget: Arc<Budget>,
    /// Runs the dispatchers.
    runtime: Runtime,
}

impl Crowd {
    /// Creates `count` members in a single shard.
    ///
    /// # Panics
    ///
    /// When no runtime can be created.
    pub fn of(count: usize) -> Self {
        let runtime = Builder::new_current_thread().build().expect("a runtime without drivers");
        let delivered = Arc::new(AtomicUsize::new(0));
        let members = (0..).take(count).map(|key| Arc::new(Null::new(key, &delivered))).collect();
        let rooms = (0..count.div_ceil(ROOM)).map(|nth| format!("room {nth}").into()).collect();
        let engine = Fanout::new(NonZeroUsize::MIN, false);
        let namespace = NAMESPACE.into();
        let crowd = Self { engine, members, namespace, rooms, delivered, budget: Budget::unlimited(), runtime };
        crowd.settle();
        crowd
    }

    fn settle(&self) {
        let _inside = self.runtime.enter();
        for (member, nth) in self.members.iter().zip(0..) {
            self.engine.insert(member);
            self.engine.connect(member, &self.namespace, None);
            self.engine.join(member, &self.namespace, &self.rooms[nth / ROOM], None);
        }
    }

    /// Removes the first member from its room, and adds it again.
    pub fn leave_and_join(&self) {
        self.engine.leave(&self.members[0], &self.namespace, &self.rooms[0]);
        self.engine.join(&self.members[0], &self.namespace, &self.rooms[0], None);
    }

    /// Broadcasts to one room. Returns when its ten members have the message.
    pub fn broadcast_to_room(&self, frame: &Bytes, room: usize) {
        let room = &self.rooms[room % self.rooms.len()];
        self.broadcast(frame, Some(room), ROOM);
    }

    /// Broadcasts to all members. Returns when they have the message.
    pub fn broadcast_to_all(&self, frame: &Bytes) {
        self.broadcast(frame, None, self.members.len());
    }

    /// Broadcasts to all members `times` times. Returns while that is pending.
    pub fn begin_burst(&self, frame: &Bytes, times: usize) {
        (0..times).for_each(|_| self.cast(frame, None));
    }

    /// Returns when all pending entries are delivered and have taken effect.
    pub fn end_burst(&self) {
        self.runtime.block_on(self.engine.settled(&*self.members[0]));
    }

    fn cast(&self, frame: &Bytes, room: Option<&str>) {
        let audience =
            Audience { namespace: NAMESPACE.into(), room: room.map(Into::into), id: None, except: Except::Nobody };
        let chunk = Chunk::charged(frame.clone(), &self.budget);
        self.engine.broadcast(&Arc::new(Cast::new(audience, chunk, None)));
    }

    fn broadcast(&self, frame: &Bytes, room: Option<&str>, count: usize) {
        let expected = self.delivered.load(Ordering::Relaxed) + count;
        self.cast(frame, room);
        self.runtime.block_on(async {
            while self.delivered.load(Ordering::Relaxed) < expected {
                tokio::task::yield_now().await;
            }
        });
    }
}

impl fmt::Debug for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crowd").field("members", &self.members.len()).finish_non_exhaustive()
    }
}

/// A connection whose socket accepts everything.
struct Null {
    key: u64,
    id: Arc<str>,
    outbox: Mutex<Outbox>,
    /// The number of messages delivered to all members.
    delivered: Arc<AtomicUsize>,
}

impl Null {
    fn new(key: u64, delivered: &Arc<AtomicUsize>) -> Self {
        let id = key.to_string().into();
        Self { key, id, outbox: Mutex::default(), delivered: delivered.clone() }
    }

    fn with_outbox<T>(&self, act: impl FnOnce(&mut Outbox) -> T) -> T {
        act(&mut self.outbox.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Member for Null {
    fn key(&self) -> u64 {
        self.key
    }

    fn id(&self) -> &Arc<str> {
        &self.id
    }

    fn packing(&self) -> Option<Packing> {
        None
    }

    fn offer(&self, chunk: &Chunk, tally: &mut Tally) -> bool {
        self.with_outbox(|outbox| outbox.offer(chunk, &LIMITS, tally, flush)) == Offer::Flush
    }

    fn offer_reply(&self, frame: Bytes) -> bool {
        self.with_outbox(|outbox| outbox.offer_single(Chunk::single(frame), &LIMITS, &mut Tally::default(), flush))
            == Offer::Flush
    }

    fn write(&self, tally: &mut Tally) {
        let before = tally.delivered;
        self.with_outbox(|outbox| flush(outbox, tally));
        self.delivered.fetch_add(tally.delivered - before, Ordering::Relaxed);
    }
}

fn flush(outbox: &mut Outbox, tally: &mut Tally) {
    outbox.begin_flush();
    outbox.advance(outbox.len(), tally);
}

const NAMESPACE: &str = "default";
/// The number of members in one room.
const ROOM: usize = 10;
const LIMITS: OutboxLimits = OutboxLimits { messages: 1024, bytes: 1 << 20, overflow: Overflow::DropNewest };
