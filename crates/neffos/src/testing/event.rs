//! One event for a handler, without a server of the application.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::connect::{TestClient, connect};
use super::reply::TestReply;
use crate::connection::Limits;
use crate::fanout::Member;
use crate::handlers::{BoxedHandler, Events, Handler, IntoReply, Setup};
use crate::handles::{Conn, ServerSide};
use crate::message::{Message, events};
use crate::server::{Server, ServerBuilder};

/// Builds an event for a handler of a server. [`TestEvent::call`] runs the handler as a server does.
///
/// # Panics
///
/// If the name begins with `_On`. The handlers of those events run when a client of [`connect`](super::connect())
/// connects, joins or leaves.
///
/// # Examples
///
/// ```
/// use neffos::{Error, Events, Json, Message, Room, State, testing};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone)]
/// struct Auction { minimum: u32 }
///
/// #[derive(Serialize, Deserialize)]
/// struct Bid { amount: u32 }
///
/// fn auction() -> Events {
///     Events::new().on("bid", async |room: Room, State(auction): State<Auction>, Json(bid): Json<Bid>| {
///         if bid.amount < auction.minimum {
///             return Err(Error::new("too low"));
///         }
///         room.broadcast(Message::json("highest", &bid)?);
///         Ok(Json(bid.amount))
///     })
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let bid = |amount| {
///     testing::event("bid").json(&Bid { amount }).from("ada").in_room("lot-1").state(Auction { minimum: 10 })
/// };
/// assert_eq!(bid(5).call(&auction()).await.error(), Some("too low"));
///
/// let reply = bid(20).call(&auction()).await;
/// assert_eq!(reply.parse::<u32>()?, 20);
/// let [highest] = reply.to_others() else { panic!("the others received {:?}", reply.to_others()) };
/// assert_eq!(highest.room(), Some("lot-1"));
/// # Ok(())
/// # }
/// ```
pub fn event(name: impl Into<String>) -> TestEvent {
    let name = name.into();
    assert!(!events::is_system(&name), "event {name:?}: the name belongs to the protocol; use testing::connect");
    TestEvent {
        message: Message::new(name, ""),
        id: "sender".to_owned(),
        namespace: "default".to_owned(),
        room: None,
        kind: Kind::Ask,
        builder: Server::builder().limits(Limits::default().outbox(OUTBOX_MESSAGES, OUTBOX_BYTES)),
        extensions: Vec::new(),
    }
}

/// An event for a handler. [`event`] returns it.
///
/// By default the event is an ask with an empty body, of the connection `sender`, in the namespace `default`.
#[must_use = "a handler runs when it is called"]
pub struct TestEvent {
    message: Message,
    id: String,
    namespace: String,
    room: Option<String>,
    kind: Kind,
    builder: ServerBuilder,
    extensions: Vec<Insert>,
}

/// Stores a value with a connection.
type Insert = Box<dyn FnOnce(&Conn) + Send>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ask,
    Emit,
}

