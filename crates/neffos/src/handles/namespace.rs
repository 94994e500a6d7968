//! [`NsConn`] and [`Room`]: a connection in a namespace, and in one of its rooms.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::conn::Conn;
use super::connection_ref::ConnectionRef;
use super::side::{ServerSide, Side};
use crate::connection::requests;
use crate::error::Error;
use crate::fanout::{Except, Member};
use crate::message::{Initiator, IntoMessages, Message};

/// A connection in one namespace. It is cheap to clone.
///
/// # Examples
///
/// ```
/// use neffos::{Events, Message, NsConn};
///
/// let events: Events = Events::new().on("chat", async |ns: NsConn, message: Message| {
///     ns.broadcast_others(message);
///     ns.emit("seen", "by everyone else")
/// });
/// ```
pub struct NsConn<S: Side = ServerSide> {
    conn: Conn<S>,
    namespace: Arc<str>,
}

impl<S: Side> NsConn<S> {
    pub(crate) fn new(conn: Conn<S>, namespace: Arc<str>) -> Self {
        Self { conn, namespace }
    }

    pub(crate) fn into_parts(self) -> (Conn<S>, Arc<str>) {
        (self.conn, self.namespace)
    }

    /// Returns the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new()
    ///     .on("kick me", async |ns: NsConn| ns.conn().close(CloseCode::POLICY, "as you wish"));
    /// ```
    pub fn conn(&self) -> &Conn<S> {
        &self.conn
    }

    /// Returns the name of the namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new()
    ///     .on_connected(async |ns: NsConn| println!("{} in {}", ns.conn().id(), ns.name()));
    /// ```
    pub fn name(&self) -> &str {
        &self.namespace
    }

    /// Sends an event to this connection only, and returns at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn<ClientSide>) -> Result {
    /// ns.emit("chat", "hello")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::send`].
    pub fn emit(&self, event: &str, body: impl Into<Bytes>) -> Result<(), Error> {
        self.send(Message::new(event, body))
    }

    /// As [`NsConn::emit`], in a binary frame.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn<ClientSide>) -> Result {
    /// ns.emit_binary("image", vec![0x89, b'P', b'N', b'G'])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::send`].
    pub fn emit_binary(&self, event: &str, body: impl Into<Bytes>) -> Result<(), Error> {
        self.send(Message::new(event, body).binary())
    }

