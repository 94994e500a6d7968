//! The task of one connection: moves bytes, does what the session says, and ends the connection.
//!
//! Handlers run one at a time, and the reader goes on meanwhile: replies, pings and closes are handled at once, other events
//! wait in the session's inbox. A connection that is idle holds no buffer and no handler's future: bytes are read into a buffer
//! that belongs to the worker.
//!
//! - `mod.rs`: the task and its turns.
//! - `reading.rs`: the bytes that the socket gives, and the frames in them.
//! - `working.rs`: the actions of the session, and the job at hand.
//! - `ending.rs`: deadlines, and the end of the connection.

mod ending;
mod reading;
mod working;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use self::working::Job;
use super::peer::Peer;
use crate::exchange::Claim;
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
    /// The action of the session that is not complete.
    job: Option<Job>,
    /// Other nodes deliver to the place of the change at hand while this exists. Boxed, as most connections have none.
    claim: Option<Box<Claim>>,
    timer: Pin<Box<Sleep>>,
    opened: Instant,
    /// Bytes that were read and are not yet handled. Boxed, as most connections have none.
    unread: Option<Box<Bytes>>,
    /// The last of many pings, which is not answered yet.
    ping: Option<Box<Bytes>>,
    /// How many frames this poll may still handle.
    frames: u8,
    /// How many pings this poll has answered.
    pongs: u8,
    /// Answers to pings are queued and not written.
    owes_flush: bool,
    /// How the peer broke the rules: the close that follows.
    violation: Option<Box<CloseFrame>>,
    /// The greeting is over.
    is_greeted: bool,
    /// The session has work at hand.
    is_at_work: bool,
    /// The session has nothing to do in this poll, before the next frame.
    is_idle: bool,
    /// The session has no reason to pause reading while memory is not short, before the next frame.
    reads_freely: bool,
    /// The socket did not take everything when it was last tried.
    was_stuck: bool,
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

/// A task that is dropped before its end leaves nothing behind, though nobody is told.
impl Drop for Driver {
    fn drop(&mut self) {
        let is_open = self.peer.session().is_open();
        if is_open {
            self.begin_the_end();
        }
        self.lose_socket();
        self.peer.input().set(0, &self.peer.hub().budget);
        self.peer.session().forget();
        self.peer.account();
        self.peer.hub().app.note_closed(&|| self.closed());
    }
}

impl Driver {
    fn new(peer: Arc<Peer>) -> Self {
        let (hub, now) = (peer.hub(), Instant::now());
        let first = peer.session().next_timeout(&hub.session_limits).unwrap_or(now + FAR_FUTURE);
        Self {
            reader: Reader::new(hub.role, hub.limits.read(), peer.deflate()),
            job: None,
            claim: None,
            timer: Box::pin(sleep_until(first)),
            opened: now,
            unread: None,
            ping: None,
            frames: FRAMES_PER_POLL,
            pongs: 0,
            owes_flush: false,
            violation: None,
            is_greeted: false,
            is_at_work: false,
            is_idle: false,
            reads_freely: false,
            was_stuck: false,
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
                let hub = self.peer.hub().clone();
                hub.app.note_opened(&self.peer);
                let hook = hub.app.open(&self.peer, &request);
                self.peer.session().begin(hook.is_some(), &*hub);
                self.job = hook.map(Job::admission);
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
        self.frames = FRAMES_PER_POLL;
        // Other tasks may have changed the session.
        self.is_idle = false;
        if !self.told_missed && self.peer.missed() > 0 {
            self.tell_missed();
        }
        let end = self.take_turns(cx);
        self.answer_pings();
        end
    }

    /// Tells the memory budget how much the connection has received and not yet handled, `unhandled` bytes of it in the session.
    fn account(&self, unhandled: usize) {
        let unread = self.unread.as_ref().map_or(0, |bytes| bytes.len());
        let input = self.peer.input();
        input.set(unhandled + unread + self.reader.room() + input.handled(), &self.peer.hub().budget);
    }

    /// Gives up what it holds, when the server needs the memory.
    fn give_up_memory(&mut self) {
        if !self.peer.is_shed() {
            return;
        }
        self.peer.session().clear();
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
            if self.is_lost && self.peer.session().is_over() {
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
        let urgent = self.poll_urgent();
        self.give_up_memory();
        let read = self.poll_io(cx);
        let worked = self.poll_work(cx);
        let closed = self.poll_violation(!worked);
        // All of them run: `|`, not `||`.
        urgent | read | worked | closed | self.follow_the_end(cx)
    }

    /// Closes over broken frames, once what came before them is answered, as far as that takes no wait.
    fn poll_violation(&mut self, handlers_wait: bool) -> bool {
        let Some(frame) = self.violation.take_if(|_| handlers_wait) else { return false };
        self.peer.close(Some(&frame));
        true
    }

    fn close_for_restart(&self) {
        self.peer.close(Some(&CloseFrame::new(CloseCode::SERVICE_RESTART, "server shutting down")));
    }
}

/// How often the driver looks round before others get their turn.
const TURNS: usize = 16;
/// How many frames it handles before that. They cost about as much as so many turns with an event each.
const FRAMES_PER_POLL: u8 = 64;
const FAR_FUTURE: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
pub(super) mod tests;
