//! The results of handlers: nothing, a reply, an error, or the end of the connection.

use std::error::Error as StdError;

use bytes::Bytes;
use serde::Serialize;

use super::extract::Json;
use crate::error::{CloseError, Error};
use crate::session::Outcome;

/// The answer that the peer receives when a handler has finished.
///
/// A reply to an ask carries the token of the ask. A reply to any other message is a plain event to the sender.
///
/// # Examples
///
/// ```
/// use neffos::{Events, Reply};
///
/// let events: Events = Events::new().on("version", async || Reply::text("1.0"));
/// ```
#[derive(Debug)]
pub struct Reply(pub(super) Outcome);

impl Reply {
    /// Sends nothing. If the message was an ask, the asker waits until its deadline.
    pub fn none() -> Self {
        Self(Outcome::Nothing)
    }

    /// Sends `body`, in the same frame type as the request.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self(Outcome::Body(body.into()))
    }

    /// Sends `text`.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(text.into())
    }

    /// Sends `body` in a binary frame.
    pub fn binary(body: impl Into<Bytes>) -> Self {
        Self(Outcome::Binary(body.into()))
    }

    /// Sends an error with this text.
    pub fn error(text: impl Into<String>) -> Self {
        Self(Outcome::Error(text.into()))
    }
}

/// A type that event handlers can return.
pub trait IntoReply {
    /// Converts the result into the reply for the peer.
    fn into_reply(self) -> Reply;
}

/// A type that handlers of system events can return: `()` agrees, an error refuses. It has no form with a body.
pub trait IntoDecision: IntoReply {}

impl IntoReply for () {
    fn into_reply(self) -> Reply {
        Reply::none()
    }
}

impl IntoDecision for () {}

impl IntoReply for Reply {
    fn into_reply(self) -> Reply {
        self
    }
}

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self) -> Reply {
        match serde_json::to_vec(&self.0) {
            Ok(body) => Reply::new(body),
            Err(err) => Reply::error(Error::payload(err.to_string()).to_string()),
        }
    }
}

impl IntoReply for CloseError {
    fn into_reply(self) -> Reply {
        Reply(Outcome::Close(self))
    }
}

/// Sends the text of the error: of an `Error`, any `std::error::Error`, or a string. A [`CloseError`] also closes the
/// connection.
impl<T: IntoReply, E: Into<Box<dyn StdError + Send + Sync>>> IntoReply for Result<T, E> {
    fn into_reply(self) -> Reply {
        match self {
            Ok(value) => value.into_reply(),
            Err(err) => match err.into().downcast::<CloseError>() {
                Ok(close) => close.into_reply(),
                Err(err) => Reply::error(err.to_string()),
            },
        }
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> IntoDecision for Result<(), E> {}
