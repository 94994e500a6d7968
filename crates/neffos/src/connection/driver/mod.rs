//! The task of one connection: reads, runs handlers, writes what the dispatcher could not, and ends it.
//!
//! Handlers run one at a time, and the reader goes on meanwhile: replies, pings and closes are handled at once, other events
//! wait in a bounded inbox. While it is full nothing more is read, unless a reply of the peer is waited for. A connection
//! that is idle holds no buffer and no handler's future: bytes are read into a buffer that belongs to the worker.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use smol_str::SmolStr;
use tokio::time::{Instant, Sleep, sleep_until};

use super::closed::{Closed, ClosedBy};
use super::conn::Conn;
use super::deadlines::{Deadlines, Due};
use super::inbox::Inbox;
use super::io::{Io, Written};
use super::peer::{Peer, too_slow};
use super::process::{self, Job};
use crate::fanout::{Member, Received, Tally};
use crate::message::wire::{self, NativeMode};
use crate::message::{Message, events};
use crate::session::{AckStep, CLIENT_TOKEN, Effect, Frame, Match, Pending, Step, is_made_by};
use crate::websocket::{self, CloseCode, CloseFrame, Incoming, Reader, Role};

/// Drives a connection to its end, from `start` on; `held` is let go at the end.
///
/// No `async fn`: its arguments would have a place of their own in every connection's task.
pub(crate) fn drive(peer: Arc<Peer>, io: Io, start: Start, held: impl Send) -> impl Future<Output = ()> + Send {
    peer.hub().fanout.insert(&peer);
    let mut driver = Driver::new(peer, io);
    driver.begin(start);
    poll_fn(move |cx| {
        let _held = &held;
        driver.poll(cx)
    })
}

/// How far a connection is when its driver takes over.
pub(crate) enum Start {
    /// A client came with this request, and these bytes came behind it.
    Requested(Arc<http::request::Parts>, Bytes),
    /// A server has said welcome; these messages came before it, and these bytes behind it.
    Welcomed(Reader, Vec<Incoming>, Bytes),
}

struct Driver {
    peer: Arc<Peer>,
    io: Io,
    reader: Reader,
    inbox: Inbox,
    job: Option<Job>,
    deadlines: Deadlines,
    timer: Pin<Box<Sleep>>,
    stage: Stage,
    /// How the peer broke the rules: the close that follows.
    violation: Option<Box<CloseFrame>>,
    /// The peer's close frame has come: nothing more will.
    peer_closed: bool,
    /// The peer's close frame came before this side closed.
    peer_closed_first: bool,
    /// This side has said that it sends nothing more.
    shut_down: bool,
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The socket is being flushed and closed; what came before is still handled.
    Ending,
    /// The handlers are told of everything that the connection was in.
    Telling,
    /// The handlers are done.
    Over,
}

/// A task that is dropped before its end leaves nothing behind, though nobody is told.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.stage == Stage::Open {
            self.begin_the_end();
        }
        self.lose_socket();
        self.peer.hub().observers.tell_closed(|| self.closed());
    }
}

impl Driver {
    fn new(peer: Arc<Peer>, io: Io) -> Self {
        let now = Instant::now();
        let limits = &peer.hub().limits;
        let mut deadlines = Deadlines::new(now);
        if peer.session().ack.is_done() {
            deadlines.acknowledged();
        }
        Self {
            reader: Reader::new(peer.hub().role, limits.read(), peer.deflate()),
            inbox: Inbox::default(),
            job: None,
            timer: Box::pin(sleep_until(deadlines.next(limits).unwrap_or(now + FAR_FUTURE))),
            deadlines,
            stage: Stage::Open,
            violation: None,
            peer_closed: false,
            peer_closed_first: false,
            shut_down: false,
            peer,
            io,
        }
    }

