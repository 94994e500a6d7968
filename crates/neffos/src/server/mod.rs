//! The server: what it is told before it starts, what it can do while it runs, and how it ends.
//!
//! - `mod.rs`: [`Server`], the handle.
//! - `asks.rs`: asks that other servers may answer.
//! - `builder.rs`: [`ServerBuilder`].
//! - `compression.rs`: the builder's switch for it.
//! - `doors.rs`: the builder's settings for ids, origins, the proxy in front, and subprotocols.
//! - `exclude.rs`: [`Exclude`], whom a broadcast leaves out.

mod asks;
mod builder;
#[cfg(feature = "deflate")]
mod compression;
mod doors;
mod exclude;

use std::future::{Future, pending};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

pub use builder::ServerBuilder;
pub use exclude::Exclude;

use crate::admission::{Gate, RefusalReason, RefusedConnections, ServerPhase};
use crate::budget::{MemoryBudget, MemoryUsage};
use crate::connection::{Hub, Peer, RateLimited, first_answer};
use crate::error::Error;
use crate::exchange::Cluster;
use crate::fanout::{Audience, Counters, Except};
use crate::handlers::{Event, FromEvent};
use crate::handles::Conn;
use crate::message::{IntoMessages, Message};
use crate::time_limit;
use crate::websocket::{CloseCode, CloseFrame};

/// A server: a cheap handle to all its connections. It opens no socket: [`serve`](crate::serve) does, or the
/// application's own HTTP server.
///
/// # Examples
///
/// ```no_run
/// use neffos::{Events, Message, NsConn, Server};
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let chat = Events::new().on("chat", async |ns: NsConn, message: Message| ns.broadcast_others(message));
///     let server = Server::builder().namespace("default", chat).build()?;
///     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
///     Ok(neffos::serve(listener, server).await?)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Server {
    hub: Arc<Hub>,
}