impl TestEvent {
    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.message = Message::new(self.message.event(), body);
        self
    }

    /// Sets the body to `value` as JSON.
    ///
    /// # Panics
    ///
    /// If `value` has no form in JSON.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.message = Message::json(self.message.event(), value).expect("the body has a form in JSON");
        self
    }

    /// Sends the body that was set in a binary frame.
    pub fn binary(mut self) -> Self {
        self.message = self.message.binary();
        self
    }

    /// Sets the id of the connection that sends the event.
    pub fn from(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Sets the namespace. The sender is connected to it.
    pub fn in_namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = name.into();
        self
    }

    /// Sends the event to a room. The sender has joined it.
    pub fn in_room(mut self, name: impl Into<String>) -> Self {
        self.room = Some(name.into());
        self
    }

    /// Sends the event with `emit` in place of `ask`: the handler's message has no token.
    pub fn emitted(mut self) -> Self {
        self.kind = Kind::Emit;
        self
    }

    /// Shares `value` with handlers that take `State<T>`, as [`ServerBuilder::state`] does.
    pub fn state<T: Any + Clone + Send + Sync>(mut self, value: T) -> Self {
        self.builder = self.builder.state(value);
        self
    }

    /// Stores `value` with the sender's connection, as `on_connect` may do with [`Conn::extensions`].
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.extensions.push(Box::new(move |conn| drop(conn.extensions().insert(value))));
        self
    }

    /// Runs the handler that `events` have for this event, inside of their layers. Without such a handler, the reply is
    /// the error `unknown event`.
    ///
    /// # Panics
    ///
    /// - If the handler takes a state that was not given.
    /// - If the id or a name is not valid.
    /// - Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the handler stops at its current `.await`.
    pub async fn call(self, events: &Events) -> TestReply {
        let handler = events.layered(self.message.event());
        self.run(handler).await
    }

    /// Runs one handler, for any event. See [`TestEvent::call`].
    ///
    /// # Panics
    ///
    /// As [`TestEvent::call`].
    ///
    /// # Examples
    ///
    /// ```
    /// use neffos::{Json, testing};
    ///
    /// async fn sum(Json(numbers): Json<Vec<i64>>) -> Json<i64> {
    ///     Json(numbers.iter().sum())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let reply = testing::event("sum").json(&[1, 2, 3]).call_handler(sum).await;
    /// assert_eq!(reply.text(), Some("6"));
    /// # }
    /// ```
    pub async fn call_handler<H, Args>(self, handler: H) -> TestReply
    where
        H: Handler<Args, ServerSide, Output: IntoReply>,
        Args: 'static,
    {
        self.run(Some(BoxedHandler::new(handler))).await
    }

    async fn run(self, handler: Option<BoxedHandler<ServerSide>>) -> TestReply {
        let Some(handler) = handler else { return TestReply::unhandled() };
        let server = self.builder.namespace(&self.namespace, Events::new()).build().expect("a namespace");
        if let Err(err) = handler.check(&Setup { state: &server.hub().state }) {
            panic!("event {:?}: {err}", self.message.event());
        }
        let place = Place { server, namespace: self.namespace, room: self.room };
        let mut sender = place.enter(&self.id).await;
        let conn = place.server.connections().pop().expect("it is connected");
        let mut others = place.enter("others").await;
        self.extensions.into_iter().for_each(|insert| insert(&conn));

        let mut message = self.message.in_namespace(&place.namespace).to_room(place.room.as_deref().unwrap_or(""));
        if self.kind == Kind::Ask {
            message = message.with_token("$1".into());
        }
        message.set_asker(conn.peer().key());
        let namespace: Arc<str> = place.namespace.as_str().into();
        let (_message, outcome) = handler.start(conn.link().clone(), namespace, Box::new(message)).await;
        place.server.broadcast(Message::new(END, "").in_namespace(&place.namespace));
        let sent = [until_end(&mut sender).await, until_end(&mut others).await];
        let close = if conn.is_closed() { conn.closed().await } else { None };
        TestReply::new(outcome, close, sent)
    }
}

/// The place of an event: clients that are there receive what the handler sends.
struct Place {
    server: Server,
    namespace: String,
    room: Option<String>,
}

impl Place {
    async fn enter(&self, id: &str) -> TestClient {
        let client = connect(&self.server).id(id).await.expect("the id is valid");
        let ns = client.connect(&self.namespace).await.expect("the namespace exists");
        if let Some(room) = &self.room {
            ns.join(room).await.expect("the name of the room is valid");
        }
        client
    }
}

/// Returns the messages up to the last broadcast, or up to the end of the connection.
async fn until_end(client: &mut TestClient) -> Vec<Message> {
    let mut messages = Vec::new();
    loop {
        match client.next().await {
            Ok(message) if message.event() == END => return messages,
            Ok(message) => messages.push(message),
            Err(err) if err.is_closed() => return messages,
            Err(err) => panic!("the client did not receive all messages: {err}"),
        }
    }
}

impl fmt::Debug for TestEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestEvent").field("message", &self.message).field("id", &self.id).finish_non_exhaustive()
    }
}

/// The event of the broadcast that follows the handler.
const END: &str = "neffos::testing: the handler has ended";
/// Handlers that send much in one step drop nothing.
const OUTBOX_MESSAGES: usize = 1 << 16;
const OUTBOX_BYTES: usize = 1 << 26;
