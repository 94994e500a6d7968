//! The shared state of one connection: its session, its outbox and its socket.
//!
//! Handles, the dispatcher and the connection's task hold it. All its locks are short: nothing waits under them, and no
//! code of the application runs, except for its own streams (`driven.rs`). Only the connection's task changes the
//! membership.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::hub::Hub;
use super::input::Input;
use super::outgoing::Outgoing;
use super::socket::Socket;
use super::values::Values;
use super::waiter::Waiter;
use crate::budget::Holder;
use crate::error::{Chain, Error};
use crate::exchange::Claim;
use crate::fanout::{Chunk, Member, Offer, OutboxLimits, Place, Tally};
use crate::lock::lock;
use crate::message::Message;
use crate::message::wire;
use crate::session::{Effect, IndexChange, Outcome, Session};
use crate::websocket::{self, CloseCode, CloseFrame, Packing, Window};

/// The order of the fields matters: the fields that a broadcast uses in each receiver come first, so that they share
/// cache lines.
#[repr(C)]
pub(crate) struct Peer {
    key: u64,
    hub: Arc<Hub>,
    deflate: Option<Window>,
    /// Whether the socket is no longer for messages. Set under the lock of `life`.
    ended: AtomicBool,
    /// Whether it is closed because the server needs its memory.
    shed: AtomicBool,
    /// Whether a frame was dropped half-written, so that the stream is broken.
    broken: AtomicBool,
    /// How many messages were dropped for this connection because its outbox was full.
    missed: AtomicU32,
    outgoing: Mutex<Outgoing>,
    id: Arc<str>,
    session: Mutex<Session<Waiter>>,
    /// Wakes the connection's task.
    pub(crate) waker: AtomicWaker,
    /// Boxed, because it is empty until the end, unless a task waits.
    life: Mutex<Option<Box<Life>>>,
    values: Mutex<Values>,
    reconnect_tries: i64,
    address: Option<SocketAddr>,
    client_ip: Option<IpAddr>,
    input: Input,
}

/// The end of the connection, and the tasks that wait for the end or for the greeting.
#[derive(Debug, Default)]
struct Life {
    /// The close frame, or `None` if the socket failed.
    end: Option<CloseFrame>,
    waiting: Vec<(Until, oneshot::Sender<()>)>,
}

/// The event that a task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Acknowledged,
    Ended,
}

/// The properties of a client when its connection begins.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) id: Arc<str>,
    pub(crate) reconnect_tries: i64,
    /// The address of the socket.
    pub(crate) address: Option<SocketAddr>,
    /// The address of the client: that of the socket, or the one that the proxy names.
    pub(crate) client_ip: Option<IpAddr>,
    /// Set if messages may be compressed, to the window of the server's messages.
    pub(crate) deflate: Option<Window>,
}

impl Peer {
    pub(crate) fn new(hub: &Arc<Hub>, identity: Identity, socket: Socket) -> Arc<Self> {
        Arc::new(Self {
            key: hub.next_key(),
            missed: AtomicU32::new(0),
            id: identity.id,
            session: Mutex::new(Session::new(&**hub, Instant::now())),
            outgoing: Mutex::new(Outgoing::new(socket)),
            waker: AtomicWaker::new(),
            ended: AtomicBool::new(false),
            shed: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            input: Input::default(),
            life: Mutex::default(),
            values: Mutex::default(),
            reconnect_tries: identity.reconnect_tries,
            address: identity.address,
            client_ip: identity.client_ip,
            deflate: identity.deflate,
            hub: hub.clone(),
        })
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(crate) fn reconnect_tries(&self) -> i64 {
        self.reconnect_tries
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    pub(crate) fn client_ip(&self) -> Option<IpAddr> {
        self.client_ip
    }

    /// Returns how many messages were dropped for this connection.
    pub(crate) fn missed(&self) -> u32 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Counts messages that were dropped for this connection. The connection's task logs the first drop, because
    /// logging may block, and this is called under locks.
    #[cold]
    fn miss(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let add = |missed: u32| Some(missed.saturating_add(count));
        if self.missed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) == Ok(0) {
            self.waker.wake();
        }
    }

    pub(super) fn deflate(&self) -> Option<Window> {
        self.deflate
    }

    pub(crate) fn session(&self) -> MutexGuard<'_, Session<Waiter>> {
        lock(&self.session)
    }

