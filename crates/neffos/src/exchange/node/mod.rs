//! This server as a node of its cluster. Shards tell it which places have connections, and it reaches connections only through
//! [`Here`].
//!
//! - `state/`: its knowledge and its decisions, pure. One lock is around all of it; nothing is delivered, written or waited for
//!   under it.
//! - `tell.rs`: messages for other nodes; `hear.rs`: envelopes of other nodes, and the effects that the state decides on.
//! - `asks.rs`: asks between nodes; `counts.rs`: how many connections other nodes have.
//! - `reach.rs`: subscriptions to channels; `publish.rs`: from the queue to the broker, and probes.

mod asks;
mod counts;
mod hear;
mod publish;
pub(super) mod reach;
pub(super) mod state;
mod tell;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::dialect::{Dialect, Form};
use super::node_id::NodeId;
use super::others::Census;
use super::queue::{Queue, QueueLimits};
use super::status::{LinkState, Situation};
use crate::budget::Budget;
use crate::fanout::Except;
use crate::lock::lock;
use crate::message::Message;
use crate::sampled::Sampled;
use crate::websocket::CloseFrame;
use state::State;

/// The connections of this server, as the exchange sees them.
pub(crate) trait Here: Send + Sync {
    /// Offers messages to everyone whom they are for.
    fn deliver(&self, messages: Vec<Message>, except: &Except);

    /// Asks everyone whom `message` is for; the first answer counts, be it an error. None when nobody answers in time.
    fn ask(&self, message: Message, patience: Option<Duration>) -> BoxFuture<'static, Option<Message>>;

    /// Closes the connections with this id.
    fn close(&self, id: &str, frame: &CloseFrame);

    fn connections(&self) -> usize;

    fn count(&self, selection: Selection<'_>) -> usize;
}

/// Which connections are counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selection<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) room: Option<&'a str>,
    /// None: with any id.
    pub(crate) id: Option<&'a str>,
}

#[derive(Debug)]
pub(crate) struct Node {
    id: NodeId,
    dialect: Dialect,
    /// That of all servers of this library, and that of this one.
    own_channels: [Arc<str>; 2],
    runtime: Handle,
    here: OnceLock<Weak<dyn Here>>,
    state: Mutex<State>,
    /// Apart from the state, so that a broadcast does not wait for envelopes that arrive, nor they for it.
    queue: Mutex<Queue>,
    /// Shared by all who deliver what the link has brought. Held alone to change the link, so that nothing of one that is over
    /// comes behind what the next one brings; and to deliver messages that were held, so that none overtakes them.
    delivery: RwLock<()>,
    notices: Notices,
    pub(super) situation: watch::Sender<Situation>,
    /// There is something to tell the broker about subscriptions.
    pub(super) wishes_changed: Notify,
    /// There is something to publish.
    pub(super) queue_changed: Notify,
    /// Another server was heard, or something became of a probe.
    heard: Notify,
}

/// Limits the log lines that anyone who can publish may cause.
#[derive(Debug)]
struct Notices {
    /// Lines about envelopes that are none of this cluster.
    strangers: Sampled,
    /// Lines about servers that join and leave.
    members: Sampled,
}

impl Default for Notices {
    fn default() -> Self {
        Self { strangers: Sampled::every(MINUTE), members: Sampled::up_to(MEMBERS_A_MINUTE, MINUTE) }
    }
}

impl Node {
    pub(super) fn new(dialect: Dialect, (limits, budget): (QueueLimits, &Arc<Budget>), runtime: Handle) -> Arc<Self> {
        let (id, limits) = (NodeId::random(), limits.within(budget));
        let state = State::new((id, dialect.clone()), (limits, budget), rand::random, Instant::now());
        Arc::new(Self {
            id,
            own_channels: [dialect.of_servers(), dialect.of_server(id)],
            dialect,
            runtime,
            here: OnceLock::new(),
            state: Mutex::new(state),
            queue: Mutex::new(Queue::new(limits, budget.charge(0))),
            delivery: RwLock::default(),
            notices: Notices::default(),
            situation: watch::Sender::new(Situation::begin()),
            wishes_changed: Notify::new(),
            queue_changed: Notify::new(),
            heard: Notify::new(),
        })
    }

    /// Names the connections of this server; what arrives before is for nobody.
    pub(crate) fn settle(&self, here: Weak<dyn Here>) {
        // A server is set once.
        self.here.set(here).ok();
    }

    fn here(&self) -> Option<Arc<dyn Here>> {
        self.here.get()?.upgrade()
    }

    pub(super) fn own_count(&self, selection: Selection<'_>) -> u64 {
        self.here().map_or(0, |here| here.count(selection) as u64)
    }

    /// How many connections this server has.
    pub(super) fn own_connections(&self) -> u64 {
        self.here().map_or(0, |here| here.connections() as u64)
    }

    /// Whether the other servers are servers of this library.
    pub(super) fn speaks_natively(&self) -> bool {
        self.dialect.form() == Form::Native
    }

    /// The name of this node, which the log lines of other nodes have, too.
    pub(super) fn id(&self) -> NodeId {
        self.id
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// How many connections the other servers have.
    pub(super) fn census(&self) -> Census {
        self.state().others.census(Instant::now())
    }

    pub(super) fn others(&self) -> Vec<NodeId> {
        self.state().others.ids()
    }

    // ---- the link

    /// The number of the next link; nothing that another brings is heard from now on.
    pub(super) fn next_link(&self) -> u32 {
        let _alone = self.deliver_alone();
        self.state().next_link()
    }

    /// Ends the link; true when there was one, or this is the first that did not come about. An outage is one, however often
    /// a link is tried in vain.
    pub(super) fn link_lost(&self, fault: String) -> bool {
        {
            let _alone = self.deliver_alone();
            self.state().link_lost();
        }
        self.queue().hold();
        self.situation.send_if_modified(|now| {
            if now.state == LinkState::Down {
                now.fault = Some(fault);
                return false;
            }
            *now = Situation::now(LinkState::Down, Some(fault));
            true
        })
    }

    /// Keeps the link from changing while what it has brought is delivered.
    fn deliver(&self) -> RwLockReadGuard<'_, ()> {
        self.delivery.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all that the link has brought is delivered, and stops other deliveries.
    fn deliver_alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.delivery.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when every server that was there before is heard over link number `link`.
    pub(super) async fn others_are_back(&self, link: u32) {
        self.until(|| self.state().others.are_back(link)).await;
    }

    /// Looks whether something is so whenever a server was heard or something became of a probe.
    async fn until(&self, is_so: impl Fn() -> bool) {
        loop {
            let heard = self.heard.notified();
            if is_so() {
                return;
            }
            heard.await;
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const MEMBERS_A_MINUTE: u32 = 60;
