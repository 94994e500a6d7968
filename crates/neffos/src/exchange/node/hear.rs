//! Envelopes of other nodes: `state/hear.rs` decides on their effects, and this file performs them.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::super::dialect::Form;
use super::super::draft::{Decoded, Fault, What};
use super::super::envelope::Envelope;
use super::super::go;
use super::super::native::{self, Body};
use super::super::node_id::NodeId;
use super::super::replays::{HeldEnvelope, Order};
use super::state::{Effects, FromLink, FromNode, NodeEffect, Notice, Timer};
use super::{Node, Selection};
use crate::fanout::Except;

/// A pause of a node that must end.
type Ended = (NodeId, u64);

impl Node {
    /// Handles an envelope that arrived over link number `link`.
    pub(in crate::exchange) fn receive(self: &Arc<Self>, link: u32, channel: &str, payload: &Bytes) {
        let arrival = self.read(channel, payload);
        let ended = {
            let _delivering = self.deliver();
            match arrival {
                Ok(Decoded { from, what }) => {
                    let mut effects = Effects::at(Instant::now());
                    self.state().receive(FromLink { link, from, channel, what, size: payload.len() }, &mut effects);
                    self.perform(effects)
                }
                Err(fault) => return self.reject(link, channel, &fault),
            }
        };
        self.resume(ended);
    }

    fn read(&self, channel: &str, payload: &Bytes) -> Result<Decoded, Fault> {
        let is_of_servers = self.own_channels.iter().any(|own| **own == *channel);
        match self.dialect.form() {
            Form::Go(_) if !is_of_servers => match self.answered_on(channel) {
                Some(token) => go::read_answer(payload, &token),
                None => go::read(payload),
            },
            _ => native::read(channel, payload, self.dialect.key()),
        }
    }

    fn reject(&self, link: u32, channel: &str, fault: &Fault) {
        let is_heard = self.state().reject(link);
        if is_heard {
            tracing::debug!(channel, ?fault, "dropped what another server seems to have written");
            self.tell_stranger(fault);
        }
    }

    /// Warns about an envelope that does not belong to this cluster. The line contains no text from the envelope.
    fn tell_stranger(&self, fault: &Fault) {
        let reason = match fault {
            Fault::Unsigned if self.dialect.key().is_some() => "it is not signed with this server's cluster key",
            Fault::Unsigned => "it is signed with a cluster key, and this server has none",
            Fault::Unknown => "it is of another version, or of another program",
            Fault::Broken => "it is broken",
        };
        if let Some(unshown) = self.notices.strangers.admit(Instant::now()) {
            tracing::warn!(
                reason,
                unshown,
                "dropped an envelope: another server or program uses the same broker and prefix, and does not belong to this cluster"
            );
        }
    }

    // ---- the effects of the state

    /// Performs effects in order. Returns the pauses that end with them; the caller ends these when no other delivery
    /// runs.
    #[must_use]
    fn perform(self: &Arc<Self>, effects: Effects) -> Vec<Ended> {
        if effects.wakes {
            self.heard.notify_waiters();
        }
        let (now, mut ended) = (effects.now, Vec::new());
        for effect in effects {
            match effect {
                NodeEffect::Act { from, what } => self.act(from, what),
                NodeEffect::Tell { to, body } => self.control(&self.dialect.of_server(to), &body),
                NodeEffect::Read { from, envelopes, ends } => ended.extend(self.take_piece(from, &envelopes, ends)),
                NodeEffect::Accept(held) => ended.extend(self.accept(held)),
                NodeEffect::NoteRequest { from, gap } => {
                    let until = self.queue().last_published();
                    self.state().note_request(from, gap, until, now);
                    self.queue_changed.notify_one();
                }
                // The task that asked may have ended.
                NodeEffect::Answer { waiter, answer } => drop(waiter.send(answer)),
                NodeEffect::Complete(waiter) => drop(waiter.send(())),
                NodeEffect::Resume { id, pause } => ended.push((id, pause)),
                NodeEffect::Start(timer) => drop(self.runtime.spawn(run(Arc::downgrade(self), timer))),
                NodeEffect::Log(notice) => self.log(&notice),
            }
        }
        ended
    }

    /// Ends pauses: delivers held messages before any later message of a link.
    fn resume(self: &Arc<Self>, ended: Vec<Ended>) {
        for (id, pause) in ended {
            let _alone = self.deliver_alone();
            let mut effects = Effects::at(Instant::now());
            self.state().resume(id, pause, &mut effects);
            // Held messages end no pause.
            drop(self.perform(effects));
        }
    }