impl Server {
    /// A builder with the defaults.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        self.hub.gate.as_ref().expect("only `ServerBuilder::build` makes the hub of a `Server`, with a gate")
    }

    /// Offers messages to everyone whom their namespace, room and recipient select, and returns at once.
    ///
    /// A namespace must be connected to be reached; one that is unset is the empty namespace. A connection whose outbox is
    /// full, or which is closing, misses a message: a slow reader delays nobody else, and the [counters](Server::counters)
    /// show what was dropped. Two calls from one task arrive in that order at each receiver. Handlers of this server are
    /// not invoked. May be called from anywhere, handlers and callbacks included.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::{Events, Message, Server};
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// server.broadcast(Message::new("news", "to all").in_namespace("default"));
    /// server.broadcast(Message::new("news", "to a room").in_namespace("default").to_room("lobby"));
    /// server.broadcast(Message::new("news", "to one").in_namespace("default").to("user-42"));
    /// # Ok::<(), neffos::Error>(())
    /// ```
    pub fn broadcast(&self, messages: impl IntoMessages) {
        self.cast(messages.into_messages(), &Except::Nobody);
    }

    /// As [`Server::broadcast`], to everyone but `who`: a `&Conn`, `&NsConn` or `&Room` (that connection), or an
    /// [`Exclude::id`] (every connection with that id).
    pub fn broadcast_except(&self, who: impl Into<Exclude>, messages: impl IntoMessages) {
        self.cast(messages.into_messages(), who.into().except());
    }

    /// Asks everyone whom `message` selects ([`Message::to`]: one id), and returns the first reply.
    ///
    /// Waits as long as `ask_timeout` says (10 s by default), also when no connection is selected. A reply counts only from a
    /// connection that was asked, once.
    ///
    /// # Errors
    ///
    /// The first reply when it is an error (`is_remote`); `is_timeout`; `is_closed` when this server has ended, or as soon as every
    /// connection that was asked has ended. With an exchange and no such connection here, this server asks the others once a second
    /// whether they have one. The error comes when all of them have said no; three times, if there never was such a connection.
    /// Servers in Go do not say so: with them, the ask waits for its timeout.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future forgets the ask; late replies are dropped.
    pub async fn ask(&self, message: Message) -> Result<Message, Error> {
        let peers = self.hub.audience_of(&message);
        let patience = self.hub.limits.ask_timeout;
        let answer = async {
            match &self.hub.exchange {
                None => first_answer(peers, message, patience).await,
                Some(exchange) => asks::first_of_all(exchange.node(), peers, message, patience).await,
            }
        };
        tokio::select! {
            biased;
            answer = answer => answer,
            () = self.gate().all_gone_after_shut() => Err(Error::closed()),
        }
    }

    /// Closes every connection with this id, wherever it is among the servers that share an exchange. Returns at once.
    pub fn close_id(&self, id: &str, frame: &CloseFrame) {
        if let Some(exchange) = &self.hub.exchange {
            exchange.node().close(id, frame);
        }
        self.hub.fanout.with_id(id).iter().for_each(|peer| peer.close(Some(frame)));
    }

    /// The other servers, where there is an exchange.
    pub fn cluster(&self) -> Option<Cluster> {
        self.hub.exchange.as_ref().map(|exchange| Cluster::new(exchange.node().clone()))
    }

    /// Returns when the servers that share the exchange are reached; at once when there is none. A server need not wait for
    /// this: it serves its own connections in any case, and joins the others as soon as that goes.
    ///
    /// # Errors
    ///
    /// `is_unreachable`, with the reason, when there is no link after the first try; the tries go on in the background.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub async fn joined(&self) -> Result<(), Error> {
        match self.cluster() {
            None => Ok(()),
            Some(cluster) => cluster.joined().await,
        }
    }

    /// Runs `f` for every connection of this moment, one after the other, and waits until all are done. Delays neither
    /// accepting nor broadcasts.
    ///
    /// # Cancel safety
    ///
    /// Dropped early, the rest of the connections is not visited.
    pub async fn for_each<F, Fut>(&self, f: F)
    where
        F: Fn(Conn) -> Fut,
        Fut: Future<Output = ()>,
    {
        for conn in self.connections() {
            f(conn).await;
        }
    }

    /// As [`Server::for_each`], on a task of its own.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn spawn_for_each<F, Fut>(&self, f: F) -> JoinHandle<()>
    where
        F: Fn(Conn) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let server = self.clone();
        tokio::spawn(async move { server.for_each(f).await })
    }

    /// How many connections there are: one atomic read.
    pub fn total_connections(&self) -> usize {
        self.hub.fanout.len()
    }

    /// All connections of this moment.
    pub fn connections(&self) -> Vec<Conn> {
        self.hub.fanout.all().into_iter().map(Conn::new).collect()
    }

    /// The connections with this id, which need not be unique.
    pub fn connections_with_id(&self, id: &str) -> Vec<Conn> {
        self.hub.fanout.with_id(id).into_iter().map(Conn::new).collect()
    }

    /// The connections in a namespace, and in a room of it when one is given.
    pub fn connections_in(&self, namespace: &str, room: Option<&str>) -> Vec<Conn> {
        let audience =
            Audience { namespace: namespace.into(), room: room.map(Into::into), id: None, except: Except::Nobody };
        self.hub.fanout.members(&audience).into_iter().map(Conn::new).collect()
    }

    /// How many connections are in a namespace, and in a room of it when one is given.
    pub fn count_in(&self, namespace: &str, room: Option<&str>) -> usize {
        self.hub.fanout.count(namespace, room)
    }

    /// How often clients were faster than the server's rates allow, since the start.
    pub fn rate_limited(&self) -> RateLimited {
        let count = |reason| self.gate().refusals().of(reason);
        let (all, failed) = (count(RefusalReason::TooManyHandshakes), count(RefusalReason::TooManyFailures));
        self.hub.rate_limited().with_handshakes(all, failed)
    }

    /// How many connections were refused, or cut before they were websockets, since the start; by reason.
    pub fn refused_connections(&self) -> RefusedConnections {
        self.gate().refusals().read()
    }

    /// The IP address of the client that sent a request: the one that a trusted proxy names
    /// ([`address_header`](ServerBuilder::address_header)), or else that of the socket. For routes of the application beside
    /// the websocket.
    pub fn client_ip(&self, headers: &HeaderMap, socket: Option<SocketAddr>) -> Option<IpAddr> {
        self.gate().client_ip(headers, socket)
    }

    /// The address under which the limits for each address count a client: that of [`Server::client_ip`], and with IPv6 its
    /// network (/64). None when they do not hold for it: the address is unknown, or a loopback address without
    /// [`address_header`](ServerBuilder::address_header), since a proxy on this machine may bring everyone.
    pub fn counted_ip(&self, headers: &HeaderMap, socket: Option<SocketAddr>) -> Option<IpAddr> {
        self.gate().counted(self.client_ip(headers, socket))
    }

    /// The memory that is in use for everything that is queued, and the actions taken because of it.
    pub fn memory(&self) -> MemoryUsage {
        MemoryBudget(self.hub.budget.clone()).usage()
    }

    /// The budget in which everything that is queued counts, and in which the application may reserve memory for its own queues.
    pub fn memory_budget(&self) -> MemoryBudget {
        MemoryBudget(self.hub.budget.clone())
    }

    /// What became of all messages since the start.
    pub fn counters(&self) -> Counters {
        self.hub.fanout.totals().read()
    }

    /// Whether new clients are refused: the server is closed or shutting down.
    pub fn is_closed(&self) -> bool {
        self.gate().is_shut()
    }

    /// Closes every connection with 1001 and refuses new ones with 503. Returns at once. A client whose handshake is in flight is
    /// closed as soon as its handshake is done.
    pub fn close(&self) {
        self.gate().close();
        self.hub.fanout.all().iter().for_each(close_for_good);
    }

    /// Ends a connection that joined while the server was ending: the call that ended the server may have missed it.
    pub(crate) fn end_if_late(&self, peer: &Arc<Peer>) {
        match self.gate().phase() {
            ServerPhase::Open => {}
            ServerPhase::Draining => peer.drain(),
            ServerPhase::Closed => close_for_good(peer),
        }
    }

    /// Ends in good order: refuses new clients with 503, lets each connection finish the events that it has begun, and
    /// closes it with 1012, spread over the drain window so that not all come back at once. Returns when all are gone, or
    /// when `shutdown_timeout` (15 s by default) has passed: then what is left is cut. A client whose handshake is in flight has
    /// one second for it, and is then closed with 1012, too.
    ///
    /// # Cancel safety
    ///
    /// Dropped early, no more connections are closed; new ones stay refused.
    pub async fn shutdown(&self) {
        self.gate().begin_to_end();
        if time_limit::within(self.gate().shutdown_timeout(), self.drain()).await.is_err() {
            tracing::warn!(left = self.total_connections(), "the shutdown deadline passed");
            self.close();
        }
        if let Some(exchange) = &self.hub.exchange {
            exchange.leave().await;
        }
    }

    /// Drains one connection after the other over the drain window, and waits until all are gone.
    async fn drain(&self) {
        let start = Instant::now();
        let peers = self.hub.fanout.all();
        let step = self.gate().drain_window() / u32::try_from(peers.len().max(1)).unwrap_or(u32::MAX);
        for (nth, peer) in (0..).zip(&peers) {
            match start.checked_add(step.saturating_mul(nth)) {
                Some(due) if due <= Instant::now() + TICK => {}
                Some(due) => sleep_until(due).await,
                // The window is longer than any clock runs.
                None => pending().await,
            }
            peer.drain();
        }
        drop(peers);
        self.gate().all_gone().await;
    }

    fn cast(&self, messages: Vec<Message>, except: &Except) {
        self.hub.broadcast(messages, except);
    }
}

/// The server of the connection: for handlers that broadcast elsewhere, count or close.
impl FromEvent for Server {
    fn from_event(event: &Event) -> Result<Self, Error> {
        Ok(event.conn().server())
    }
}

impl Conn {
    /// The server of this connection: for callbacks that broadcast.
    pub fn server(&self) -> Server {
        Server { hub: self.peer().hub().clone() }
    }
}

fn close_for_good(peer: &Arc<Peer>) {
    peer.close(Some(&CloseFrame::new(CloseCode::GOING_AWAY, "server closed")));
}

/// One shard for each worker.
fn default_shards() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Connections whose turns are closer together than this are drained together.
const TICK: Duration = Duration::from_millis(10);
