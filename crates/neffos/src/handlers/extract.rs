//! The arguments of handlers: parts of the event, extracted before the handler runs.

use std::any::{Any, type_name};
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::connection::StateMap;
use crate::error::Error;
use crate::handles::{Conn, ConnectionRef, NsConn, Room, ServerSide, Side};
use crate::message::Message;

/// One message with the connection that it arrived on. Arguments of handlers are extracted from it.
#[derive(Debug)]
pub struct Event<S: Side = ServerSide> {
    ns: NsConn<S>,
    /// Boxed, because it is moved many times on its way to a handler and back.
    message: Box<Message>,
}

impl<S: Side> Clone for Event<S> {
    fn clone(&self) -> Self {
        Self { ns: self.ns.clone(), message: self.message.clone() }
    }
}

impl<S: Side> Event<S> {
    pub(super) fn new(link: S::ConnectionRef, namespace: Arc<str>, message: Box<Message>) -> Self {
        Self { ns: NsConn::new(Conn::from_link(link), namespace), message }
    }

    pub(super) fn into_message(self) -> Box<Message> {
        self.message
    }

    pub(super) fn into_parts(self) -> (S::ConnectionRef, Arc<str>, Box<Message>) {
        let (conn, namespace) = self.ns.into_parts();
        (conn.into_link(), namespace, self.message)
    }

    /// Returns the connection that the message arrived on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().layer(async |event: Event, next: Next| {
    ///     event.conn().extensions().increment("events");
    ///     next.run(event).await
    /// });
    /// ```
    pub fn conn(&self) -> &Conn<S> {
        self.ns.conn()
    }

    /// Returns the connection in the message's namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().layer(async |event: Event, next: Next| {
    ///     println!("{} in {}", event.message().event(), event.ns().name());
    ///     next.run(event).await
    /// });
    /// ```
    pub fn ns(&self) -> &NsConn<S> {
        &self.ns
    }

    /// Returns the message.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().layer(async |event: Event, next: Next| {
    ///     match event.message().body().len() {
    ///         0..=4096 => Ok(next.run(event).await),
    ///         _ => Err(Error::new("the message is too large")),
    ///     }
    /// });
    /// ```
    pub fn message(&self) -> &Message {
        &self.message
    }
}

/// A type that can be an argument of a handler.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler",
    label = "not an argument of a handler",
    note = "arguments are `Conn`, `NsConn`, `Room`, `Message`, `Bytes`, `String`, `Json<T>`, `State<T>` of `neffos`, and types with `impl FromEvent`",
    note = "`Json` and `State` of `axum` are other types: import them from `neffos`"
)]
pub trait FromEvent<S: Side = ServerSide>: Sized {
    /// Extracts the argument from `event`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// struct Words(Vec<String>);
    ///
    /// impl<S: Side> FromEvent<S> for Words {
    ///     fn from_event(event: &Event<S>) -> Result<Self> {
    ///         Ok(Words(event.message().text()?.split_whitespace().map(str::to_owned).collect()))
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The handler does not run. The peer receives the text of the error.
    fn from_event(event: &Event<S>) -> Result<Self, Error>;

    /// Checks that the argument has what it needs, when the server is built or before the client dials.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// /// The application's clock, which the builder must be given.
    /// #[derive(Clone)]
    /// struct Clock(std::time::Instant);
    ///
    /// struct Uptime(u64);
    ///
    /// impl FromEvent for Uptime {
    ///     fn from_event(event: &Event) -> Result<Self> {
    ///         let State(Clock(start)) = State::from_event(event)?;
    ///         Ok(Uptime(start.elapsed().as_secs()))
    ///     }
    ///
    ///     fn check(setup: &Setup<'_>) -> Result {
    ///         match setup.has_state::<Clock>() {
    ///             true => Ok(()),
    ///             false => Err(Error::config("state: handlers with `Uptime` need a `Clock`")),
    ///         }
    ///     }
    /// }
    ///
    /// let events = Events::new().on("uptime", async |Uptime(seconds): Uptime| Json(seconds));
    /// assert!(Server::builder().namespace("default", events).build().unwrap_err().is_config());
    /// ```
    ///
    /// # Errors
    ///
    /// `ServerBuilder::build`, or `ClientBuilder::dial`, returns this error.
    fn check(setup: &Setup<'_>) -> Result<(), Error> {
        let _unused = setup;
        Ok(())
    }
}

/// The resources that [`FromEvent::check`] can rely on.
#[derive(Debug)]
pub struct Setup<'a> {
    pub(crate) state: &'a StateMap,
}

impl Setup<'_> {
    /// Returns whether the builder was given a state of this type.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// struct NeedsLimit;
    ///
    /// impl FromEvent for NeedsLimit {
    ///     fn from_event(_event: &Event) -> Result<Self> {
    ///         Ok(NeedsLimit)
    ///     }
    ///
    ///     fn check(setup: &Setup<'_>) -> Result {
    ///         if setup.has_state::<u32>() { Ok(()) } else { Err(Error::config("state: a limit is missing")) }
    ///     }
    /// }
    /// ```
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

/// The connection in the room that the message names.
impl<S: Side> FromEvent<S> for Room<S> {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        let name = event.message.room().ok_or_else(Error::bad_room)?;
        Ok(Self::new(event.ns().clone(), name.into()))
    }
}

/// The message and its connection together.
impl<S: Side> FromEvent<S> for Event<S> {
    fn from_event(event: &Self) -> Result<Self, Error> {
        Ok(event.clone())
    }
}

impl<S: Side> FromEvent<S> for Message {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        Ok(event.message().clone())
    }
}

/// The body, unchanged.
impl<S: Side> FromEvent<S> for Bytes {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        Ok(event.message.body().clone())
    }
}

/// The body as text. If it is not UTF-8, the sender receives an error.
impl<S: Side> FromEvent<S> for String {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        event.message.text().map(ToOwned::to_owned)
    }
}

/// `None` if the argument cannot be taken from the event. The handler runs.
impl<S: Side, A: FromEvent<S>> FromEvent<S> for Option<A> {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        Ok(A::from_event(event).ok())
    }

    fn check(setup: &Setup<'_>) -> Result<(), Error> {
        A::check(setup)
    }
}

/// The error if the argument cannot be taken from the event. The handler runs.
impl<S: Side, A: FromEvent<S>> FromEvent<S> for Result<A, Error> {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        Ok(A::from_event(event))
    }

    fn check(setup: &Setup<'_>) -> Result<(), Error> {
        A::check(setup)
    }
}

/// The body, parsed as JSON; as a result, a value that is sent as JSON.
///
/// If the body has another shape, the sender receives an error that names the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart by pattern")]
pub struct Json<T>(pub T);

impl<S: Side, T: DeserializeOwned> FromEvent<S> for Json<T> {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        event.message.parse().map(Self)
    }
}

/// A value that the application gave to the builder with `state`.
///
/// If a handler takes a type that was not given, `build` (or `dial`) fails.
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
