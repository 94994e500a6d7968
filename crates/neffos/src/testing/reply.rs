//! The reply of a handler that a test has called.

use std::error::Error as StdError;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::error::{Error, INTERNAL_ERROR, UNKNOWN_EVENT};
use crate::message::Message;
use crate::session::Outcome;
use crate::websocket::CloseFrame;

/// The reply of a handler, and the messages that it has sent. [`TestEvent::call`](super::TestEvent::call) returns it.
///
/// # Examples
///
/// ```
/// use neffos::{CloseCode, CloseError, Events, Json, testing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let events: Events = Events::new()
///     .on("kick me", async || CloseError::new(CloseCode::POLICY, "as you wish"))
///     .on("read", async || std::fs::read("/no/such/file"));
///
/// let reply = testing::event("kick me").call(&events).await;
/// assert_eq!(reply.close().unwrap().reason(), "as you wish");
///
/// // The peer does not receive the text of this error. The test does.
/// let reply = testing::event("read").call(&events).await;
/// assert_eq!(reply.error(), Some("internal error"));
/// assert!(reply.cause().unwrap().downcast_ref::<std::io::Error>().is_some());
/// # }
/// ```
#[derive(Debug)]
pub struct TestReply {
    answer: Answer,
    cause: Option<Box<dyn StdError + Send + Sync>>,
    close: Option<CloseFrame>,
    sent: [Vec<Message>; 2],
}

#[derive(Debug)]
enum Answer {
    None,
    Body(Bytes),
    Error(String),
}

impl TestReply {
    pub(super) fn new(outcome: Outcome, close: Option<CloseFrame>, sent: [Vec<Message>; 2]) -> Self {
        let with = |answer| Self { answer, cause: None, close, sent };
        match outcome {
            Outcome::Nothing => with(Answer::None),
            Outcome::Unhandled => with(Answer::Error(UNKNOWN_EVENT.to_owned())),
            Outcome::Body(body) | Outcome::Binary(body) => with(Answer::Body(body)),
            Outcome::Error(text) => with(Answer::Error(text)),
            Outcome::Close(error) => {
                let reply = with(Answer::Error(error.to_wire()));
                let frame = CloseFrame::new(error.code(), error.text());
                Self { close: reply.close.or(Some(frame)), ..reply }
            }
            Outcome::Internal(cause) => Self { cause: Some(cause), ..with(Answer::Error(INTERNAL_ERROR.to_owned())) },
            Outcome::Panicked => with(Answer::Error(INTERNAL_ERROR.to_owned())),
        }
    }

    pub(super) fn unhandled() -> Self {
        Self::new(Outcome::Unhandled, None, [Vec::new(), Vec::new()])
    }

    /// Returns whether the handler replied with nothing.
    pub fn is_none(&self) -> bool {
        matches!(self.answer, Answer::None)
    }

    /// Returns the body of the reply, or `None` if it is an error or nothing.
    pub fn body(&self) -> Option<&Bytes> {
        match &self.answer {
            Answer::Body(body) => Some(body),
            Answer::None | Answer::Error(_) => None,
        }
    }

    /// Returns the body of the reply as text, or `None` if it is an error, nothing, or not UTF-8.
    pub fn text(&self) -> Option<&str> {
        str::from_utf8(self.body()?).ok()
    }

    /// Parses the body of the reply as JSON.
    ///
    /// # Errors
    ///
    /// - The error that the handler replied with, as the client that asked receives it.
    /// - `is_payload` if the body has another shape. A reply with nothing counts as an empty body.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        match &self.answer {
            Answer::Body(body) => Message::new("", body.clone()).parse(),
            Answer::None => Message::new("", "").parse(),
            Answer::Error(text) => Err(Error::from_wire(text)),
        }
    }

    /// Returns the text of the error that the peer receives, or `None` if the reply is none. After a panic of the
    /// handler, it is `internal error`.
    pub fn error(&self) -> Option<&str> {
        match &self.answer {
            Answer::Error(text) => Some(text),
            Answer::None | Answer::Body(_) => None,
        }
    }

    /// Returns the error that stays on the side of the server, while the peer receives `internal error`.
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.cause.as_deref()
    }

    /// Returns the close frame, if the handler closes the connection.
    pub fn close(&self) -> Option<&CloseFrame> {
        self.close.as_ref()
    }

    /// Returns the messages that the handler sent to the sender of the event, other than the reply, in order.
    pub fn to_sender(&self) -> &[Message] {
        &self.sent[0]
    }

    /// Returns the messages that the handler sent to other connections in the namespace and room of the event, in
    /// order: those that another connection there has received.
    pub fn to_others(&self) -> &[Message] {
        &self.sent[1]
    }
}
