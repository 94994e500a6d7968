//! The state that all connections of one server share, or all successive connections of one client; and
//! [`Application`], the trait through which connections call the application. [`handlers`](crate::handlers) implements
//! it.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::request::Parts;

use super::casts::casts;
use super::closed::Closed;
use super::limits::EffectiveLimits;
use super::peer::Peer;
use super::rates::{RateCounts, RateLimited};
use super::running::{OutcomeFuture, Running};
use super::unhandled::Unhandled;
use super::values::StateMap;
use crate::admission::Gate;
use crate::budget::{Budget, Holder, Source, Steps};
use crate::exchange::RunningNode;
use crate::fanout::{Audience, Cursor, Except, Fanout};
use crate::message::wire::NativeMode;
use crate::message::{Message, events};
use crate::sampled::Sampled;
use crate::session::{Memberships, Rules, SessionLimits};
use crate::websocket::Role;

pub(crate) struct Hub {
    pub(crate) role: Role,
    pub(crate) limits: EffectiveLimits,
    /// The limits that sessions need.
    pub(super) session_limits: SessionLimits,
    /// Admits clients to a server. `None` in a client.
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) app: Arc<dyn Application>,
    pub(crate) native: NativeMode,
    pub(crate) state: StateMap,
    pub(crate) fanout: Fanout<Peer>,
    /// The node of the cluster, if there is an exchange.
    pub(crate) exchange: Option<RunningNode>,
    pub(super) rate_counts: RateCounts,
    /// The budget for all queues.
    pub(crate) budget: Arc<Budget>,
    /// Limits the log lines about connections that begin to miss messages.
    pub(super) missing: Sampled,
    unhandled: Unhandled,
    /// Log lines about handlers that failed.
    pub(super) failures: Sampled,
    next_key: AtomicU64,
}

impl Hub {
    /// Creates the hub of a server, without its gate.
    pub(crate) fn new(
        limits: EffectiveLimits,
        app: Arc<dyn Application>,
        state: StateMap,
        fanout: Fanout<Peer>,
    ) -> Self {
        Self {
            role: Role::Server,
            session_limits: limits.session(),
            limits,
            gate: None,
            native: app.native_mode(),
            app,
            state,
            fanout,
            exchange: None,
            rate_counts: RateCounts::default(),
            budget: Budget::unlimited(),
            missing: Sampled::every(Duration::from_secs(1)),
            unhandled: Unhandled::default(),
            failures: Sampled::up_to(10, Duration::from_secs(1)),
            next_key: AtomicU64::new(1),
        }
    }

    /// Creates the hub of a client. Its fan-out never has more than one member, and keeps the counters.
    pub(crate) fn of_client(limits: EffectiveLimits, app: Arc<dyn Application>, state: StateMap) -> Self {
        let fanout = Fanout::new(NonZeroUsize::MIN, false);
        Self { role: Role::Client, ..Self::new(limits, app, state, fanout) }
    }

    /// Offers messages to all their receivers, on this node and others, and returns at once.
    pub(crate) fn broadcast(&self, messages: Vec<Message>, except: &Except) {
        if let Some(exchange) = &self.exchange {
            exchange.node().broadcast(&messages, except);
        }
        self.cast(messages, except);
    }

    pub(super) fn cast(&self, messages: Vec<Message>, except: &Except) {
        casts(messages, except, &self.budget).iter().for_each(|cast| self.fanout.broadcast(cast));
    }

    /// Returns all connections on this node that `message` selects.
    pub(crate) fn audience_of(&self, message: &Message) -> Vec<Arc<Peer>> {
        self.fanout.members(&Audience {
            namespace: message.namespace.clone(),
            room: (!message.room.is_empty()).then(|| message.room.clone()),
            id: message.recipient.clone(),
            except: Except::Nobody,
        })
    }

    /// Returns how often clients exceeded their rates.
    pub(crate) fn rate_limited(&self) -> RateLimited {
        self.rate_counts.read()
    }

    /// Counts an event that has no handler. The first of each namespace and name has a log line. System events need no
    /// handler.
    pub(super) fn note_unhandled(&self, namespace: &str, event: &str) {
        if events::is_system(event) {
            return;
        }
        self.fanout.totals().add_unhandled();
        if self.unhandled.is_first(namespace, event) {
            tracing::warn!(namespace, event, "unhandled event");
        }
    }

    /// Returns a key that no other connection of this hub has.
    pub(crate) fn next_key(&self) -> u64 {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }
}

impl Rules for Hub {
    fn role(&self) -> Role {
        self.role
    }

    fn native(&self) -> NativeMode {
        self.native
    }

    fn limits(&self) -> &SessionLimits {
        &self.session_limits
    }

    fn namespace(&self, name: &str) -> Option<Arc<str>> {
        self.app.namespace(name)
    }
}

impl Source for Hub {
    fn walk(self: Arc<Self>) -> Steps {
        let mut cursor = Cursor::default();
        Box::new(std::iter::from_fn(move || {
            let some = self.fanout.some(&mut cursor)?;
            Some(some.into_iter().map(|peer| peer as Arc<dyn Holder>).collect())
        }))
    }

    fn spawn(&self, work: BoxFuture<'static, ()>) {
        self.fanout.spawn(work);
    }
}

/// The namespaces, handlers and hooks of one side.
///
/// The future of a handler or hook may panic. The caller catches that, so that only its own event fails.
pub(crate) trait Application: Send + Sync {
    /// Returns which messages without an envelope are accepted. It never changes.
    fn native_mode(&self) -> NativeMode;

    /// Returns the shared name of a namespace, if it is declared.
    fn namespace(&self, name: &str) -> Option<Arc<str>>;

    /// Starts the handler of an event. If there is none, returns the message.
    fn start(&self, peer: &Arc<Peer>, namespace: Arc<str>, message: Box<Message>) -> Result<Running, Box<Message>>;

    /// Starts the hook that admits or refuses a connection, if there is one.
    fn open(&self, _peer: &Arc<Peer>, _request: &Arc<Parts>) -> Option<OutcomeFuture> {
        None
    }

    /// Starts the hook that follows the end of an admitted connection, if there is one.
    fn end(&self, _peer: &Arc<Peer>) -> Option<OutcomeFuture> {
        None
    }

    fn note_opened(&self, _peer: &Arc<Peer>) {}

    fn note_closed(&self, _closed: &dyn Fn() -> Closed) {}

    /// Called when `on_connect` has refused a client with this address.
    fn note_refused(&self, _client: Option<IpAddr>) {}

    /// Called when a namespace was connected.
    fn note_connected(&self) {}

    /// Called when the connection has ended, with its memberships.
    fn note_parted(&self, _memberships: &Memberships) {}
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("fanout", &self.fanout).finish_non_exhaustive()
    }
}
