//! [`Conn`]: a handle to one connection.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::request::Parts;

use super::accepted::Accepted;
use super::connection_ref::ConnectionRef;
use super::extensions::Extensions;
use super::namespace::NsConn;
use super::side::{ClientSide, ServerSide, Side};
use crate::connection::{Peer, ask, requests};
use crate::error::Error;
use crate::fanout::Member;
use crate::message::Message;
use crate::session::Effect;
use crate::websocket::{CloseCode, CloseFrame};

/// A handle to one connection. It is cheap to clone. After the connection has ended it stays valid, but every operation
/// fails.
///
/// A client keeps the same handle when it reconnects. Handles are equal if they are of one connection, so a `Conn` may
/// be the key of a map; so may an [`NsConn`] and a [`Room`](crate::Room).
///
/// # Examples
///
/// ```
/// use neffos::{CloseCode, Conn, Events};
///
/// let events: Events = Events::new().on("bye", async |conn: Conn| conn.close(CloseCode::NORMAL, "see you"));
/// ```
pub struct Conn<S: Side = ServerSide> {
    link: S::ConnectionRef,
}

impl<S: Side> Conn<S> {
    pub(crate) fn from_link(link: S::ConnectionRef) -> Self {
        Self { link }
    }

    pub(crate) fn link(&self) -> &S::ConnectionRef {
        &self.link
    }

    pub(crate) fn into_link(self) -> S::ConnectionRef {
        self.link
    }

