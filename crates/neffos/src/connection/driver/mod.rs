//! The task of one connection: reads, runs handlers, writes what the dispatcher could not, and ends it.
//!
//! Handlers run one at a time, and the reader goes on meanwhile: replies, pings and closes are handled at once, other events
//! wait in a bounded inbox. While it is full nothing more is read, unless a reply of the peer is waited for. A connection
//! that is idle holds no buffer and no handler's future: bytes are read into a buffer that belongs to the worker.
//!
//! - `mod.rs`: the task, its turns, and the handlers.
//! - `reading.rs`: the bytes that the socket gives, and the messages in them.
//! - `ending.rs`: deadlines, and the end of the connection.

mod ending;
mod reading;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use super::deadlines::Deadlines;
use super::inbox::{self, Inbox};
use super::peer::Peer;
use super::process::{self, Job};
use super::rates::Meter;
use crate::message::Message;
use crate::session::{AckStep, Step};
use crate::websocket::{CloseCode, CloseFrame, Incoming, Reader};

/// Drives a connection to its end, from `start` on; `held` is let go at the end.
///
/// No `async fn`: its arguments would have a place of their own in every connection's task.
pub(crate) fn drive(peer: Arc<Peer>, start: Start, held: impl Send) -> impl Future<Output = ()> + Send {
    peer.hub().fanout.insert(&peer);
    let mut driver = Driver::new(peer);
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
    reader: Reader,
    inbox: Inbox,
    job: Option<Job>,
    deadlines: Deadlines,
    timer: Pin<Box<Sleep>>,
    stage: Stage,
    /// Bytes that were read and are not yet handled. Boxed, as most connections have none.
    unread: Option<Box<Bytes>>,
    /// The last of many pings, which is not answered yet.
    ping: Option<Box<Bytes>>,
    /// How fast the peer sends, when that is limited. Boxed, as idle connections have none.
    meter: Option<Box<Meter>>,
    /// How many frames this poll may still handle.
    frames: u8,
    /// How many pings this poll has answered.
    pongs: u8,
    /// Answers to pings are queued and not written.
    owes_flush: bool,
    /// How the peer broke the rules: the close that follows.
    violation: Option<Box<CloseFrame>>,
    /// The peer's close frame has come: nothing more will.
    peer_closed: bool,
    /// The peer's close frame came before this side closed.
    peer_closed_first: bool,
    /// This side has said that it sends nothing more.
    shut_down: bool,
    /// The socket is gone.
    is_lost: bool,
    /// The log has a line about missed messages.
    told_missed: bool,
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
        self.peer.input().set(0, &self.peer.hub().budget);
        drop(self.peer.session().membership.take());
        self.peer.account();
        self.peer.hub().app.note_closed(&|| self.closed());
    }
}

impl Driver {
    fn new(peer: Arc<Peer>) -> Self {
        let now = Instant::now();
        let limits = &peer.hub().limits;
        let deadlines = Deadlines::new(now);
        Self {
            reader: Reader::new(peer.hub().role, limits.read(), peer.deflate()),
            inbox: Inbox::default(),
            job: None,
            timer: Box::pin(sleep_until(deadlines.next(limits).unwrap_or(now + FAR_FUTURE))),
            deadlines,
            stage: Stage::Open,
            unread: None,
            ping: None,
            meter: None,
            frames: FRAMES_PER_POLL,
            pongs: 0,
            owes_flush: false,
            violation: None,
            peer_closed: false,
            peer_closed_first: false,
            shut_down: false,
            is_lost: false,
            told_missed: false,
            peer,
        }
    }

    fn begin(&mut self, start: Start) {
        match start {
            Start::Requested(request, early) => {
                self.peer.hub().app.note_opened(&self.peer);
                self.job = process::open(&self.peer, &request);
                self.note_open();
                self.feed(&early);
            }
            Start::Welcomed(reader, early, rest) => {
                self.note_open();
                self.reader = reader;
                early.into_iter().for_each(|incoming| self.receive(incoming));
                self.feed(&rest);
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.peer.waker.register(cx.waker());
        self.frames = FRAMES_PER_POLL;
        if !self.told_missed && self.peer.missed() > 0 {
            self.tell_missed();
        }
        let end = self.take_turns(cx);
        self.answer_pings();
        self.account();
        end
    }

    /// Tells the memory budget how much the connection has received and not yet handled.
    fn account(&self) {
        let peer = &self.peer;
        let unread = self.unread.as_ref().map_or(0, |bytes| bytes.len());
        let may_be_opening = self.deadlines.is_opening() || self.stage != Stage::Open;
        let opening = if may_be_opening { peer.session().ack.held() } else { 0 };
        let held = self.inbox.bytes() + unread + self.reader.room() + opening + peer.input().handled();
        peer.input().set(held, &peer.hub().budget);
    }

    /// Gives up what it holds, when the server needs the memory.
    fn give_up_memory(&mut self) {
        if !self.peer.is_shed() {
            return;
        }
        self.inbox.clear();
        self.peer.session().ack.clear();
        self.unread = None;
        self.reader.finish();
        // What TLS holds goes with the socket only.
        if !self.is_lost && (self.peer.is_broken() || self.peer.outgoing().socket().held() > 0) {
            self.lose_socket();
        }
    }

    /// Looks round until there is nothing to do, or others must get their turn.
    fn take_turns(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURNS {
            let busy = self.turn(cx);
            if self.stage == Stage::Over && self.is_lost {
                return Poll::Ready(());
            }
            // The clock is looked at once all else is done, not between any two messages.
            if !busy && !self.poll_deadlines(cx) {
                return Poll::Pending;
            }
        }
        self.poll_deadlines(cx);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Looks round once; true when there was something to do. Reading comes first, so that what came is handled in the same
    /// turn.
    fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        self.turn_away();
        self.give_up_memory();
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

    fn poll_handlers(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(job) = &mut self.job else { return self.begin_next(cx) };
        let done = job.as_mut().poll(cx).is_ready();
        if done {
            self.job = None;
            self.peer.input().set_handled(0);
            self.note_open();
            self.note_told();
        }
        let step = {
            let ack = &mut self.peer.session().ack;
            if ack.is_done() { AckStep::Wait } else { ack.advance() }
        };
        self.follow(step) | done
    }

    /// When the handlers were told of the end, the connection remembers no place any more.
    pub(super) fn note_told(&mut self) {
        if self.stage == Stage::Telling {
            self.stage = Stage::Over;
            self.peer.account();
        }
    }

    /// Without a greeting, a connection is open when `on_connect` has decided.
    fn note_open(&mut self) {
        if self.job.is_none() && self.peer.session().ack.is_done() {
            self.deadlines.acknowledged();
        }
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
            let size = inbox::size(&message);
            self.job = process::message(&self.peer, message, step, cx);
            if self.job.is_some() {
                self.peer.input().set_handled(size);
            }
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
            session.decide(next, &hub.limits.bounds, |name| hub.app.namespace(name))
        };
        self.inbox.pop().map(|message| (message, step))
    }
}

/// How often the driver looks round before others get their turn.
const TURNS: usize = 16;
/// How many frames it handles before that. They cost about as much as so many turns with an event each.
const FRAMES_PER_POLL: u8 = 64;
const FAR_FUTURE: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
pub(super) mod tests;