    pub(super) fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        lock(&self.outgoing)
    }

    pub(crate) fn values(&self) -> &Mutex<Values> {
        &self.values
    }

    /// Sends a message, if the session allows it.
    pub(crate) fn send(&self, message: &Message) -> Result<(), Error> {
        self.session().may_send(message)?;
        self.send_frame(wire::encode(message, self.hub.role))
    }

    /// Sends a reply, for which space is reserved. If even that is full, the connection is cut.
    pub(super) fn reply(&self, frame: Bytes) {
        let (offer, _tally) = self.send_single(frame, &self.hub.limits.outbox.for_replies());
        if offer == Offer::Overflow {
            self.cut(&too_slow());
        }
    }

    /// Queues a frame that is not a message: a ping, a pong, the answer to the greeting.
    pub(super) fn control(&self, frame: Bytes) {
        let offer = self.outgoing().outbox.offer_control(frame);
        if offer == Offer::Flush {
            self.flush();
        }
    }

    /// Sends a request, if the session allows it.
    pub(super) fn send_request(&self, message: &Message, effect: &Effect) -> Result<(), Error> {
        self.session().may_ask(message, effect)?;
        self.send_frame(wire::encode(message, self.hub.role))
    }

    /// Closes the connection: the close frame follows the queued frames. Only the first close counts.
    pub(crate) fn close(&self, frame: Option<&CloseFrame>) {
        self.end(frame.cloned());
        let offer = self.outgoing().outbox.close(websocket::close(self.hub.role, frame));
        if offer == Offer::Flush {
            self.flush();
        }
        self.waker.wake();
    }

    /// Closes the connection at once, and drops the queued frames.
    pub(super) fn cut(&self, frame: &CloseFrame) {
        self.end(Some(frame.clone()));
        let mut tally = Tally::default();
        self.outgoing().outbox.cut(websocket::close(self.hub.role, Some(frame)), &mut tally);
        self.hub.fanout.totals().add(&tally);
        self.flush();
        self.waker.wake();
    }

    /// Records the end and wakes the tasks that wait for it. Only the close frame of the first call is kept.
    pub(super) fn end(&self, frame: Option<CloseFrame>) {
        let waiting = {
            let mut life = lock(&self.life);
            if !self.ended.swap(true, Ordering::AcqRel) {
                life.get_or_insert_default().end = frame;
            }
            life.as_mut().map(|life| std::mem::take(&mut life.waiting)).unwrap_or_default()
        };
        for (until, waiter) in waiting {
            if until == Until::Ended {
                // The waiting task may have ended.
                waiter.send(()).ok();
            }
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Returns the close frame that ended it, or `None` if the socket failed.
    pub(crate) fn end_reason(&self) -> Option<CloseFrame> {
        lock(&self.life).as_ref()?.end.clone()
    }

    /// Resolves when the connection has ended.
    pub(crate) async fn ended(&self) {
        let (told, wait) = oneshot::channel();
        {
            let mut life = lock(&self.life);
            if self.is_closed() {
                return;
            }
            life.get_or_insert_default().wait(Until::Ended, told);
        }
        // An error means that the peer was dropped.
        wait.await.ok();
    }

    /// Resolves after the greeting, with an error if the connection ends first.
    pub(super) async fn acknowledged(&self) -> Result<(), Error> {
        if self.session().is_greeted() {
            return Ok(());
        }
        let (told, wait) = oneshot::channel();
        {
            let mut life = lock(&self.life);
            if self.is_closed() {
                return Err(Error::closed());
            }
            life.get_or_insert_default().wait(Until::Acknowledged, told);
        }
        if self.session().is_greeted() {
            return Ok(());
        }
        wait.await.map_err(|_| Error::closed())
    }

    pub(super) fn tell_acknowledged(&self) {
        let waiting: Vec<_> = match &mut *lock(&self.life) {
            Some(life) => life.waiting.extract_if(.., |(until, _)| *until == Until::Acknowledged).collect(),
            None => return,
        };
        for (_, waiter) in waiting {
            // The waiting task may have ended.
            waiter.send(()).ok();
        }
    }

    /// Lets the connection finish the events that it has begun, and then closes it, for a restart.
    pub(crate) fn drain(&self) {
        self.session().drain();
        self.waker.wake();
    }

    /// Returns whether the connection is closed to free its memory.
    pub(super) fn is_shed(&self) -> bool {
        self.shed.load(Ordering::Acquire)
    }

    /// Returns whether the stream is broken.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(super) fn input(&self) -> &Input {
        &self.input
    }

    /// Waits until everything that other nodes publish for this namespace, room and id arrives on this node. That holds
    /// while the claim lives. Returns `None` without an exchange.
    pub(super) async fn reach(self: Arc<Self>, namespace: Arc<str>, room: Option<Arc<str>>) -> Option<Claim> {
        let exchange = self.hub.exchange.as_ref()?;
        let (namespace, room) = (&*namespace, room.as_deref());
        let place = room.map_or(Place::Namespace(namespace), |room| Place::Room(namespace, room));
        Some(exchange.node().reach(&[Place::Id(&self.id), place]).await)
    }

    /// Charges the memberships and open requests to the memory budget.
    pub(super) fn account(&self) {
        self.account_of(&self.session());
    }

    /// The same, under the lock of the session, since several tasks do it.
    fn account_of(&self, session: &Session<Waiter>) {
        self.input.set_session(session.bytes(), &self.hub.budget);
    }

    /// Changes the open requests, and updates the memory budget if their size changes.
    pub(super) fn with_asks<R>(&self, change: impl FnOnce(&mut Session<Waiter>) -> R) -> R {
        let mut session = self.session();
        let before = session.bytes_of_asks();
        let result = change(&mut session);
        if session.bytes_of_asks() != before {
            self.account_of(&session);
        }
        result
    }

    /// Connects a namespace without a request.
    pub(crate) fn enter(self: &Arc<Self>, namespace: &Arc<str>) {
        self.session().connect(namespace);
        self.index(IndexChange::Connect(namespace.clone()), None);
    }

    /// Changes the index of the fan-out as the session has changed, and then queues `reply`.
    pub(super) fn index(self: &Arc<Self>, change: IndexChange, reply: Option<Bytes>) {
        let fanout = &self.hub.fanout;
        self.account();
        match change {
            IndexChange::Connect(namespace) => {
                fanout.connect(self, &namespace, reply);
                self.hub.app.note_connected();
            }
            IndexChange::Disconnect(namespace, rooms) => fanout.disconnect(self, &namespace, rooms),
            IndexChange::Join(namespace, room) => fanout.join(self, &namespace, &room, reply),
            IndexChange::Leave(namespace, room) => fanout.leave(self, &namespace, &room),
        }
    }

    /// Logs that a handler panicked, if that is its outcome.
    /// Logs why the handler of `event` failed, if the peer does not receive the reason.
    pub(super) fn report_failure(&self, event: &str, outcome: &Outcome) {
        let conn = &*self.id;
        match outcome {
            Outcome::Panicked => tracing::error!(conn, event, "a handler panicked"),
            Outcome::Internal(err) => {
                if let Some(hidden) = self.hub.failures.admit(Instant::now()) {
                    tracing::error!(conn, event, error = %Chain(&**err), hidden, "a handler failed");
                }
            }
            _ => {}
        }
    }

    /// Resolves when all earlier membership changes have taken effect for broadcasts and queries.
    pub(super) fn settled(&self) -> impl Future<Output = ()> + Send + use<> {
        self.hub.fanout.settled(self)
    }

    /// Writes as much as the socket accepts without waiting.
    pub(super) fn flush(&self) {
        let mut tally = Tally::default();
        self.write(&mut tally);
        self.hub.fanout.totals().add(&tally);
    }

    /// Compresses a message for this connection only, if that was agreed and makes it smaller.
    fn packed(&self, frame: Bytes) -> Bytes {
        self.packing().and_then(|packing| websocket::pack(&frame, packing)).unwrap_or(frame)
    }

    fn send_frame(&self, frame: Bytes) -> Result<(), Error> {
        if self.hub.budget.is_over() && self.outgoing().outbox.is_blocked() {
            self.hub.fanout.totals().add(&Tally { dropped_memory: 1, ..Tally::default() });
            self.miss(1);
            return Err(Error::full());
        }
        match self.send_single(frame, &self.hub.limits.outbox) {
            (Offer::Rest, tally) if tally.dropped_closed > 0 => Err(Error::closed()),
            (Offer::Flush | Offer::Rest, _) => Ok(()),
            (Offer::Overflow, _) => Err(Error::full()),
        }
    }

    /// Queues a frame for this connection only, and writes it in the same step, unless another task will.
    fn send_single(&self, frame: Bytes, limits: &OutboxLimits) -> (Offer, Tally) {
        let frame = self.packed(frame);
        let mut tally = Tally::default();
        let (offer, needs_driver) = self.outgoing().send_single(frame, (limits, &self.hub.budget), &mut tally);
        self.hub.fanout.totals().add(&tally);
        if tally.missed() > 0 {
            self.miss(tally.missed());
        }
        if needs_driver {
            self.waker.wake();
        }
        (offer, tally)
    }
}

