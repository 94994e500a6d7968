//! The start and the end of a node, and [`Cluster`], the handle for applications.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::broker::Exchange;
use super::dialect::Dialect;
use super::link_task;
use super::node::state::Answers;
use super::node::{Node, Selection};
use super::queue::QueueLimits;
use super::status::{ClusterCount, ClusterStatus, LinkState, Situation};
use crate::budget::Budget;
use crate::error::Error;
use crate::fanout::Watch;
use crate::message::Message;

/// The settings of a server's exchange, before it starts.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) limits: Option<QueueLimits>,
    pub(crate) hook: Option<StatusHook>,
    exchange: Option<(Dialect, Keep)>,
}

pub(crate) type StatusHook = Arc<dyn Fn(&ClusterStatus) + Send + Sync>;
type Keep = Box<dyn FnOnce(Arc<Node>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

impl Plan {
    pub(crate) fn set_exchange(&mut self, exchange: impl Exchange) {
        self.exchange = Some((exchange.dialect(), Box::new(|node| Box::pin(link_task::run(node, exchange)))));
    }

    /// Starts a node, which connects to its cluster in the background. Returns `None` without an exchange.
    ///
    /// # Errors
    ///
    /// `is_config` if the dialect is invalid, if there is no runtime, or if a setting needs an exchange that is
    /// missing.
    pub(crate) fn begin(self, budget: &Arc<Budget>) -> Result<Option<RunningNode>, Error> {
        let Some((dialect, keep)) = self.exchange else {
            return match (self.limits, self.hook) {
                (None, None) => Ok(None),
                (Some(_), _) => Err(Error::config("exchange_queue: there is no exchange")),
                (None, Some(_)) => Err(Error::config("on_exchange: there is no exchange")),
            };
        };
        dialect.check()?;
        let Ok(runtime) = Handle::try_current() else {
            return Err(Error::config("exchange: build the server inside a tokio runtime"));
        };
        let node = Node::new(dialect, (self.limits.unwrap_or_default(), budget), runtime.clone());
        // This must come before the first change.
        let situation = node.situation.subscribe();
        let mut tasks = vec![runtime.spawn(keep(node.clone()))];
        tasks.extend(self.hook.map(|hook| runtime.spawn(tell(node.clone(), situation, hook))));
        Ok(Some(RunningNode { node, tasks }))
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dialect = self.exchange.as_ref().map(|(dialect, _)| dialect);
        f.debug_struct("Plan").field("dialect", &dialect).finish_non_exhaustive()
    }
}

/// A node and its tasks. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct RunningNode {
    node: Arc<Node>,
    tasks: Vec<JoinHandle<()>>,
}

impl RunningNode {
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Returns the observer of the places that have members.
    pub(crate) fn watch(&self) -> Arc<dyn Watch> {
        self.node.clone()
    }

    /// Notifies the other nodes that this one ends, waits a short time until its queue is published, and closes the
    /// link. The notice must be the last envelope: after a later one, other nodes would count this node again.
    pub(crate) async fn leave(&self) {
        let is_up = self.node.situation.borrow().state == LinkState::Up;
        if is_up {
            // Messages that the broker has not accepted by then are lost.
            timeout(FAREWELL, self.node.farewell()).await.ok();
        }
        self.stop();
        self.node.link_lost("this server has left".to_owned());
    }