    /// Returns the values that the application stores with this connection. They are dropped with the last handle, and a
    /// client keeps them when it reconnects.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("rename", async |conn: Conn, name: String| {
    ///     conn.extensions().insert(name);
    /// });
    /// ```
    pub fn extensions(&self) -> Extensions<'_> {
        Extensions { values: self.link.values() }
    }

    /// Returns the namespace `name`, if this connection is connected to it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(server: Server) {
    /// for conn in server.connections() {
    ///     if let Some(chat) = conn.namespace("chat") {
    ///         // A full outbox is an error here, and ends only this loop's turn.
    ///         chat.emit("notice", "the server restarts at noon").ok();
    ///     }
    /// }
    /// # }
    /// ```
    pub fn namespace(&self, name: &str) -> Option<NsConn<S>> {
        let name = self.link.peer().session().membership().namespace(name)?;
        Some(NsConn::new(self.clone(), name))
    }

    /// Returns the namespaces that this connection is connected to, in the order of the connects.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn) {
    /// for ns in conn.namespaces() {
    ///     println!("{} is in {} with {} rooms", conn.id(), ns.name(), ns.rooms().len());
    /// }
    /// # }
    /// ```
    pub fn namespaces(&self) -> Vec<NsConn<S>> {
        let peer = self.link.peer();
        let names: Vec<_> = peer.session().membership().all().iter().map(|(name, _)| name.clone()).collect();
        names.into_iter().map(|name| NsConn::new(self.clone(), name)).collect()
    }

    /// Asks the other side to connect to `namespace`, runs this side's handlers for it, and returns it.
    ///
    /// - If the namespace is connected already, no request is sent.
    /// - A server first waits for the client's greeting. Inside its `on_connect`, the call admits the client.
    /// - Events of the namespace wait until `on_connected` has run on this side.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn<ClientSide>) -> Result {
    /// match conn.connect("admin").await {
    ///     Ok(admin) => admin.emit("reload", "")?,
    ///     Err(err) if err.is_remote() => println!("the server refuses: {err}"),
    ///     Err(err) => return Err(err),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `is_bad_namespace` if the namespace is not declared on both sides.
    /// - The error of this side's handler.
    /// - The other side's refusal (`is_remote`).
    /// - `is_timeout`, `is_closed`, `is_lost`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before the answer arrives, the answer changes nothing on this side, but the other side
    /// may consider the namespace connected. If it is dropped after the answer, the namespace is connected, and
    /// `on_connected` runs on a separate task.
    pub async fn connect(&self, namespace: &str) -> Result<NsConn<S>, Error> {
        if let Some(connected) = self.namespace(namespace) {
            return Ok(connected);
        }
        self.link.admit();
        let name = requests::connect(&self.link.peer(), namespace).await.map_err(|err| self.explain(err))?;
        Ok(NsConn::new(self.clone(), name))
    }

    /// Disconnects every namespace, one after the other ([`NsConn::disconnect`]).
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn<ClientSide>) -> Result {
    /// conn.disconnect_all().await?;
    /// assert!(conn.namespaces().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The first refusal. The namespaces before it are disconnected then.
    pub async fn disconnect_all(&self) -> Result<(), Error> {
        for namespace in self.namespaces() {
            namespace.disconnect().await?;
        }
        Ok(())
    }

    /// Sends `message` and returns at once. Its namespace, and its room if it has one, must be connected on this
    /// connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn) -> Result {
    /// match conn.send(Message::new("score", "3:1").in_namespace("default")) {
    ///     Err(err) if err.is_full() => println!("{} reads too slowly", conn.id()),
    ///     sent => sent?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `is_bad_namespace`, `is_bad_room`.
    /// - `is_full` if the outbox is full, because the other side reads too slowly. The message is not sent then.
    /// - `is_closed`, `is_lost`.
    pub fn send(&self, message: Message) -> Result<(), Error> {
        self.link.send(message)
    }

    /// Sends `message` and waits for its reply, at most for `ask_timeout` (10 s by default).
    ///
    /// It also works inside a handler: replies are read while handlers run.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn) -> Result {
    /// let reply = conn.ask(Message::new("which version?", "").in_namespace("default")).await?;
    /// println!("{} runs {}", conn.id(), reply.text()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The other side's error (`is_remote`), `is_timeout`, `is_closed`, `is_lost`, and the errors of [`Conn::send`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the ask is forgotten and a late reply is dropped.
    pub async fn ask(&self, message: Message) -> Result<Message, Error> {
        ask::request(&self.link.peer(), message, Effect::Nothing).await.map_err(|err| self.explain(err))
    }

    /// Closes the connection: sends the queued frames, then a close frame with `code` and `reason` (up to 123 bytes).
    ///
    /// It returns at once. The handlers of the end run on the connection's task. A second call does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("logout", async |conn: Conn| conn.close(CloseCode::NORMAL, "logged out"));
    /// ```
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.link.close(&CloseFrame::new(code, reason));
    }

    /// Returns whether the connection has ended or is closing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn) {
    /// while !conn.is_closed() {
    ///     // Computes the next step of a long simulation.
    /// # break;
    /// }
    /// # }
    /// ```
    pub fn is_closed(&self) -> bool {
        self.link.is_closed()
    }

    /// Waits for the end of the connection. Returns the close frame that ended it, or `None` if the socket failed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("watch", async |conn: Conn| {
    ///     tokio::spawn(async move {
    ///         let frame = conn.closed().await;
    ///         println!("{} has ended: {frame:?}", conn.id());
    ///     });
    /// });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect. The method may be called again.
    pub async fn closed(&self) -> Option<CloseFrame> {
        self.link.closed().await
    }

    /// Replaces the error of a call that the end of the connection interrupted: the new one states whether the client
    /// reconnects.
    pub(super) fn explain(&self, err: Error) -> Error {
        match err.is_closed() {
            true => self.link.gone(),
            false => err,
        }
    }
}

impl Conn {
    pub(crate) fn new(peer: Arc<Peer>) -> Self {
        Self { link: Accepted::new(peer) }
    }

    pub(crate) fn opening(peer: Arc<Peer>) -> Self {
        Self { link: Accepted::opening(peer) }
    }

    pub(crate) fn peer(&self) -> &Arc<Peer> {
        self.link.borrow()
    }

    /// Returns how many messages have been dropped so far for this connection, because it reads too slowly: its outbox was
    /// full, or the server's memory budget was used up. Messages that are still queued do not count.
    ///
    /// [`Closed::missed`](crate::Closed::missed) has the number at the end.
    ///
    /// # Examples
    ///
    /// ```
    /// use neffos::{Conn, Server};
    ///
    /// fn slow_readers(server: &Server) -> Vec<Conn> {
    ///     server.connections().into_iter().filter(|conn| conn.missed() > 0).collect()
    /// }
    /// ```
    pub fn missed(&self) -> u32 {
        self.peer().missed()
    }

