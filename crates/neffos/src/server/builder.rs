//! [`ServerBuilder`]: what a server is told before it starts.

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
use crate::exchange::{ClusterStatus, Exchange, Here, Plan, QueueLimits};
use crate::fanout::{Fanout, Overflow, Watch};
use crate::handlers::{
    Events, Hooks, IntoDecision, Namespaces, ServerApplication, Setup, connect_hook, disconnect_hook,
};
use crate::handles::{Conn, ServerSide};
use crate::rate::Rate;
use crate::session::ForeignRooms;
use crate::time_limit;

/// Builds a [`Server`].
///
/// Limits that clients have, too, are methods of [`Limits`], for [`ServerBuilder::limits`].
///
/// Every bound has a default that is safe on the open internet. A bound or a time limit of zero means none, and so does a time
/// limit of more than a century. A setting for which zero makes no sense says so, and then [`ServerBuilder::build`] fails
/// and names it.
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
    exchange: Plan,
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

    /// Declares a namespace. Clients can connect to declared ones only; the empty name is a namespace like any other.
    pub fn namespace(mut self, name: impl Into<String>, events: Events) -> Self {
        self.namespaces.add(&name.into(), events);
        self
    }

    /// Shares `value` with handlers that take `State<T>`; one value of each type.
    pub fn state<T: Any + Clone + Send + Sync>(mut self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// Decides whether a client is wanted: an error refuses it with its text. Until then the client is not in any
    /// namespace and gets no broadcast. Inside, [`Conn::connect`] admits the client and connects it to a namespace. It has
    /// [`ack_timeout`](ServerBuilder::ack_timeout) to decide.
    pub fn on_connect<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Conn, Arc<Parts>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoDecision> + Send + 'static,
    {
        self.hooks.on_connect = Some(connect_hook(hook));
        self
    }

    /// Runs when a connection that was admitted has ended, after the events of its namespaces and rooms.
    pub fn on_disconnect<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Conn) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.on_disconnect = Some(disconnect_hook(hook));
        self
    }

    /// Runs when a request has become a websocket, before `on_connect` decides about it: for logs and metrics. Must not block; a
    /// panic is logged.
    pub fn on_opened(mut self, hook: impl Fn(&Conn) + Send + Sync + 'static) -> Self {
        self.hooks.observers.opened = Some(Arc::new(hook));
        self
    }

    /// Runs once for every connection that was opened, after its last handler, with the reason of its end: for logs and metrics.
    /// Connections that were refused are among them. Must not block; a panic is logged.
    pub fn on_closed(mut self, hook: impl Fn(&Closed) + Send + Sync + 'static) -> Self {
        self.hooks.observers.closed = Some(Arc::new(hook));
        self
    }

    /// Runs when a request did not become a websocket. Must not block.
    pub fn on_upgrade_error(mut self, hook: impl Fn(&UpgradeError) + Send + Sync + 'static) -> Self {
        self.gate.on_upgrade_error = Some(Arc::new(hook));
        self
    }

    /// Sets limits that both sides have, such as the size of a message or the time for a reply. A limit that `limits` does not set
    /// stays as it is: at its default, or as an earlier call has set it.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits.set(limits);
        self
    }

    /// How many connections there may be at once; beyond, clients get 503. The default is 100,000. A listener of this crate
    /// has as many places again for clients that are no websockets, or not yet.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.gate.max_connections = most;
        self
    }

    /// How many connections one address may have; beyond, clients get 503. The default is 1,000. Loopback addresses count
    /// only behind [`ServerBuilder::address_header`]: a proxy on this machine brings everyone.
    pub fn max_connections_per_address(mut self, most: usize) -> Self {
        self.gate.max_connections_per_address = most;
        self
    }

    /// How many websocket handshakes each address may send. Beyond, they are refused with 429 and `Retry-After`, before origins,
    /// ids and `on_connect` are looked at. No limit by default.
    ///
    /// A listener over TLS closes connections of such an address before the TLS handshake, when sockets have the addresses of
    /// their clients. Requests that ask for no websocket do not count. But a client that asks whether the server is back, before it
    /// dials, gets no answer from a full bucket: neffos.js 0.1 dials once when it gets any, and never again if that fails.
    ///
    /// The addresses of an IPv6 network (/64) count together. Loopback addresses count only behind
    /// [`ServerBuilder::address_header`]. All clients behind one NAT, or behind a proxy that `address_header` does not cover,
    /// share the rate: the burst should be larger than the number of clients that reconnect from there at once. See
    /// [`AddressRate`](crate::AddressRate).
    pub fn handshake_rate(mut self, rate: Rate) -> Self {
        self.gate.handshake_rate = rate;
        self
    }

    /// How many handshakes of each address may fail: that are refused with a status of 4xx, or by `on_connect`, or whose TLS
    /// fails. Beyond, all handshakes of that address are refused as with [`ServerBuilder::handshake_rate`], so that tokens which
    /// `on_connect` checks cannot be tried any faster. No limit by default.
    pub fn failed_handshake_rate(mut self, rate: Rate) -> Self {
        self.gate.failed_handshake_rate = rate;
        self
    }

    /// How long a client may take from its connection to its request, and then until the upgrade. The default is 10 s.
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.gate.handshake_timeout = limit;
        self
    }

    /// How long a request that is no websocket may take, from the end of its head to the last byte of its answer; beyond, its
    /// connection is closed. The default is two minutes. Holds for the listeners of this crate. An application that streams its
    /// answers needs zero, no limit; a client that takes no byte is still cut, after
    /// [`slow_consumer_timeout`](Limits::slow_consumer_timeout).
    pub fn response_timeout(mut self, limit: Duration) -> Self {
        self.gate.response_timeout = limit;
        self
    }

    /// How long a connection may be without a request after an answer. The default is 75 s: many load balancers keep theirs for
    /// 60 s. Holds for the listeners of this crate. When there is no room, the connections that have been without a request for
    /// longest are closed earlier.
    pub fn keep_alive_timeout(mut self, limit: Duration) -> Self {
        self.gate.keep_alive_timeout = limit;
        self
    }

    /// How long it may take after the upgrade until a connection is open: the client greets, and
    /// [`on_connect`](ServerBuilder::on_connect) decides. The default is 10 s; zero is no limit. A client that does not greet is closed with
    /// 1008. One that `on_connect` has not decided about is closed with 1013, so that it comes back. `on_connect` may then run on for
    /// [`handler_grace`](Limits::handler_grace), before it is dropped. It has no limit once it has admitted the client by a call.
    pub fn ack_timeout(mut self, limit: Duration) -> Self {
        self.limits.ack_timeout = limit;
        self
    }

    /// How many messages and control frames one client may send. Beyond, the server stops reading from it for a while. No
    /// limit by default. See [`Rate`].
    pub fn message_rate(mut self, rate: Rate) -> Self {
        self.limits.rates.messages = rate;
        self
    }

    /// How many bytes one client may send, counted on the wire. Beyond, the same happens as with
    /// [`ServerBuilder::message_rate`]. No limit by default. A burst smaller than the largest message slows down every client that
    /// sends such a message. Give 16 KiB or more, as much as one read takes: with a burst below a third of that, one read can
    /// exceed four bursts, and the client is closed.
    pub fn byte_rate(mut self, rate: Rate) -> Self {
        self.limits.rates.bytes = rate;
        self
    }

    /// How often one client may connect namespaces and join rooms. Beyond, the same happens as with
    /// [`ServerBuilder::message_rate`]. No limit by default. The burst should be as large as the number of rooms that a client joins
    /// when it reconnects.
    pub fn join_rate(mut self, rate: Rate) -> Self {
        self.limits.rates.joins = rate;
        self
    }

    /// What happens with a broadcast for a connection whose outbox is full. The default is [`Overflow::DropNewest`].
    pub fn overflow(mut self, policy: Overflow) -> Self {
        self.limits.outbox.overflow = policy;
        self
    }

    /// How many bytes everything that is queued may take, of all connections together: received and not yet handled, waiting
    /// to be sent, or kept for other servers. The rooms and open asks of each connection count beyond 1 KiB.
    ///
    /// The default is half of the memory that the process may take (the least limit of its control groups, or the machine's
    /// memory), and no limit where the system tells neither. Zero is no limit.
    ///
    /// From four fifths of it on, the server stops reading from connections whose handlers lag; nothing is lost by that. From all
    /// of it on, connections whose sockets are full get no more broadcasts, and those that hold most are closed with 1013, the
    /// largest first, until nine tenths are in use. [`Server::memory`] tells what is in use.
    ///
    /// What TLS holds for a connection of `serve_tls` counts, too. Idle connections (about 1.5 KiB each, and 9.25 KiB
    /// over TLS), buffers of the kernel and allocations of handlers do not count. Each server has a separate budget, unless
    /// [`ServerBuilder::share_memory_budget`] is called. With less than 64 KiB, no client could connect: [`ServerBuilder::build`] fails.
    pub fn memory_budget(mut self, bytes: usize) -> Self {
        self.budget = Some(Budget::new(bytes));
        self
    }

    /// Shares one budget with other servers of the process. See [`ServerBuilder::memory_budget`].
    pub fn share_memory_budget(mut self, budget: &MemoryBudget) -> Self {
        self.budget = Some(budget.0.clone());
        self
    }

    /// How large the kernel's send buffer of each TCP socket is, in bytes (`SO_SNDBUF`). By default, and with zero, the system
    /// chooses: Linux grows it with a connection, up to the third number of `net.ipv4.tcp_wmem` (often 4 MiB, of which a client that
    /// does not read fills some 3.4 MB). Linux doubles what is set, for its own needs, and allows at most `net.core.wmem_max`.
    /// A small buffer saves the kernel's memory, and slows down clients that are far away: they get one buffer per round trip.
    ///
    /// The memory budget does not count these buffers.
    pub fn send_buffer_bytes(mut self, bytes: usize) -> Self {
        self.gate.send_buffer_bytes = bytes;
        self
    }

    /// How many answers to pings may wait for a client that does not read them; beyond, it is cut with 1008. The default is 16.
    /// Of pings that come faster than others can be served in between, only the last is answered.
    pub fn max_pending_pongs(mut self, most: usize) -> Self {
        self.limits.max_pongs = most;
        self
    }

    /// How many namespaces one connection may be in. The default is 32.
    pub fn max_namespaces(mut self, most: usize) -> Self {
        self.limits.bounds.namespaces = most;
        self
    }

    /// How long the name of a room may be, in bytes. The default is 255.
    pub fn max_name_length(mut self, bytes: usize) -> Self {
        self.limits.bounds.name_bytes = bytes;
        self
    }

    /// Lets clients send events to rooms that they have not joined. By default they are told `bad room`.
    pub fn allow_foreign_rooms(mut self) -> Self {
        self.limits.bounds.foreign_rooms = ForeignRooms::Allowed;
        self
    }

    /// Over which time `shutdown` spreads the closing of connections; zero closes all at once. Not longer than
    /// `shutdown_timeout`. The default is 2 s.
    pub fn drain_window(mut self, window: Duration) -> Self {
        self.gate.drain_window = window;
        self
    }

    /// How long `shutdown` takes at most. The default is 15 s.
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.gate.shutdown_timeout = limit;
        self
    }

    /// Whether all receivers on this server see all broadcasts in one order. By default two receivers may see broadcasts of different
    /// callers in different order; those of one caller are in order in any case.
    ///
    /// With an exchange, each server has its own order; there is none for the whole cluster. A server delivers a broadcast to
    /// its own connections at once, and those of other servers when they arrive. So receivers on two servers can see two
    /// broadcasts of different servers in different orders.
    pub fn ordered_broadcast(mut self, ordered: bool) -> Self {
        self.ordered = ordered;
        self
    }

    /// Into how many parts the connections are divided, which are written to in parallel: from 1 to 1,024. The default is one
    /// for each processor.
    pub fn shards(mut self, count: usize) -> Self {
        self.shards = Some(count);
        self
    }

    /// Reaches the connections of other servers over `exchange`: broadcasts, asks and counts are about all of them. The server
    /// must be built inside a tokio runtime, and joins the others in the background; [`Server::joined`] waits for it.
    ///
    /// What is broadcast reaches connections of this server at once, whatever the exchange does. For the others it waits in a
    /// queue of its own ([`ServerBuilder::exchange_queue`]).
    pub fn exchange(mut self, exchange: impl Exchange) -> Self {
        self.exchange.set_exchange(exchange);
        self
    }

    /// How much may wait to be published while the exchange is slow or away: beyond, messages for other servers are dropped and
    /// counted. The defaults are 16,384 messages and 16 MiB, each for 30 s at most.
    ///
    /// What was published is kept within the same bounds, but for 10 s and 4 MiB at most: a server that had no link meanwhile
    /// asks for what it has missed.
    pub fn exchange_queue(mut self, messages: usize, bytes: usize, age: Duration) -> Self {
        if messages == 0 || bytes == 0 || age.is_zero() {
            self.faults.push("exchange_queue: every queue has a bound; zero would hold nothing".to_owned());
        }
        self.exchange.limits = Some(QueueLimits { messages, bytes, age });
        self
    }

    /// Runs whenever the way to the other servers opens or is lost, one call after the other; of changes that follow each other
    /// while it runs, it is told the last. Must not block; a panic is logged.
    pub fn on_exchange(mut self, hook: impl Fn(&ClusterStatus) + Send + Sync + 'static) -> Self {
        self.exchange.hook = Some(Arc::new(hook));
        self
    }

    /// Builds the server.
    ///
    /// # Errors
    ///
    /// `is_config`, with a text that names the setting: no namespace, one given twice, a name of the protocol used for an
    /// event, a handler whose `State` was not given, a value that makes no sense.
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
        let node = exchange.as_ref().map(|membership| membership.node().clone());
        let watch = node.clone().map(|node| node as Arc<dyn Watch>);
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
        if let Some(node) = node {
            let here: Arc<dyn Here> = hub.clone();
            node.settle(Arc::downgrade(&here));
        }
        Ok(Server { hub })
    }
}

/// Each shard allocates a queue and an index at the start.
const MAX_SHARDS: usize = 1024;
/// Room for a few handshakes.
const LEAST_BUDGET: usize = 64 * 1024;

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder").field("namespaces", &self.namespaces).finish_non_exhaustive()
    }
}