    fn begin(&mut self, start: Start) {
        match start {
            Start::Requested(request, early) => {
                self.peer.hub().observers.tell_opened(|| Conn::new(self.peer.clone()));
                self.job = process::open(&self.peer, request);
                self.feed(&early);
            }
            Start::Welcomed(reader, early, rest) => {
                self.reader = reader;
                early.into_iter().for_each(|incoming| self.receive(incoming));
                self.feed(&rest);
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.peer.waker.register(cx.waker());
        for _ in 0..TURNS {
            let busy = self.turn(cx);
            if self.stage == Stage::Over && matches!(self.io, Io::Gone) {
                return Poll::Ready(());
            }
            // The clock is looked at once all else is done, not between any two messages.
            if !busy && !self.poll_deadlines(cx) {
                return Poll::Pending;
            }
        }
        self.poll_deadlines(cx);
        // Others get their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Looks round once; true when there was something to do. Reading comes first, so that what came is handled in the same
    /// turn.
    fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        self.turn_away();
        let read = self.poll_io(cx);
        let handled = self.poll_handlers(cx);
        let closed = self.poll_violation(!handled);
        // All of them run: `|`, not `||`.
        read | handled | closed | self.follow_the_end(cx)
    }

    /// Closes a connection that is not open yet when the server ends: it has begun nothing. Its `on_connect` may run on.
    fn turn_away(&self) {
        if self.stage == Stage::Open && self.peer.is_draining() && !self.peer.session().ack.is_done() {
            self.close_for_restart();
        }
    }

    fn close_for_restart(&self) {
        self.peer.close(Some(&CloseFrame::new(CloseCode::SERVICE_RESTART, "server shutting down")));
    }

    // ---- handlers

    fn poll_handlers(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(job) = &mut self.job else { return self.begin_next(cx) };
        let done = job.as_mut().poll(cx).is_ready();
        if done {
            self.job = None;
            if self.stage == Stage::Telling {
                self.stage = Stage::Over;
            }
        }
        let step = {
            let ack = &mut self.peer.session().ack;
            if ack.is_done() { AckStep::Wait } else { ack.advance() }
        };
        self.follow(step) | done
    }

    /// Closes over broken frames, once what came before them is answered, as far as that takes no wait.
    fn poll_violation(&mut self, handlers_wait: bool) -> bool {
        let Some(frame) = self.violation.take_if(|_| handlers_wait) else { return false };
        self.peer.close(Some(&frame));
        true
    }

    /// Begins with what comes next; false when there is nothing. What takes no wait is done then, and leaves no job.
    fn begin_next(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some((message, step)) = self.next_event() {
            self.job = process::message(&self.peer, message, step, cx);
            return true;
        }
        if self.stage == Stage::Ending {
            self.stage = Stage::Telling;
            let memberships = self.peer.session().membership.take();
            self.job = Some(Box::pin(process::teardown(self.peer.clone(), memberships)));
            return true;
        }
        if self.stage == Stage::Open && self.peer.is_draining() {
            self.close_for_restart();
        }
        false
    }

    /// The next event, and what it leads to. It waits until its namespace is connected to the end.
    fn next_event(&mut self) -> Option<(Box<Message>, Step)> {
        let next = self.inbox.first()?;
        let step = {
            let (hub, session) = (self.peer.hub(), self.peer.session());
            if self.stage == Stage::Open && session.is_held(next) {
                return None;
            }
            session.decide(next, &hub.limits.bounds, |name| hub.namespaces.name(name))
        };
        self.inbox.pop().map(|message| (message, step))
    }

    // ---- the socket

    /// Moves what the socket takes and what it has; true when something came.
    fn poll_io(&mut self, cx: &mut Context<'_>) -> bool {
        let is_paused = self.is_paused();
        if is_paused {
            // Nothing is read, so silence says nothing.
            self.deadlines.heard(Instant::now());
        }
        READ_BUFFER.with_borrow_mut(|buffer| {
            let moved = self.io.poll(&self.peer, cx, (!is_paused).then_some(&mut buffer[..]));
            self.note_written(moved.written);
            match moved.read {
                Poll::Pending => false,
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.lose_socket();
                    true
                }
                Poll::Ready(Ok(count)) => {
                    self.deadlines.heard(Instant::now());
                    self.feed(&buffer[..count]);
                    true
                }
            }
        })
    }

    fn note_written(&mut self, Written { some, stuck }: Written) {
        if some || !stuck {
            self.deadlines.flowing();
        }
        if stuck {
            self.deadlines.stalled(Instant::now());
        }
    }

    /// Whether reading must wait for handlers. Replies that somebody waits for are always read.
    fn is_paused(&self) -> bool {
        let limit = self.peer.hub().limits.max_waiting_events;
        if self.stage != Stage::Open || limit == 0 || self.inbox.len() < limit {
            return false;
        }
        self.inbox.len() >= limit.saturating_mul(WHILE_ASKING) || self.peer.session().asks.is_empty()
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut received = Received::default();
        self.read_all(bytes, &mut received);
        self.peer.hub().fanout.totals().add_received(received);
    }

    fn read_all(&mut self, mut bytes: &[u8], received: &mut Received) {
        while !bytes.is_empty() {
            match self.reader.read(&mut bytes) {
                Ok(Some(incoming)) => {
                    received.note(&incoming);
                    self.receive(incoming);
                }
                Ok(None) => return,
                Err(violation) => {
                    let frame = CloseFrame::new(violation.code(), violation.reason());
                    tracing::debug!(conn = &**self.peer.id(), reason = frame.reason(), "cut: broken frames");
                    self.violation = Some(Box::new(frame));
                    return;
                }
            }
        }
    }

    fn receive(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Message { kind, data } if !self.peer.is_closed() => {
                let limits = self.peer.hub().limits.ack();
                let step = self.peer.session().ack.receive(Frame { kind, data }, limits);
                self.follow(step);
            }
            Incoming::Ping(payload) => self.pong(&payload),
            Incoming::Close(frame) => {
                self.peer_closed = true;
                self.peer_closed_first |= !self.peer.is_closed();
                self.peer.close(frame.as_ref());
            }
            Incoming::Message { .. } | Incoming::Pong(_) => {}
        }
    }

