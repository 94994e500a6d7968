//! What a node is to do after something has happened. Pure.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::super::draft::What;
use super::super::super::envelope::Body;
use super::super::super::gate::Held;
use super::super::super::node_id::NodeId;
use super::super::super::parcel::Parcel;
use super::super::super::progress::Gap;
use super::timer::Timer;
use crate::message::Message;

/// What to do, in this order, after something happened at an instant.
#[derive(Debug)]
pub(in crate::exchange) struct Effects {
    pub(in crate::exchange) now: Instant,
    /// Another node was heard, or a probe has come back: tasks that wait for that look again.
    pub(in crate::exchange) wakes: bool,
    /// Most envelopes have one effect, which needs no allocation.
    first: Option<Effect>,
    rest: Vec<Effect>,
}

#[derive(Debug)]
pub(in crate::exchange) enum Effect {
    /// Do what a node says to connections of this node, or answer what it asks about them. No node is named when a server in Go
    /// says it.
    Act {
        from: Option<NodeId>,
        what: What,
    },
    /// Tell a node something about this one, before all messages.
    Tell {
        to: NodeId,
        body: Body<'static>,
    },
    /// Read resent messages, and hand each to [`State::take_resent`](super::State::take_resent).
    Read {
        from: NodeId,
        parcels: Vec<Parcel>,
        ends: Option<u64>,
    },
    /// Hand an envelope to [`State::accept`](super::State::accept): its sender has proved itself.
    Accept(Held),
    /// Hand a request for a resend to [`State::note_request`](super::State::note_request), with the number of the last message
    /// that was published.
    NoteRequest {
        from: NodeId,
        gap: Gap,
    },
    /// Give an ask of this node its answer.
    Answer {
        waiter: oneshot::Sender<Message>,
        answer: Message,
    },
    /// All nodes have answered a count.
    Complete(oneshot::Sender<()>),
    /// End a pause, while nothing else is delivered.
    Resume {
        id: NodeId,
        pause: u64,
    },
    /// Call [`State::handle_timer`](super::State::handle_timer) after a while.
    Start(Timer),
    Log(Notice),
}

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::exchange) enum Notice {
    Joined(NodeId),
    Left { id: NodeId, reason: &'static str },
    Missed { from: NodeId, count: u64, total: u64 },
    Replayed { from: NodeId, total: u64 },
}

impl Effects {
    /// No effects yet, of what happens now.
    pub(in crate::exchange) fn at(now: Instant) -> Self {
        Self { now, wakes: false, first: None, rest: Vec::new() }
    }

    pub(super) fn push(&mut self, effect: Effect) {
        match self.first {
            None => self.first = Some(effect),
            Some(_) => self.rest.push(effect),
        }
    }

    pub(super) fn act(&mut self, from: Option<NodeId>, what: What) {
        self.push(Effect::Act { from, what });
    }

    pub(super) fn tell(&mut self, to: NodeId, body: Body<'static>) {
        self.push(Effect::Tell { to, body });
    }
}

impl IntoIterator for Effects {
    type Item = Effect;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Effect>, std::vec::IntoIter<Effect>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest)
    }
}
