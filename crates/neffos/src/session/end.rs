//! Deadlines, and the stages of a connection's end. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::action::Action;
use super::asks::OpenAsk;
use super::deadlines::{Due, EndLimits};
use super::limits::SessionLimits;
use super::membership::Memberships;
use super::state::{EndStage, Session, Work};
use super::teardown::Teardown;
use crate::time_limit;

impl<W> Session<W> {
    /// Returns whether the end has not begun.
    pub(crate) fn is_open(&self) -> bool {
        self.stage == EndStage::Open
    }

    /// Returns whether all handlers have been notified of the end.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == EndStage::Over
    }

    /// Begins the end: open asks fail, and no more broadcasts arrive. Returns the open asks and the memberships.
    pub(crate) fn handle_close(&mut self, now: Instant, limits: EndLimits) -> (Vec<OpenAsk<W>>, Memberships) {
        self.stage = EndStage::Ending;
        self.deadlines.end(now, limits);
        (self.asks.close_all(), self.membership.all().clone())
    }

    /// Sets the latest close of the socket, when the kernel has all bytes.
    pub(crate) fn end_socket_by(&mut self, latest: Instant) {
        self.deadlines.end_socket_by(latest);
    }

    pub(super) fn begin_teardown(&mut self) -> Option<Action<W>> {
        self.stage = EndStage::Telling;
        let teardown = Teardown::new(self.membership.take(), self.is_admitted);
        self.continue_teardown(Box::new(teardown))
    }

    pub(super) fn continue_teardown(&mut self, mut teardown: Box<Teardown>) -> Option<Action<W>> {
        let action = teardown.next();
        match action {
            Some(_) => self.work = Work::Teardown(teardown),
            None => self.stage = EndStage::Over,
        }
        action
    }

    /// Stops handlers that took too long after the end. The handlers of the end may take `grace`.
    pub(crate) fn give_up_handlers(&mut self, now: Instant, grace: Duration) {
        self.inbox.clear();
        self.work = Work::None;
        match self.stage {
            EndStage::Telling => self.stage = EndStage::Over,
            _ => self.deadlines.end_handlers(time_limit::end(now, grace)),
        }
    }

    /// Returns when to call [`Session::handle_timeout`].
    pub(crate) fn next_timeout(&self, limits: &SessionLimits) -> Option<Instant> {
        self.deadlines.next(limits)
    }

    /// Returns the deadline that has passed at `now`, if there is one.
    pub(crate) fn handle_timeout(&mut self, now: Instant, limits: &SessionLimits) -> Option<Due> {
        let due = self.deadlines.due(now, limits)?;
        if due == Due::Ping {
            self.meter.take_if(|meter| meter.is_idle(now));
        }
        Some(due)
    }

    /// Returns the approximate number of unhandled bytes of the peer.
    pub(crate) fn unhandled(&self) -> usize {
        let may_be_opening = self.deadlines.is_opening() || self.stage != EndStage::Open;
        let opening = if may_be_opening { self.greeting.held() } else { 0 };
        self.inbox.bytes() + opening
    }

    /// Drops the unhandled messages.
    pub(crate) fn clear(&mut self) {
        self.inbox.clear();
        self.greeting.clear();
    }

    /// Drops everything, because the connection's task has ended.
    pub(crate) fn forget(&mut self) {
        self.clear();
        self.work = Work::None;
        drop(self.membership.take());
    }
}
