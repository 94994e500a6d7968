//! [`Conn`]: a handle to one connection.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::ask;
use super::extensions::Extensions;
use super::namespace::NsConn;
use super::peer::Peer;
use super::process;
use crate::error::Error;
use crate::fanout::Member;
use crate::message::{Cause, Message, events};
use crate::session::{Effect, Verdict};
use crate::websocket::{CloseCode, CloseFrame};

/// A handle to one connection: cheap to clone, and valid after the connection has ended, when all it does fails.
///
/// # Examples
///
/// ```
/// use neffos::{CloseCode, Conn, Events};
///
/// let events = Events::new().on("bye", async |conn: Conn| conn.close(CloseCode::NORMAL, "see you"));
/// ```
#[derive(Debug, Clone)]
pub struct Conn {
    peer: Arc<Peer>,
    stage: Stage,
}

/// Where the handle was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To `on_connect`, whose calls admit the connection.
    Opening,
    Open,
}

impl Conn {
    pub(crate) fn new(peer: Arc<Peer>) -> Self {
        Self { peer, stage: Stage::Open }
    }

    pub(super) fn opening(peer: Arc<Peer>) -> Self {
        Self { peer, stage: Stage::Opening }
    }

    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// The public id, as the id generator made it. Several connections may share one.
    pub fn id(&self) -> &str {
        self.peer.id()
    }

    /// Whether `self` and `other` are the same connection.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.peer, &other.peer)
    }

    /// How often the client tried to come back before it got here; zero for a first visit.
    pub fn reconnect_tries(&self) -> i64 {
        self.peer.reconnect_tries()
    }

    /// Whether the client had been here before and was cut off.
    pub fn was_reconnected(&self) -> bool {
        self.reconnect_tries() > 0
    }

    /// Where the client's socket is, when that is known.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.peer.address()
    }

    /// What the application keeps with this connection.
    pub fn extensions(&self) -> Extensions<'_> {
        Extensions { peer: &self.peer }
    }

    /// The namespace `name`, when this connection is connected to it.
    pub fn namespace(&self, name: &str) -> Option<NsConn> {
        let name = self.peer.session().membership.namespace(name)?;
        Some(NsConn::new(self.clone(), name))
    }

    /// The namespaces that this connection is connected to, in the order in which it did so.
    pub fn namespaces(&self) -> Vec<NsConn> {
        let names: Vec<_> = self.peer.session().membership.all().iter().map(|(name, _)| name.clone()).collect();
        names.into_iter().map(|name| NsConn::new(self.clone(), name)).collect()
    }

    /// Asks the client to connect to `namespace`, runs the handlers of it here, and returns it. When it is connected
    /// already, nothing is asked. Waits for the client's greeting first; inside `on_connect`, the call admits the client.
    ///
    /// # Errors
    ///
    /// `is_bad_namespace` when it is not declared here; the handler's own error; the client's refusal (`is_remote`);
    /// `is_timeout`, `is_closed`.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the client's answer, the answer changes nothing here, though the client may count itself in.
    pub async fn connect(&self, namespace: &str) -> Result<NsConn, Error> {
        if let Some(connected) = self.namespace(namespace) {
            return Ok(connected);
        }
        let name = self.peer.hub().namespaces.name(namespace).ok_or_else(Error::bad_namespace)?;
        if self.stage == Stage::Opening {
            self.peer.admit();
            self.peer.session().ack.resolve(Verdict::Welcome);
        }
        within(self.peer.hub().limits.ack_timeout, self.peer.acknowledged()).await??;

        process::decide(self, &name, Message::system(events::CONNECT, &name, Cause::Local)).await?;
        let request = Message::system(events::CONNECT, &name, Cause::Local);
        ask::request(&self.peer, request, Effect::Connect(name.clone())).await?;
        process::tell(self, &name, Message::system(events::CONNECTED, &name, Cause::Local)).await;
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
    /// `is_bad_namespace`, `is_bad_room`; `is_full` when the client reads too slowly: then it misses this message;
    /// `is_closed`.
    #[expect(clippy::needless_pass_by_value, reason = "a message is made to be sent: no `&` at every call")]
    pub fn send(&self, message: Message) -> Result<(), Error> {
        match self.is_closed() {
            true => Err(Error::closed()),
            false => self.peer.send(&message),
        }
    }

    /// Sends `message` and waits for its reply, as long as the server's `ask_timeout` says (10 s by default). Works inside
    /// a handler too: replies are read while handlers run.
    ///
    /// # Errors
    ///
    /// The client's own error (`is_remote`), `is_timeout`, `is_closed`, and those of [`Conn::send`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future forgets the ask; a late reply is dropped.
    pub async fn ask(&self, message: Message) -> Result<Message, Error> {
        ask::request(&self.peer, message, Effect::Nothing).await
    }

    /// Closes the connection: what is queued goes out, then a close frame with `code` and `reason` (up to 123 bytes).
    /// Returns at once; the events that the end brings about run on the connection's own task. Closing again does nothing.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.peer.close(Some(&CloseFrame::new(code, reason)));
    }

    /// Whether the connection has ended or is about to.
    pub fn is_closed(&self) -> bool {
        self.peer.is_closed()
    }

    /// Waits for the end; returns the close frame that ended it, or none when the socket broke.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again at any time.
    pub async fn closed(&self) -> Option<CloseFrame> {
        self.peer.ended().await;
        self.peer.end_reason()
    }
}

async fn within<T>(deadline: Duration, wait: impl Future<Output = T>) -> Result<T, Error> {
    match deadline {
        Duration::ZERO => Ok(wait.await),
        deadline => timeout(deadline, wait).await.map_err(|_| Error::timeout()),
    }
}
