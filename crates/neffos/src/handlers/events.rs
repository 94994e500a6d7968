//! The table of handlers, by namespace and event.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::extract::{Event, Setup};
use super::handler::{BoxedHandler, Handler};
use super::layer::{self, BoxedLayer, Next};
use super::reply::{IntoDecision, IntoReply};
use crate::error::Error;
use crate::handles::{ServerSide, Side};
use crate::message::events;
use crate::message::wire::NativeMode;
use crate::session::check_name;

/// The event handlers of one namespace.
///
/// Handlers are async functions. Their arguments are extracted from the event ([`FromEvent`](crate::FromEvent)), and
/// their result is sent back to the peer.
///
/// - On one connection, handlers run one at a time, in the order in which events arrive.
/// - Replies, pings and closes are handled while a handler runs.
/// - A handler that panics fails only its own event.
///
/// # Examples
///
/// ```
/// use neffos::{Error, Events, Json, Message, NsConn, Reply};
///
/// let events: Events = Events::new()
///     .on_connected(async |ns: NsConn| println!("{} is here", ns.conn().id()))
///     .on("chat", async |ns: NsConn, message: Message| ns.broadcast_others(message))
///     .on("sum", async |Json(numbers): Json<Vec<i64>>| Json(numbers.iter().sum::<i64>()))
///     .on_any(async |message: Message| {
///         Err::<Reply, _>(Error::new(format!("there is no event {:?}", message.event())))
///     });
/// ```
pub struct Events<S: Side = ServerSide> {
    table: Table<S>,
}

/// The handlers of one namespace.
struct Table<S: Side> {
    handlers: ByName<Box<str>, BoxedHandler<S>>,
    /// The outermost first.
    layers: Vec<BoxedLayer<S>>,
    faults: Vec<String>,
}

