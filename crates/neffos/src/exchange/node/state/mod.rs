//! The knowledge of a node about its cluster, and its decisions. Pure.
//!
//! Envelopes, calls of this node and instants come in; [`Effects`] come out. This module has no lock, clock, task or
//! broker. [`Node`](super::Node) has one lock around a [`NodeState`], and performs the effects after it has released
//! the lock.
//!
//! - `hear.rs`: the effects of an envelope; `proofs.rs`: the check that signed envelopes are new.
//! - `resend.rs`: requests for resends after a link was lost, and the answers.
//! - `effect.rs`: the effects; `timer.rs`: timers, which repeat requests and end waits.
//! - `asks.rs`, `counts.rs`: open asks and counts; `probes.rs`: whether published probes return.
//! - `veiled.rs`: ids on shared channels of Go servers; `tallies.rs`: the counters.

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
use super::super::envelope::Envelope;
use super::super::interest::Interest;
use super::super::kept::Kept;
use super::super::node_id::NodeId;
use super::super::other_nodes::OtherNodes;
use super::super::queue::QueueLimits;
use super::super::replays::{Order, ReplayGuard};
use super::super::resends::{Piece, Resends};
use crate::budget::Budget;
use asks::NodeAsks;
pub(in crate::exchange) use counts::Answers;
use counts::OpenCounts;
pub(super) use effect::{Effects, NodeEffect, Notice};
pub(super) use hear::{FromLink, FromNode};
use probes::Probes;
pub(super) use tallies::Tallies;
pub(super) use timer::Timer;
use veiled::Veiled;

#[derive(Debug)]
pub(in crate::exchange) struct NodeState {
    id: NodeId,
    dialect: Dialect,
    /// The channel of only this node.
    own_channel: Arc<str>,
    /// Returns a random number.
    random: fn() -> u64,
    /// The number of the current link.
    link: u32,
    pub(in crate::exchange) interest: Interest,
    veiled: Veiled,
    /// Recently published messages.
    kept: Kept,
    pub(in crate::exchange) other_nodes: OtherNodes,
    /// The resends that other nodes have requested.
    resends: Resends,
    /// Detects replayed envelopes of other nodes.
    replay_guard: ReplayGuard,
    pub(super) asks: NodeAsks,
    pub(super) counts: OpenCounts,
    pub(super) probes: Probes,
    pub(in crate::exchange) tallies: Tallies,
}

impl NodeState {
    /// Creates the state of a node that starts now.
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
            other_nodes: OtherNodes::new(budget.charge(0)),
            resends: Resends::new(now),
            replay_guard: ReplayGuard::new(now, budget.charge(0)),
            asks: NodeAsks::new(random()),
            counts: OpenCounts::default(),
            probes: Probes::default(),
            tallies: Tallies::default(),
        }
    }

    // ---- the link

    /// Returns the number of the next link. From now on, envelopes of any other link are ignored.
    pub(super) fn next_link(&mut self) -> u32 {
        self.link += 1;
        self.other_nodes.pause();
        self.link
    }

    /// Records that a broker link is open, without subscriptions yet.
    pub(super) fn link_opened(&mut self, order: Order, now: Instant) {
        self.tallies.links += 1;
        self.replay_guard.link_up(order, now);
    }

    /// Ends the link, and all requests over it to the broker and to other nodes.
    pub(super) fn link_lost(&mut self) {
        self.next_link();
        self.interest.link_down();
        self.resends.clear();
        self.probes.forget_lag();
    }

    // ---- publications of this node

    /// Returns the next due piece of a resend.
    pub(super) fn next_piece(&mut self, now: Instant) -> Option<Piece> {
        self.resends.next(&mut self.kept, now)
    }

    /// Keeps messages that are being published, for resends.
    pub(super) fn keep<'a>(&mut self, messages: impl IntoIterator<Item = (u64, &'a Envelope)>, now: Instant) {
        for (number, envelope) in messages {
            self.kept.push(number, envelope.clone(), now);
        }
    }

    pub(super) fn forget_old(&mut self, now: Instant) {
        self.kept.expire(now);
    }

    // ---- connections of this node

    /// Adds a place with this channel, which has got a connection. Returns true if the broker needs a request.
    pub(super) fn add_place(&mut self, channel: &Arc<str>, veiled_id: Option<&str>) -> bool {
        if let Some(id) = veiled_id {
            self.veiled.add(channel, id);
        }
        self.interest.add(channel)
    }

    /// Removes a place with this channel, which has lost its last connection. Returns true if the broker needs a
    /// request.
    pub(super) fn remove_place(&mut self, channel: &Arc<str>, veiled_id: Option<&str>) -> bool {
        if let Some(id) = veiled_id {
            self.veiled.remove(channel, id);
        }
        self.interest.remove(channel)
    }

    // ---- other nodes

    /// Returns the nodes that have been heard recently enough to be alive.
    pub(super) fn lively(&self, now: Instant) -> Vec<NodeId> {
        self.other_nodes.heard_since(LIVELY, now)
    }

    /// Marks nodes that were silent for long as gone.
    pub(super) fn forget_silent(&mut self, out: &mut Effects) {
        for id in self.other_nodes.expire(SILENCE, out.now) {
            out.push(NodeEffect::Log(Notice::Left { id, reason: "it was silent for 10 s" }));
        }
        self.resends.keep(&self.other_nodes.remembered());
        self.replay_guard.expire(out.now);
    }

    // ---- timers

    /// Handles an expired timer. Returns the next one.
    pub(super) fn handle_timer(&mut self, timer: Timer, out: &mut Effects) -> Option<Timer> {
        match timer {
            Timer::Resend { id, pause, ticks } => self.see_to_resend(id, (pause, ticks), out),
            Timer::Proof { id, nonce, repeats } => self.see_to_proof(id, (nonce, repeats), out),
        }
    }
}

/// The silence after which another node counts as gone.
const SILENCE: Duration = Duration::from_secs(10);
/// The longest time between two reports of a live node, with a margin.
const LIVELY: Duration = Duration::from_secs(4);
