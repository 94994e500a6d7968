//! The state of a node's link and its counters, for operators, metrics and readiness.

use std::time::Duration;

use tokio::time::Instant;

/// The state of a server's link to its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// There has been no link yet.
    Connecting,
    /// There is a new link. The server subscribes, and waits for the other servers before it publishes messages.
    Resuming,
    /// Messages are published and received.
    Up,
    /// The link is lost, or the first attempt failed. Messages for other servers are queued, as far as there is room.
    Down,
}

/// The state of the link, and its beginning.
#[derive(Debug, Clone)]
pub(super) struct Situation {
    pub(super) state: LinkState,
    pub(super) since: Instant,
    /// The reason why there is no link, or why the last one was lost.
    pub(super) fault: Option<String>,
}

impl Situation {
    pub(super) fn begin() -> Self {
        Self::now(LinkState::Connecting, None)
    }

    pub(super) fn now(state: LinkState, fault: Option<String>) -> Self {
        Self { state, since: Instant::now(), fault }
    }
}

/// The state of a server's link to its cluster, and counters: [`Cluster::status`](crate::Cluster::status).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClusterStatus {
    /// The state of the link.
    pub state: LinkState,
    /// How long it has been in that state.
    pub lasted: Duration,
    /// The reason why there is no link, or why the last one was lost.
    pub fault: Option<String>,
    /// The round trip time of the last probe, which takes the path of messages. If the next probe has already taken
    /// longer, that time. `None` without a link.
    pub lag: Option<Duration>,
    /// Messages queued for publishing.
    pub queued: usize,
    /// The bytes of these messages.
    pub queued_bytes: usize,
    /// Channels that this server subscribes to.
    pub subscriptions: usize,
    /// Known other servers.
    pub servers: usize,
    /// Envelopes that the broker has accepted: messages of applications, and messages about nodes.
    pub published: u64,
    /// Messages that found no room in the queue, or were in it for too long.
    pub dropped: u64,
    /// Messages in flight when a link was lost. They may have arrived. Servers that missed them request a resend; Go
    /// servers do not.
    pub uncertain: u64,
    /// Messages that cannot be published. Either the broker would refuse them over any link, for example because they
    /// are too large, or Go servers would deliver them to other receivers. Each is logged.
    pub refused: u64,
    /// Envelopes of other servers that arrived.
    pub received: u64,
    /// Messages of other servers that were lost with a link, and were resent.
    pub recovered: u64,
    /// Messages of other servers that were lost with a link, and that those servers no longer kept. Their receivers are
    /// unknown: this is the most that connections of this server may have lost.
    pub missed: u64,
    /// Messages that arrived after later ones of the same server, and were dropped to keep the order.
    pub stale: u64,
    /// Envelopes that do not belong to this cluster: not signed with its key, of another version, or broken.
    pub rejected: u64,
    /// Signed envelopes that were dropped: they were accepted before, are too old, or came from a node that does not
    /// answer. Unless a node has just crashed, an attacker replays recorded envelopes.
    pub replayed: u64,
    /// Connects and joins that were answered although the broker, or another server, had not confirmed in time.
    pub unconfirmed: u64,
    /// Links since the start.
    pub links: u64,
}

/// A number of connections in a cluster, as far as this server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterCount {
    /// The connections, including those of this server.
    pub count: u64,
    /// The servers that `count` includes, with this one.
    pub servers: usize,
    /// The other servers that did not answer. `count` does not include their connections.
    pub missing: usize,
    /// The age of the oldest number.
    pub age: Duration,
}
