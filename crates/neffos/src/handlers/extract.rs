//! What a handler may take: parts of the event, taken out before it runs.

use std::any::{Any, type_name};
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::connection::StateMap;
use crate::error::Error;
use crate::handles::{Conn, ConnectionRef, NsConn, Room, ServerSide, Side};
use crate::message::Message;

/// One message and where it came from: what arguments of handlers are taken from.
#[derive(Debug)]
pub struct Event<S: Side = ServerSide> {
    ns: NsConn<S>,
    /// Boxed: it changes hands many times on its way to a handler and back.
    message: Box<Message>,
}

impl<S: Side> Event<S> {
    pub(super) fn new(link: S::ConnectionRef, namespace: Arc<str>, message: Box<Message>) -> Self {
        Self { ns: NsConn::new(Conn::from_link(link), namespace), message }
    }

    pub(super) fn into_message(self) -> Box<Message> {
        self.message
    }

    /// The connection that the message came on.
    pub fn conn(&self) -> &Conn<S> {
        self.ns.conn()
    }

    /// The namespace that the message is for.
    pub fn ns(&self) -> &NsConn<S> {
        &self.ns
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
/// use neffos::{Error, Event, Events, FromEvent, Reply, Side};
///
/// struct Number(i64);
///
/// // For handlers of both sides; `impl FromEvent for Number` would be for those of a server.
/// impl<S: Side> FromEvent<S> for Number {
///     fn from_event(event: &Event<S>) -> Result<Self, Error> {
///         let text = event.message().text()?;
///         text.parse().map(Number).map_err(|_| Error::new(format!("{text:?} is not a number")))
///     }
/// }
///
/// let events: Events = Events::new().on("double", async |Number(n): Number| Reply::text((n * 2).to_string()));
/// ```
pub trait FromEvent<S: Side = ServerSide>: Sized {
    /// Takes the argument out of `event`.
    ///
    /// # Errors
    ///
    /// An error goes back to the peer with its text, and the handler does not run.
    fn from_event(event: &Event<S>) -> Result<Self, Error>;

    /// Says when the server is built, or before the client dials, whether what the argument needs is there.
    ///
    /// # Errors
    ///
    /// The error of `ServerBuilder::build`, or of `ClientBuilder::dial`.
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
    /// Whether the builder was given a state of this type.
    pub fn has_state<T: Any>(&self) -> bool {
        self.state.get::<T>().is_some()
    }
}

impl<S: Side> FromEvent<S> for Conn<S> {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        Ok(event.conn().clone())
    }
}

impl<S: Side> FromEvent<S> for NsConn<S> {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        Ok(event.ns().clone())
    }
}

/// The room that the message names.
impl<S: Side> FromEvent<S> for Room<S> {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        let name = event.message.room().ok_or_else(Error::bad_room)?;
        Ok(Self::new(event.ns().clone(), name.into()))
    }
}

impl<S: Side> FromEvent<S> for Message {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        Ok(event.message().clone())
    }
}

/// The body as it came.
impl<S: Side> FromEvent<S> for Bytes {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        Ok(event.message.body().clone())
    }
}

/// The body as text; one that is not UTF-8 is an error to the sender.
impl<S: Side> FromEvent<S> for String {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        event.message.text().map(ToOwned::to_owned)
    }
}

/// The body as JSON, and a value that goes back as JSON. A body of another shape is an error to the sender that names the
/// field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart by pattern")]
pub struct Json<T>(pub T);

impl<S: Side, T: DeserializeOwned> FromEvent<S> for Json<T> {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        event.message.parse().map(Self)
    }
}

/// A value that the application gave to the builder with `state`. A handler that takes a type which was never
/// given makes `build` (or `dial`) fail.
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

impl<S: Side, T: Clone + Any + Send + Sync> FromEvent<S> for State<T> {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        let state = event.conn().link().peer().hub().state.get::<T>().cloned();
        state.map(Self).ok_or_else(missing_state::<T>)
    }

    fn check(setup: &Setup<'_>) -> Result<(), Error> {
        setup.has_state::<T>().then_some(()).ok_or_else(missing_state::<T>)
    }
}

fn missing_state<T>() -> Error {
    let name = type_name::<T>();
    Error::config(format!("a handler takes State<{name}>; give it to the builder with `state(…)`"))
}
