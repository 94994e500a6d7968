//! The effects of an arriving envelope. Pure.

use std::sync::Arc;

use super::super::super::dialect::Form;
use super::super::super::draft::{NodeAsk, NodeSender, What};
use super::super::super::node_id::NodeId;
use super::super::super::other_nodes::Freshness;
use super::super::super::progress::{Gap, Turn};
use super::{Effects, NodeEffect, NodeState, Notice};
use crate::fanout::Place;
use crate::message::Message;

/// A decoded envelope that arrived over a link.
#[derive(Debug)]
pub(in crate::exchange) struct FromLink<'a> {
    /// The number of the link.
    pub(in crate::exchange) link: u32,
    /// `None` if a Go server wrote it.
    pub(in crate::exchange) from: Option<NodeSender>,
    pub(in crate::exchange) channel: &'a str,
    pub(in crate::exchange) what: What,
    pub(in crate::exchange) size: usize,
}

/// A new envelope of another node.
#[derive(Debug)]
pub(in crate::exchange) struct FromNode<'a> {
    pub(in crate::exchange) from: NodeSender,
    pub(in crate::exchange) channel: &'a str,
    pub(in crate::exchange) what: What,
    pub(in crate::exchange) size: usize,
}

impl NodeState {
    /// Handles an envelope that arrived over a link, unless the link has ended.
    pub(in crate::exchange) fn receive(&mut self, received: FromLink<'_>, out: &mut Effects) {
        let FromLink { link, from, channel, what, size } = received;
        if link != self.link {
            return;
        }
        let Some(from) = from else {
            self.tallies.received += 1;
            return self.take(None, channel, what, out);
        };
        if from.id == self.id {
            return self.take_own(&what, out);
        }
        let heard = FromNode { from, channel, what, size };
        match (self.dialect.key(), from.seal) {
            (None, _) => self.accept(heard, out),
            (Some(_), Some(_)) => self.hear_signed(heard, out),
            (Some(_), None) => self.hear_unsigned(heard, out),
        }
    }

    /// Counts an invalid envelope. Returns false if the link has ended.
    pub(in crate::exchange) fn reject(&mut self, link: u32) -> bool {
        let is_heard = link == self.link;
        self.tallies.rejected += u64::from(is_heard);
        is_heard
    }

    /// Handles an envelope of this node that came back. Its own connections already have the message.
    fn take_own(&mut self, what: &What, out: &mut Effects) {
        if let What::Probe { number } = what {
            self.probes.note_returned(*number, out.now);
            out.wakes = true;
        }
    }

    /// Handles a new envelope.
    pub(in crate::exchange) fn accept(&mut self, heard: FromNode<'_>, out: &mut Effects) {
        let from = heard.from;
        let was_known = self.other_nodes.knows(from.id);
        let freshness = self.other_nodes.hear(from, self.link, out.now);
        if !was_known && self.other_nodes.knows(from.id) {
            out.push(NodeEffect::Log(Notice::Joined(from.id)));
        }
        self.count_missed(from.id, out);
        match freshness {
            Freshness::Fresh => {}
            Freshness::Behind => self.request_resend(from.id, out),
            Freshness::Stale => return self.tallies.stale += 1,
        }
        if self.is_answer(heard.channel, &heard.what) {
            self.other_nodes.note_answer(from.id, self.link);
        }
        out.wakes = true;
        self.tallies.received += 1;
        self.take_in_turn(heard, out);
    }

    /// Handles a message in the form of Go servers, which has no place for a signature.
    fn hear_unsigned(&mut self, FromNode { from, channel, what, .. }: FromNode<'_>, out: &mut Effects) {
        if self.other_nodes.is_stale(from) {
            return self.tallies.stale += 1;
        }
        self.tallies.received += 1;
        self.take(Some(from.id), channel, what, out);
    }

    /// Handles an envelope of another node, unless earlier messages of that node are missing.
    fn take_in_turn(&mut self, FromNode { from, channel, what, size }: FromNode<'_>, out: &mut Effects) {
        let (id, sequence) = (from.id, from.sequence);
        match what {
            What::Resent { envelopes, ends } => out.push(NodeEffect::Read { from: id, envelopes, ends }),
            what if sequence.is_message => match self.other_nodes.take((id, sequence.number), channel, what, size) {
                Turn::Now(what) => self.take(Some(id), channel, what, out),
                Turn::TooMuch(pause) => out.push(NodeEffect::Resume { id, pause }),
                Turn::Later(_) | Turn::Done => {}
            },
            what => self.take(Some(id), channel, what, out),
        }
    }