impl<S: Side> Events<S> {
    /// Creates a namespace without event handlers. Clients can connect to it and join its rooms.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let server = Server::builder().namespace("rooms-only", Events::new()).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new() -> Self {
        Self { table: Table { handlers: ByName::default(), layers: Vec::new(), faults: Vec::new() } }
    }

    /// Handles `event`.
    ///
    /// `build` (or `dial`) fails if an event has two handlers, or if its name begins with `_On`: the protocol reserves
    /// those names.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new()
    ///     .on("chat", async |room: Room, message: Message| room.broadcast_others(message))
    ///     .on("time", async || Reply::text(format!("{:?}", std::time::SystemTime::now())))
    ///     .on("add", async |Json((a, b)): Json<(i64, i64)>| Json(a + b));
    /// ```
    #[must_use]
    pub fn on<H, Args>(mut self, event: &str, handler: H) -> Self
    where
        H: Handler<Args, S, Output: IntoReply>,
        Args: 'static,
    {
        if events::is_system(event) {
            self.table.faults.push(format!("event {event:?}: the name belongs to the protocol"));
        }
        self.add(event, BoxedHandler::new(handler))
    }

    /// Handles every event without its own handler, system events included.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new()
    ///     .on("chat", async |ns: NsConn, message: Message| ns.broadcast_others(message))
    ///     .on_any(async |message: Message| println!("not handled: {}", message.event()));
    /// ```
    #[must_use]
    pub fn on_any<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, S, Output: IntoReply>,
        Args: 'static,
    {
        self.add(events::ANY, BoxedHandler::new(handler))
    }

    /// Handles native messages: those without an envelope. Only the empty namespace receives them.
    ///
    /// If this is the only handler, and the empty namespace the only one, then every frame is a native message and
    /// there is no greeting.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// // An echo server for any websocket client.
    /// let echo = Events::new().on_native(async |message: Message| Reply::new(message.body().clone()));
    /// let server = Server::builder().namespace("", echo).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn on_native<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, S, Output: IntoReply>,
        Args: 'static,
    {
        self.add(events::NATIVE, BoxedHandler::new(handler))
    }

    /// Runs before the namespace is connected. An error refuses the connect.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on_connect(async |conn: Conn| match conn.id() {
    ///     "" => Err(Error::new("choose a name first")),
    ///     _ => Ok(()),
    /// });
    /// ```
    #[must_use]
    pub fn on_connect<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, S, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::CONNECT, BoxedHandler::new(handler))
    }

    /// Runs after the namespace is connected. Messages that this handler sends arrive after the reply to the connect.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on_connected(async |ns: NsConn| ns.emit("welcome", "to the chat"));
    /// ```
    #[must_use]
    pub fn on_connected<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, S, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::CONNECTED, BoxedHandler::new(handler))
    }

    /// Runs before the namespace is disconnected. An error refuses, unless the message is forced or local: those only
    /// inform the handler.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on_disconnect(async |ns: NsConn| {
    ///     ns.broadcast_others(Message::new("left", ns.conn().id().to_owned()));
    /// });
    /// ```
    #[must_use]
    pub fn on_disconnect<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, S, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::DISCONNECT, BoxedHandler::new(handler))
    }

    /// Runs before a room is joined. An error refuses the join.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on_room_join(async |server: Server, message: Message| {
    ///     match server.count_in(message.namespace(), message.room()) {
    ///         0..100 => Ok(()),
    ///         _ => Err(Error::new("the room is full")),
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn on_room_join<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, S, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::JOIN, BoxedHandler::new(handler))
    }

    /// Runs after a room is joined.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on_room_joined(async |room: Room, conn: Conn| {
    ///     room.broadcast_others(Message::new("joined", conn.id().to_owned()));
    /// });
    /// ```
    #[must_use]
    pub fn on_room_joined<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, S, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::JOINED, BoxedHandler::new(handler))
    }

    /// Runs before a room is left. An error refuses the leave, unless the message is forced.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on_room_leave(async |message: Message| match message.room() {
    ///     Some("lobby") if !message.is_forced() => Err(Error::new("all clients stay in the lobby")),
    ///     _ => Ok(()),
    /// });
    /// ```
    #[must_use]
    pub fn on_room_leave<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, S, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::LEAVE, BoxedHandler::new(handler))
    }

    /// Runs after a room is left.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on_room_left(async |ns: NsConn, message: Message| {
    ///     if let Some(room) = message.room() {
    ///         ns.broadcast(Message::new("left", ns.conn().id().to_owned()).to_room(room));
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn on_room_left<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, S, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::LEFT, BoxedHandler::new(handler))
    }

    /// Runs `layer` around every handler of this namespace: those of events and of system events, registered before or
    /// after this call. The first layer is the outermost.
    ///
    /// The layer receives a copy of the event, and [`Next`], which runs the handler. Its result is the result of the
    /// handler: it may pass the reply on, replace it, or refuse the event without running the handler. For a system
    /// event, an error refuses, and any other reply agrees. Events without a handler pass no layer.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use neffos::{Error, Event, Events, Message, Next, NsConn};
    ///
    /// let events: Events = Events::new()
    ///     .layer(async |event: Event, next: Next| {
    ///         let (name, start) = (event.message().event().to_owned(), Instant::now());
    ///         let reply = next.run(event).await;
    ///         println!("{name}: {:?}", start.elapsed());
    ///         reply
    ///     })
    ///     .layer(async |event: Event, next: Next| {
    ///         match event.conn().extensions().get::<String>() {
    ///             Some(_user) => Ok(next.run(event).await),
    ///             None => Err(Error::new("log in first")),
    ///         }
    ///     })
    ///     .on("chat", async |ns: NsConn, message: Message| ns.broadcast_others(message));
    /// ```
    #[must_use]
    pub fn layer<L, Fut>(mut self, layer: L) -> Self
    where
        L: Fn(Event<S>, Next<S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoReply> + Send + 'static,
    {
        self.table.layers.push(layer::boxed(layer));
        self
    }

    /// Returns the handler of `event` inside of the layers, as a server runs it.
    #[cfg(feature = "testing")]
    pub(crate) fn layered(&self, event: &str) -> Option<BoxedHandler<S>> {
        let handler = self.table.handler(event)?.clone();
        Some(inside(&self.table.layers, handler))
    }

    fn add(mut self, event: &str, handler: BoxedHandler<S>) -> Self {
        if self.table.handlers.insert(event.into(), handler).is_some() {
            self.table.faults.push(format!("event {event:?} has two handlers"));
        }
        self
    }
}

impl<S: Side> Default for Events<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Side> fmt::Debug for Events<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Events").field(&self.table).finish()
    }
}

impl<S: Side> fmt::Debug for Table<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("handlers", &self.handlers)
            .field("layers", &self.layers.len())
            .field("faults", &self.faults)
            .finish()
    }
}

