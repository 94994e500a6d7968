//! The task of one connection: moves bytes, performs the session's actions, and ends the connection.
//!
//! Handlers run one at a time. The task reads meanwhile: replies, pings and closes are handled at once, other events
//! wait in the session's inbox. An idle connection holds no buffer and no handler future: bytes are read into a buffer
//! of the worker thread.
//!
//! - `mod.rs`: the task and its turns.
//! - `reading.rs`: the bytes from the socket, and the frames in them.
//! - `working.rs`: the actions of the session, and the current job.
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

/// Drives a connection from `start` to its end. `held` is dropped at the end.
///
/// Not an `async fn`: every connection's task would also store the arguments.
pub(crate) fn drive(peer: Arc<Peer>, start: Start, held: impl Send) -> impl Future<Output = ()> + Send {
    peer.hub().fanout.insert(&peer);
    let mut driver = Driver::new(peer);
    driver.begin(start);
    poll_fn(move |cx| {
        let _held = &held;
        driver.poll(cx)
    })
}

/// The state of a connection when its driver starts.
pub(crate) enum Start {
    /// A client sent this request, followed by these bytes.
    Requested(Arc<http::request::Parts>, Bytes),
    /// A server accepted this client, after these messages and before these bytes.
    Welcomed(Reader, Vec<Incoming>, Bytes),
}

struct Driver {
    peer: Arc<Peer>,
    reader: Reader,
    /// The incomplete action of the session.
    job: Option<Job>,
    /// While this exists, other nodes deliver to the place of the current change. Boxed, since most connections have
    /// none.
    claim: Option<Box<Claim>>,
    timer: Pin<Box<Sleep>>,
    opened: Instant,
    /// Bytes that were read and are not yet handled. Boxed, since most connections have none.
    unread: Option<Box<Bytes>>,
    /// The last of many pings, which is not answered yet.
    ping: Option<Box<Bytes>>,
    /// How many more frames this poll may handle.
    frames: u8,
    /// How many pings this poll has answered.
    pongs: u8,
    /// Whether pongs are queued and not written.
    owes_flush: bool,
    /// The close frame for a violation by the peer.
    violation: Option<Box<CloseFrame>>,
    /// Whether the greeting is complete.
    is_greeted: bool,
    /// Whether the session has current work.
    is_at_work: bool,
    /// Whether the session has nothing to do in this poll before the next frame.
    is_idle: bool,
    /// Whether the session has no reason to pause reading before the next frame, while memory is not short.
    reads_freely: bool,
    /// Whether the socket did not accept everything at the last write.
    was_stuck: bool,
    /// Whether the peer's close frame has arrived. Nothing follows it.
    peer_closed: bool,
    /// Whether the peer's close frame arrived before this side closed.
    peer_closed_first: bool,
    /// Whether this side has shut down its sending side.
    shut_down: bool,
    /// Whether the socket is gone.
    is_lost: bool,
    /// Whether the log has a line about missed messages.
    told_missed: bool,
}

/// Cleans up after a task that is dropped before its end. The handlers of the end do not run.
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

    /// Charges the received and unhandled bytes to the memory budget. `unhandled` of them are in the session.
    fn account(&self, unhandled: usize) {
        let unread = self.unread.as_ref().map_or(0, |bytes| bytes.len());
        let input = self.peer.input();
        input.set(unhandled + unread + self.reader.room() + input.handled(), &self.peer.hub().budget);
    }

    /// Drops buffered input, if the server needs the memory.
    fn give_up_memory(&mut self) {
        if !self.peer.is_shed() {
            return;
        }
        self.peer.session().clear();
        self.unread = None;
        self.reader.finish();
        // The memory of TLS is freed only with the socket.
        if !self.is_lost && (self.peer.is_broken() || self.peer.outgoing().socket().held() > 0) {
            self.lose_socket();
        }
    }

    /// Takes turns until there is nothing to do, or the task must yield.
    fn take_turns(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURNS {
            let busy = self.turn(cx);
            if self.is_lost && self.peer.session().is_over() {
                return Poll::Ready(());
            }
            // The clock is checked when all else is done, not after every message.
            if !busy && !self.poll_deadlines(cx) {
                return Poll::Pending;
            }
        }
        self.poll_deadlines(cx);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes one turn. Returns true if there was something to do. Reading comes first, so that received messages are
    /// handled in the same turn.
    fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        let urgent = self.poll_urgent();
        self.give_up_memory();
        let read = self.poll_io(cx);
        let worked = self.poll_work(cx);
        let closed = self.poll_violation(!worked);
        // All of them run: `|`, not `||`.
        urgent | read | worked | closed | self.follow_the_end(cx)
    }

    /// Closes because of invalid frames, once earlier messages are answered, as far as that needs no wait.
    fn poll_violation(&mut self, handlers_wait: bool) -> bool {
        let Some(frame) = self.violation.take_if(|_| handlers_wait) else { return false };
        self.peer.close(Some(&frame));
        true
    }

    fn close_for_restart(&self) {
        self.peer.close(Some(&CloseFrame::new(CloseCode::SERVICE_RESTART, "server shutting down")));
    }
}

/// How many turns a poll takes before the task yields.
const TURNS: usize = 16;
/// How many frames a poll handles. They cost about as much as that many turns with one event each.
const FRAMES_PER_POLL: u8 = 64;
const FAR_FUTURE: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
pub(super) mod tests;
