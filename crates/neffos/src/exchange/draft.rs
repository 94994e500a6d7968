//! The contents of envelopes between nodes, before they are sealed and after they are opened.

use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;

use super::node_id::NodeId;
use super::parcel::Parcel;
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

/// Where the number of the link goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    /// In the head of an envelope, which is signed after that.
    Envelope,
    /// Eight digits in the mark of a message for servers in Go.
    Mark,
    /// Nowhere: there is no room for it.
    None,
}

/// What has arrived.
#[derive(Debug)]
pub(super) struct Arrival {
    /// None when a server in Go has written it.
    pub(super) from: Option<Sender>,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) id: NodeId,
    /// The number of its link.
    pub(super) epoch: u32,
    /// Nothing where it is for servers in Go, too: messages have no numbers there.
    pub(super) said: Said,
    /// None when the envelope is not signed.
    pub(super) seal: Option<Seal>,
}

/// How much a server has said so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Of the last message that it has published.
    pub(super) number: u64,
    /// Whether this is that message, and not a word about itself behind it.
    pub(super) is_message: bool,
}

impl Said {
    /// The number of the last message before this.
    pub(super) fn before(self) -> u64 {
        self.number.saturating_sub(self.is_message.into())
    }
}

#[derive(Debug)]
pub(super) enum What {
    /// For whom each is, the messages say themselves.
    Broadcast {
        messages: Vec<Message>,
        except: Option<SmolStr>,
    },
    Ask(Question),
    Answer {
        token: SmolStr,
        message: Message,
    },
    /// A server is new here, and would hear of the others.
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
    /// A server may have missed what was published after that message, and pauses until it is told.
    RequestResend {
        pause: u64,
        after: u64,
    },
    /// What it may have missed, as it was published. The last of it ends the pause; else more follows.
    Resent {
        parcels: Vec<Parcel>,
        ends: Option<u64>,
    },
    /// Of the messages up to this one, all are lost that the sender does not repeat.
    NotKept {
        until: u64,
    },
    /// A node asks for a proof that the envelopes of another one are no recordings.
    Challenge {
        nonce: u64,
    },
    /// The proof.
    Proof {
        nonce: u64,
    },
}

/// An ask of another server.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) token: SmolStr,
    pub(super) message: Message,
    /// None when the other has not said how long it waits.
    pub(super) patience: Option<Duration>,
}

/// Why something that arrived is not heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is no envelope, or one of a version that is not known here.
    Unknown,
    /// It ends too early, or holds what does not belong there.
    Broken,
    /// It is not signed with our key, or signed although we have none.
    Unsigned,
}

impl Draft {
    /// About how many bytes it takes to keep.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.channel.len() + self.bytes.len()
    }

    pub(super) fn into_parcel(self) -> Parcel {
        Parcel { channel: self.channel, payload: self.bytes.into() }
    }
}

/// A run of `messages` that are for the same receivers.
pub(super) fn same_receivers(left: &Message, right: &Message) -> bool {
    left.namespace == right.namespace && left.room == right.room && left.recipient == right.recipient
}