    fn stop(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Calls `hook` with every change.
async fn tell(node: Arc<Node>, mut situation: watch::Receiver<Situation>, hook: StatusHook) {
    while situation.changed().await.is_ok() {
        if catch_unwind(AssertUnwindSafe(|| hook(&status(&node)))).is_err() {
            tracing::error!("the callback for the exchange panicked");
        }
    }
}

/// The cluster of a server with an exchange: a cheap handle.
///
/// # Examples
///
/// ```
/// use neffos::{Events, LinkState, MemoryExchange, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), neffos::Error> {
/// let events = Events::new();
/// let server = Server::builder().namespace("default", events).exchange(MemoryExchange::new()).build()?;
/// server.joined().await?;
/// let cluster = server.cluster().expect("it has an exchange");
/// assert_eq!(cluster.status().state, LinkState::Up);
/// assert_eq!(cluster.total_connections().count, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Cluster(Arc<Node>);

impl Cluster {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self(node)
    }

    /// Returns the state of the link, and the counters.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(cluster: Cluster) {
    /// println!("{:?}", cluster.status());
    /// # }
    /// ```
    pub fn status(&self) -> ClusterStatus {
        status(&self.0)
    }

    /// Returns the number of connections of all servers.
    ///
    /// Other servers report theirs every few seconds; [`ClusterCount::age`] is the age of the oldest report. Go servers
    /// do not report.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(cluster: Cluster) {
    /// let all = cluster.total_connections();
    /// println!("{} connections on {} servers", all.count, all.servers);
    /// # }
    /// ```
    pub fn total_connections(&self) -> ClusterCount {
        let others = self.0.census();
        ClusterCount {
            count: others.connections + self.0.own_connections(),
            servers: others.servers + 1,
            missing: 0,
            age: others.age,
        }
    }

    /// Returns the number of connections of all servers in a namespace, or in one of its rooms. It asks the other
    /// servers, and waits for at most one second. Go servers do not answer.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(cluster: Cluster) {
    /// let lobby = cluster.count_in("default", Some("lobby")).await;
    /// println!("{} in the lobby; {} servers did not answer", lobby.count, lobby.missing);
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn count_in(&self, namespace: &str, room: Option<&str>) -> ClusterCount {
        self.count(Selection { namespace, room, id: None }).await
    }

    /// Returns the number of connections on all servers that are receivers of `message`: those in its namespace, in its
    /// room if it names one, and with the id of its recipient if it has one.
    ///
    /// It waits as [`Cluster::count_in`] does. A server of an earlier version does not answer if there is a recipient.
    ///
    /// If the count is zero and no server is [missing](ClusterCount::missing), no connection can answer an ask with
    /// this message.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(cluster: Cluster) {
    /// let to_user = Message::new("paid", "").in_namespace("default").to("user-42");
    /// if cluster.count_receivers(&to_user).await.count == 0 {
    ///     println!("user-42 is offline: send a mail");
    /// }
    /// # }
    /// ```
    pub async fn count_receivers(&self, message: &Message) -> ClusterCount {
        self.count(receivers_of(message)).await
    }

    /// Returns whether this server has a receiver of `message`. Asks no other server.
    pub(crate) fn has_own_receiver(&self, message: &Message) -> bool {
        self.0.own_count(receivers_of(message)) > 0
    }

    /// Returns whether all other servers report their connections. Go servers do not.
    pub(crate) fn knows_all(&self) -> bool {
        self.0.speaks_natively()
    }

    async fn count(&self, selection: Selection<'_>) -> ClusterCount {
        let started = tokio::time::Instant::now();
        let others = self.0.other_nodes();
        let known = others.len();
        let Answers { sum, missing } = self.0.count(others, selection, COUNT_PATIENCE).await;
        ClusterCount {
            count: sum + self.0.own_count(selection),
            servers: known - missing + 1,
            missing,
            age: started.elapsed(),
        }
    }

    /// Returns when the server has a link to its cluster; at once if it has one.
    ///
    /// # Errors
    ///
    /// `is_unreachable`, with the reason, if the first attempt made no link. The server keeps trying.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub(crate) async fn joined(&self) -> Result<(), Error> {
        let mut situation = self.0.situation.subscribe();
        let reached = situation.wait_for(|now| matches!(now.state, LinkState::Up | LinkState::Down)).await;
        match reached.as_deref() {
            Ok(now) if now.state == LinkState::Up => Ok(()),
            Ok(now) => Err(Error::unreachable(now.fault.clone().unwrap_or_default())),
            Err(_) => Err(Error::closed()),
        }
    }
}

fn receivers_of(message: &Message) -> Selection<'_> {
    Selection { namespace: message.namespace(), room: message.room(), id: message.recipient() }
}

fn status(node: &Node) -> ClusterStatus {
    let now = node.situation.borrow().clone();
    let (queued, queued_bytes, dropped) = {
        let queue = node.queue();
        (queue.len(), queue.bytes(), queue.dropped())
    };
    let (tallies, subscriptions) = {
        let state = node.state();
        (state.tallies, state.interest.len())
    };
    ClusterStatus {
        state: now.state,
        lasted: now.since.elapsed(),
        fault: now.fault,
        lag: node.lag(),
        queued,
        queued_bytes,
        subscriptions,
        servers: node.census().servers,
        published: tallies.published,
        dropped,
        uncertain: tallies.uncertain,
        refused: tallies.refused,
        received: tallies.received,
        recovered: tallies.recovered,
        missed: tallies.missed,
        stale: tallies.stale,
        rejected: tallies.rejected,
        replayed: tallies.replayed,
        unconfirmed: tallies.unconfirmed,
        links: tallies.links,
    }
}

const COUNT_PATIENCE: Duration = Duration::from_secs(1);
const FAREWELL: Duration = Duration::from_secs(1);
