//! What all connections of one server share, or all that one client has one after the other; and what their tasks ask of the
//! application. [`handlers`](crate::handlers) holds the answers.

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
use super::values::StateMap;
use crate::admission::Gate;
use crate::budget::{Budget, Holder, Source, Steps};
use crate::exchange::RunningNode;
use crate::fanout::{Audience, Cursor, Except, Fanout};
use crate::message::Message;
use crate::message::wire::NativeMode;
use crate::sampled::Sampled;
use crate::session::{Memberships, Rules, SessionLimits};
use crate::websocket::Role;

pub(crate) struct Hub {
    pub(crate) role: Role,
    pub(crate) limits: EffectiveLimits,
    /// The part of the limits that sessions go by.
    pub(super) session_limits: SessionLimits,
    /// Whether the server is open, and for whom. A client has none.
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) app: Arc<dyn Application>,
    pub(crate) native: NativeMode,
    pub(crate) state: StateMap,
    pub(crate) fanout: Fanout<Peer>,
    /// The way to other servers, where there is one.
    pub(crate) exchange: Option<RunningNode>,
    pub(super) rate_counts: RateCounts,
    /// What everything that is queued here counts in.
    pub(crate) budget: Arc<Budget>,
    /// Lines about connections that begin to miss messages.
    pub(super) missing: Sampled,
    next_key: AtomicU64,
}

impl Hub {
    /// A server's, without its gate.
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
            next_key: AtomicU64::new(1),
        }
    }

    /// A client's. Its engine never has more than one member: it keeps the counters.
    pub(crate) fn of_client(limits: EffectiveLimits, app: Arc<dyn Application>, state: StateMap) -> Self {
        let fanout = Fanout::new(NonZeroUsize::MIN, false);
        Self { role: Role::Client, ..Self::new(limits, app, state, fanout) }
    }

    /// Offers messages to everyone whom they are for, here and elsewhere, and returns at once.
    pub(crate) fn broadcast(&self, messages: Vec<Message>, except: &Except) {
        if let Some(exchange) = &self.exchange {
            exchange.node().broadcast(&messages, except);
        }
        self.cast(messages, except);
    }

    pub(super) fn cast(&self, messages: Vec<Message>, except: &Except) {
        casts(messages, except, &self.budget).iter().for_each(|cast| self.fanout.broadcast(cast));
    }

    /// Everyone here whom `message` is for.
    pub(crate) fn audience_of(&self, message: &Message) -> Vec<Arc<Peer>> {
        self.fanout.members(&Audience {
            namespace: message.namespace.clone(),
            room: (!message.room.is_empty()).then(|| message.room.clone()),
            id: message.recipient.clone(),
            except: Except::Nobody,
        })
    }

    /// How often clients sent faster than they may.
    pub(crate) fn rate_limited(&self) -> RateLimited {
        self.rate_counts.read()
    }

    /// A key that no other connection of this hub has.
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

/// One side's namespaces, handlers and hooks.
///
/// The future of a handler and of a hook may panic: each is run where that fails its own event only.
pub(crate) trait Application: Send + Sync {
    /// Which messages without an envelope it takes. It never changes.
    fn native_mode(&self) -> NativeMode;

    /// The shared name of a namespace, when it is declared.
    fn namespace(&self, name: &str) -> Option<Arc<str>>;

    /// Starts the handler of an event. When there is none, the message comes back.
    fn start(&self, peer: &Arc<Peer>, namespace: Arc<str>, message: Box<Message>) -> Result<Running, Box<Message>>;

    /// Starts the hook that decides whether a connection is wanted, if there is one.
    fn open(&self, _peer: &Arc<Peer>, _request: &Arc<Parts>) -> Option<OutcomeFuture> {
        None
    }

    /// Starts the hook that follows the end of an admitted connection, if there is one.
    fn end(&self, _peer: &Arc<Peer>) -> Option<OutcomeFuture> {
        None
    }

    fn note_opened(&self, _peer: &Arc<Peer>) {}

    fn note_closed(&self, _closed: &dyn Fn() -> Closed) {}

    /// `on_connect` has refused a client with this address.
    fn note_refused(&self, _client: Option<IpAddr>) {}

    /// A namespace was connected.
    fn note_connected(&self) {}

    /// The connection has ended, and was in these namespaces and rooms.
    fn note_parted(&self, _memberships: &Memberships) {}
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("fanout", &self.fanout).finish_non_exhaustive()
    }
}
