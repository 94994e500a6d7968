//! The two sides of a connection. Handles and handlers name their side by a type parameter, so that a client has no
//! methods that only a server can provide.

use std::fmt;
use std::sync::Arc;

use super::accepted::Accepted;
use super::connection_ref::ConnectionRef;
use super::line::Line;

/// A side of a connection: [`ServerSide`] or [`ClientSide`].
///
/// Handles and [`Events`](crate::Events) are of the server side by default: `NsConn` is `NsConn<ServerSide>`. A handler
/// that is generic over the side serves both.
///
/// # Examples
///
/// ```
/// use neffos::{Client, Events, Message, NsConn, Server, Side};
///
/// /// Answers pings of the other side, whichever that is.
/// fn pings<S: Side>() -> Events<S> {
///     Events::new().on("ping", async |ns: NsConn<S>, message: Message| ns.emit("pong", message.body().clone()))
/// }
///
/// let server = Server::builder().namespace("default", pings());
/// let client = Client::builder("ws://127.0.0.1:8080/ws").namespace("default", pings());
/// ```
#[expect(private_bounds, reason = "sealed: there are only two sides, and their differences are internal")]
pub trait Side: Sealed {}

/// The side that accepts connections and broadcasts.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_enums, reason = "a mark for the type system: it has no values")]
pub enum ServerSide {}

/// The side that dials.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_enums, reason = "a mark for the type system: it has no values")]
pub enum ClientSide {}

impl Side for ServerSide {}
impl Side for ClientSide {}

pub(crate) trait Sealed: Sized + fmt::Debug + Send + Sync + 'static {
    type ConnectionRef: ConnectionRef;
}

impl Sealed for ServerSide {
    type ConnectionRef = Accepted;
}

impl Sealed for ClientSide {
    type ConnectionRef = Arc<Line>;
}

/// Methods that only servers have do not exist on the handles of a client. All of this compiles:
///
/// ```
/// use neffos::{Conn, Events, Message, NsConn, Room, ServerSide};
///
/// fn to_all(ns: &NsConn<ServerSide>, message: Message) { ns.broadcast(message) }
/// fn to_others(ns: &NsConn<ServerSide>, message: Message) { ns.broadcast_others(message) }
/// fn to_room(room: &Room<ServerSide>, message: Message) { room.broadcast(message) }
/// fn to_others_in_room(room: &Room<ServerSide>, message: Message) { room.broadcast_others(message) }
/// fn server(conn: &Conn<ServerSide>) -> neffos::Server { conn.server() }
/// fn handler() -> Events<ServerSide> { Events::new().on("chat", async |_: NsConn<ServerSide>| ()) }
/// ```
///
/// None of it compiles on the other side:
///
/// ```compile_fail,E0599
/// use neffos::{ClientSide, Message, NsConn};
/// fn to_all(ns: &NsConn<ClientSide>, message: Message) { ns.broadcast(message) }
/// ```
///
/// ```compile_fail,E0599
/// use neffos::{ClientSide, Message, NsConn};
/// fn to_others(ns: &NsConn<ClientSide>, message: Message) { ns.broadcast_others(message) }
/// ```
///
/// ```compile_fail,E0599
/// use neffos::{ClientSide, Message, Room};
/// fn to_room(room: &Room<ClientSide>, message: Message) { room.broadcast(message) }
/// ```
///
/// ```compile_fail,E0599
/// use neffos::{ClientSide, Message, Room};
/// fn to_others_in_room(room: &Room<ClientSide>, message: Message) { room.broadcast_others(message) }
/// ```
///
/// ```compile_fail,E0599
/// use neffos::{ClientSide, Conn};
/// fn server(conn: &Conn<ClientSide>) -> neffos::Server { conn.server() }
/// ```
///
/// ```compile_fail,E0308
/// use neffos::{ClientSide, Events, NsConn, ServerSide};
/// fn handler() -> Events<ClientSide> { Events::new().on("chat", async |_: NsConn<ServerSide>| ()) }
/// ```
#[cfg(doctest)]
struct OnlyServers;
