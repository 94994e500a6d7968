//! The contents of envelopes between nodes, before sealing and after opening.

use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;

use super::envelope::Envelope;
use super::node_id::NodeId;
use super::seal::Seal;
use crate::message::Message;
use crate::websocket::CloseFrame;

/// An envelope before it is sealed. Its epoch and its sequence number are set when it is published.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) channel: Arc<str>,
    pub(super) bytes: Vec<u8>,
    pub(super) stamp: Stamp,
}

/// The place of the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    /// In the head of an envelope, which is signed afterwards.
    Envelope,
    /// Eight digits in the mark of a message for Go servers.
    Mark,
    /// Nowhere, because the form has no place for it.
    None,
}

/// A decoded envelope.
#[derive(Debug)]
pub(super) struct Decoded {
    /// `None` if a Go server wrote it.
    pub(super) from: Option<NodeSender>,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeSender {
    pub(super) id: NodeId,
    /// The number of its broker link.
    pub(super) epoch: u32,
    /// Zero in the form for Go servers, which has no numbers.
    pub(super) sequence: Sequence,
    /// `None` if the envelope is not signed.
    pub(super) seal: Option<Seal>,
}

/// The sequence number of an envelope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sequence {
    /// The number of the last message that its node has published.
    pub(super) number: u64,
    /// Whether the envelope holds that message. Otherwise it follows that message.
    pub(super) is_message: bool,
}

impl Sequence {
    /// Returns the number of the last message before this envelope.
    pub(super) fn before(self) -> u64 {
        self.number.saturating_sub(self.is_message.into())
    }
}

#[derive(Debug)]
pub(super) enum What {
    /// Each message names its own receivers.
    Broadcast {
        messages: Vec<Message>,
        except: Option<SmolStr>,
    },
    Ask(NodeAsk),
    Answer {
        token: SmolStr,
        message: Message,
    },
    /// A node has opened a link, and asks the other nodes to answer.
    Hello {
        connections: u64,
    },
    Alive {
        connections: u64,
    },
    Bye,
    Probe {
        number: u64,
    },
    Close {
        id: SmolStr,
        frame: CloseFrame,
    },
    Count {
        token: u64,
        namespace: SmolStr,
        room: Option<SmolStr>,
        id: Option<SmolStr>,
    },
    Counted {
        token: u64,
        count: u64,
    },
    /// Requests a resend of the messages after that one. The requesting node holds newer ones meanwhile.
    RequestResend {
        pause: u64,
        after: u64,
    },
    /// Messages of a resend, as they were published. The last piece ends the pause.
    Resent {
        envelopes: Vec<Envelope>,
        ends: Option<u64>,
    },
    /// Messages up to this one that are not resent are lost.
    NotKept {
        until: u64,
    },
    /// Asks another node to prove that its envelopes are not replayed.
    Challenge {
        nonce: u64,
    },
    /// The proof.
    Proof {
        nonce: u64,
    },
}

/// An ask of another node.
#[derive(Debug)]
pub(super) struct NodeAsk {
    pub(super) token: SmolStr,
    pub(super) message: Message,
    /// `None` if the other node did not send its timeout.
    pub(super) patience: Option<Duration>,
}

/// The reason why an envelope is dropped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is no envelope, or has an unknown version.
    Unknown,
    /// It ends too early, or a part of it is invalid.
    Broken,
    /// It is not signed with this node's key, or it is signed although this node has none.
    Unsigned,
}

impl Draft {
    /// Returns the approximate memory use in bytes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.channel.len() + self.bytes.len()
    }

    pub(super) fn into_envelope(self) -> Envelope {
        Envelope { channel: self.channel, payload: self.bytes.into() }
    }
}

/// Returns whether two messages have the same receivers.
pub(super) fn same_receivers(left: &Message, right: &Message) -> bool {
    left.namespace == right.namespace && left.room == right.room && left.recipient == right.recipient
}
