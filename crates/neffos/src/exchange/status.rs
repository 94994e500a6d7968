//! The state of a node's link and its counters, for operators, metrics and readiness.

use std::time::Duration;

use tokio::time::Instant;

/// Whether a server is linked to the other servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// There has been no link yet.
    Connecting,
    /// There is a link again. The server subscribes, and waits for the other servers before it publishes messages.
    Resuming,
    /// Messages are published and received.
    Up,
    /// The link is lost, or the first one failed. Messages for other servers are queued, as far as there is room.
    Down,
}

/// The state of the link, and since when it holds.
#[derive(Debug, Clone)]
pub(super) struct Situation {
    pub(super) state: LinkState,
    pub(super) since: Instant,
    /// Why there is no link, or why the last one was lost.
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
    /// Why there is no link, or why the last one was lost.
    pub fault: Option<String>,
    /// How long the last probe took to come back: it takes the path of messages. While the next one has been under way for longer,
    /// that time. None without a link.
    pub lag: Option<Duration>,
    /// How many messages are queued to be published.
    pub queued: usize,
    /// How many bytes they take.
    pub queued_bytes: usize,
    /// How many channels this server subscribes to.
    pub subscriptions: usize,
    /// How many other servers there are.
    pub servers: usize,
    /// Envelopes that the broker has taken: messages of applications, and messages about nodes.
    pub published: u64,
    /// Messages that found no room in the queue, or were in it for too long.
    pub dropped: u64,
    /// Messages that were on their way when a link was lost. They may have arrived. Servers that missed them request a resend;
    /// those in Go do not.
    pub uncertain: u64,
    /// Messages that cannot be published: the broker would refuse them over any link, for example because they are too large, or
    /// servers in Go would deliver them to other receivers. Each is logged.
    pub refused: u64,
    /// Envelopes of other servers that arrived.
    pub received: u64,
    /// Messages of other servers that were lost with a link, and were resent.
    pub recovered: u64,
    /// Messages of other servers that were lost with a link, and that those servers no longer kept. Their receivers are unknown:
    /// at most so many are lost to connections of this server.
    pub missed: u64,
    /// Messages that arrived behind later ones of the same server, and were dropped to keep the order.
    pub stale: u64,
    /// Envelopes that do not belong to this cluster: not signed with its key, of another version, or broken.
    pub rejected: u64,
    /// Signed envelopes that were dropped: they had been accepted before, were too old, or came from a node that does not answer.
    /// Unless a node has just died, an adversary replays recorded envelopes.
    pub replayed: u64,
    /// Connects and joins that were answered although the broker, or another server, had not confirmed in time.
    pub unconfirmed: u64,
    /// How many links there have been.
    pub links: u64,
}

/// How many connections there are in a cluster, as far as this server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterCount {
    /// Connections, those of this server included.
    pub count: u64,
    /// How many servers are in `count`, this one included.
    pub servers: usize,
    /// How many other servers did not answer: they are not in `count`.
    pub missing: usize,
    /// How old the oldest number is.
    pub age: Duration,
}