    /// As [`NsConn::emit`], with `value` as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// #[derive(serde::Serialize)]
    /// struct Position {
    ///     x: f64,
    ///     y: f64,
    /// }
    ///
    /// let events: Events = Events::new()
    ///     .on("where", async |ns: NsConn| ns.emit_json("position", &Position { x: 1.5, y: 2.0 }));
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::send`]; and `is_payload` if `value` cannot be serialized.
    pub fn emit_json<T: Serialize + ?Sized>(&self, event: &str, value: &T) -> Result<(), Error> {
        self.send(Message::json(event, value)?)
    }

    /// Sends `message` to this connection only, and returns at once. Fills in the namespace if it is unset.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn) -> Result {
    /// ns.send(Message::new("draw", vec![1, 2, 3]).to_room("board").binary())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::send`].
    pub fn send(&self, message: Message) -> Result<(), Error> {
        self.conn.send(message.or_namespace(&self.namespace))
    }

    /// Sends an event and waits for the reply. See [`Conn::ask`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn<ClientSide>) -> Result {
    /// match ns.ask("rename", "Ada").await {
    ///     Ok(reply) => println!("the name is {}", reply.text()?),
    ///     Err(err) if err.is_remote() => println!("refused: {err}"),
    ///     Err(err) => return Err(err),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::ask`].
    pub async fn ask(&self, event: &str, body: impl Into<Bytes>) -> Result<Message, Error> {
        self.ask_message(Message::new(event, body)).await
    }

    /// As [`NsConn::ask`], with a whole message: binary, JSON, or for a room. Fills in the namespace if it is unset.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn<ClientSide>) -> Result {
    /// let thumbnail = ns.ask_message(Message::new("resize", vec![0; 1024]).binary()).await?;
    /// assert!(thumbnail.is_binary());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::ask`].
    pub async fn ask_message(&self, message: Message) -> Result<Message, Error> {
        self.conn.ask(message.or_namespace(&self.namespace)).await
    }

    /// Asks with `value` as JSON, and parses the reply as JSON.
    ///
    /// # Errors
    ///
    /// As [`Conn::ask`]; and `is_payload` if `value` cannot be serialized, or if the reply does not have the shape of
    /// `R`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn bid(ns: neffos::NsConn<neffos::ClientSide>) -> neffos::Result {
    /// let highest: u32 = ns.ask_json("bid", &120).await?;
    /// # Ok(()) }
    /// ```
    pub async fn ask_json<T, R>(&self, event: &str, value: &T) -> Result<R, Error>
    where
        T: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        self.ask_message(Message::json(event, value)?).await?.parse()
    }

    /// Returns the room `name`, if this connection has joined it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn<ClientSide>) -> Result {
    /// if let Some(lobby) = ns.room("lobby") {
    ///     lobby.emit("chat", "hello")?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn room(&self, name: &str) -> Option<Room<S>> {
        let name = self.conn.link().peer().session().membership().room(&self.namespace, name)?;
        Some(Room::new(self.clone(), name))
    }

    /// Returns the rooms that this connection has joined in this namespace, in the order of the joins.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("my rooms", async |ns: NsConn| {
    ///     Json(ns.rooms().iter().map(|room| room.name().to_owned()).collect::<Vec<_>>())
    /// });
    /// ```
    pub fn rooms(&self) -> Vec<Room<S>> {
        let peer = self.conn.link().peer();
        let names = peer.session().membership().rooms_of(&self.namespace).unwrap_or_default().to_vec();
        names.into_iter().map(|name| Room::new(self.clone(), name)).collect()
    }

    /// Asks the other side to join `room`, and returns it. If the room is joined already, no request is sent.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn<ClientSide>) -> Result {
    /// let lobby = ns.join("lobby").await?;
    /// lobby.emit("chat", "hello, lobby")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - The error of this side's handler. No request is sent then.
    /// - The other side's refusal (`is_remote`).
    /// - `is_bad_namespace`, `is_timeout`, `is_closed`, `is_lost`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before the answer arrives, the answer changes nothing on this side, but the other side
    /// may consider the room joined. If it is dropped after the answer, the room is joined, and `on_room_joined` runs
    /// on a separate task.
    pub async fn join(&self, room: &str) -> Result<Room<S>, Error> {
        if let Some(joined) = self.room(room) {
            return Ok(joined);
        }
        let peer = self.conn.link().peer();
        let name = requests::join(&peer, &self.namespace, room).await.map_err(|err| self.conn.explain(err))?;
        Ok(Room::new(self.clone(), name))
    }

    /// Leaves every room, one after the other ([`Room::leave`]).
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn<ClientSide>) -> Result {
    /// ns.leave_all().await?;
    /// assert!(ns.rooms().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The first refusal. The rooms before it are left then.
    pub async fn leave_all(&self) -> Result<(), Error> {
        for room in self.rooms() {
            room.leave_as(Initiator::Local).await?;
        }
        Ok(())
    }

    /// Asks the other side to disconnect from this namespace, which also leaves its rooms.
    ///
    /// On a client that is reconnecting, no request is sent. The namespace is then not restored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn<ClientSide>) -> Result {
    /// ns.disconnect().await?;
    /// assert_eq!(ns.conn().namespace(ns.name()), None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - The other side's refusal (`is_remote`).
    /// - `is_bad_namespace` if the namespace is not connected.
    /// - `is_timeout`, `is_closed`, `is_lost`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before the answer arrives, the namespace stays connected on this side. If it is dropped
    /// after the answer, the handlers of the disconnect run on a separate task.
    pub async fn disconnect(&self) -> Result<(), Error> {
        if self.conn.link().renounce(&self.namespace, None) {
            return Ok(());
        }
        let peer = self.conn.link().peer();
        requests::disconnect(&peer, &self.namespace).await.map_err(|err| self.conn.explain(err))
    }
}

impl NsConn {
    /// Offers messages to all connections in the namespace, this one included, and returns at once.
    ///
    /// The namespace is filled in if it is unset; `to_room` and `to` narrow the audience.
    ///
    /// - A connection whose outbox is full, or that is closing, misses a message. Other receivers are not delayed, and
    ///   the counters count the drop.
    /// - Two calls from one task arrive in that order at each receiver.
    /// - A broadcast after an emit on the same connection arrives after it. An emit after a broadcast may overtake it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("vote", async |ns: NsConn, message: Message| {
    ///     ns.broadcast(vec![message, Message::new("votes", "one more").to_room("scoreboard")]);
    /// });
    /// ```
    pub fn broadcast(&self, messages: impl IntoMessages) {
        self.cast(messages, &Except::Nobody);
    }

