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
    /// Start the handler of this event. Its result goes to
    /// [`Session::handle_handler_done`](super::Session::handle_handler_done).
    Run(Arc<str>, Box<Message>),
    /// Wait until other nodes deliver to this namespace, or to a room in it, and then continue. They keep doing so
    /// until the current work is done.
    Reach(Arc<str>, Option<Arc<str>>),
    /// Change the index of the fan-out, and then queue the reply.
    Index(IndexChange, Option<Bytes>),
    /// Wait until the changes of the index have taken effect, and then continue.
    Settle,
    /// Run `on_disconnect`, if there is one, and then continue.
    RunDisconnectHook,
    /// Send the acceptance of the greeting, and then handle the early messages.
    Welcome(Vec<RawMessage>),
    /// Refuse the client in answer to its greeting, and close the connection.
    Refuse(Refusal),
    /// Change the index of the fan-out, if there is a change, and then pass the reply to the waiting caller.
    Deliver(Option<IndexChange>, W, Box<Message>),
    /// Close the connection, because the server restarts.
    CloseForRestart,
    /// Count a pause: the peer has exceeded a rate.
    CountPause(RateKind),
    /// Close the connection, because the peer has far exceeded a rate.
    CloseForRate,
    /// Close the connection, because the peer broke the protocol.
    Close(CloseFrame),
    /// Count a dropped message.
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

/// The reason why a message of the peer was dropped.
#[derive(Debug)]
pub(crate) enum Dropped {
    /// No caller waits for this reply.
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
