//! What the others say, and what this server does about it.

use std::sync::Arc;

use bytes::Bytes;
use smol_str::SmolStr;
use tokio::time::Instant;

use super::super::dialect::Form;
use super::super::draft::{Arrival, Fault, Sender, What};
use super::super::envelope::{self, Body};
use super::super::go;
use super::super::node_id::NodeId;
use super::super::others::Freshness;
use super::super::progress::Gap;
use super::{Node, Selection};
use crate::fanout::{Except, Place};
use crate::lock::lock;
use crate::message::Message;

/// An envelope of another node that has arrived.
#[derive(Debug)]
pub(super) struct Heard<'a> {
    pub(super) from: Sender,
    pub(super) channel: &'a str,
    pub(super) what: What,
    pub(super) size: usize,
}

impl Node {
    /// Takes what link number `link` has brought.
    pub(in crate::exchange) fn receive(self: &Arc<Self>, link: u32, channel: &str, payload: &Bytes) {
        for (id, pause) in self.hear(link, channel, payload) {
            self.resume(id, pause);
        }
    }

    /// Names the nodes whose pauses end with this, and which pauses.
    fn hear(self: &Arc<Self>, link: u32, channel: &str, payload: &Bytes) -> Vec<(NodeId, u64)> {
        let Some(_hearing) = self.hearing(link) else { return Vec::new() };
        let Arrival { from, what } = match self.read(channel, payload) {
            Ok(arrival) => arrival,
            Err(fault) => {
                self.tallies.rejected.add(1);
                tracing::debug!(channel, ?fault, "dropped what another server seems to have written");
                self.tell_stranger(&fault);
                return Vec::new();
            }
        };
        let Some(from) = from else {
            self.tallies.received.add(1);
            self.take(None, channel, what);
            return Vec::new();
        };
        if from.id == self.id {
            self.take_own(&what);
            return Vec::new();
        }
        let heard = Heard { from, channel, what, size: payload.len() };
        match (self.dialect.key(), from.seal) {
            (None, _) => self.accept(link, heard).into_iter().collect(),
            (Some(_), Some(_)) => self.hear_signed(link, heard),
            (Some(_), None) => {
                self.hear_unsigned(heard);
                Vec::new()
            }
        }
    }

    /// Warns of an envelope that is none of this cluster. Its writer chooses no word of the line.
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

    /// Hears an envelope that is new. Names a pause that ends with it.
    pub(super) fn accept(self: &Arc<Self>, link: u32, heard: Heard<'_>) -> Option<(NodeId, u64)> {
        let from = heard.from;
        let (freshness, has_joined, missed) = {
            let mut others = lock(&self.others);
            let was_known = others.knows(from.id);
            let freshness = others.hear(from, link, Instant::now());
            (freshness, !was_known && others.knows(from.id), others.take_missed(from.id))
        };
        if has_joined {
            self.tell_joined(from.id);
        }
        self.note_missed(from.id, missed);
        match freshness {
            Freshness::Fresh => {}
            Freshness::Behind => self.request_resend(from.id),
            Freshness::Stale => {
                self.tallies.stale.add(1);
                return None;
            }
        }
        if self.is_answer(heard.channel, &heard.what) {
            lock(&self.others).note_answer(from.id, link);
        }
        self.heard.notify_waiters();
        self.tallies.received.add(1);
        self.take_in_turn(heard)
    }

    /// Hears a message in the form of servers in Go, which has no place for a signature.
    fn hear_unsigned(self: &Arc<Self>, Heard { from, channel, what, .. }: Heard<'_>) {
        if lock(&self.others).is_stale(from) {
            return self.tallies.stale.add(1);
        }
        self.tallies.received.add(1);
        self.take(Some(from.id), channel, what);
    }

    fn read(&self, channel: &str, payload: &Bytes) -> Result<Arrival, Fault> {
        let is_of_servers = self.own_channels.iter().any(|own| **own == *channel);
        match self.dialect.form() {
            Form::Go(_) if !is_of_servers => match self.answered_on(channel) {
                Some(token) => go::read_answer(payload, &token),
                None => go::read(payload),
            },
            _ => envelope::read(channel, payload, self.dialect.key()),
        }
    }

    /// A greeting is answered to who has greeted alone; else a server says to all that it lives.
    fn is_answer(&self, channel: &str, what: &What) -> bool {
        matches!(what, What::Alive { .. }) && self.is_direct(channel)
    }

    /// Whether a channel is that of this node alone. Its name holds the random name of the node, and the signature covers it.
    pub(super) fn is_direct(&self, channel: &str) -> bool {
        *self.own_channels[1] == *channel
    }

    /// This server's own echo: everyone here has got it already.
    fn take_own(&self, what: &What) {
        if let What::Probe { number } = what {
            lock(&self.probes).note_returned(*number, Instant::now());
            self.heard.notify_waiters();
        }
    }

    pub(super) fn take(self: &Arc<Self>, from: Option<NodeId>, channel: &str, what: What) {
        match (what, from) {
            (What::Broadcast { messages, except }, _) => self.deliver(channel, messages, except),
            (What::Ask(question), from) => self.take_question(from, channel, question),
            (What::Answer { token, message }, _) => self.take_answer(&token, message),
            (What::Hello { connections }, Some(id)) => {
                lock(&self.others).count(id, connections, Instant::now());
                let connections = self.own_connections();
                self.control(&self.dialect.of_server(id), &Body::Alive { connections });
            }
            (What::Alive { connections }, Some(id)) => lock(&self.others).count(id, connections, Instant::now()),
            (What::Bye, Some(id)) => {
                let was_known = lock(&self.others).leave(id);
                if was_known {
                    self.tell_left(id, "it ended");
                }
            }
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
            (What::Counted { token, count }, Some(id)) => lock(&self.counts).note(token, id, count),
            (What::RequestResend { pause, after }, Some(id)) => self.resend(id, Gap { pause, after }),
            (What::NotKept { until }, Some(id)) => {
                lock(&self.others).progress(id).into_iter().for_each(|progress| progress.note_not_kept(until));
            }
            // A probe is of interest to who sent it; the rest comes from nobody.
            _ => {}
        }
    }

    fn deliver(&self, channel: &str, messages: Vec<Message>, except: Option<SmolStr>) {
        let Some(here) = self.here() else { return };
        let except = except.map_or(Except::Nobody, Except::Id);
        let messages = messages.into_iter().flat_map(|message| self.readdressed(channel, message)).collect();
        here.deliver(messages, &except);
    }

    /// What a server in Go has sent to an id says so only by its channel.
    pub(super) fn readdressed(&self, channel: &str, message: Message) -> Vec<Message> {
        let namespace = Place::Namespace(message.namespace());
        let is_marked = self.dialect.form() == Form::Native || message.recipient().is_some();
        let says_itself = is_marked || *self.dialect.of_place(&namespace) == *channel;
        if says_itself {
            return vec![message];
        }
        let veiled = lock(&self.veiled).over(channel);
        let plain = self.dialect.id_of(channel).filter(|plain| veiled.iter().all(|id| **id != **plain)).map(Arc::from);
        let to = |id: Arc<str>| Message { recipient: Some((*id).into()), ..message.clone() };
        veiled.into_iter().chain(plain).map(to).collect()
    }
}
