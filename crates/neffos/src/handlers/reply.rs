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
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("typing", async |ns: NsConn, message: Message| {
    ///     ns.broadcast_others(message);
    ///     Reply::none()
    /// });
    /// ```
    pub fn none() -> Self {
        Self(Outcome::Nothing)
    }

    /// Sends `body`, in the same frame type as the request.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("echo", async |message: Message| Reply::new(message.body().clone()));
    /// ```
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self(Outcome::Body(body.into()))
    }

    /// Sends `text`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new()
    ///     .on("count", async |server: Server| Reply::text(server.total_connections().to_string()));
    /// ```
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(text.into())
    }

    /// Sends `body` in a binary frame.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("pixel", async || Reply::binary(vec![0_u8, 0, 0, 255]));
    /// ```
    pub fn binary(body: impl Into<Bytes>) -> Self {
        Self(Outcome::Binary(body.into()))
    }

    /// Sends an error with this text.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("buy", async |Json(pieces): Json<u32>| match pieces {
    ///     0 => Reply::error("buy at least one piece"),
    ///     _ => Reply::text("thank you"),
    /// });
    /// ```
    pub fn error(text: impl Into<String>) -> Self {
        Self(Outcome::Error(text.into()))
    }
}

/// A type that event handlers can return.
#[diagnostic::on_unimplemented(
    message = "a handler of events cannot return `{Self}`",
    label = "no reply can be made of this",
    note = "handlers return `()`, `Reply`, `Json<T>`, `&'static str`, `String`, `Bytes`, `Vec<u8>`, `Error`, or `Option` or `Result` of them",
    note = "the type in `Json<T>` must implement `serde::Serialize`, and the error of a `Result` must be an error type: `neffos::Result<T>` has one",
    note = "`Json` must be that of `neffos`, not of `axum`"
)]
pub trait IntoReply {
    /// Converts the result into the reply for the peer.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// struct Celsius(f32);
    ///
    /// impl IntoReply for Celsius {
    ///     fn into_reply(self) -> Reply {
    ///         Reply::text(format!("{} °C", self.0))
    ///     }
    /// }
    ///
    /// let events: Events = Events::new().on("temperature", async || Celsius(21.5));
    /// ```
    fn into_reply(self) -> Reply;
}

/// A type that handlers of system events can return: `()` agrees, an error refuses. It has no form with a body.
#[diagnostic::on_unimplemented(
    message = "a handler of a system event cannot return `{Self}`",
    label = "no decision can be made of this",
    note = "handlers of system events return `()`, which agrees, or `Result<(), Error>`: an error refuses"
)]
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

impl IntoReply for &'static str {
    fn into_reply(self) -> Reply {
        Reply::text(self)
    }
}

impl IntoReply for String {
    fn into_reply(self) -> Reply {
        Reply::text(self)
    }
}

/// As [`Reply::new`].
impl IntoReply for Bytes {
    fn into_reply(self) -> Reply {
        Reply::new(self)
    }
}

/// As [`Reply::new`].
impl IntoReply for Vec<u8> {
    fn into_reply(self) -> Reply {
        Reply::new(self)
    }
}

/// Sends nothing for `None`, as [`Reply::none`].
impl<T: IntoReply> IntoReply for Option<T> {
    fn into_reply(self) -> Reply {
        self.map_or_else(Reply::none, T::into_reply)
    }
}

/// Sends the text of the error, unless its [kind](Error::kind) stays on this side.
impl IntoReply for Error {
    fn into_reply(self) -> Reply {
        match self.is_public() {
            true => Reply::error(self.to_string()),
            false => Reply(Outcome::Internal(self.into_cause())),
        }
    }
}

/// Sends the text of an [`Error`]; a [`CloseError`] also closes the connection. An error of any other type stays on this
/// side: the log receives it with its sources, and the peer receives `internal error`. [`Error::public`] makes its text
/// public.
impl<T: IntoReply, E: Into<Box<dyn StdError + Send + Sync>>> IntoReply for Result<T, E> {
    fn into_reply(self) -> Reply {
        match self {
            Ok(value) => value.into_reply(),
            Err(err) => failure(err.into()),
        }
    }
}

fn failure(err: Box<dyn StdError + Send + Sync>) -> Reply {
    err.downcast::<CloseError>()
        .map(|close| close.into_reply())
        .or_else(|err| err.downcast::<Error>().map(|err| err.into_reply()))
        .unwrap_or_else(|err| Reply(Outcome::Internal(err)))
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> IntoDecision for Result<(), E> {}
