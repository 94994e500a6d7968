//! The server: its settings, its handle, and its shutdown.
//!
//! - `mod.rs`: [`Server`], the handle.
//! - `asks.rs`: asks that connections of other nodes may answer.
//! - `builder.rs`: [`ServerBuilder`].
//! - `cluster.rs`: settings and methods of a server with an exchange.
//! - `compression.rs`: the builder's setting for compression.
//! - `doors.rs`: the builder's settings for ids, origins, the proxy in front, and subprotocols.
//! - `exclude.rs`: [`Exclude`], the connections that a broadcast leaves out.

#[cfg(feature = "exchange")]
mod asks;
mod builder;
#[cfg(feature = "exchange")]
mod cluster;
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
use crate::fanout::{Audience, Counters, Except};
use crate::handlers::{Event, FromEvent};
use crate::handles::Conn;
use crate::message::{IntoMessages, Message};
use crate::time_limit;
use crate::websocket::{CloseCode, CloseFrame};

/// A server: a cheap handle to all its connections. It opens no socket itself; [`serve`](crate::serve) or the
/// application's HTTP server does.
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
    /// Returns a builder with the defaults.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let server = Server::builder().namespace("default", Events::new()).build()?;
    /// assert_eq!(server.total_connections(), 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        self.hub.gate.as_ref().expect("only `ServerBuilder::build` makes the hub of a `Server`, with a gate")
    }

    /// Offers messages to all connections that their namespace, room and recipient select, and returns at once.
    ///
    /// - Only connections in the message's namespace receive it. An unset namespace is the empty namespace.
    /// - A connection whose outbox is full, or that is closing, misses a message. Other receivers are not delayed, and
    ///   the [counters](Server::counters) count the drop.
    /// - Two calls from one task arrive in that order at each receiver.
    /// - Handlers of this server do not run for it.
    /// - It may be called anywhere, also in handlers and hooks.
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

    /// As [`Server::broadcast`], without `who`: a `&Conn`, `&NsConn` or `&Room` (that connection), or an
    /// [`Exclude::id`] (every connection with that id).
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("move", async |server: Server, conn: Conn, message: Message| {
    ///     server.broadcast_except(&conn, message.in_namespace("spectators"));
    /// });
    /// ```
    pub fn broadcast_except(&self, who: impl Into<Exclude>, messages: impl IntoMessages) {
        self.cast(messages.into_messages(), who.into().except());
    }

    /// Asks all connections that `message` selects ([`Message::to`]: one id), and returns the first reply.
    ///
    /// Waits at most for `ask_timeout` (10 s by default), even if no connection is selected. Only connections that were
    /// asked can reply, each once.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(server: Server) -> Result {
    /// let asked = Message::new("confirm", "delete the board?").in_namespace("default").to("user-42");
    /// match server.ask(asked).await {
    ///     Ok(reply) => println!("user-42 says {}", reply.text()?),
    ///     Err(err) if err.is_timeout() => println!("no answer"),
    ///     Err(err) => return Err(err),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - The first reply, if it is an error (`is_remote`, `is_payload`, …).
    /// - `is_unknown_event`, if none of the connections has a handler for the event. A connection without one does not
    ///   count while another may reply. Old clients do not report this.
    /// - `is_timeout`.
    /// - `is_closed` when this server has ended, or when every connection that was asked has ended.
    ///
    /// With an exchange, and no such connection on this server, it asks the other servers once a second whether they
    /// have one. It returns `is_closed` when none has one; three times in succession, if there never was one. Go
    /// servers do not report this, so with them the ask waits for its timeout. An ask of many connections waits for it
    /// too if none of them has a handler, because no server knows the handlers of all.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the ask is forgotten and late replies are dropped.
    pub async fn ask(&self, message: Message) -> Result<Message, Error> {
        let peers = self.hub.audience_of(&message);
        let patience = self.hub.limits.ask_timeout;
        let answer = async {
            #[cfg(feature = "exchange")]
            if let Some(exchange) = &self.hub.exchange {
                // Boxed: it is large, and most servers have no exchange.
                return Box::pin(asks::first_of_all(exchange.node(), peers, message, patience)).await;
            }
            first_answer(peers, message, patience).await
        };
        tokio::select! {
            biased;
            answer = answer => answer,
            () = self.gate().all_gone_after_shut() => Err(Error::closed()),
        }
    }

    /// Closes every connection with this id, on all servers that share the exchange. Returns at once.
    ///
    /// Without such a connection it does nothing. While the exchange is down, other servers receive the request later, or
    /// not at all if the queue for them is full.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// server.close_id("user-42", &CloseFrame::new(CloseCode::POLICY, "logged out"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn close_id(&self, id: &str, frame: &CloseFrame) {
        if let Some(exchange) = &self.hub.exchange {
            exchange.node().close(id, frame);
        }
        self.hub.fanout.with_id(id).iter().for_each(|peer| peer.close(Some(frame)));
    }

    /// Runs `f` for every current connection, one after the other, and waits for the last. It delays neither accepts
    /// nor broadcasts.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(server: Server) {
    /// server
    ///     .for_each(async |conn| {
    ///         if conn.reconnect_tries() > 10 {
    ///             conn.close(CloseCode::TRY_AGAIN_LATER, "too many reconnects");
    ///         }
    ///     })
    ///     .await;
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped early, the remaining connections are not visited.
    pub async fn for_each<F, Fut>(&self, f: F)
    where
        F: Fn(Conn) -> Fut,
        Fut: Future<Output = ()>,
    {
        for conn in self.connections() {
            f(conn).await;
        }
    }

    /// As [`Server::for_each`], on a separate task.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(server: Server) {
    /// let visits = server.spawn_for_each(async |conn| {
    ///     conn.disconnect_all().await.ok();
    /// });
    /// // The connections are visited meanwhile.
    /// visits.await.ok();
    /// # }
    /// ```
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

    /// Returns the number of connections: one atomic read.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// println!("{} connections", server.total_connections());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn total_connections(&self) -> usize {
        self.hub.fanout.len()
    }

    /// Returns handles to all current connections. Some of them may end before the caller uses them; calls then fail with
    /// `is_closed`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// for conn in server.connections() {
    ///     println!("{} from {:?}", conn.id(), conn.client_ip());
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn connections(&self) -> Vec<Conn> {
        self.hub.fanout.all().into_iter().map(Conn::new).collect()
    }

    /// Returns the connections of this server with this id, which need not be unique. The list is empty if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// // All tabs of one user.
    /// for tab in server.connections_with_id("user-42") {
    ///     tab.close(CloseCode::NORMAL, "logged out");
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn connections_with_id(&self, id: &str) -> Vec<Conn> {
        self.hub.fanout.with_id(id).into_iter().map(Conn::new).collect()
    }

    /// Returns the connections of this server in a namespace, or in one of its rooms. The list is empty if the namespace
    /// or the room does not exist.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// let members = server.connections_in("default", Some("lobby"));
    /// let ids: Vec<_> = members.iter().map(|conn| conn.id()).collect();
    /// println!("in the lobby: {}", ids.join(", "));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn connections_in(&self, namespace: &str, room: Option<&str>) -> Vec<Conn> {
        let audience =
            Audience { namespace: namespace.into(), room: room.map(Into::into), id: None, except: Except::Nobody };
        self.hub.fanout.members(&audience).into_iter().map(Conn::new).collect()
    }

    /// Returns the number of connections of this server in a namespace, or in one of its rooms.
    /// [`Cluster::count_in`](crate::Cluster::count_in) counts those of all servers.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// let (all, lobby) = (server.count_in("default", None), server.count_in("default", Some("lobby")));
    /// println!("{lobby} of {all} connections are in the lobby");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn count_in(&self, namespace: &str, room: Option<&str>) -> usize {
        self.hub.fanout.count(namespace, room)
    }

    /// Returns how often clients exceeded the server's rates since its start.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// let limited = server.rate_limited();
    /// println!("reading paused {} times, {} clients closed", limited.messages(), limited.closed());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn rate_limited(&self) -> RateLimited {
        let count = |reason| self.gate().refusals().of(reason);
        let (all, failed) = (count(RefusalReason::TooManyHandshakes), count(RefusalReason::TooManyFailures));
        self.hub.rate_limited().with_handshakes(all, failed)
    }

    /// Returns how many connections were refused, or closed before they became websockets, since the start, by reason.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// let refused = server.refused_connections();
    /// println!("{} refused in all", refused.by_reason().map(|(_reason, count)| count).sum::<u64>());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn refused_connections(&self) -> RefusedConnections {
        self.gate().refusals().read()
    }

    /// Returns the IP address of the client that sent a request: the one that a trusted proxy names
    /// ([`address_header`](ServerBuilder::address_header)), or else the one of the socket. It is meant for other routes
    /// of the application.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::HeaderMap;
    /// use neffos::{Events, Server};
    ///
    /// let server = Server::builder().namespace("default", Events::new()).address_header("x-forwarded-for").build()?;
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-forwarded-for", "203.0.113.7".parse().unwrap());
    /// assert_eq!(server.client_ip(&headers, None), Some([203, 0, 113, 7].into()));
    /// # Ok::<(), neffos::Error>(())
    /// ```
    pub fn client_ip(&self, headers: &HeaderMap, socket: Option<SocketAddr>) -> Option<IpAddr> {
        self.gate().client_ip(headers, socket)
    }

    /// Returns the address under which limits for each address count a client: that of [`Server::client_ip`], and for
    /// IPv6 its network (/64).
    ///
    /// Returns `None` if the limits do not apply: the address is unknown, or it is a loopback address without
    /// [`address_header`](ServerBuilder::address_header), where a proxy on the same machine may serve all clients.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::HeaderMap;
    /// # use neffos::{Events, Server};
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// let socket = "[2001:db8:0:1:2:3:4:5]:9000".parse().ok();
    /// let counted = server.counted_ip(&HeaderMap::new(), socket);
    /// assert_eq!(counted, "2001:db8:0:1::".parse().ok());
    /// # Ok::<(), neffos::Error>(())
    /// ```
    pub fn counted_ip(&self, headers: &HeaderMap, socket: Option<SocketAddr>) -> Option<IpAddr> {
        self.gate().counted(self.client_ip(headers, socket))
    }

    /// Returns the memory that all queues use, and the actions taken because of it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// let memory = server.memory();
    /// println!("{} bytes queued, {} connections closed for it", memory.used(), memory.closed());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn memory(&self) -> MemoryUsage {
        MemoryBudget(self.hub.budget.clone()).usage()
    }

    /// Returns the budget that counts all queues. The application may reserve memory in it for its own queues.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// match server.memory_budget().reserve(1024 * 1024) {
    ///     Some(_reservation) => println!("one more upload may begin"),
    ///     None => println!("503: no memory for one more upload"),
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn memory_budget(&self) -> MemoryBudget {
        MemoryBudget(self.hub.budget.clone())
    }

    /// Returns the counts of delivered and dropped messages since the start.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// let counters = server.counters();
    /// println!("{} delivered, {} dropped", counters.delivered(), counters.dropped());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn counters(&self) -> Counters {
        self.hub.fanout.totals().read()
    }

    /// Returns whether new clients are refused: the server is closed or shutting down.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// assert!(!server.is_closed());
    /// server.close();
    /// assert!(server.is_closed(), "a health check answers 503 from now on");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.gate().is_shut()
    }

    /// Closes every connection with 1001 and refuses new ones with 503. Returns at once. A client in its handshake is
    /// closed when the handshake is done.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// server.close();
    /// assert!(server.is_closed());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn close(&self) {
        self.gate().close();
        self.hub.fanout.all().iter().for_each(close_for_good);
    }

    /// Closes a connection that was added while the server was ending, since the call that ended the server may have
    /// missed it.
    pub(crate) fn end_if_late(&self, peer: &Arc<Peer>) {
        match self.gate().phase() {
            ServerPhase::Open => {}
            ServerPhase::Draining => peer.drain(),
            ServerPhase::Closed => close_for_good(peer),
        }
    }

    /// Shuts the server down gracefully. Returns when all connections have ended.
    ///
    /// - New clients are refused with 503.
    /// - Each connection finishes the events that it has begun, and is then closed with 1012. The closes are spread
    ///   over the drain window, so that clients do not all reconnect at the same time.
    /// - A client in its handshake has one second to finish it, and is then closed with 1012 too.
    /// - After `shutdown_timeout` (15 s by default), the remaining connections are cut.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use neffos::{Events, Server};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    /// let serving = tokio::spawn(neffos::serve(listener, server.clone()));
    /// tokio::signal::ctrl_c().await?;
    /// server.shutdown().await;
    /// serving.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped early, no more connections are closed, but new ones stay refused.
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

    /// Drains one connection after the other over the drain window, and waits until all have ended.
    async fn drain(&self) {
        let start = Instant::now();
        let peers = self.hub.fanout.all();
        let step = self.gate().drain_window() / u32::try_from(peers.len().max(1)).unwrap_or(u32::MAX);
        for (nth, peer) in (0..).zip(&peers) {
            match start.checked_add(step.saturating_mul(nth)) {
                Some(due) if due <= Instant::now() + TICK => {}
                Some(due) => sleep_until(due).await,
                // The drain window is longer than the clock can represent.
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

/// The server of the connection, for handlers that broadcast elsewhere, count or close.
impl FromEvent for Server {
    fn from_event(event: &Event) -> Result<Self, Error> {
        Ok(event.conn().server())
    }
}

impl Conn {
    /// Returns the server of this connection, for hooks that broadcast.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on_disconnect(async |ns: NsConn| {
    ///     let left = ns.conn().server().count_in(ns.name(), None);
    ///     println!("{left} connections are left in {}", ns.name());
    /// });
    /// ```
    pub fn server(&self) -> Server {
        Server { hub: self.peer().hub().clone() }
    }
}

fn close_for_good(peer: &Arc<Peer>) {
    peer.close(Some(&CloseFrame::new(CloseCode::GOING_AWAY, "server closed")));
}

/// One shard for each processor.
fn default_shards() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Connections that are due within this time are drained together.
const TICK: Duration = Duration::from_millis(10);
