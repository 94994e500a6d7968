//! What a handler may return: nothing, a reply, an error, or an end of the connection.

use std::error::Error as StdError;

use bytes::Bytes;
use serde::Serialize;

use super::extract::Json;
use crate::error::{CloseError, Error};
use crate::session::Outcome;

/// What goes back to the peer when a handler is done.
///
/// To a message that asks, a reply carries the asker's token. To one that does not, it is a plain event back to the sender.
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
    /// Nothing goes back. Whoever asks waits until its deadline.
    pub fn none() -> Self {
        Self(Outcome::Nothing)
    }

    /// `body` goes back, in a frame of the same type as the request's.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self(Outcome::Body(body.into()))
    }

    /// `text` goes back.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(text.into())
    }

    /// `body` goes back in a binary frame.
    pub fn binary(body: impl Into<Bytes>) -> Self {
        Self(Outcome::Binary(body.into()))
    }

    /// An error with this text goes back.
    pub fn error(text: impl Into<String>) -> Self {
        Self(Outcome::Error(text.into()))
    }
}

/// What handlers of events may return.
pub trait IntoReply {
    /// What goes back to the peer.
    fn into_reply(self) -> Reply;
}

/// What handlers of system events may return: `()` agrees, an error refuses. There is nothing to reply with.
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

/// The error's text goes back, whatever the error: `Error`, any `std::error::Error`, a string. A [`CloseError`] closes too.
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
