//! [`Conn`]: a handle to one connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

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

/// A handle to one connection: cheap to clone, and valid after the connection has ended, when all it does fails.
///
/// A client's handle stays the same when the connection is lost and dialled again.
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

    /// Whether `self` and `other` are the same connection.
    pub fn is_same(&self, other: &Self) -> bool {
        self.link.is_same(&other.link)
    }

    /// What the application keeps with this connection.
    pub fn extensions(&self) -> Extensions<'_> {
        Extensions { values: self.link.values() }
    }

    /// The namespace `name`, when this connection is connected to it.
    pub fn namespace(&self, name: &str) -> Option<NsConn<S>> {
        let name = self.link.peer().session().membership().namespace(name)?;
        Some(NsConn::new(self.clone(), name))
    }

    /// The namespaces that this connection is connected to, in the order in which it did so.
    pub fn namespaces(&self) -> Vec<NsConn<S>> {
        let peer = self.link.peer();
        let names: Vec<_> = peer.session().membership().all().iter().map(|(name, _)| name.clone()).collect();
        names.into_iter().map(|name| NsConn::new(self.clone(), name)).collect()
    }

    /// Asks the other side to connect to `namespace`, runs the handlers of it here, and returns it. When it is connected
    /// already, nothing is asked. A server waits for the client's greeting first; inside its `on_connect`, the call admits
    /// the client. Events of the namespace wait until `on_connected` has run here.
    ///
    /// # Errors
    ///
    /// `is_bad_namespace` when it is not declared on both sides; the handler's own error; the other side's refusal
    /// (`is_remote`); `is_timeout`, `is_closed`, `is_lost`.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the answer, the answer changes nothing here, though the other side may count itself in. Dropped after
    /// it, the namespace is connected, and `on_connected` runs on a separate task.
    pub async fn connect(&self, namespace: &str) -> Result<NsConn<S>, Error> {
        if let Some(connected) = self.namespace(namespace) {
            return Ok(connected);
        }
        self.link.admit();
        let name = requests::connect(&self.link.peer(), namespace).await.map_err(|err| self.explain(err))?;
        Ok(NsConn::new(self.clone(), name))
    }

    /// Disconnects every namespace in turn ([`NsConn::disconnect`]).
    ///
    /// # Errors
    ///
    /// The first refusal; the namespaces before it are disconnected then.
    pub async fn disconnect_all(&self) -> Result<(), Error> {
        for namespace in self.namespaces() {
            namespace.disconnect().await?;
        }
        Ok(())
    }

    /// Sends `message`, whose namespace (and room, if any) must be connected on this connection. Never waits.
    ///
    /// # Errors
    ///
    /// `is_bad_namespace`, `is_bad_room`; `is_full` when the other side reads too slowly: then it misses this message;
    /// `is_closed`, `is_lost`.
    pub fn send(&self, message: Message) -> Result<(), Error> {
        self.link.send(message)
    }

    /// Sends `message` and waits for its reply, as long as `ask_timeout` says (10 s by default). Works inside a handler too:
    /// replies are read while handlers run.
    ///
    /// # Errors
    ///
    /// The other side's own error (`is_remote`), `is_timeout`, `is_closed`, `is_lost`, and those of [`Conn::send`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future forgets the ask; a late reply is dropped.
    pub async fn ask(&self, message: Message) -> Result<Message, Error> {
        ask::request(&self.link.peer(), message, Effect::Nothing).await.map_err(|err| self.explain(err))
    }

    /// Closes the connection: what is queued goes out, then a close frame with `code` and `reason` (up to 123 bytes).
    /// Returns at once; the events that the end brings about run on the connection's own task. Closing again does nothing.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.link.close(&CloseFrame::new(code, reason));
    }

    /// Whether the connection has ended or is about to.
    pub fn is_closed(&self) -> bool {
        self.link.is_closed()
    }

    /// Waits for the end; returns the close frame that ended it, or none when the socket broke.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again at any time.
    pub async fn closed(&self) -> Option<CloseFrame> {
        self.link.closed().await
    }

    /// The error of a call to which the connection's end came first says whether the connection comes back.
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

    /// The public id, as the id generator made it. Several connections may share one.
    pub fn id(&self) -> &str {
        self.peer().id()
    }

    /// How often the client tried to come back before it got here; zero for a first visit.
    pub fn reconnect_tries(&self) -> i64 {
        self.peer().reconnect_tries()
    }

    /// Whether the client had been here before and was cut off.
    pub fn was_reconnected(&self) -> bool {
        self.reconnect_tries() > 0
    }

    /// The address of the client's socket, if it is known: behind a proxy, that of the proxy. Under axum it is known with
    /// `into_make_service_with_connect_info`.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.peer().address()
    }

    /// The IP address of the client: the one that a trusted proxy names
    /// ([`address_header`](crate::ServerBuilder::address_header)), or else that of the socket. Limits for each address count
    /// under it.
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.peer().client_ip()
    }
}

impl Conn<ClientSide> {
    /// What the server calls this connection; it may change when the connection is dialled again.
    pub fn id(&self) -> Arc<str> {
        self.link.peer().id().clone()
    }

    /// Waits until the server has connected this client to `namespace`; returns at once when it is connected already.
    /// Waits as long as `ask_timeout` says (10 s by default).
    ///
    /// # Errors
    ///
    /// `is_bad_namespace` when it is not declared here, so that the server cannot connect it; `is_timeout`, `is_closed`.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again at any time.
    pub async fn wait_server_connect(&self, namespace: &str) -> Result<NsConn<ClientSide>, Error> {
        let name = self.link.wait_for(namespace).await?;
        Ok(NsConn::new(self.clone(), name))
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