    fn pong(&self, payload: &[u8]) {
        let limit = self.peer.hub().limits.max_pongs;
        if limit > 0 && self.peer.outgoing().outbox.controls() >= limit {
            return self.peer.cut(&CloseFrame::new(CloseCode::POLICY, "too many pings"));
        }
        self.peer.control(websocket::pong(self.peer.hub().role, payload));
    }

    /// Does what the opening says; true when there was something to do.
    fn follow(&mut self, step: AckStep) -> bool {
        match step {
            AckStep::Wait => return false,
            AckStep::Message(frame) => self.take(frame),
            AckStep::Accept(frames) => {
                self.deadlines.acknowledged();
                self.peer.control(websocket::text(Role::Server, "A", self.peer.id()));
                self.peer.tell_acknowledged();
                frames.into_iter().for_each(|frame| self.take(frame));
            }
            AckStep::Refuse(text) => {
                self.peer.control(websocket::text(Role::Server, "H", &text));
                self.peer.close(Some(&CloseFrame::new(CloseCode::POLICY, text)));
            }
            AckStep::Violation => {
                let frame = CloseFrame::new(CloseCode::PROTOCOL_ERROR, "only a server may answer a greeting");
                self.peer.close(Some(&frame));
            }
            AckStep::Flood => {
                self.peer.close(Some(&CloseFrame::new(CloseCode::POLICY, "too much before the greeting was answered")));
            }
        }
        true
    }

    /// Takes one message: a reply goes to whoever asked, an event waits for its turn, anything else is dropped.
    fn take(&mut self, frame: Frame) {
        if let Some(reply) = self.short_reply(&frame) {
            self.take_reply(&reply);
            return;
        }
        let native = self.peer.hub().native;
        if frame.data.is_empty() && native != NativeMode::Only {
            return;
        }
        match wire::decode(frame.data, frame.kind, native) {
            Ok(message) => self.take_message(message),
            Err(reason) => tracing::debug!(conn = &**self.peer.id(), %reason, "dropped an invalid message"),
        }
    }

    fn take_message(&mut self, message: Message) {
        let role = self.peer.hub().role;
        // Only a server states the sender of a message.
        let message = if role == Role::Server { message.without_sender() } else { message };
        if !is_made_by(role, &message.token) || !self.take_reply(&message) {
            self.enqueue(Box::new(message));
        }
    }

    /// Some clients shorten the empty reply: only a connection that was asked sends one.
    fn short_reply(&self, frame: &Frame) -> Option<Message> {
        let token = wire::empty_reply_token(&frame.data)?;
        (!self.peer.session().asks.is_empty()).then(|| Message::empty_reply(token))
    }

    /// Hands a reply to whoever asked; false when it is no reply.
    fn take_reply(&mut self, message: &Message) -> bool {
        let matched = self.peer.session().asks.answer(message);
        match matched {
            Match::Reply(Pending { effect, waiter, .. }) => {
                if message.error().is_none() {
                    self.take_effect(effect);
                }
                waiter.answer(message.clone());
            }
            Match::Stale => tracing::debug!(conn = &**self.peer.id(), "dropped a late reply"),
            Match::Other => return false,
        }
        true
    }

    fn take_effect(&self, effect: Effect) {
        match effect {
            Effect::Nothing => {}
            Effect::Connect(namespace) => self.peer.enter(&namespace, None),
            Effect::Disconnect(namespace) => drop(self.peer.exit(&namespace)),
            Effect::Join(namespace, room) => self.peer.join(&namespace, &room),
            Effect::Leave(namespace, room) => self.peer.leave(&namespace, &room),
        }
    }

    fn enqueue(&mut self, mut message: Box<Message>) {
        // Who is to be closed soon starts nothing new.
        if self.peer.is_draining() {
            return;
        }
        // A server may pass on what somebody else asked it, token and all: the reply is not ours to give.
        if self.peer.hub().role == Role::Client && message.token.starts_with(CLIENT_TOKEN) {
            message.token = SmolStr::default();
        }
        if self.is_heartbeat(&message) {
            return process::acknowledge(&self.peer, &message);
        }
        message.asker = message.is_ask().then(|| self.peer.key());
        self.inbox.push(message);
    }