    /// As [`NsConn::broadcast`], without this connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new()
    ///     .on("chat", async |ns: NsConn, message: Message| ns.broadcast_others(message));
    /// ```
    pub fn broadcast_others(&self, messages: impl IntoMessages) {
        self.cast(messages, &Except::Member(self.conn.peer().key()));
    }

    /// As [`NsConn::broadcast`], of one event with `value` as JSON. It is serialized once.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on_connected(async |ns: NsConn, server: Server| {
    ///     ns.broadcast_json("online", &server.count_in(ns.name(), None))
    /// });
    /// ```
    ///
    /// # Errors
    ///
    /// `is_payload` if `value` cannot be serialized.
    pub fn broadcast_json<T: Serialize + ?Sized>(&self, event: &str, value: &T) -> Result<(), Error> {
        self.broadcast(Message::json(event, value)?);
        Ok(())
    }

    fn cast(&self, messages: impl IntoMessages, except: &Except) {
        let messages = messages.into_messages().into_iter().map(|message| message.or_namespace(&self.namespace));
        self.conn.peer().hub().broadcast(messages.collect(), except);
    }
}

/// Two handles are equal if they are of one connection and one namespace.
impl<S: Side> PartialEq for NsConn<S> {
    fn eq(&self, other: &Self) -> bool {
        self.conn == other.conn && self.namespace == other.namespace
    }
}

impl<S: Side> Eq for NsConn<S> {}

impl<S: Side> Hash for NsConn<S> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.conn, &self.namespace).hash(state);
    }
}

impl<S: Side> Clone for NsConn<S> {
    fn clone(&self) -> Self {
        Self { conn: self.conn.clone(), namespace: self.namespace.clone() }
    }
}

impl<S: Side> fmt::Debug for NsConn<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NsConn").field("conn", &self.conn).field("namespace", &self.namespace).finish()
    }
}

/// A connection in one room. It is cheap to clone.
///
/// # Examples
///
/// ```
/// use neffos::{Events, Message, Room};
///
/// // The room that the message names; a message without one is an error to its sender.
/// let events: Events = Events::new().on("chat", async |room: Room, message: Message| room.broadcast_others(message));
/// ```
pub struct Room<S: Side = ServerSide> {
    ns: NsConn<S>,
    name: Arc<str>,
}

impl<S: Side> Room<S> {
    pub(crate) fn new(ns: NsConn<S>, name: Arc<str>) -> Self {
        Self { ns, name }
    }

    /// Returns the name of the room.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on_room_joined(async |room: Room| println!("joined {}", room.name()));
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the connection in the room's namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("leave all", async |room: Room| room.ns().leave_all().await);
    /// ```
    pub fn ns(&self) -> &NsConn<S> {
        &self.ns
    }

    /// Sends an event of this room to this connection only. [`Room::broadcast`] sends to all members.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(lobby: Room<ClientSide>) -> Result {
    /// lobby.emit("chat", "hello, lobby")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::send`].
    pub fn emit(&self, event: &str, body: impl Into<Bytes>) -> Result<(), Error> {
        self.send(Message::new(event, body))
    }

    /// As [`Room::emit`], in a binary frame.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(board: Room<ClientSide>) -> Result {
    /// board.emit_binary("draw", vec![10, 20, 30, 40])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::send`].
    pub fn emit_binary(&self, event: &str, body: impl Into<Bytes>) -> Result<(), Error> {
        self.send(Message::new(event, body).binary())
    }

    /// As [`Room::emit`], with `value` as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(board: Room<ClientSide>) -> Result {
    /// board.emit_json("draw", &[10, 20, 30, 40])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::send`]; and `is_payload` if `value` cannot be serialized.
    pub fn emit_json<T: Serialize + ?Sized>(&self, event: &str, value: &T) -> Result<(), Error> {
        self.send(Message::json(event, value)?)
    }

    /// Sends `message` to this connection only, and returns at once. Fills in the namespace and the room if they are
    /// unset.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(board: Room<ClientSide>) -> Result {
    /// board.send(Message::json("draw", &[10, 20])?.binary())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::send`].
    pub fn send(&self, message: Message) -> Result<(), Error> {
        self.ns.send(message.or_room(&self.name))
    }