impl Life {
    /// Adds a waiting task, and removes those that have ended.
    fn wait(&mut self, until: Until, told: oneshot::Sender<()>) {
        self.waiting.retain(|(_, waiter)| !waiter.is_closed());
        self.waiting.push((until, told));
    }
}

impl Member for Peer {
    fn key(&self) -> u64 {
        self.key
    }

    fn id(&self) -> &Arc<str> {
        &self.id
    }

    fn packing(&self) -> Option<Packing> {
        let window = self.deflate?;
        self.hub.limits.compression.map(|compression| compression.packing(window))
    }

    fn offer(&self, chunk: &Chunk, tally: &mut Tally) -> bool {
        let missed = tally.missed();
        let offer = self.outgoing().offer(chunk, &self.hub.limits.outbox, tally);
        if tally.missed() > missed {
            self.miss(tally.missed() - missed);
        }
        if offer == Offer::Overflow {
            self.cut(&too_slow());
        }
        offer == Offer::Flush
    }

    /// From here on, messages to the place that the reply confirms are allowed. They follow the reply, because both
    /// take this lock.
    fn offer_reply(&self, frame: Bytes) -> bool {
        let mut tally = Tally::default();
        let offer = {
            let mut outgoing = self.outgoing();
            self.session().confirm_membership();
            outgoing.offer_single(
                Chunk::charged(frame, &self.hub.budget),
                &self.hub.limits.outbox.for_replies(),
                &mut tally,
            )
        };
        self.hub.fanout.totals().add(&tally);
        if tally.missed() > 0 {
            self.miss(tally.missed());
        }
        if offer == Offer::Overflow {
            self.cut(&too_slow());
        }
        offer == Offer::Flush
    }

    fn write(&self, tally: &mut Tally) {
        let needs_driver = self.outgoing().write(tally);
        if needs_driver {
            self.waker.wake();
        }
    }
}

impl Holder for Peer {
    fn held(&self) -> usize {
        if self.is_shed() {
            return 0;
        }
        let sending = self.outgoing().held();
        sending + self.input.held()
    }

    fn shed(&self) {
        self.shed.store(true, Ordering::Release);
        let frame = CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "the server is short of memory");
        self.end(Some(frame.clone()));
        let mut tally = Tally::default();
        let is_broken = self.outgoing().outbox.shed(websocket::close(self.hub.role, Some(&frame)), &mut tally);
        self.hub.fanout.totals().add(&tally);
        match is_broken {
            true => self.broken.store(true, Ordering::Release),
            false => self.flush(),
        }
        self.waker.wake();
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("key", &self.key).field("id", &self.id).finish_non_exhaustive()
    }
}

pub(super) fn too_slow() -> CloseFrame {
    CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "reads too slowly")
}