    /// Whether this asks to disconnect a namespace that is not declared. Clients in browsers, which cannot send pings, send that
    /// instead: it must not wait for a handler.
    fn is_heartbeat(&self, message: &Message) -> bool {
        let is_request = message.is_ask() && !message.no_op;
        message.event() == events::DISCONNECT
            && is_request
            && self.peer.hub().namespaces.name(message.namespace()).is_none()
    }

    // ---- deadlines

    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let limits = &self.peer.hub().limits;
            let Some(next) = self.deadlines.next(limits) else { return false };
            // A later deadline waits until the timer has fired: that is cheaper than setting it with every message.
            if next < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(next);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return false;
            }
            if let Some(due) = self.deadlines.due(Instant::now(), limits) {
                self.give_up(due);
                return true;
            }
        }
    }

    fn give_up(&mut self, due: Due) {
        tracing::debug!(conn = &**self.peer.id(), ?due, "deadline");
        match due {
            Due::Ping => self.peer.control(websocket::ping(self.peer.hub().role, b"")),
            Due::NoHello => self.peer.close(Some(&CloseFrame::new(CloseCode::POLICY, "no greeting in time"))),
            Due::NoPong => self.peer.cut(&CloseFrame::new(CloseCode::GOING_AWAY, "no answer to a ping")),
            Due::Stalled => self.peer.cut(&too_slow()),
            Due::SocketTimeout => self.lose_socket(),
            Due::HandlerTimeout => self.give_up_handlers(),
        }
    }

    fn give_up_handlers(&mut self) {
        tracing::warn!(conn = &**self.peer.id(), "a handler outlived its connection for too long and was stopped");
        self.inbox.clear();
        self.job = None;
        if self.stage == Stage::Telling {
            self.stage = Stage::Over;
        } else {
            self.deadlines.end_handlers(Instant::now() + self.peer.hub().limits.handler_grace);
        }
    }

    // ---- the end

    /// True when a new part of the end has begun, for which there are handlers to run and deadlines to set.
    fn follow_the_end(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.peer.is_closed() {
            return false;
        }
        let begins = self.stage == Stage::Open;
        if begins {
            self.begin_the_end();
        }
        // Who closes says so before the close frame is queued, and wakes this task once it is.
        if matches!(self.io, Io::Gone) || !self.peer.outgoing().outbox.has_ended() {
            return begins;
        }
        if self.peer_closed {
            self.lose_socket();
            return true;
        }
        if !self.shut_down {
            self.shut_down = self.io.poll_shut_down(&self.peer, cx).is_ready();
        }
        begins
    }

    /// From here on the connection is counted out: it gets no broadcast, and who waits for its replies is told.
    fn begin_the_end(&mut self) {
        let limits = &self.peer.hub().limits;
        let (asks, memberships) = {
            let mut session = self.peer.session();
            (session.asks.close_all(), session.membership.all().clone())
        };
        if let Some(line) = self.peer.hub().line() {
            line.parted(&memberships);
        }
        asks.into_iter().for_each(|pending| pending.waiter.abandon());
        self.peer.hub().fanout.remove(&self.peer, memberships);
        let now = Instant::now();
        let patience = if self.peer.outgoing().outbox.is_blocked() { CUT_TIMEOUT } else { limits.close_timeout };
        self.deadlines.end(now + patience, now + limits.handler_grace);
        self.stage = Stage::Ending;
    }

    /// How it ended, for `on_closed`.
    fn closed(&self) -> Closed {
        let frame = self.peer.end_reason();
        let by = match (&frame, self.peer_closed_first) {
            (_, true) => ClosedBy::Client,
            (Some(_), false) => ClosedBy::Server,
            (None, false) => ClosedBy::Loss,
        };
        let lasted = self.peer.opened().elapsed();
        Closed { id: self.peer.id().clone(), address: self.peer.address(), lasted, frame, by }
    }

    fn lose_socket(&mut self) {
        self.peer.end(None);
        let mut tally = Tally::default();
        let socket = self.peer.outgoing().abandon(&mut tally);
        drop(socket);
        self.peer.hub().fanout.totals().add(&tally);
        self.io = Io::Gone;
    }
}

impl Received {
    fn note(&mut self, incoming: &Incoming) {
        if let Incoming::Message { data, .. } = incoming {
            self.messages += 1;
            self.bytes += data.len() as u64;
        }
    }
}

thread_local! {
    /// What a worker reads into: one connection at a time, and never across a wait.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BUFFER_BYTES].into());
}

const READ_BUFFER_BYTES: usize = 16 * 1024;
/// How often the driver looks round before others get their turn.
const TURNS: usize = 16;
/// How many times as many events may wait while a reply is waited for, which may come behind them.
const WHILE_ASKING: usize = 16;
/// How long the close frame of a connection that does not read may take.
const CUT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);
const FAR_FUTURE: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
pub(super) mod tests;
