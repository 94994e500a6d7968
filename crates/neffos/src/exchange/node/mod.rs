//! This server as a node of its cluster. Shards notify it which places have connections. It reaches connections only
//! through [`Here`].
//!
//! - `state/`: its knowledge and its decisions, pure. One lock protects all of it; no delivery, write or wait happens
//!   under that lock.
//! - `tell.rs`: messages for other nodes; `hear.rs`: envelopes of other nodes, and the effects that the state decides
//!   on.
//! - `asks.rs`: asks between nodes; `counts.rs`: counts of the connections of other nodes.
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
use super::other_nodes::Census;
use super::queue::{PublishQueue, QueueLimits};
use super::status::{LinkState, Situation};
use crate::budget::Budget;
use crate::fanout::Except;
use crate::lock::lock;
use crate::message::Message;
use crate::random::random;
use crate::sampled::Sampled;
use crate::websocket::CloseFrame;
use state::NodeState;

/// The connections of this server, behind the trait that the exchange calls.
pub(crate) trait Here: Send + Sync {
    /// Offers messages to all their receivers.
    fn deliver(&self, messages: Vec<Message>, except: &Except);

    /// Asks all receivers of `message`. Returns the first answer, even an error, or `None` if none arrives in time.
    fn ask(&self, message: Message, patience: Option<Duration>) -> BoxFuture<'static, Option<Message>>;

    /// Closes the connections with this id.
    fn close(&self, id: &str, frame: &CloseFrame);

    fn connections(&self) -> usize;

    fn count(&self, selection: Selection<'_>) -> usize;
}

/// The connections to count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selection<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) room: Option<&'a str>,
    /// `None` selects any id.
    pub(crate) id: Option<&'a str>,
}

#[derive(Debug)]
pub(crate) struct Node {
    id: NodeId,
    dialect: Dialect,
    /// The channel of all nodes of this library, and the channel of this node.
    own_channels: [Arc<str>; 2],
    runtime: Handle,
    here: OnceLock<Weak<dyn Here>>,
    state: Mutex<NodeState>,
    /// Separate from the state, so that broadcasts and arriving envelopes do not wait for each other.
    queue: Mutex<PublishQueue>,
    /// Shared by tasks that deliver messages of the link. Held exclusively to change the link, so that no message of an
    /// earlier link is delivered after messages of the next. Held exclusively also to deliver held messages, so that
    /// none overtakes them.
    delivery: RwLock<()>,
    notices: Notices,
    pub(super) situation: watch::Sender<Situation>,
    /// Notified when subscriptions must change.
    pub(super) wishes_changed: Notify,
    /// Notified when there is something to publish.
    pub(super) queue_changed: Notify,
    /// Notified when an envelope of another node arrived, or a probe was published or returned.
    heard: Notify,
}

/// Limits the log lines that any client of the broker can cause.
#[derive(Debug)]
struct Notices {
    /// Lines about envelopes that do not belong to this cluster.
    strangers: Sampled,
    /// Lines about nodes that join and leave.
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
        let state = NodeState::new((id, dialect.clone()), (limits, budget), random, Instant::now());
        Arc::new(Self {
            id,
            own_channels: [dialect.of_servers(), dialect.of_server(id)],
            dialect,
            runtime,
            here: OnceLock::new(),
            state: Mutex::new(state),
            queue: Mutex::new(PublishQueue::new(limits, budget.charge(0))),
            delivery: RwLock::default(),
            notices: Notices::default(),
            situation: watch::Sender::new(Situation::begin()),
            wishes_changed: Notify::new(),
            queue_changed: Notify::new(),
            heard: Notify::new(),
        })
    }

    /// Sets the connections of this server. Messages that arrive before have no receivers.
    pub(crate) fn settle(&self, here: Weak<dyn Here>) {
        // This is called once for each server.
        self.here.set(here).ok();
    }

    fn here(&self) -> Option<Arc<dyn Here>> {
        self.here.get()?.upgrade()
    }

    pub(super) fn own_count(&self, selection: Selection<'_>) -> u64 {
        self.here().map_or(0, |here| here.count(selection) as u64)
    }

    /// Returns the number of connections of this server.
    pub(super) fn own_connections(&self) -> u64 {
        self.here().map_or(0, |here| here.connections() as u64)
    }

    /// Returns whether the other nodes are servers of this library.
    pub(super) fn speaks_natively(&self) -> bool {
        self.dialect.form() == Form::Native
    }

    /// Returns the name of this node, which other nodes log too.
    pub(super) fn id(&self) -> NodeId {
        self.id
    }

    pub(super) fn state(&self) -> MutexGuard<'_, NodeState> {
        lock(&self.state)
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, PublishQueue> {
        lock(&self.queue)
    }

    /// Returns the number of connections of the other nodes.
    pub(super) fn census(&self) -> Census {
        self.state().other_nodes.census(Instant::now())
    }

    pub(super) fn other_nodes(&self) -> Vec<NodeId> {
        self.state().other_nodes.ids()
    }

    // ---- the link

    /// Returns the number of the next link. From now on, messages of any other link are ignored.
    pub(super) fn next_link(&self) -> u32 {
        let _alone = self.deliver_alone();
        self.state().next_link()
    }

    /// Ends the link. Returns true if there was one, or if this was the first attempt: an outage is reported once,
    /// however many attempts fail.
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

    /// Keeps the link from changing while its messages are delivered.
    fn deliver(&self) -> RwLockReadGuard<'_, ()> {
        self.delivery.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all messages of the link are delivered, and stops other deliveries.
    fn deliver_alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.delivery.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when every node known before receives from this one over link number `link`.
    pub(super) async fn other_nodes_are_back(&self, link: u32) {
        self.until(|| self.state().other_nodes.are_back(link)).await;
    }

    /// Returns when the condition is true. Checks it whenever `heard` is notified.
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
