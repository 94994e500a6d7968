//! What all connections of one server share, or all that one client has one after the other.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::ask::first_answer;
use super::closed::Observers;
use super::events::Namespaces;
use super::handler::{ConnectHook, DisconnectHook};
use super::limits::Limits;
use super::line::Line;
use super::namespace::casts;
use super::peer::Peer;
use super::rates::{RateCounts, RateLimited};
use crate::budget::{Budget, Holder, Source, Steps};
use crate::exchange::{Here, Membership, Selection};
use crate::fanout::{Audience, Cursor, Except, Fanout};
use crate::message::Message;
use crate::message::wire::NativeMode;
use crate::sampled::Sampled;
use crate::websocket::{CloseFrame, Role};

pub(crate) struct Hub {
    pub(crate) role: Role,
    pub(crate) limits: Limits,
    pub(crate) namespaces: Namespaces,
    pub(crate) native: NativeMode,
    pub(crate) state: StateMap,
    pub(crate) fanout: Fanout<Peer>,
    pub(crate) on_connect: Option<ConnectHook>,
    pub(crate) on_disconnect: Option<DisconnectHook>,
    pub(crate) observers: Observers,
    /// The way to other servers, where there is one.
    pub(crate) exchange: Option<Membership>,
    /// What a client's handles hold; a server has none.
    line: OnceLock<Weak<Line>>,
    pub(super) rate_counts: RateCounts,
    /// What everything that is queued here counts in.
    pub(crate) budget: Arc<Budget>,
    /// Lines about connections that begin to miss messages.
    pub(super) missing: Sampled,
    next_key: AtomicU64,
}

impl Hub {
    pub(crate) fn new(limits: Limits, namespaces: Namespaces, state: StateMap, fanout: Fanout<Peer>) -> Self {
        Self {
            role: Role::Server,
            limits,
            native: namespaces.native_mode(),
            namespaces,
            state,
            fanout,
            on_connect: None,
            on_disconnect: None,
            observers: Observers::default(),
            exchange: None,
            line: OnceLock::new(),
            rate_counts: RateCounts::default(),
            budget: Budget::unlimited(),
            missing: Sampled::every(Duration::from_secs(1)),
            next_key: AtomicU64::new(1),
        }
    }

    /// A client's. Its engine never has more than one member: it keeps the counters.
    pub(crate) fn of_client(limits: Limits, namespaces: Namespaces, state: StateMap) -> Self {
        let fanout = Fanout::new(NonZeroUsize::MIN, false);
        Self { role: Role::Client, ..Self::new(limits, namespaces, state, fanout) }
    }

    pub(super) fn set_line(&self, line: &Arc<Line>) {
        // There is one line, which is set once.
        self.line.set(Arc::downgrade(line)).ok();
    }

    pub(super) fn line(&self) -> Option<Arc<Line>> {
        self.line.get()?.upgrade()
    }

    /// Offers messages to everyone whom they are for, here and elsewhere, and returns at once.
    pub(crate) fn broadcast(&self, messages: Vec<Message>, except: &Except) {
        if let Some(exchange) = &self.exchange {
            exchange.node().broadcast(&messages, except);
        }
        self.cast(messages, except);
    }

    fn cast(&self, messages: Vec<Message>, except: &Except) {
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

impl Here for Hub {
    fn deliver(&self, messages: Vec<Message>, except: &Except) {
        self.cast(messages, except);
    }

    fn ask(&self, message: Message, patience: Option<Duration>) -> BoxFuture<'static, Option<Message>> {
        let peers = self.audience_of(&message);
        if peers.is_empty() {
            return ready(None).boxed();
        }
        let patience = patience.unwrap_or(self.limits.ask_timeout);
        let mut ask = message.clone();
        async move {
            match first_answer(peers, message, patience).await {
                Ok(answer) => Some(answer),
                Err(err) if err.is_timeout() || err.is_closed() => None,
                Err(err) => {
                    ask.turn_into_error_reply(err.to_string());
                    Some(ask)
                }
            }
        }
        .boxed()
    }

    fn close(&self, id: &str, frame: &CloseFrame) {
        self.fanout.with_id(id).iter().for_each(|peer| peer.close(Some(frame)));
    }

    fn connections(&self) -> usize {
        self.fanout.len()
    }

    fn count(&self, Selection { namespace, room, id }: Selection<'_>) -> usize {
        let Some(id) = id else { return self.fanout.count(namespace, room) };
        let (namespace, room, id) = (namespace.into(), room.map(Into::into), Some(id.into()));
        self.fanout.members(&Audience { namespace, room, id, except: Except::Nobody }).len()
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

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("fanout", &self.fanout).finish_non_exhaustive()
    }
}

/// What the application shares with its handlers: at most one value of each type.
#[derive(Default)]
pub(crate) struct StateMap(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl StateMap {
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(value));
    }

    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl fmt::Debug for StateMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StateMap").field(&self.0.len()).finish()
    }
}
