//! Reading: bytes of the socket become frames, and frames the greeting, replies, and events that wait for their turn.

use std::cell::RefCell;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use smol_str::SmolStr;
use tokio::time::Instant;

use super::{Driver, Stage};
use crate::budget::Pressure;
use crate::connection::io;
use crate::connection::process;
use crate::connection::rates::{Meter, RateKind, RateVerdict};
use crate::connection::socket::Written;
use crate::fanout::{Member, Offer, Received};
use crate::message::wire::{self, NativeMode};
use crate::message::{Message, events};
use crate::session::{AckStep, CLIENT_TOKEN, Effect, Frame, Match, Pending, is_made_by};
use crate::websocket::{self, CloseCode, CloseFrame, Incoming, Role};

impl Driver {
    /// Writes as much as the socket takes, and reads as much as it has; true when bytes arrived.
    pub(super) fn poll_io(&mut self, cx: &mut Context<'_>) -> bool {
        let pressure = self.peer.hub().budget.pressure();
        let is_paused = self.is_paused(pressure);
        if is_paused {
            self.deadlines.paused(Instant::now());
        } else if let Some(unread) = self.unread.take() {
            return self.read_on(unread, cx);
        }
        READ_BUFFER.with_borrow_mut(|buffer| {
            // In small pieces when memory is short: the bytes that all connections read at once have to fit.
            let most = if pressure == Pressure::Calm { READ_BUFFER_BYTES } else { SHORT_READ_BYTES };
            let moved = io::poll(&self.peer, cx, (!is_paused).then_some(&mut buffer[..most]));
            self.note_written(moved.written);
            match moved.read {
                Poll::Pending => false,
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.lose_socket();
                    true
                }
                Poll::Ready(Ok(count)) => {
                    let now = Instant::now();
                    self.deadlines.heard(now);
                    self.meter(RateKind::Bytes, count);
                    self.feed(&buffer[..count]);
                    self.note_message(now);
                    true
                }
            }
        })
    }

    /// Handles the next of the bytes that were read before.
    fn read_on(&mut self, mut unread: Box<Bytes>, cx: &mut Context<'_>) -> bool {
        let moved = io::poll(&self.peer, cx, None);
        self.note_written(moved.written);
        let left = self.handle_frames(&unread).len();
        unread.advance(unread.len() - left);
        self.unread = (left > 0).then_some(unread);
        self.note_message(Instant::now());
        true
    }

    fn note_message(&mut self, now: Instant) {
        match self.reader.is_idle() {
            true => {
                self.deadlines.received();
                self.deadlines.heard(now);
            }
            false => self.deadlines.receiving(self.reader.begun(), now),
        }
    }

    pub(super) fn note_written(&mut self, Written { some, stuck }: Written) {
        if some || !stuck {
            self.deadlines.flowing();
        }
        if some && stuck {
            self.deadlines.progressed(Instant::now());
        }
        if stuck {
            self.deadlines.stalled(Instant::now());
        }
    }

    /// Counts what the peer has sent. A peer that sends too fast is not read from for a while.
    fn meter(&mut self, kind: RateKind, count: usize) {
        let hub = self.peer.hub();
        let rates = &hub.limits.rates;
        if !rates.are_limited() || self.peer.is_closed() {
            return;
        }
        let now = Instant::now();
        let meter = self.meter.get_or_insert_with(|| Box::new(Meter::new(now)));
        match meter.count(kind, u32::try_from(count).unwrap_or(u32::MAX), now, rates) {
            RateVerdict::Allowed => {}
            RateVerdict::Pause(until) => {
                if self.deadlines.rest_until(until) {
                    hub.rate_counts.add_pause(kind);
                }
            }
            RateVerdict::Exceeded => {
                hub.rate_counts.add_close();
                self.peer.close(Some(&CloseFrame::new(CloseCode::POLICY, "sent too much at once")));
            }
        }
    }

    /// Whether reading must wait: for handlers, for memory, or because the peer sends too fast. While an ask is open, its reply must
    /// be read.
    fn is_paused(&mut self, pressure: Pressure) -> bool {
        let lacks_memory = self.lacks_memory(pressure);
        match lacks_memory {
            true if self.deadlines.lacks_memory(Instant::now()) => self.peer.hub().budget.count_pause(),
            true => {}
            false => self.deadlines.has_memory(),
        }
        if self.deadlines.is_resting() || lacks_memory {
            return true;
        }
        if self.stage != Stage::Open || !self.inbox_is_full(1, 1) {
            return false;
        }
        self.inbox_is_full(EVENTS_WHILE_ASKING, BYTES_WHILE_ASKING) || self.peer.session().asks.pause_reading()
    }

    /// Whether nothing more is to be read, since memory is short and the connection holds some of it.
    fn lacks_memory(&self, pressure: Pressure) -> bool {
        let holds_some = match pressure {
            Pressure::Calm => false,
            Pressure::Tight => !self.inbox.is_empty(),
            Pressure::Over => {
                !self.inbox.is_empty()
                    || self.reader.room() > 0
                    || self.deadlines.is_stalled()
                    || self.peer.outgoing().socket().has_received()
                    || self.peer.session().ack.held() > 0
            }
        };
        let may_pause = || self.inbox_is_full(1, 1) || self.peer.session().asks.pause_reading();
        holds_some && self.stage == Stage::Open && may_pause()
    }

    /// Whether so many times the events or the bytes are queued that may be. A limit of zero is none.
    fn inbox_is_full(&self, events: usize, bytes: usize) -> bool {
        let limits = &self.peer.hub().limits;
        let reaches = |queued: usize, limit: usize, times| limit > 0 && queued >= limit.saturating_mul(times);
        reaches(self.inbox.len(), limits.max_inbox_events, events)
            || reaches(self.inbox.bytes(), limits.max_inbox_bytes, bytes)
    }

    /// Handles bytes that were read; those beyond the bound of one poll are kept for the next.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let rest = self.handle_frames(bytes);
        if !rest.is_empty() {
            self.unread = Some(Box::new(Bytes::copy_from_slice(rest)));
        }
    }

    /// Handles as many frames as this poll still may; returns the rest of `bytes`.
    fn handle_frames<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        let mut received = Received::default();
        while self.frames > 0 && !self.deadlines.is_resting() {
            self.frames -= 1;
            match self.reader.read(&mut bytes) {
                Ok(Some(incoming)) => {
                    received.note(&incoming);
                    self.meter(RateKind::Messages, 1);
                    self.receive(incoming);
                }
                Ok(None) => break,
                Err(violation) => {
                    let frame = CloseFrame::new(violation.code(), violation.reason());
                    tracing::debug!(conn = &**self.peer.id(), reason = frame.reason(), "cut: broken frames");
                    self.violation = Some(Box::new(frame));
                    bytes = &[];
                    break;
                }
            }
        }
        self.peer.hub().fanout.totals().add_received(received);
        bytes
    }

    pub(super) fn receive(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Message { kind, data } if !self.peer.is_closed() => {
                let limits = self.peer.hub().limits.ack();
                let step = self.peer.session().ack.receive(Frame { kind, data }, limits);
                self.deadlines.received();
                self.follow(step);
            }
            Incoming::Ping(payload) if self.pongs < PONGS_PER_POLL => self.pong(&payload),
            // Only the last of so many is answered.
            Incoming::Ping(payload) => self.ping = Some(Box::new(payload)),
            Incoming::Close(frame) => {
                self.peer_closed = true;
                self.peer_closed_first |= !self.peer.is_closed();
                self.peer.close(frame.as_ref());
            }
            Incoming::Message { .. } | Incoming::Pong(_) => {}
        }
    }

    /// Queues the answer to a ping. It is written with others, by [`Driver::answer_pings`].
    fn pong(&mut self, payload: &[u8]) {
        self.pongs += 1;
        let limit = self.peer.hub().limits.max_pongs;
        let pong = websocket::pong(self.peer.hub().role, payload);
        let offer = {
            let outbox = &mut self.peer.outgoing().outbox;
            let is_flood = limit > 0 && outbox.is_blocked() && outbox.controls() >= limit;
            if is_flood { Offer::Overflow } else { outbox.offer_control(pong) }
        };
        match offer {
            Offer::Flush => self.owes_flush = true,
            Offer::Rest => {}
            Offer::Overflow => self.peer.cut(&CloseFrame::new(CloseCode::POLICY, "too many pings")),
        }
    }

    /// Answers the last of many pings, and writes the answers of this poll in one go.
    pub(super) fn answer_pings(&mut self) {
        if let Some(payload) = self.ping.take() {
            self.pong(&payload);
        }
        self.pongs = 0;
        if std::mem::take(&mut self.owes_flush) {
            self.peer.flush();
        }
    }

    /// Does what the opening says; true when there was something to do.
    pub(super) fn follow(&mut self, step: AckStep) -> bool {
        match step {
            AckStep::Wait => return false,
            AckStep::Message(frame) => self.take(frame),
            AckStep::Accept(frames) => {
                self.deadlines.acknowledged();
                self.peer.control(websocket::text(Role::Server, "A", self.peer.id()));
                self.peer.tell_acknowledged();
                frames.into_iter().for_each(|frame| self.take(frame));
            }
            AckStep::Refuse(refusal) => {
                self.peer.control(websocket::text(Role::Server, "H", &refusal.text));
                self.peer.close(Some(&refusal.close));
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

    /// Takes one message: a reply goes to the caller that asked, an event waits for its turn, anything else is dropped.
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

    /// Hands a reply to the caller that asked; false when it is no reply.
    fn take_reply(&mut self, message: &Message) -> bool {
        let matched = self.peer.with_asks(|asks| asks.answer(message));
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
        // A connection that is closed soon starts nothing new.
        if self.peer.is_draining() {
            return;
        }
        // A server may pass on an ask of another client, token and all: the reply is not ours to give.
        if self.peer.hub().role == Role::Client && message.token.starts_with(CLIENT_TOKEN) {
            message.token = SmolStr::default();
        }
        if self.is_heartbeat(&message) {
            return process::acknowledge(&self.peer, &message);
        }
        if matches!(message.event(), events::CONNECT | events::JOIN) {
            self.meter(RateKind::Joins, 1);
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
            && self.peer.hub().app.namespace(message.namespace()).is_none()
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
const SHORT_READ_BYTES: usize = 2 * 1024;
/// How many times as many events, and as many bytes of them, may be queued while an ask is open: its reply may come behind them.
const EVENTS_WHILE_ASKING: usize = 16;
const BYTES_WHILE_ASKING: usize = 4;
/// How many pings are answered one by one before others get their turn. Of more, the last is answered: RFC 6455, 5.5.3.
const PONGS_PER_POLL: u8 = 16;
