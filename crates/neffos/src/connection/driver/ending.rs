//! Deadlines, and the end of a connection: the task flushes and closes the socket, and runs the handlers of the end.

use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use super::Driver;
use crate::connection::closed::{Closed, ClosedBy};
use crate::connection::io;
use crate::connection::peer::too_slow;
use crate::fanout::{Member, Tally};
use crate::session::{Due, EndLimits};
use crate::time_limit;
use crate::websocket::{self, CloseCode, CloseFrame, Role};

impl Driver {
    /// Handles passed deadlines. Returns false if there is none, and the task may wait. The memory budget is then up to
    /// date.
    pub(super) fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let limits = &self.peer.hub().session_limits;
            let (next, unhandled) = {
                let session = self.peer.session();
                (session.next_timeout(limits), session.unhandled())
            };
            self.account(unhandled);
            let Some(next) = next else { return false };
            // A later deadline waits until the timer has fired. That is cheaper than setting the timer with every
            // message.
            if next < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(next);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return false;
            }
            let due = self.peer.session().handle_timeout(Instant::now(), limits);
            if let Some(due) = due {
                self.give_up(due);
                return true;
            }
        }
    }

    fn give_up(&mut self, due: Due) {
        tracing::debug!(conn = &**self.peer.id(), ?due, "deadline");
        match due {
            Due::Ping => self.peer.control(websocket::ping(self.peer.hub().role, b"")),
            // The next turn reads.
            Due::Resume | Due::LookAgain => {}
            Due::NotOpen => self.give_up_opening(),
            Due::NoPong => self.peer.cut(&CloseFrame::new(CloseCode::GOING_AWAY, "no answer to a ping")),
            Due::Stalled => self.peer.cut(&too_slow()),
            Due::SlowMessage => {
                self.peer.cut(&CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "a message comes too slowly"));
            }
            Due::Probe if self.peer.hub().budget.is_over() => self.lose_socket(),
            Due::Probe => {
                let written = io::probe(&self.peer);
                self.note_written(written);
            }
            Due::SocketTimeout => self.lose_socket(),
            Due::HandlerTimeout => self.give_up_handlers(),
        }
    }

    /// Closes with 1008 if the client sent no greeting, and with 1013 if `on_connect` has not decided: only the latter
    /// client may reconnect.
    fn give_up_opening(&self) {
        let frame = if self.job.is_some() {
            tracing::warn!(conn = &**self.peer.id(), "on_connect took too long: the client is closed");
            CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "not admitted in time")
        } else {
            CloseFrame::new(CloseCode::POLICY, "no greeting in time")
        };
        self.peer.close(Some(&frame));
    }

    fn give_up_handlers(&mut self) {
        tracing::warn!(conn = &**self.peer.id(), "a handler outlived its connection for too long and was stopped");
        (self.job, self.claim, self.is_at_work, self.is_idle) = (None, None, false, false);
        self.peer.input().set_handled(0);
        let grace = self.peer.hub().limits.handler_grace;
        self.peer.session().give_up_handlers(Instant::now(), grace);
    }

    /// Returns true if a new part of the end has begun, with handlers to run and deadlines to set.
    pub(super) fn follow_the_end(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.peer.is_closed() {
            return false;
        }
        let begins = self.peer.session().is_open();
        if begins {
            self.begin_the_end();
        }
        // After the handlers of the end, the connection has no memberships any more.
        self.peer.account();
        // `Peer::close` records the end before it queues the close frame, and then wakes this task.
        if self.is_lost || !self.peer.outgoing().outbox.has_ended() {
            return begins;
        }
        // A stream may hold back accepted bytes, so it is flushed before it is dropped.
        if !self.shut_down {
            self.shut_down = io::poll_shut_down(&self.peer, cx).is_ready();
        }
        if self.peer_closed && self.shut_down {
            self.lose_socket();
            return true;
        }
        if self.shut_down && self.peer.session().is_draining() {
            self.peer.session().end_socket_by(Instant::now() + ANSWER_TIMEOUT);
        }
        begins
    }

    /// Removes the connection: from here on it receives no broadcast, and its open asks fail.
    pub(super) fn begin_the_end(&mut self) {
        (self.is_idle, self.reads_freely) = (false, false);
        let limits = &self.peer.hub().limits;
        let is_cut = self.peer.outgoing().outbox.is_cut();
        // Zero is no limit, but a server does not wait for a connection that is cut.
        let cut = || time_limit::of(limits.close_timeout).map_or(CUT_TIMEOUT, |limit| limit.min(CUT_TIMEOUT));
        let socket = if is_cut { cut() } else { limits.close_timeout };
        let end = EndLimits { socket, stall: socket / 2, handlers: limits.handler_grace };
        let (asks, memberships) = self.peer.with_asks(|session| session.handle_close(Instant::now(), end));
        self.peer.hub().app.note_parted(&memberships);
        asks.into_iter().for_each(|pending| pending.waiter.abandon());
        self.peer.hub().fanout.remove(&self.peer, memberships);
    }

    /// Logs that the peer begins to miss messages. In a client, the failing calls report it to the application.
    #[cold]
    pub(super) fn tell_missed(&mut self) {
        self.told_missed = true;
        let hub = self.peer.hub();
        if hub.role == Role::Client {
            return;
        }
        if let Some(unshown) = hub.missing.admit(Instant::now()) {
            let client = self.peer.client_ip().map(tracing::field::display);
            tracing::warn!(conn = &**self.peer.id(), client, unshown, "misses messages: it reads too slowly");
        }
    }

    /// Returns how the connection ended, for `on_closed`.
    pub(super) fn closed(&self) -> Closed {
        let frame = self.peer.end_reason();
        let by = match (&frame, self.peer_closed_first) {
            (_, true) => ClosedBy::Client,
            (Some(_), false) => ClosedBy::Server,
            (None, false) => ClosedBy::Loss,
        };
        let lasted = self.opened.elapsed();
        let (id, address, client_ip) = (self.peer.id().clone(), self.peer.address(), self.peer.client_ip());
        let missed = self.peer.missed();
        Closed { id, address, client_ip, lasted, frame, by, missed }
    }

    pub(super) fn lose_socket(&mut self) {
        self.peer.end(None);
        let mut tally = Tally::default();
        let socket = self.peer.outgoing().abandon(&mut tally);
        drop(socket);
        self.peer.hub().fanout.totals().add(&tally);
        self.is_lost = true;
    }
}

/// How long a drain waits for the answer to a close frame, after everything was passed to the kernel.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the close frame of a connection that does not read may take.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);
