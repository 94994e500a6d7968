//! [`ServerBuilder`]: the settings of a server.

use std::any::Any;
use std::future::Future;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use super::{Server, default_shards};
use crate::admission::{Gate, GateSettings, UpgradeError};
use crate::budget::{Budget, MemoryBudget, Source};
use crate::connection::{Closed, EffectiveLimits, Hub, Limits, StateMap};
use crate::error::Error;
use crate::exchange::{Plan, RunningNode};
use crate::fanout::{Fanout, Overflow};
use crate::handlers::{
    Events, Hooks, IntoDecision, Namespaces, ServerApplication, Setup, connect_hook, disconnect_hook,
};
use crate::handles::{Conn, ServerSide};
use crate::rate::Rate;
use crate::session::ForeignRooms;
use crate::time_limit;

/// Builds a [`Server`].
///
/// Limits that clients have too are methods of [`Limits`]; set them with [`ServerBuilder::limits`].
///
/// Every limit has a default that is safe on the open internet. Zero means no limit, and so does a time limit of more
/// than a century. Settings that refuse zero say so; [`ServerBuilder::build`] then fails and names the setting.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use neffos::{Conn, Error, Events, Limits, Server};
///
/// let server = Server::builder()
///     .namespace("default", Events::new())
///     .id_generator(|request| match request.headers.get("x-user") {
///         Some(user) => user.to_str().unwrap_or("?").to_owned(),
///         None => "stranger".to_owned(),
///     })
///     .on_connect(async |conn: Conn, _request| match conn.id() {
///         "stranger" => Err(Error::new("who are you?")),
///         _ => Ok(()),
///     })
///     .limits(Limits::default().ping_interval(Duration::from_secs(10)))
///     .build()?;
/// # Ok::<(), neffos::Error>(())
/// ```
#[must_use]
pub struct ServerBuilder {
    namespaces: Namespaces<ServerSide>,
    state: StateMap,
    pub(super) limits: EffectiveLimits,
    pub(super) gate: GateSettings,
    hooks: Hooks,
    shards: Option<usize>,
    ordered: bool,
    pub(super) exchange: Plan,
    budget: Option<Arc<Budget>>,
    pub(super) faults: Vec<String>,
}

