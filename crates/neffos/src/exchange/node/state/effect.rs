//! The effects of an envelope, a call or a timer: what the node does next. Pure.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::super::draft::What;
use super::super::super::envelope::Envelope;
use super::super::super::native::Body;
use super::super::super::node_id::NodeId;
use super::super::super::progress::Gap;
use super::super::super::replays::HeldEnvelope;
use super::timer::Timer;
use crate::message::Message;

/// What to do next, in this order, and the instant at which it was decided.
#[derive(Debug)]
pub(in crate::exchange) struct Effects {
    pub(in crate::exchange) now: Instant,
    /// Another node was heard, or a probe has come back: tasks that wait for that look again.
    pub(in crate::exchange) wakes: bool,
    /// Most envelopes have one effect, which needs no allocation.
    first: Option<NodeEffect>,
    rest: Vec<NodeEffect>,
}

#[derive(Debug)]
pub(in crate::exchange) enum NodeEffect {
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
    /// Read resent messages, and hand each to [`NodeState::take_resent`](super::NodeState::take_resent).
    Read {
        from: NodeId,
        envelopes: Vec<Envelope>,
        ends: Option<u64>,
    },
    /// Hand an envelope to [`NodeState::accept`](super::NodeState::accept): its sender has proved itself.
    Accept(HeldEnvelope),
    /// Hand a request for a resend to [`NodeState::note_request`](super::NodeState::note_request), with the number of the last message
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
    /// Call [`NodeState::handle_timer`](super::NodeState::handle_timer) after a while.
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
    /// No effects yet.
    pub(in crate::exchange) fn at(now: Instant) -> Self {
        Self { now, wakes: false, first: None, rest: Vec::new() }
    }

    pub(super) fn push(&mut self, effect: NodeEffect) {
        match self.first {
            None => self.first = Some(effect),
            Some(_) => self.rest.push(effect),
        }
    }

    pub(super) fn act(&mut self, from: Option<NodeId>, what: What) {
        self.push(NodeEffect::Act { from, what });
    }

    pub(super) fn tell(&mut self, to: NodeId, body: Body<'static>) {
        self.push(NodeEffect::Tell { to, body });
    }
}

impl IntoIterator for Effects {
    type Item = NodeEffect;
    type IntoIter = std::iter::Chain<std::option::IntoIter<NodeEffect>, std::vec::IntoIter<NodeEffect>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest)
    }
}
