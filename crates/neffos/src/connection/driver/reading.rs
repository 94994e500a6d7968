//! Reading: bytes from the socket become frames, and frames go to the session.

use std::cell::RefCell;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use super::Driver;
use crate::budget::Pressure;
use crate::connection::io;
use crate::connection::socket::Written;
use crate::connection::waiter::Waiter;
use crate::fanout::{Member, Offer, Received};
use crate::session::{Action, RawMessage, Reading};
use crate::websocket::{self, CloseCode, CloseFrame, Incoming};

/// The next item in the bytes that were read.
enum Next {
    /// An action for a message, or for exceeded rates.
    Action(Action<Waiter>),
    Control(Incoming),
    /// Invalid frames.
    Violation(CloseFrame),
    /// Nothing more, for now.
    End,
}

impl Driver {
    /// Writes as much as the socket accepts, and reads what is available. Returns true if bytes arrived.
    pub(super) fn poll_io(&mut self, cx: &mut Context<'_>) -> bool {
        let pressure = self.peer.hub().budget.pressure();
        let is_paused = self.is_paused(pressure);
        if !is_paused && let Some(unread) = self.unread.take() {
            return self.read_on(unread, cx);
        }
        READ_BUFFER.with_borrow_mut(|buffer| {
            // In small pieces when memory is short, because all connections read at the same time.
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
                    self.take_in(&buffer[..count], count);
                    true
                }
            }
        })
    }

    /// Handles the next of the unread bytes.
    fn read_on(&mut self, mut unread: Box<Bytes>, cx: &mut Context<'_>) -> bool {
        let moved = io::poll(&self.peer, cx, None);
        self.note_written(moved.written);
        let left = self.handle_frames(&unread, 0).len();
        unread.advance(unread.len() - left);
        self.unread = (left > 0).then_some(unread);
        true
    }

    pub(super) fn note_written(&mut self, Written { some, stuck }: Written) {
        if some || stuck || self.was_stuck {
            self.peer.session().handle_written(some, stuck, Instant::now);
        }
        self.was_stuck = stuck;
    }

    /// Returns whether reading must pause: for handlers, for memory, or because the peer exceeded a rate.
    fn is_paused(&self, pressure: Pressure) -> bool {
        if self.reads_freely && pressure == Pressure::Calm {
            return false;
        }
        let hub = self.peer.hub();
        let holds_bytes =
            pressure == Pressure::Over && (self.reader.room() > 0 || self.peer.outgoing().socket().has_received());
        let mut session = self.peer.session();
        let reading = session.reading(pressure, holds_bytes, &hub.session_limits);
        let is_paused = reading != Reading::On;
        if is_paused && session.handle_pause(reading, Instant::now()) {
            hub.budget.count_pause();
        }
        is_paused
    }

    /// Handles bytes that arrived with the handshake.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.take_in(bytes, 0);
    }

    /// Handles bytes, of which `arrived` were just read. Bytes beyond the limit of one poll are kept for the next.
    fn take_in(&mut self, bytes: &[u8], arrived: usize) {
        let rest = self.handle_frames(bytes, arrived);
        if !rest.is_empty() {
            self.unread = Some(Box::new(Bytes::copy_from_slice(rest)));
        }
    }

    /// Handles as many frames as this poll still may. Returns the rest of `bytes`.
    fn handle_frames<'a>(&mut self, mut bytes: &'a [u8], mut arrived: usize) -> &'a [u8] {
        (self.is_idle, self.reads_freely) = (false, false);
        let mut received = Received::default();
        loop {
            match self.next_frame(&mut bytes, &mut arrived, &mut received) {
                Next::Action(action) => self.perform(action),
                Next::Control(incoming) => self.receive(incoming),
                Next::Violation(frame) => {
                    tracing::debug!(conn = &**self.peer.id(), reason = frame.reason(), "cut: broken frames");
                    self.violation = Some(Box::new(frame));
                    bytes = &[];
                    break;
                }
                Next::End => break,
            }
        }
        self.peer.hub().fanout.totals().add_received(received);
        bytes
    }

    /// Passes messages to the session, under one lock, until there is something to do.
    fn next_frame(&mut self, bytes: &mut &[u8], arrived: &mut usize, received: &mut Received) -> Next {
        let (hub, now) = (self.peer.hub(), Instant::now());
        let mut session = self.peer.session();
        match std::mem::take(arrived) {
            0 => {}
            count => session.handle_bytes(count, now, &**hub),
        }
        while self.frames > 0 && session.is_within_rates() {
            self.frames -= 1;
            let incoming = match self.reader.read(bytes) {
                Ok(Some(incoming)) => incoming,
                Ok(None) => break,
                Err(violation) => return Next::Violation(CloseFrame::new(violation.code(), violation.reason())),
            };
            received.note(&incoming);
            let is_open = !self.peer.is_closed();
            if is_open {
                session.count_frame(now, &**hub);
            }
            let action = match incoming {
                Incoming::Message { kind, data } if is_open => {
                    session.handle_frame(RawMessage { kind, data }, now, &**hub)
                }
                Incoming::Message { .. } => None,
                control => return Next::Control(control),
            };
            if let Some(action) = action {
                return Next::Action(action);
            }
        }
        if let Some(action) = session.poll_rates() {
            return Next::Action(action);
        }
        session.handle_unfinished((!self.reader.is_idle()).then(|| self.reader.begun()), now);
        Next::End
    }

    pub(super) fn receive(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Message { kind, data } if !self.peer.is_closed() => {
                self.receive_message(RawMessage { kind, data });
            }
            Incoming::Ping(payload) if self.pongs < PONGS_PER_POLL => self.pong(&payload),
            // Beyond this number, only the last ping is answered.
            Incoming::Ping(payload) => self.ping = Some(Box::new(payload)),
            Incoming::Close(frame) => {
                self.peer_closed = true;
                self.peer_closed_first |= !self.peer.is_closed();
                self.peer.close(frame.as_ref());
            }
            Incoming::Message { .. } | Incoming::Pong(_) => {}
        }
    }

    pub(super) fn receive_message(&mut self, frame: RawMessage) {
        (self.is_idle, self.reads_freely) = (false, false);
        let (action, excess) = {
            let mut session = self.peer.session();
            (session.handle_frame(frame, Instant::now(), &**self.peer.hub()), session.poll_rates())
        };
        self.perform_if_any(action);
        self.perform_if_any(excess);
    }

    /// Queues the answer to a ping. [`Driver::answer_pings`] writes it with others.
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

    /// Answers the last of many pings, and writes all answers of this poll together.
    pub(super) fn answer_pings(&mut self) {
        if let Some(payload) = self.ping.take() {
            self.pong(&payload);
        }
        self.pongs = 0;
        if std::mem::take(&mut self.owes_flush) {
            self.peer.flush();
        }
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
    /// The read buffer of a worker thread: used by one connection at a time, and never across a wait.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BUFFER_BYTES].into());
}

const READ_BUFFER_BYTES: usize = 16 * 1024;
const SHORT_READ_BYTES: usize = 2 * 1024;
/// How many pings are answered one by one before the task yields. Of more, only the last is answered: RFC 6455, 5.5.3.
const PONGS_PER_POLL: u8 = 16;
