//! What a node knows of its cluster, and what it decides. Pure.
//!
//! Envelopes, calls of this node and instants come in. What to do comes out, as [`Effects`]. There is no lock, clock, task or broker
//! in here: [`Node`](super::Node) has one lock around a [`State`], and carries the effects out without it.
//!
//! - `hear.rs`: what an envelope of another node leads to; `proofs.rs`: only if it is new, where envelopes are signed.
//! - `resend.rs`: what is requested of other nodes after a link was lost, and what they request.
//! - `effect.rs`: what is to be done; `timer.rs`: what is looked at again after a while.
//! - `asks.rs`, `counts.rs`: asks and counts that wait for answers; `probes.rs`: whether what is published comes back.
//! - `veiled.rs`: ids on channels of servers in Go; `tallies.rs`: the counters.

mod asks;
mod counts;
mod effect;
mod hear;
mod probes;
mod proofs;
mod resend;
mod tallies;
#[cfg(test)]
mod tests;
mod timer;
mod veiled;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::dialect::Dialect;
use super::super::gate::{Gate, Order};
use super::super::interest::Interest;
use super::super::kept::Kept;
use super::super::node_id::NodeId;
use super::super::others::Others;
use super::super::parcel::Parcel;
use super::super::queue::QueueLimits;
use super::super::resends::{Piece, Resends};
use crate::budget::Budget;
use asks::Asks;
pub(in crate::exchange) use counts::Answers;
use counts::Counts;
pub(super) use effect::{Effect, Effects, Notice};
pub(super) use hear::{Heard, Received};
use probes::Probes;
pub(super) use tallies::Tallies;
pub(super) use timer::Timer;
use veiled::Veiled;

#[derive(Debug)]
pub(in crate::exchange) struct State {
    id: NodeId,
    dialect: Dialect,
    /// The channel of this node alone.
    own_channel: Arc<str>,
    /// A random number.
    random: fn() -> u64,
    /// The number of the link that is heard.
    link: u32,
    pub(in crate::exchange) interest: Interest,
    veiled: Veiled,
    /// What this node has published lately.
    kept: Kept,
    pub(in crate::exchange) others: Others,
    /// What other nodes have requested.
    resends: Resends,
    /// Which signed envelopes of other nodes are new.
    gate: Gate,
    pub(super) asks: Asks,
    pub(super) counts: Counts,
    pub(super) probes: Probes,
    pub(in crate::exchange) tallies: Tallies,
}

impl State {
    /// Of a node that begins now.
    pub(super) fn new(
        (id, dialect): (NodeId, Dialect),
        (limits, budget): (QueueLimits, &Arc<Budget>),
        random: fn() -> u64,
        now: Instant,
    ) -> Self {
        let mut interest = Interest::default();
        let own_channel = dialect.of_server(id);
        for channel in [&dialect.of_servers(), &own_channel] {
            interest.add(channel);
        }
        Self {
            id,
            dialect,
            own_channel,
            random,
            link: 0,
            interest,
            veiled: Veiled::default(),
            kept: Kept::new(limits, budget.charge(0)),
            others: Others::new(budget.charge(0)),
            resends: Resends::new(now),
            gate: Gate::new(now, budget.charge(0)),
            asks: Asks::new(random()),
            counts: Counts::default(),
            probes: Probes::default(),
            tallies: Tallies::default(),
        }
    }

    // ---- the link

    /// The number of the next link; nothing that another one brings is heard from now on.
    pub(super) fn next_link(&mut self) -> u32 {
        self.link += 1;
        self.others.pause();
        self.link
    }

    /// A broker link is open, and nothing is subscribed to yet.
    pub(super) fn link_opened(&mut self, order: Order, now: Instant) {
        self.tallies.links += 1;
        self.gate.link_up(order, now);
    }

    /// The link is over, and so is what was asked of the broker and of other nodes over it.
    pub(super) fn link_lost(&mut self) {
        self.next_link();
        self.interest.link_down();
        self.resends.clear();
        self.probes.forget_lag();
    }

    // ---- what this node publishes

    /// The next piece of a resend that is due.
    pub(super) fn next_piece(&mut self, now: Instant) -> Option<Piece> {
        self.resends.next(&mut self.kept, now)
    }

    /// Keeps messages that are being published, for a while.
    pub(super) fn keep<'a>(&mut self, messages: impl IntoIterator<Item = (u64, &'a Parcel)>, now: Instant) {
        for (number, parcel) in messages {
            self.kept.push(number, parcel.clone(), now);
        }
    }

    pub(super) fn forget_old(&mut self, now: Instant) {
        self.kept.expire(now);
    }

    // ---- connections of this node

    /// A place with this channel has got a connection; true when the broker is to be told.
    pub(super) fn add_place(&mut self, channel: &Arc<str>, veiled_id: Option<&str>) -> bool {
        if let Some(id) = veiled_id {
            self.veiled.add(channel, id);
        }
        self.interest.add(channel)
    }

    /// A place with this channel has lost its last connection; true when the broker is to be told.
    pub(super) fn remove_place(&mut self, channel: &Arc<str>, veiled_id: Option<&str>) -> bool {
        if let Some(id) = veiled_id {
            self.veiled.remove(channel, id);
        }
        self.interest.remove(channel)
    }

    // ---- other nodes

    /// The nodes that live, if they were heard when they should have been.
    pub(super) fn lively(&self, now: Instant) -> Vec<NodeId> {
        self.others.heard_since(LIVELY, now)
    }

    /// Nodes that were silent for long count as gone.
    pub(super) fn forget_silent(&mut self, out: &mut Effects) {
        for id in self.others.expire(SILENCE, out.now) {
            out.push(Effect::Log(Notice::Left { id, reason: "it was silent for 10 s" }));
        }
        self.resends.keep(&self.others.remembered());
        self.gate.expire(out.now);
    }

    // ---- timers

    /// A timer has run out; what to wait for next.
    pub(super) fn handle_timer(&mut self, timer: Timer, out: &mut Effects) -> Option<Timer> {
        match timer {
            Timer::Resend { id, pause, ticks } => self.see_to_resend(id, (pause, ticks), out),
            Timer::Proof { id, nonce, repeats } => self.see_to_proof(id, (nonce, repeats), out),
        }
    }
}

/// After which silence another node is taken for gone.
const SILENCE: Duration = Duration::from_secs(10);
/// Within which time a node that lives has said so.
const LIVELY: Duration = Duration::from_secs(4);