    /// Returns whether this answers a greeting. An answer goes only to the greeting node; a regular report goes to all
    /// nodes.
    fn is_answer(&self, channel: &str, what: &What) -> bool {
        matches!(what, What::Alive { .. }) && self.is_direct(channel)
    }

    /// Returns whether a channel belongs only to this node. Its name contains the random name of the node, and the
    /// signature covers it.
    pub(super) fn is_direct(&self, channel: &str) -> bool {
        *self.own_channel == *channel
    }

    pub(super) fn take(&mut self, from: Option<NodeId>, channel: &str, what: What, out: &mut Effects) {
        match (what, from) {
            (What::Broadcast { messages, except }, _) => {
                let messages = self.all_readdressed(channel, messages);
                out.act(from, What::Broadcast { messages, except });
            }
            (What::Ask(ask), _) => self.take_ask(from, channel, ask, out),
            (What::Answer { token, message: answer }, _) => {
                if let Some(waiter) = self.asks.close(&token) {
                    out.push(NodeEffect::Answer { waiter, answer });
                }
            }
            (what @ What::Close { .. }, _) | (what @ What::Count { .. }, Some(_)) => out.act(from, what),
            (what, Some(id)) => self.take_word(id, what, out),
            // Go servers send none of the others.
            _ => {}
        }
    }

    /// Handles an envelope without a message.
    fn take_word(&mut self, id: NodeId, what: What, out: &mut Effects) {
        match what {
            What::Hello { connections } => {
                self.other_nodes.count(id, connections, out.now);
                out.act(Some(id), what);
            }
            What::Alive { connections } => self.other_nodes.count(id, connections, out.now),
            What::Bye => {
                let was_known = self.other_nodes.leave(id);
                if was_known {
                    out.push(NodeEffect::Log(Notice::Left { id, reason: "it ended" }));
                }
            }
            What::Counted { token, count } => {
                self.counts
                    .note(token, id, count)
                    .into_iter()
                    .for_each(|waiter| out.push(NodeEffect::Complete(waiter)));
            }
            What::RequestResend { pause, after } => {
                out.push(NodeEffect::NoteRequest { from: id, gap: Gap { pause, after } });
            }
            What::NotKept { until } => {
                self.other_nodes.progress(id).into_iter().for_each(|progress| progress.note_not_kept(until));
            }
            // Only the node that sent a probe needs it. The others were handled before.
            _ => {}
        }
    }

    /// Asks connections of this node, unless too many asks of other nodes wait for them.
    fn take_ask(&mut self, from: Option<NodeId>, channel: &str, ask: NodeAsk, out: &mut Effects) {
        let NodeAsk { token, message, patience } = ask;
        // Over the Go dialects, an ask of this node comes back without the node's name, perhaps after its answer.
        if from.is_none() && self.asks.is_own(&token) {
            return;
        }
        for message in self.readdressed(channel, message) {
            if !self.asks.begin_answer() {
                return self.tallies.rejected += 1;
            }
            out.act(from, What::Ask(NodeAsk { token: token.clone(), message, patience }));
        }
    }

    fn all_readdressed(&self, channel: &str, messages: Vec<Message>) -> Vec<Message> {
        if self.dialect.form() == Form::Native {
            return messages;
        }
        messages.into_iter().flat_map(|message| self.readdressed(channel, message)).collect()
    }

    /// Adds the receiver to a message that a Go server has sent to an id, since only the channel names it.
    fn readdressed(&self, channel: &str, message: Message) -> Vec<Message> {
        let namespace = Place::Namespace(message.namespace());
        let is_marked = self.dialect.form() == Form::Native || message.recipient().is_some();
        let says_itself = is_marked || *self.dialect.of_place(&namespace) == *channel;
        if says_itself {
            return vec![message];
        }
        let veiled = self.veiled.over(channel);
        let plain = self.dialect.id_of(channel).filter(|plain| veiled.iter().all(|id| **id != **plain)).map(Arc::from);
        let to = |id: Arc<str>| message.clone().to(id);
        veiled.into_iter().chain(plain).map(to).collect()
    }
}
