//! The contents of envelopes between nodes, before they are sealed and after they are opened.

use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;

use super::envelope::Envelope;
use super::node_id::NodeId;
use super::seal::Seal;
use crate::message::Message;
use crate::websocket::CloseFrame;

/// An envelope that is not sealed yet. Its epoch and its sequence number are known when it is published.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) channel: Arc<str>,
    pub(super) bytes: Vec<u8>,
    pub(super) stamp: Stamp,
}

/// Where the epoch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    /// In the head of an envelope, which is signed after that.
    Envelope,
    /// Eight digits in the mark of a message for servers in Go.
    Mark,
    /// Nowhere: there is no room for it.
    None,
}

/// An envelope that was read.
#[derive(Debug)]
pub(super) struct Decoded {
    /// None when a server in Go wrote it.
    pub(super) from: Option<NodeSender>,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeSender {
    pub(super) id: NodeId,
    /// The number of its broker link.
    pub(super) epoch: u32,
    /// Zero in the form for servers in Go, which has no numbers.
    pub(super) sequence: Sequence,
    /// None when the envelope is not signed.
    pub(super) seal: Option<Seal>,
}

/// The sequence number of an envelope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sequence {
    /// That of the last message that its node has published.
    pub(super) number: u64,
    /// Whether the envelope holds that message. If not, it follows that message.
    pub(super) is_message: bool,
}

impl Sequence {
    /// The number of the last message before this.
    pub(super) fn before(self) -> u64 {
        self.number.saturating_sub(self.is_message.into())
    }
}

#[derive(Debug)]
pub(super) enum What {
    /// Each message names its receivers itself.
    Broadcast {
        messages: Vec<Message>,
        except: Option<SmolStr>,
    },
    Ask(NodeAsk),
    Answer {
        token: SmolStr,
        message: Message,
    },
    /// A node has opened a link, and wants the other nodes to answer.
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
    /// A node may have missed messages after that one. It holds newer ones until they are resent.
    RequestResend {
        pause: u64,
        after: u64,
    },
    /// Messages that it may have missed, as they were published. The last piece ends the pause.
    Resent {
        envelopes: Vec<Envelope>,
        ends: Option<u64>,
    },
    /// Messages up to this one that the sender does not resend are lost.
    NotKept {
        until: u64,
    },
    /// A node asks another one to prove that its envelopes are not replayed.
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
    /// None when the other node did not name its timeout.
    pub(super) patience: Option<Duration>,
}

/// Why an envelope is dropped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is no envelope, or one of a version that is not known here.
    Unknown,
    /// It ends too early, or a part of it is not valid.
    Broken,
    /// It is not signed with our key, or signed although we have none.
    Unsigned,
}

impl Draft {
    /// About how many bytes it takes to keep.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.channel.len() + self.bytes.len()
    }

    pub(super) fn into_envelope(self) -> Envelope {
        Envelope { channel: self.channel, payload: self.bytes.into() }
    }
}

/// A run of `messages` that are for the same receivers.
pub(super) fn same_receivers(left: &Message, right: &Message) -> bool {
    left.namespace == right.namespace && left.room == right.room && left.recipient == right.recipient
}
