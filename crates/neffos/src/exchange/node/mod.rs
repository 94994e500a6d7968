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
use super::other_nodes::Census;
use super::queue::{PublishQueue, QueueLimits};
use super::status::{LinkState, Situation};
use crate::budget::Budget;
use crate::fanout::Except;
use crate::lock::lock;
use crate::message::Message;
use crate::sampled::Sampled;
use crate::websocket::CloseFrame;
use state::NodeState;

/// The connections of this server, as the exchange sees them.
pub(crate) trait Here: Send + Sync {
    /// Offers messages to all their receivers.
    fn deliver(&self, messages: Vec<Message>, except: &Except);

    /// Asks all receivers of `message`. Returns the first answer, also if it is an error. None when there is no answer in time.
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
    /// That of all nodes of this library, and that of this one.
    own_channels: [Arc<str>; 2],
    runtime: Handle,
    here: OnceLock<Weak<dyn Here>>,
    state: Mutex<NodeState>,
    /// Beside the state, so that broadcasts and envelopes that arrive do not wait for each other.
    queue: Mutex<PublishQueue>,
    /// Shared by tasks that deliver what the link has brought. Held alone to change the link, so that nothing of a former link is
    /// delivered behind messages of the next one. Held alone also to deliver held messages, so that none overtakes them.
    delivery: RwLock<()>,
    notices: Notices,
    pub(super) situation: watch::Sender<Situation>,
    /// There is something to tell the broker about subscriptions.
    pub(super) wishes_changed: Notify,
    /// There is something to publish.
    pub(super) queue_changed: Notify,
    /// Another node was heard, or a probe was published or has come back.
    heard: Notify,
}

/// Limits the log lines that anyone who can publish may cause.
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
        let state = NodeState::new((id, dialect.clone()), (limits, budget), rand::random, Instant::now());
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

    /// Whether the other nodes are servers of this library.
    pub(super) fn speaks_natively(&self) -> bool {
        self.dialect.form() == Form::Native
    }

    /// The name of this node, which the log lines of other nodes have, too.
    pub(super) fn id(&self) -> NodeId {
        self.id
    }

    pub(super) fn state(&self) -> MutexGuard<'_, NodeState> {
        lock(&self.state)
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, PublishQueue> {
        lock(&self.queue)
    }

    /// How many connections the other nodes have.
    pub(super) fn census(&self) -> Census {
        self.state().other_nodes.census(Instant::now())
    }

    pub(super) fn other_nodes(&self) -> Vec<NodeId> {
        self.state().other_nodes.ids()
    }

    // ---- the link

    /// Returns the number of the next link. From now on, nothing that another link brings is heard.
    pub(super) fn next_link(&self) -> u32 {
        let _alone = self.deliver_alone();
        self.state().next_link()
    }

    /// Ends the link. True when there was one, or when this was the first try: an outage is reported once, however many tries fail.
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

    /// Returns when every node that was known before hears this one over link number `link`.
    pub(super) async fn other_nodes_are_back(&self, link: u32) {
        self.until(|| self.state().other_nodes.are_back(link)).await;
    }

    /// Returns when the condition is true. Looks whenever `heard` is notified.
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