    /// Delivers a message of a node to connections of this server, or answers its request about them.
    fn act(self: &Arc<Self>, from: Option<NodeId>, what: What) {
        match (what, from) {
            (What::Broadcast { messages, except }, _) => {
                if let Some(here) = self.here() {
                    here.deliver(messages, &except.map_or(Except::Nobody, Except::Id));
                }
            }
            (What::Ask(ask), from) => self.ask_here(from, ask),
            (What::Close { id, frame }, _) => {
                if let Some(here) = self.here() {
                    here.close(&id, &frame);
                }
            }
            (What::Count { token, namespace, room, id }, Some(from)) => {
                let count =
                    self.own_count(Selection { namespace: &namespace, room: room.as_deref(), id: id.as_deref() });
                self.control(&self.dialect.of_server(from), &Body::Counted { token, count });
            }
            (What::Hello { .. }, Some(from)) => {
                let connections = self.own_connections();
                self.control(&self.dialect.of_server(from), &Body::Alive { connections });
            }
            // The state has handled the rest.
            _ => {}
        }
    }

    /// Reads a piece of a resend, and handles its messages.
    fn take_piece(self: &Arc<Self>, from: NodeId, envelopes: &[Envelope], ends: Option<u64>) -> Vec<Ended> {
        let mut ended = Vec::new();
        for Envelope { channel, payload } in envelopes {
            let arrival = native::read(channel, payload, self.dialect.key()).ok();
            let mut effects = Effects::at(Instant::now());
            self.state().take_resent(from, channel, arrival, &mut effects);
            ended.extend(self.perform(effects));
        }
        let mut effects = Effects::at(Instant::now());
        self.state().end_piece(from, ends, &mut effects);
        ended.extend(self.perform(effects));
        ended
    }

    fn accept(self: &Arc<Self>, HeldEnvelope { from, channel, what, size }: HeldEnvelope) -> Vec<Ended> {
        let mut effects = Effects::at(Instant::now());
        self.state().accept(FromNode { from, channel: &channel, what, size }, &mut effects);
        self.perform(effects)
    }

    fn log(&self, notice: &Notice) {
        match notice {
            Notice::Joined(id) => {
                if let Some(unshown) = self.notices.members.admit(Instant::now()) {
                    tracing::info!(node = %id, servers = self.census().servers + 1, unshown, "a server joined the cluster");
                }
            }
            Notice::Left { id, reason } => {
                if let Some(unshown) = self.notices.members.admit(Instant::now()) {
                    let servers = self.census().servers + 1;
                    tracing::info!(node = %id, reason, servers, unshown, "a server left the cluster");
                }
            }
            Notice::Missed { from, count, total } => {
                tracing::warn!(node = %from, count, total, "missed messages of another server: it keeps them no longer");
            }
            Notice::Replayed { from, total } => {
                tracing::warn!(node = %from, total, "dropped replayed envelopes, or those of a node that does not answer");
            }
        }
    }

    // ---- calls of the link's task

    /// Records that a broker link is open, without subscriptions yet.
    pub(in crate::exchange) fn link_opened(&self, order: Order) {
        self.state().link_opened(order, Instant::now());
    }

    /// Requests a resend from every node known before, over a new link.
    pub(in crate::exchange) fn request_resends(self: &Arc<Self>) {
        let mut effects = Effects::at(Instant::now());
        self.state().request_resends(&mut effects);
        self.finish(effects);
    }

    pub(in crate::exchange) fn forget_silent(self: &Arc<Self>) {
        let mut effects = Effects::at(Instant::now());
        self.state().forget_silent(&mut effects);
        self.finish(effects);
    }

    /// Performs effects, and ends the pauses that end with them.
    fn finish(self: &Arc<Self>, effects: Effects) {
        let ended = self.perform(effects);
        self.resume(ended);
    }
}

/// Passes a timer to the state whenever it has expired.
async fn run(node: Weak<Node>, timer: Timer) {
    let mut next = Some(timer);
    while let Some(timer) = next {
        sleep(timer.wait()).await;
        let Some(node) = node.upgrade() else { return };
        let mut effects = Effects::at(Instant::now());
        next = node.state().handle_timer(timer, &mut effects);
        node.finish(effects);
    }
}