impl ServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            namespaces: Namespaces::new(),
            state: StateMap::default(),
            limits: EffectiveLimits::of_server(),
            gate: GateSettings::default(),
            hooks: Hooks::default(),
            shards: None,
            ordered: false,
            exchange: Plan::default(),
            budget: None,
            faults: Vec::new(),
        }
    }

    /// Declares a namespace. Clients can connect only to declared namespaces. The empty name is a normal name.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let chat = Events::new().on("chat", async |ns: NsConn, message: Message| ns.broadcast_others(message));
    /// let server = builder.namespace("chat", chat).namespace("admin", Events::new()).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn namespace(mut self, name: impl Into<String>, events: Events) -> Self {
        self.namespaces.add(&name.into(), events);
        self
    }

    /// Shares `value` with handlers that take `State<T>`. There is one value of each type.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// #[derive(Clone)]
    /// struct Greeting(&'static str);
    ///
    /// let events = Events::new().on("hello", async |State(greeting): State<Greeting>| Reply::text(greeting.0));
    /// let server = Server::builder().namespace("default", events).state(Greeting("welcome")).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn state<T: Any + Clone + Send + Sync>(mut self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// Admits or refuses a client. An error refuses it, and the client receives the text.
    ///
    /// - Until the hook admits the client, it is in no namespace and receives no broadcast.
    /// - Inside the hook, [`Conn::connect`] admits the client and connects it to a namespace.
    /// - The hook must decide within [`ack_timeout`](ServerBuilder::ack_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder
    ///     .on_connect(async |conn: Conn, request| match request.headers.get("authorization") {
    ///         Some(token) if token == "Bearer 7d3c" => {
    ///             conn.connect("default").await?;
    ///             Ok(())
    ///         }
    ///         _ => Err(Error::new("log in first")),
    ///     })
    ///     .build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn on_connect<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Conn, Arc<Parts>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoDecision> + Send + 'static,
    {
        self.hooks.on_connect = Some(connect_hook(hook));
        self
    }

    /// Keeps the request of each connection, for [`Conn::request`]. By default, the server drops it after `on_connect`.
    ///
    /// A request is as large as its headers, usually 1 to 2 KiB, and counts towards the memory budget. Without room
    /// there, it is not kept.
    pub fn keep_requests(mut self) -> Self {
        self.hooks.keeps_requests = true;
        self
    }

    /// Runs when an admitted connection has ended, after the events of its namespaces and rooms.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder
    ///     .on_disconnect(async |conn: Conn| {
    ///         conn.server().broadcast(Message::new("left", conn.id().to_owned()).in_namespace("default"));
    ///     })
    ///     .build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn on_disconnect<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Conn) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_disconnect = Some(disconnect_hook(hook));
        self
    }

    /// Runs when a request has become a websocket, before `on_connect`. Use it for logs and metrics.
    ///
    /// It must not block. A panic is logged.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder
    ///     .on_opened(|conn| println!("opened id={} address={:?}", conn.id(), conn.client_ip())).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn on_opened(mut self, hook: impl Fn(&Conn) + Send + Sync + 'static) -> Self {
        self.hooks.observers.opened = Some(Arc::new(hook));
        self
    }

    /// Runs once for every opened connection, after its last handler, with the reason of its end. Refused connections
    /// are included. Use it for logs and metrics.
    ///
    /// It must not block. A panic is logged.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.on_closed(|closed| println!("closed id={} by={:?}", closed.id(), closed.by())).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn on_closed(mut self, hook: impl Fn(&Closed) + Send + Sync + 'static) -> Self {
        self.hooks.observers.closed = Some(Arc::new(hook));
        self
    }

    /// Runs when a request did not become a websocket. It must not block.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder
    ///     .on_upgrade_error(|refusal| eprintln!("refused with {}: {refusal}", refusal.status())).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn on_upgrade_error(mut self, hook: impl Fn(&UpgradeError) + Send + Sync + 'static) -> Self {
        self.gate.on_upgrade_error = Some(Arc::new(hook));
        self
    }

    /// Sets limits that both sides have, such as the size of a message or the timeout for a reply.
    ///
    /// A limit that `limits` does not set keeps its value: the default, or the value from an earlier call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let limits = Limits::default().max_rooms(16).slow_consumer_timeout(Duration::from_secs(5));
    /// let server = builder.limits(limits).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits.set(limits);
        self
    }

    /// Sets how many connections may exist at the same time. Further clients receive 503. The default is 100,000.
    ///
    /// A listener of this crate accepts as many further sockets for clients that are not websockets, or not yet.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.max_connections(250_000).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn max_connections(mut self, most: usize) -> Self {
        self.gate.max_connections = most;
        self
    }

    /// Sets how many connections one address may have. Further clients receive 503. The default is 1,000.
    ///
    /// Loopback addresses are limited only with [`ServerBuilder::address_header`], because a proxy on the same machine
    /// may serve all clients.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.max_connections_per_address(20).address_header("x-forwarded-for").build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn max_connections_per_address(mut self, most: usize) -> Self {
        self.gate.max_connections_per_address = most;
        self
    }

    /// Sets how many websocket handshakes each address may send. Beyond the rate they are refused with 429 and
    /// `Retry-After`, before origins, ids and `on_connect` are checked. There is no limit by default.
    ///
    /// - A TLS listener closes connections of such an address before the TLS handshake, if sockets have the addresses
    ///   of their clients.
    /// - Requests for anything but a websocket do not count. But a request that probes whether the server is back gets
    ///   no answer while the bucket is full. Otherwise neffos.js 0.1 would dial once, and never again if that fails.
    /// - The addresses of an IPv6 network (/64) count together.
    /// - Loopback addresses count only with [`ServerBuilder::address_header`].
    /// - All clients behind one NAT, or behind a proxy that `address_header` does not cover, share the rate. Set the
    ///   burst larger than the number of clients that may reconnect from there at the same time.
    ///
    /// See [`AddressRate`](crate::AddressRate).
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// // A hundred clients of one office may reconnect at the same time, and then one each second.
    /// let server = builder.handshake_rate(Rate::per_second(1).with_burst(100)).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn handshake_rate(mut self, rate: Rate) -> Self {
        self.gate.handshake_rate = rate;
        self
    }

    /// Sets how many handshakes of each address may fail. There is no limit by default.
    ///
    /// A handshake fails if it is refused with a 4xx status or by `on_connect`, or if its TLS fails. Beyond the rate,
    /// all handshakes of that address are refused as with [`ServerBuilder::handshake_rate`]. This limits how fast a
    /// client can try tokens that `on_connect` checks.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// // Ten wrong tokens, and then one each second.
    /// let server = builder.failed_handshake_rate(Rate::per_second(1).with_burst(10)).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn failed_handshake_rate(mut self, rate: Rate) -> Self {
        self.gate.failed_handshake_rate = rate;
        self
    }

    /// Sets how long a client may take from its connection to its request, and then until the upgrade. The default is
    /// 10 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.handshake_timeout(Duration::from_secs(5)).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.gate.handshake_timeout = limit;
        self
    }

    /// Sets how long a request for anything but a websocket may take, from the end of its head to the last byte of its
    /// answer. After that, its connection is closed. The default is two minutes.
    ///
    /// It applies to the listeners of this crate. An application that streams its answers needs zero, no limit. A
    /// client that stops reading is still disconnected, after [`slow_consumer_timeout`](Limits::slow_consumer_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// // This application streams its answers, so they may take any time.
    /// let server = builder.response_timeout(Duration::ZERO).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn response_timeout(mut self, limit: Duration) -> Self {
        self.gate.response_timeout = limit;
        self
    }

    /// Sets how long a connection may be idle after an answer. The default is 75 s, because many load balancers keep
    /// idle connections for 60 s.
    ///
    /// It applies to the listeners of this crate. If they are full, the connections that have been idle longest are
    /// closed earlier.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// // The load balancer in front keeps idle connections for 120 s.
    /// let server = builder.keep_alive_timeout(Duration::from_secs(130)).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn keep_alive_timeout(mut self, limit: Duration) -> Self {
        self.gate.keep_alive_timeout = limit;
        self
    }

    /// Sets the time from the upgrade until a connection is open: the client sends its greeting, and
    /// [`on_connect`](ServerBuilder::on_connect) decides. The default is 10 s; zero is no limit.
    ///
    /// - A client that sends no greeting is closed with 1008.
    /// - A client about which `on_connect` has not decided is closed with 1013, so that it reconnects. `on_connect` may
    ///   then run on for [`handler_grace`](Limits::handler_grace), before it is dropped.
    /// - After `on_connect` has admitted the client by a call, the limit no longer applies to it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder
    ///     .on_connect(async |_conn: Conn, _request| {
    ///         // A slow check of the client, at another service.
    ///     })
    ///     .ack_timeout(Duration::from_secs(30))
    ///     .build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn ack_timeout(mut self, limit: Duration) -> Self {
        self.limits.ack_timeout = limit;
        self
    }

    /// Sets how many messages and control frames one client may send. Beyond the rate, the server pauses reading from
    /// it. There is no limit by default. See [`Rate`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.message_rate(Rate::per_second(20).with_burst(100)).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn message_rate(mut self, rate: Rate) -> Self {
        self.limits.rates.messages = rate;
        self
    }

    /// Sets how many bytes one client may send, counted on the wire. Beyond the rate, the server pauses reading from
    /// it. There is no limit by default.
    ///
    /// - If the burst is smaller than the largest message, every client that sends such a message is slowed down.
    /// - Set the burst to 16 KiB or more, the size of one read. With a burst below a third of that, one read can exceed
    ///   four bursts, and the client is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.byte_rate(Rate::per_second(64 * 1024).with_burst(256 * 1024)).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn byte_rate(mut self, rate: Rate) -> Self {
        self.limits.rates.bytes = rate;
        self
    }

    /// Sets how often one client may connect namespaces and join rooms. Beyond the rate, the server pauses reading from
    /// it. There is no limit by default.
    ///
    /// Set the burst to at least the number of rooms that a client joins when it reconnects.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.join_rate(Rate::per_second(5).with_burst(128)).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn join_rate(mut self, rate: Rate) -> Self {
        self.limits.rates.joins = rate;
        self
    }

    /// Sets what a full outbox does with a broadcast. The default is [`Overflow::DropNewest`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// // Receivers of live positions need the newest messages, not the oldest.
    /// let server = builder.overflow(Overflow::DropOldest).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn overflow(mut self, policy: Overflow) -> Self {
        self.limits.outbox.overflow = policy;
        self
    }

    /// Sets how many bytes all queues of all connections may hold together: received and not yet handled, waiting to be
    /// sent, or kept for other servers. The rooms and open asks of each connection count beyond 1 KiB.
    ///
    /// The default is half of the memory available to the process: the lowest of the limits of its control groups and
    /// the machine's memory. If the system reports neither, there is no limit. Zero is no limit.
    ///
    /// - From four fifths of the budget on, the server stops reading from connections whose handlers lag. No message is
    ///   lost by that.
    /// - When the budget is used up, connections with full sockets receive no more broadcasts. The connections that
    ///   hold most are closed with 1013, the largest first, until nine tenths are in use.
    /// - [`Server::memory`] reports the memory in use.
    ///
    /// The memory of TLS for a connection of `serve_tls` counts too. These do not count: idle connections (about
    /// 1.5 KiB each, and 9.25 KiB over TLS), kernel buffers, and allocations of handlers.
    ///
    /// Each server has a separate budget, unless [`ServerBuilder::share_memory_budget`] is called. With less than
    /// 64 KiB no client could connect, so [`ServerBuilder::build`] fails.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.memory_budget(512 * 1024 * 1024).build()?;
    /// assert_eq!(server.memory().limit(), Some(512 * 1024 * 1024));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn memory_budget(mut self, bytes: usize) -> Self {
        self.budget = Some(Budget::new(bytes));
        self
    }

    /// Shares one budget with other servers of the process. See [`ServerBuilder::memory_budget`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let budget = MemoryBudget::new(256 * 1024 * 1024);
    /// let public = builder.share_memory_budget(&budget).build()?;
    /// let internal = Server::builder().namespace("jobs", Events::new()).share_memory_budget(&budget).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn share_memory_budget(mut self, budget: &MemoryBudget) -> Self {
        self.budget = Some(budget.0.clone());
        self
    }

    /// Sets the size of the kernel's send buffer of each TCP socket, in bytes (`SO_SNDBUF`). By default, and with zero,
    /// the system chooses.
    ///
    /// - Linux grows the buffer as needed, up to the third number of `net.ipv4.tcp_wmem`. That is often 4 MiB, of which
    ///   a client that stops reading fills about 3.4 MB.
    /// - Linux doubles the value that is set here, for its own needs, and allows at most `net.core.wmem_max`.
    /// - A small buffer saves kernel memory, but slows down distant clients: they receive one buffer per round trip.
    ///
    /// The memory budget does not count these buffers.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.send_buffer_bytes(64 * 1024).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn send_buffer_bytes(mut self, bytes: usize) -> Self {
        self.gate.send_buffer_bytes = bytes;
        self
    }

    /// Sets how many pongs may wait for a client that does not read them. Beyond that, it is closed with 1008. The
    /// default is 16.
    ///
    /// If pings arrive faster than the server can answer them, it answers only some of them, but always the last.
    pub fn max_pending_pongs(mut self, most: usize) -> Self {
        self.limits.max_pongs = most;
        self
    }

    /// Sets how many namespaces one connection may be in. The default is 32.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.max_namespaces(2).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn max_namespaces(mut self, most: usize) -> Self {
        self.limits.bounds.namespaces = most;
        self
    }

    /// Sets how long the name of a room may be, in bytes. The default is 255.
    pub fn max_name_length(mut self, bytes: usize) -> Self {
        self.limits.bounds.name_bytes = bytes;
        self
    }

    /// Lets clients send events to rooms that they have not joined. By default they receive the error `bad room`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.allow_foreign_rooms().build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn allow_foreign_rooms(mut self) -> Self {
        self.limits.bounds.foreign_rooms = ForeignRooms::Allowed;
        self
    }

    /// Sets the time over which `shutdown` spreads the closing of connections. Zero closes all at once. It must not
    /// exceed `shutdown_timeout`. The default is 2 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.drain_window(Duration::from_secs(30)).shutdown_timeout(Duration::from_secs(60)).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn drain_window(mut self, window: Duration) -> Self {
        self.gate.drain_window = window;
        self
    }

    /// Sets how long `shutdown` takes at most. The default is 15 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.shutdown_timeout(Duration::from_secs(25)).build()?;
    /// // The drain window (2 s by default) must fit into it.
    /// let builder = Server::builder().namespace("default", Events::new());
    /// assert!(builder.shutdown_timeout(Duration::from_secs(1)).build().unwrap_err().is_config());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.gate.shutdown_timeout = limit;
        self
    }

    /// Sets whether all receivers on this server see all broadcasts in one order.
    ///
    /// By default, two receivers may see broadcasts of different callers in different orders. Broadcasts of one caller
    /// are always in order.
    ///
    /// With an exchange, each server has its own order: it delivers its own broadcasts at once, and those of other
    /// servers when they arrive. So receivers on two servers can see two broadcasts of different servers in different
    /// orders.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.ordered_broadcast(true).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn ordered_broadcast(mut self, ordered: bool) -> Self {
        self.ordered = ordered;
        self
    }

    /// Sets the number of parts that the connections are divided into, from 1 to 1,024. The parts are written to in
    /// parallel. The default is one for each processor.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.shards(4).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn shards(mut self, count: usize) -> Self {
        self.shards = Some(count);
        self
    }

    /// Sets the number of shards, unless the application has set it.
    #[cfg(feature = "testing")]
    pub(crate) fn or_shards(mut self, count: usize) -> Self {
        self.shards = self.shards.or(Some(count));
        self
    }

    /// Builds the server.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let unnamed = Server::builder().build().unwrap_err();
    /// assert!(unnamed.is_config(), "a server needs a namespace");
    /// ```
    ///
    /// # Errors
    ///
    /// `is_config`, with a text that names the setting:
    ///
    /// - There is no namespace, or one is given twice.
    /// - An event has a name that the protocol reserves.
    /// - The `State` of a handler was not given.
    /// - A value is invalid.
    pub fn build(mut self) -> Result<Server, Error> {
        self.check_doors();
        if let Some(fault) = self.faults.first() {
            return Err(Error::config(fault));
        }
        self.limits.check()?;
        self.namespaces.check(&Setup { state: &self.state })?;
        let shards = match self.shards {
            None => default_shards(),
            Some(count) => NonZeroUsize::new(count)
                .filter(|count| count.get() <= MAX_SHARDS)
                .ok_or_else(|| Error::config(format!("shards: from 1 to {MAX_SHARDS}")))?,
        };
        if time_limit::of(self.gate.shutdown_timeout).is_some_and(|limit| self.gate.drain_window > limit) {
            return Err(Error::config("drain_window: longer than shutdown_timeout"));
        }
        let gate = Arc::new(Gate::new(self.gate));
        let budget = self.budget.unwrap_or_else(Budget::of_machine);
        if budget.limit().is_some_and(|limit| limit < LEAST_BUDGET) {
            return Err(Error::config(format!("memory_budget: at least {LEAST_BUDGET} bytes, or 0 for no limit")));
        }
        let exchange = self.exchange.begin(&budget)?;
        let watch = exchange.as_ref().map(RunningNode::watch);
        let fanout = Fanout::counted(shards, self.ordered, Some(&budget), watch.as_ref());
        let counting = gate.clone();
        self.hooks.observers.refused = Some(Arc::new(move |client: &IpAddr| {
            counting.handshake_rates().count_failure(counting.counted(Some(*client)));
        }));
        let app = Arc::new(ServerApplication { namespaces: self.namespaces, hooks: self.hooks });
        let mut hub = Hub::new(self.limits, app, self.state, fanout);
        hub.gate = Some(gate);
        (hub.exchange, hub.budget) = (exchange, budget);
        let hub = Arc::new(hub);
        let source: Arc<dyn Source> = hub.clone();
        hub.budget.add_source(Arc::downgrade(&source));
        #[cfg(feature = "exchange")]
        if let Some(exchange) = &hub.exchange {
            let here: Arc<dyn crate::exchange::Here> = hub.clone();
            exchange.node().settle(Arc::downgrade(&here));
        }
        Ok(Server { hub })
    }
}

/// Each shard allocates a queue and an index when it starts.
const MAX_SHARDS: usize = 1024;
/// Space for a few handshakes.
const LEAST_BUDGET: usize = 64 * 1024;

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder").field("namespaces", &self.namespaces).finish_non_exhaustive()
    }
}