    /// Sends an event of this room and waits for the reply. See [`Conn::ask`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(lobby: Room<ClientSide>) -> Result {
    /// let topic = lobby.ask("topic", "").await?;
    /// println!("{}: {}", lobby.name(), topic.text()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::ask`].
    pub async fn ask(&self, event: &str, body: impl Into<Bytes>) -> Result<Message, Error> {
        self.ask_message(Message::new(event, body)).await
    }

    /// As [`Room::ask`], with a whole message. Fills in the namespace and the room if they are unset.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(board: Room<ClientSide>) -> Result {
    /// let image = board.ask_message(Message::new("export", "png")).await?;
    /// std::fs::write("board.png", image.body()).map_err(Error::internal)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::ask`].
    pub async fn ask_message(&self, message: Message) -> Result<Message, Error> {
        self.ns.ask_message(message.or_room(&self.name)).await
    }

    /// Asks with `value` as JSON, and parses the reply as JSON. See [`NsConn::ask_json`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(auction: Room<ClientSide>) -> Result {
    /// let highest: u32 = auction.ask_json("bid", &120).await?;
    /// println!("the highest bid is {highest}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`NsConn::ask_json`].
    pub async fn ask_json<T, R>(&self, event: &str, value: &T) -> Result<R, Error>
    where
        T: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        self.ask_message(Message::json(event, value)?).await?.parse()
    }

    /// Asks the other side to leave the room.
    ///
    /// On a client that is reconnecting, no request is sent. The room is then not restored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(lobby: Room<ClientSide>) -> Result {
    /// lobby.leave().await?;
    /// assert_eq!(lobby.ns().room(lobby.name()), None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - The error of this side's handler. No request is sent then.
    /// - The other side's refusal (`is_remote`).
    /// - `is_bad_room` if the room is not joined.
    /// - `is_timeout`, `is_closed`, `is_lost`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before the answer arrives, the room stays joined on this side. If it is dropped after
    /// the answer, `on_room_left` runs on a separate task.
    pub async fn leave(&self) -> Result<(), Error> {
        self.leave_as(Initiator::Peer).await
    }

    /// Leaves the room with this cause. As in other implementations, handlers see the leave of one room as if the peer
    /// had requested it, and the leave of all rooms as local.
    async fn leave_as(&self, cause: Initiator) -> Result<(), Error> {
        let (conn, namespace) = (&self.ns.conn, &self.ns.namespace);
        if conn.link().renounce(namespace, Some(&self.name)) {
            return Ok(());
        }
        let left = requests::leave(&conn.link().peer(), namespace, &self.name, cause).await;
        left.map_err(|err| conn.explain(err))
    }
}

impl Room {
    /// Offers messages to all connections in the room, as [`NsConn::broadcast`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("roll", async |room: Room| room.broadcast(Message::new("dice", "4")));
    /// ```
    pub fn broadcast(&self, messages: impl IntoMessages) {
        self.ns.broadcast(self.filled_in(messages));
    }

    /// As [`Room::broadcast`], without this connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new()
    ///     .on("chat", async |room: Room, message: Message| room.broadcast_others(message));
    /// ```
    pub fn broadcast_others(&self, messages: impl IntoMessages) {
        self.ns.broadcast_others(self.filled_in(messages));
    }

    /// As [`Room::broadcast`], of one event with `value` as JSON. It is serialized once.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("score", async |room: Room, Json(score): Json<(u32, u32)>| {
    ///     room.broadcast_json("score", &score)
    /// });
    /// ```
    ///
    /// # Errors
    ///
    /// `is_payload` if `value` cannot be serialized.
    pub fn broadcast_json<T: Serialize + ?Sized>(&self, event: &str, value: &T) -> Result<(), Error> {
        self.broadcast(Message::json(event, value)?);
        Ok(())
    }

    fn filled_in(&self, messages: impl IntoMessages) -> Vec<Message> {
        messages.into_messages().into_iter().map(|message| message.or_room(&self.name)).collect()
    }
}

/// Two handles are equal if they are of one connection and one room.
impl<S: Side> PartialEq for Room<S> {
    fn eq(&self, other: &Self) -> bool {
        self.ns == other.ns && self.name == other.name
    }
}

impl<S: Side> Eq for Room<S> {}

impl<S: Side> Hash for Room<S> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.ns, &self.name).hash(state);
    }
}

impl<S: Side> Clone for Room<S> {
    fn clone(&self) -> Self {
        Self { ns: self.ns.clone(), name: self.name.clone() }
    }
}

impl<S: Side> fmt::Debug for Room<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("ns", &self.ns).field("name", &self.name).finish()
    }
}
