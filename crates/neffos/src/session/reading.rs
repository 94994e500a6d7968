//! Backpressure: reading pauses when handlers are slow, memory is short, or the peer exceeds a rate. Pure.

use tokio::time::Instant;

use super::action::Action;
use super::limits::{Rules, SessionLimits};
use super::rates::{Meter, RateKind, RateVerdict};
use super::state::{EndStage, Excess, Session};
use crate::budget::Pressure;

/// Whether the connection reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    On,
    Paused,
    /// Memory is short.
    PausedForMemory,
}

impl<W> Session<W> {
    /// Returns whether the connection reads. While an ask is open, its reply must be read. `holds_bytes` states whether
    /// other parts of the connection hold unhandled input of the peer, or output that it does not read.
    pub(crate) fn reading(&mut self, pressure: Pressure, holds_bytes: bool, limits: &SessionLimits) -> Reading {
        if self.lacks_memory(pressure, holds_bytes, limits) {
            return Reading::PausedForMemory;
        }
        self.deadlines.has_memory();
        if self.deadlines.is_resting() {
            return Reading::Paused;
        }
        if self.stage != EndStage::Open || !self.inbox_is_full(1, 1, limits) {
            return Reading::On;
        }
        let is_paused = self.inbox_is_full(EVENTS_WHILE_ASKING, BYTES_WHILE_ASKING, limits) || self.pause_until_asked();
        if is_paused { Reading::Paused } else { Reading::On }
    }

    /// Returns whether there is nothing to do, and only memory could pause reading, until the next input.
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_at_work()
            && self.inbox.is_empty()
            && self.deadlines.is_waiting_for_nothing()
            && self.stage == EndStage::Open
            && !self.is_draining
    }

    /// Returns whether reading must pause because memory is short and the connection holds some of it.
    fn lacks_memory(&mut self, pressure: Pressure, holds_bytes: bool, limits: &SessionLimits) -> bool {
        let holds_some = match pressure {
            Pressure::Calm => false,
            Pressure::Tight => !self.inbox.is_empty(),
            Pressure::Over => {
                !self.inbox.is_empty() || holds_bytes || self.deadlines.is_stalled() || self.greeting.held() > 0
            }
        };
        holds_some && self.stage == EndStage::Open && (self.inbox_is_full(1, 1, limits) || self.pause_until_asked())
    }

    /// Pauses reading, unless the reply to a request must be read. The next request ends the pause.
    pub(super) fn pause_until_asked(&mut self) -> bool {
        self.pauses_until_asked = self.asks.is_empty();
        self.pauses_until_asked
    }

    /// Records at `now` that reading is paused, so that silence of the peer is not counted. Returns true if a pause for
    /// memory begins.
    pub(crate) fn handle_pause(&mut self, reading: Reading, now: Instant) -> bool {
        let begins = reading == Reading::PausedForMemory && self.deadlines.lacks_memory(now);
        self.deadlines.paused(now);
        begins
    }

    /// Returns whether the peer is within its rates. Otherwise no more frames are handled for now.
    pub(crate) fn is_within_rates(&self) -> bool {
        !self.deadlines.is_resting() && self.excess.is_none()
    }

    /// Returns the action after the peer has exceeded a rate.
    pub(crate) fn poll_rates(&mut self) -> Option<Action<W>> {
        Some(match self.excess.take()? {
            Excess::Pause(kind) => Action::CountPause(kind),
            Excess::Close => Action::CloseForRate,
        })
    }

    /// Records that bytes of the peer have arrived.
    pub(crate) fn handle_bytes(&mut self, count: usize, now: Instant, rules: &impl Rules) {
        self.deadlines.heard(now);
        self.count(RateKind::Bytes, count, now, rules);
    }

    /// Records that a frame of any type has arrived.
    pub(crate) fn count_frame(&mut self, now: Instant, rules: &impl Rules) {
        self.count(RateKind::Messages, 1, now, rules);
    }

    /// Records how many bytes of an unfinished message have arrived; `None` if there is no unfinished message.
    pub(crate) fn handle_unfinished(&mut self, begun: Option<usize>, now: Instant) {
        match begun {
            None => {
                self.deadlines.received();
                self.deadlines.heard(now);
            }
            Some(bytes) => self.deadlines.receiving(bytes, now),
        }
    }

    /// Records whether the socket accepted `some` bytes, and whether it is `stuck`: bytes wait that it does not accept.
    pub(crate) fn handle_written(&mut self, some: bool, stuck: bool, now: impl Fn() -> Instant) {
        if some || !stuck {
            self.deadlines.flowing();
        }
        if some && stuck {
            self.deadlines.progressed(now());
        }
        if stuck {
            self.deadlines.stalled(now());
        }
    }

    /// Counts input of the peer. Reading pauses if the peer exceeds a rate.
    pub(super) fn count(&mut self, kind: RateKind, count: usize, now: Instant, rules: &impl Rules) {
        let rates = &rules.limits().rates;
        if !rates.are_limited() || self.stage != EndStage::Open {
            return;
        }
        let meter = self.meter.get_or_insert_with(|| Box::new(Meter::new(now)));
        match meter.count(kind, u32::try_from(count).unwrap_or(u32::MAX), now, rates) {
            RateVerdict::Allowed => {}
            RateVerdict::Pause(until) => {
                if self.deadlines.rest_until(until) {
                    self.excess.get_or_insert(Excess::Pause(kind));
                }
            }
            RateVerdict::Exceeded => self.excess = Some(Excess::Close),
        }
    }

    /// Returns whether the queued events reach `events` times their limit, or their bytes `bytes` times theirs. A limit
    /// of zero is none.
    fn inbox_is_full(&self, events: usize, bytes: usize, limits: &SessionLimits) -> bool {
        let reaches = |queued: usize, limit: usize, times| limit > 0 && queued >= limit.saturating_mul(times);
        reaches(self.inbox.len(), limits.max_inbox_events, events)
            || reaches(self.inbox.bytes(), limits.max_inbox_bytes, bytes)
    }
}

/// The factors of both limits while an ask is open, since its reply may arrive after the events.
const EVENTS_WHILE_ASKING: usize = 16;
const BYTES_WHILE_ASKING: usize = 4;
