//! What a handler may take: parts of the event, taken out before it runs.

use std::any::{Any, type_name};
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::conn::Conn;
use super::hub::StateMap;
use super::namespace::{NsConn, Room};
use crate::error::Error;
use crate::message::Message;

/// One message and where it came from: what arguments of handlers are taken from.
#[derive(Debug)]
pub struct Event {
    pub(super) conn: Conn,
    pub(super) namespace: Arc<str>,
    pub(super) message: Message,
}

impl Event {
    /// The connection that the message came on.
    pub fn conn(&self) -> &Conn {
        &self.conn
    }

    /// The namespace that the message is for.
    pub fn ns(&self) -> NsConn {
        NsConn::new(self.conn.clone(), self.namespace.clone())
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }
}

/// What may be an argument of a handler.
///
/// # Examples
///
/// ```
/// use neffos::{Error, Event, Events, FromEvent, Reply};
///
/// struct Number(i64);
///
/// impl FromEvent for Number {
///     fn from_event(event: &Event) -> Result<Self, Error> {
///         let text = event.message().text()?;
///         text.parse().map(Number).map_err(|_| Error::new(format!("{text:?} is not a number")))
///     }
/// }
///
/// let events = Events::new().on("double", async |Number(n): Number| Reply::text((n * 2).to_string()));
/// ```
pub trait FromEvent: Sized {
    /// Takes the argument out of `event`.
    ///
    /// # Errors
    ///
    /// An error goes back to the peer with its text, and the handler does not run.
    fn from_event(event: &Event) -> Result<Self, Error>;

    /// Says when the server is built whether what the argument needs is there.
    ///
    /// # Errors
    ///
    /// The error of `ServerBuilder::build`.
    fn check(setup: &Setup<'_>) -> Result<(), Error> {
        let _unused = setup;
        Ok(())
    }
}

/// What handlers may rely on, for [`FromEvent::check`].
#[derive(Debug)]
pub struct Setup<'a> {
    pub(crate) state: &'a StateMap,
}

impl Setup<'_> {
    /// Whether the server was given a state of this type.
    pub fn has_state<T: Any>(&self) -> bool {
        self.state.get::<T>().is_some()
    }
}

impl FromEvent for Conn {
    fn from_event(event: &Event) -> Result<Self, Error> {
        Ok(event.conn.clone())
    }
}

impl FromEvent for NsConn {
    fn from_event(event: &Event) -> Result<Self, Error> {
        Ok(event.ns())
    }
}

/// The room that the message names.
impl FromEvent for Room {
    fn from_event(event: &Event) -> Result<Self, Error> {
        let name = event.message.room().ok_or_else(Error::bad_room)?;
        Ok(Self::new(event.ns(), name.into()))
    }
}

impl FromEvent for Message {
    fn from_event(event: &Event) -> Result<Self, Error> {
        Ok(event.message.clone())
    }
}

/// The body as it came.
impl FromEvent for Bytes {
    fn from_event(event: &Event) -> Result<Self, Error> {
        Ok(event.message.body().clone())
    }
}

/// The body as text; one that is not UTF-8 is an error to the sender.
impl FromEvent for String {
    fn from_event(event: &Event) -> Result<Self, Error> {
        event.message.text().map(ToOwned::to_owned)
    }
}

/// The body as JSON, and a value that goes back as JSON. A body of another shape is an error to the sender that names the
/// field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart by pattern")]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromEvent for Json<T> {
    fn from_event(event: &Event) -> Result<Self, Error> {
        event.message.parse().map(Self)
    }
}

/// A value that the application gave to the server's builder with `state`. A handler that takes a type which was never
/// given makes `build` fail.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use neffos::{Events, Reply, Server, State};
///
/// let server = Server::builder()
///     .state(Arc::new(AtomicU64::new(0)))
///     .namespace("default", Events::new().on("count", async |State(count): State<Arc<AtomicU64>>| {
///         Reply::text(count.fetch_add(1, Ordering::Relaxed).to_string())
///     }))
///     .build()?;
/// # Ok::<(), neffos::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart by pattern")]
pub struct State<T>(pub T);

impl<T: Clone + Any + Send + Sync> FromEvent for State<T> {
    fn from_event(event: &Event) -> Result<Self, Error> {
        let state = event.conn.peer().hub().state.get::<T>().cloned();
        state.map(Self).ok_or_else(missing_state::<T>)
    }

    fn check(setup: &Setup<'_>) -> Result<(), Error> {
        setup.has_state::<T>().then_some(()).ok_or_else(missing_state::<T>)
    }
}

fn missing_state<T>() -> Error {
    let name = type_name::<T>();
    Error::config(format!("a handler takes State<{name}>; give it with `Server::builder().state(…)`"))
}
