//! The knowledge of a node about its cluster, and its decisions. Pure.
//!
//! Envelopes, calls of this node and instants come in; [`Effects`] come out. There is no lock, clock, task or broker in here.
//! [`Node`](super::Node) has one lock around a [`NodeState`], and carries the effects out without it.
//!
//! - `hear.rs`: the effects of an envelope; `proofs.rs`: signed envelopes have effects only if they are new.
//! - `resend.rs`: requests for resends after a link was lost, and the answers.
//! - `effect.rs`: the effects; `timer.rs`: timers, which repeat requests and end waits.
//! - `asks.rs`, `counts.rs`: asks and counts that wait for answers; `probes.rs`: whether published probes come back.
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
    /// The channel of this node alone.
    own_channel: Arc<str>,
    /// A random number.
    random: fn() -> u64,
    /// The number of the link that is heard.
    link: u32,
    pub(in crate::exchange) interest: Interest,
    veiled: Veiled,
    /// Messages that this node has published lately.
    kept: Kept,
    pub(in crate::exchange) other_nodes: OtherNodes,
    /// Resends that other nodes have requested.
    resends: Resends,
    /// Which signed envelopes of other nodes are new.
    replay_guard: ReplayGuard,
    pub(super) asks: NodeAsks,
    pub(super) counts: OpenCounts,
    pub(super) probes: Probes,
    pub(in crate::exchange) tallies: Tallies,
}

impl NodeState {
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

    /// Returns the number of the next link. From now on, nothing that another link brings is heard.
    pub(super) fn next_link(&mut self) -> u32 {
        self.link += 1;
        self.other_nodes.pause();
        self.link
    }

    /// A broker link is open, and nothing is subscribed to yet.
    pub(super) fn link_opened(&mut self, order: Order, now: Instant) {
        self.tallies.links += 1;
        self.replay_guard.link_up(order, now);
    }

    /// The link has ended, and all calls to the broker and to other nodes over it.
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
    pub(super) fn keep<'a>(&mut self, messages: impl IntoIterator<Item = (u64, &'a Envelope)>, now: Instant) {
        for (number, envelope) in messages {
            self.kept.push(number, envelope.clone(), now);
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

    /// The nodes that were heard as lately as nodes that live are.
    pub(super) fn lively(&self, now: Instant) -> Vec<NodeId> {
        self.other_nodes.heard_since(LIVELY, now)
    }

    /// Nodes that were silent for long count as gone.
    pub(super) fn forget_silent(&mut self, out: &mut Effects) {
        for id in self.other_nodes.expire(SILENCE, out.now) {
            out.push(NodeEffect::Log(Notice::Left { id, reason: "it was silent for 10 s" }));
        }
        self.resends.keep(&self.other_nodes.remembered());
        self.replay_guard.expire(out.now);
    }

    // ---- timers

    /// A timer has run out. Returns the next one.
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
