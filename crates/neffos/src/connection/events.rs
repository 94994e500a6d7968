//! The table of handlers: namespace, then event.

use std::collections::HashMap;
use std::sync::Arc;

use super::extract::Setup;
use super::handler::{BoxedHandler, Handler};
use super::reply::{IntoDecision, IntoReply};
use crate::error::Error;
use crate::message::events;
use crate::message::wire::NativeMode;
use crate::session::check_name;

/// What happens with the events of one namespace.
///
/// Handlers are async functions whose arguments are taken out of the event and whose result goes back to the sender. On one
/// connection they run one at a time, in the order of arrival; replies, pings and closes are handled meanwhile. A handler
/// that panics fails its own event and nothing else.
///
/// # Examples
///
/// ```
/// use neffos::{Error, Events, Json, Message, NsConn, Reply};
///
/// let events = Events::new()
///     .on_connected(async |ns: NsConn| println!("{} is here", ns.conn().id()))
///     .on("chat", async |ns: NsConn, message: Message| ns.broadcast_others(message))
///     .on("sum", async |Json(numbers): Json<Vec<i64>>| Json(numbers.iter().sum::<i64>()))
///     .on_any(async |message: Message| {
///         Err::<Reply, _>(Error::new(format!("there is no event {:?}", message.event())))
///     });
/// ```
#[derive(Debug, Default)]
pub struct Events {
    handlers: HashMap<Box<str>, BoxedHandler>,
    faults: Vec<String>,
}

impl Events {
    /// A namespace that lets everyone connect, and join rooms, and handles no events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Handles `event`. Names that begin with `_On` belong to the protocol: giving one, or one twice, makes the server's
    /// `build` fail.
    #[must_use]
    pub fn on<H, Args>(mut self, event: &str, handler: H) -> Self
    where
        H: Handler<Args, Output: IntoReply>,
        Args: 'static,
    {
        if event.starts_with("_On") {
            self.faults.push(format!("event {event:?}: the name belongs to the protocol"));
        }
        self.add(event, BoxedHandler::new(handler))
    }

    /// Handles every event, system events included, that has no handler of its own.
    #[must_use]
    pub fn on_any<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, Output: IntoReply>,
        Args: 'static,
    {
        self.add(events::ANY, BoxedHandler::new(handler))
    }

    /// Handles native messages: those without an envelope. Only the empty namespace gets them. When this is all that the
    /// only, empty namespace has, every frame is a native message, and no exchange precedes the first.
    #[must_use]
    pub fn on_native<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, Output: IntoReply>,
        Args: 'static,
    {
        self.add(events::NATIVE, BoxedHandler::new(handler))
    }

    /// Before the namespace is connected; an error refuses.
    #[must_use]
    pub fn on_connect<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::CONNECT, BoxedHandler::new(handler))
    }

    /// After the namespace is connected: what is sent from here arrives after the reply.
    #[must_use]
    pub fn on_connected<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::CONNECTED, BoxedHandler::new(handler))
    }

    /// When the namespace is to be disconnected; an error refuses, unless the message is forced or local: then it tells.
    #[must_use]
    pub fn on_disconnect<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::DISCONNECT, BoxedHandler::new(handler))
    }

    /// Before a room is joined; an error refuses.
    #[must_use]
    pub fn on_room_join<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::JOIN, BoxedHandler::new(handler))
    }

    /// After a room is joined.
    #[must_use]
    pub fn on_room_joined<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::JOINED, BoxedHandler::new(handler))
    }

    /// Before a room is left; an error refuses, unless the message is forced.
    #[must_use]
    pub fn on_room_leave<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::LEAVE, BoxedHandler::new(handler))
    }

    /// After a room is left.
    #[must_use]
    pub fn on_room_left<H, Args>(self, handler: H) -> Self
    where
        H: Handler<Args, Output: IntoDecision>,
        Args: 'static,
    {
        self.add(events::LEFT, BoxedHandler::new(handler))
    }

    /// The handler of `event`, or the one for any event.
    pub(super) fn handler(&self, event: &str) -> Option<&BoxedHandler> {
        self.handlers.get(event).or_else(|| match event {
            events::NATIVE => None,
            _ => self.handlers.get(events::ANY),
        })
    }

    fn add(mut self, event: &str, handler: BoxedHandler) -> Self {
        if self.handlers.insert(event.into(), handler).is_some() {
            self.faults.push(format!("event {event:?} has two handlers"));
        }
        self
    }

    fn has_native(&self) -> bool {
        self.handlers.contains_key(events::NATIVE)
    }
}

/// All namespaces of a server.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    table: HashMap<Arc<str>, Events>,
    faults: Vec<String>,
}

impl Namespaces {
    pub(crate) fn add(&mut self, name: &str, events: Events) {
        if let Err(reason) = check_name(name, MAX_NAME) {
            self.faults.push(format!("namespace {name:?}: {reason}"));
        }
        if !name.is_empty() && events.has_native() {
            self.faults.push(format!("namespace {name:?}: only the empty namespace gets native messages"));
        }
        let faults = events.faults.iter().map(|fault| format!("namespace {name:?}: {fault}"));
        self.faults.extend(faults);
        if self.table.insert(name.into(), events).is_some() {
            self.faults.push(format!("namespace {name:?} is given twice"));
        }
    }

    /// Says whether all is as it should be.
    pub(crate) fn check(&self, setup: &Setup<'_>) -> Result<(), Error> {
        if let Some(fault) = self.faults.first() {
            return Err(Error::config(fault));
        }
        if self.table.is_empty() {
            return Err(Error::config("no namespace is given; add one with `Server::builder().namespace(…)`"));
        }
        let mut handlers = self.table.values().flat_map(|events| events.handlers.values());
        handlers.try_for_each(|handler| handler.check(setup))
    }

    /// The shared name of a declared namespace.
    pub(crate) fn name(&self, name: &str) -> Option<Arc<str>> {
        self.table.get_key_value(name).map(|(name, _)| name.clone())
    }

    pub(super) fn handler(&self, namespace: &str, event: &str) -> Option<&BoxedHandler> {
        self.table.get(namespace)?.handler(event)
    }

    pub(crate) fn native_mode(&self) -> NativeMode {
        match self.table.get("") {
            Some(events) if self.table.len() == 1 && events.has_native() && events.handlers.len() == 1 => {
                NativeMode::Only
            }
            Some(events) if events.has_native() => NativeMode::Mixed,
            _ => NativeMode::Off,
        }
    }
}

const MAX_NAME: usize = 255;