    /// Returns the public id from the id generator. Several connections may share one id.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("my id", async |conn: Conn| Reply::text(conn.id()));
    /// ```
    pub fn id(&self) -> &str {
        self.peer().id()
    }

    /// Returns how many attempts the client needed to reconnect. It is zero for a first connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.on_opened(|conn| println!("opened after {} attempts", conn.reconnect_tries())).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn reconnect_tries(&self) -> i64 {
        self.peer().reconnect_tries()
    }

    /// Returns whether the client had an earlier connection that was lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on_connected(async |ns: NsConn| match ns.conn().was_reconnected() {
    ///     true => ns.emit("welcome", "back"),
    ///     false => ns.emit("welcome", "new client"),
    /// });
    /// ```
    pub fn was_reconnected(&self) -> bool {
        self.reconnect_tries() > 0
    }

    /// Returns the HTTP request that became this connection: its URL and headers.
    ///
    /// Returns `None` unless the server keeps requests: [`ServerBuilder::keep_requests`](crate::ServerBuilder::keep_requests).
    ///
    /// # Examples
    ///
    /// ```
    /// use neffos::{Conn, Events, Server};
    ///
    /// let events = Events::new().on("agent", async |conn: Conn| {
    ///     let request = conn.request()?;
    ///     request.headers.get("user-agent")?.to_str().ok().map(str::to_owned)
    /// });
    /// let server = Server::builder().namespace("default", events).keep_requests().build()?;
    /// # Ok::<(), neffos::Error>(())
    /// ```
    pub fn request(&self) -> Option<Arc<Parts>> {
        self.peer().kept_request()
    }

    /// Returns the address of the client's socket, if it is known. Behind a proxy, it is the address of the proxy.
    ///
    /// With axum it is known only if the application uses `into_make_service_with_connect_info`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn) {
    /// println!("the socket's address: {:?}", conn.remote_addr());
    /// # }
    /// ```
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.peer().address()
    }

    /// Returns the IP address of the client: the one that a trusted proxy names
    /// ([`address_header`](crate::ServerBuilder::address_header)), or else the one of the socket. Limits for each
    /// address use this one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new()
    ///     .on("my address", async |conn: Conn| conn.client_ip().map(|ip| ip.to_string()));
    /// ```
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.peer().client_ip()
    }
}

impl Conn<ClientSide> {
    /// Returns the id that the server gave this connection. It may change when the client reconnects.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn<ClientSide>) {
    /// println!("the server named this connection {}", conn.id());
    /// # }
    /// ```
    pub fn id(&self) -> Arc<str> {
        self.link.peer().id().clone()
    }

    /// Waits until the server has connected this client to `namespace`, at most for `ask_timeout` (10 s by default).
    ///
    /// If the namespace is connected already, it returns at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn<ClientSide>) -> Result {
    /// let lobby = conn.wait_server_connect("lobby").await?;
    /// lobby.emit("ready", "")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `is_bad_namespace` if the namespace is not declared in this client, so that the server cannot connect it.
    /// - `is_timeout`, `is_closed`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect. The method may be called again.
    pub async fn wait_server_connect(&self, namespace: &str) -> Result<NsConn<ClientSide>, Error> {
        let name = self.link.wait_for(namespace).await?;
        Ok(NsConn::new(self.clone(), name))
    }
}

/// Two handles are equal if they are of one connection.
impl<S: Side> PartialEq for Conn<S> {
    fn eq(&self, other: &Self) -> bool {
        self.link.identity() == other.link.identity()
    }
}

impl<S: Side> Eq for Conn<S> {}

impl<S: Side> Hash for Conn<S> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.link.identity().hash(state);
    }
}

impl<S: Side> Clone for Conn<S> {
    fn clone(&self) -> Self {
        Self { link: self.link.clone() }
    }
}

impl<S: Side> fmt::Debug for Conn<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Conn").field(&self.link).finish()
    }
}