impl<S: Side> Table<S> {
    /// Puts the layers around the handlers.
    fn finish(mut self) -> Self {
        let layers = std::mem::take(&mut self.layers);
        self.handlers = self.handlers.into_iter().map(|(event, handler)| (event, inside(&layers, handler))).collect();
        self
    }

    /// Returns the handler of `event`, or else the handler for any event.
    fn handler(&self, event: &str) -> Option<&BoxedHandler<S>> {
        self.handlers.get(event).or_else(|| match event {
            events::NATIVE => None,
            _ => self.handlers.get(events::ANY),
        })
    }

    fn has_native(&self) -> bool {
        self.handlers.contains_key(events::NATIVE)
    }
}

/// Puts `layers` around `handler`, the first outermost.
fn inside<S: Side>(layers: &[BoxedLayer<S>], handler: BoxedHandler<S>) -> BoxedHandler<S> {
    layers.iter().rev().fold(handler, |handler, layer| handler.inside(layer.clone()))
}

/// A map in the order of insertion. Only the application adds keys, so a fast hash without a secret seed is safe.
type ByName<N, T> = IndexMap<N, T, FxBuildHasher>;

/// All declared namespaces.
#[derive(Debug)]
pub(crate) struct Namespaces<S: Side> {
    tables: ByName<Arc<str>, Table<S>>,
    /// The events of all other namespaces, if those are declared.
    rest: Option<Table<S>>,
    faults: Vec<String>,
}

impl<S: Side> Namespaces<S> {
    pub(crate) fn new() -> Self {
        Self { tables: ByName::default(), rest: None, faults: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: &str, events: Events<S>) {
        let table = events.table.finish();
        if let Err(reason) = check_name(name, MAX_NAME) {
            self.faults.push(format!("namespace {name:?}: {reason}"));
        }
        if !name.is_empty() && table.has_native() {
            self.faults.push(format!("namespace {name:?}: only the empty namespace gets native messages"));
        }
        let faults = table.faults.iter().map(|fault| format!("namespace {name:?}: {fault}"));
        self.faults.extend(faults);
        if self.tables.insert(name.into(), table).is_some() {
            self.faults.push(format!("namespace {name:?} is given twice"));
        }
    }

    /// Declares every name that has no declaration.
    pub(crate) fn add_rest(&mut self, events: Events<S>) {
        let table = events.table.finish();
        if table.has_native() {
            self.faults.push("any namespace: only the empty namespace gets native messages".to_owned());
        }
        self.faults.extend(table.faults.iter().map(|fault| format!("any namespace: {fault}")));
        if self.rest.replace(table).is_some() {
            self.faults.push("any namespace is given twice".to_owned());
        }
    }

    /// Checks the declarations and what their handlers need.
    pub(crate) fn check(&self, setup: &Setup<'_>) -> Result<(), Error> {
        if let Some(fault) = self.faults.first() {
            return Err(Error::config(fault));
        }
        if self.tables.is_empty() && self.rest.is_none() {
            return Err(Error::config("no namespace is given; add one with `namespace(…)`"));
        }
        let mut handlers = self.tables.values().chain(&self.rest).flat_map(|table| table.handlers.values());
        handlers.try_for_each(|handler| handler.check(setup))
    }

    /// Returns the shared name of a declared namespace.
    pub(crate) fn name(&self, name: &str) -> Option<Arc<str>> {
        let by_itself = self.tables.get_key_value(name).map(|(name, _)| name.clone());
        by_itself.or_else(|| (self.rest.is_some() && check_name(name, MAX_NAME).is_ok()).then(|| name.into()))
    }

    pub(super) fn handler(&self, namespace: &str, event: &str) -> Option<&BoxedHandler<S>> {
        self.tables.get(namespace).or(self.rest.as_ref())?.handler(event)
    }

    pub(crate) fn native_mode(&self) -> NativeMode {
        let is_alone = self.tables.len() == 1 && self.rest.is_none();
        match self.tables.get("") {
            Some(table) if is_alone && table.has_native() && table.handlers.len() == 1 => NativeMode::Only,
            Some(table) if table.has_native() => NativeMode::Mixed,
            _ => NativeMode::Off,
        }
    }
}

const MAX_NAME: usize = 255;
