//! The output of a session. Pure.

use std::sync::Arc;

use bytes::Bytes;

use super::greeting::{RawMessage, Refusal};
use super::rates::RateKind;
use crate::message::Message;
use crate::message::wire::DecodeError;
use crate::websocket::CloseFrame;

/// An action for the driver. `W` is the caller that waits for a reply.
#[derive(Debug)]
pub(crate) enum Action<W> {
    /// Queue a reply, and then close the connection; either may be missing.
    Answer(ReplyAndClose),
    /// Start the handler of this event. Its end goes to [`Session::handle_handler_done`](super::Session::handle_handler_done).
    Run(Arc<str>, Box<Message>),
    /// Wait until other nodes deliver to this namespace, or room of it, and then continue. That lasts until the work at hand is
    /// done.
    Reach(Arc<str>, Option<Arc<str>>),
    /// Change the index of the fan-out, and then queue the reply.
    Index(IndexChange, Option<Bytes>),
    /// Wait until the changes of the index are in effect, and then continue.
    Settle,
    /// Run `on_disconnect`, if there is one, and then continue.
    RunDisconnectHook,
    /// Say that the connection is welcome, and then handle the messages that came early.
    Welcome(Vec<RawMessage>),
    /// Say that the connection is not welcome, and close it.
    Refuse(Refusal),
    /// Change the index of the fan-out, if there is a change, and then hand the reply to the caller that waits for it.
    Deliver(Option<IndexChange>, W, Box<Message>),
    /// Close the connection: the server ends.
    CloseForRestart,
    /// A pause begins: the peer has sent too much of a kind.
    CountPause(RateKind),
    /// Close the connection: the peer has sent far too much.
    CloseForRate,
    /// Close the connection: the peer broke the rules.
    Close(CloseFrame),
    /// A message was dropped.
    Dropped(Dropped),
}

/// The answer to a message of the peer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ReplyAndClose {
    pub(crate) reply: Option<Bytes>,
    pub(crate) close: Option<CloseFrame>,
}

/// A change of membership, for the index of the fan-out. The session has changed already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IndexChange {
    Connect(Arc<str>),
    /// With the rooms that were left.
    Disconnect(Arc<str>, Vec<Arc<str>>),
    Join(Arc<str>, Arc<str>),
    Leave(Arc<str>, Arc<str>),
}

/// Why a message of the peer was dropped.
#[derive(Debug)]
pub(crate) enum Dropped {
    /// Nobody waits for this reply.
    LateReply,
    Invalid(DecodeError),
}

impl<W> From<ReplyAndClose> for Action<W> {
    fn from(answer: ReplyAndClose) -> Self {
        Self::Answer(answer)
    }
}

impl From<Bytes> for ReplyAndClose {
    fn from(reply: Bytes) -> Self {
        Some(reply).into()
    }
}

impl From<Option<Bytes>> for ReplyAndClose {
    fn from(reply: Option<Bytes>) -> Self {
        Self { reply, close: None }
    }
}
