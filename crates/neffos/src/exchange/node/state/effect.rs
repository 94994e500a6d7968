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

/// The next actions of the node, in this order, and the instant of the decision.
#[derive(Debug)]
pub(in crate::exchange) struct Effects {
    pub(in crate::exchange) now: Instant,
    /// Whether an envelope of another node arrived, or a probe returned: waiting tasks must check again.
    pub(in crate::exchange) wakes: bool,
    /// Most envelopes have one effect, which then needs no allocation.
    first: Option<NodeEffect>,
    rest: Vec<NodeEffect>,
}

#[derive(Debug)]
pub(in crate::exchange) enum NodeEffect {
    /// Delivers a message of a node to connections of this node, or answers its request about them. `from` is `None` if
    /// the message comes from a Go server.
    Act {
        from: Option<NodeId>,
        what: What,
    },
    /// Sends a node information about this one, before all messages.
    Tell {
        to: NodeId,
        body: Body<'static>,
    },
    /// Reads resent messages, and passes each to [`NodeState::take_resent`](super::NodeState::take_resent).
    Read {
        from: NodeId,
        envelopes: Vec<Envelope>,
        ends: Option<u64>,
    },
    /// Passes an envelope to [`NodeState::accept`](super::NodeState::accept), because its sender has sent a proof.
    Accept(HeldEnvelope),
    /// Passes a request for a resend to [`NodeState::note_request`](super::NodeState::note_request), with the number of
    /// the last published message.
    NoteRequest {
        from: NodeId,
        gap: Gap,
    },
    /// Passes the answer to an ask of this node.
    Answer {
        waiter: oneshot::Sender<Message>,
        answer: Message,
    },
    /// All nodes have answered a count.
    Complete(oneshot::Sender<()>),
    /// Ends a pause, while no other delivery runs.
    Resume {
        id: NodeId,
        pause: u64,
    },
    /// Calls [`NodeState::handle_timer`](super::NodeState::handle_timer) later.
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
    /// Creates an empty list of effects.
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
