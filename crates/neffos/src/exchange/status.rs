//! How it is going between this server and the others, for people, metrics and readiness.

use std::time::Duration;

use tokio::time::Instant;

/// Whether this server reaches the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// There has been no link yet.
    Connecting,
    /// There is a link again: subscriptions are made, and the other servers waited for, before messages go.
    Resuming,
    /// Messages go and come.
    Up,
    /// The link is lost, or none came about. Messages for the other servers wait, as far as there is room.
    Down,
}

/// What is so since when.
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

/// How it is going between a server and the others: [`Cluster::status`](crate::Cluster::status).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClusterStatus {
    /// Whether the others are reached.
    pub state: LinkState,
    /// For how long that has been so.
    pub lasted: Duration,
    /// Why there is no link, or why the last one was lost.
    pub fault: Option<String>,
    /// How long the last probe took, over the way that messages go, there and back; while the next has been under way for longer,
    /// that. None while there is no link.
    pub lag: Option<Duration>,
    /// How many messages wait to be published.
    pub queued: usize,
    /// How many bytes they take.
    pub queued_bytes: usize,
    /// How many channels this server subscribes to.
    pub subscriptions: usize,
    /// How many other servers are heard.
    pub servers: usize,
    /// Messages that the broker has taken, and what servers tell each other about themselves.
    pub published: u64,
    /// Messages that found no room in the queue, or waited in it for too long.
    pub dropped: u64,
    /// Messages that were on their way when a link was lost: they may have arrived. Servers that have missed them ask for them;
    /// those in Go do not.
    pub uncertain: u64,
    /// Messages that cannot be published: the broker takes them over no link, because they are too large, say, or servers in Go
    /// would give them to others. Each is logged.
    pub refused: u64,
    /// What the other servers have published and arrived here.
    pub received: u64,
    /// Messages of the other servers that were missed while there was no link, and came when they were asked for.
    pub recovered: u64,
    /// Messages of the other servers that were published while there was no link, and that they no longer kept when they were asked
    /// for them. Nobody knows any more for whom they were: so many at most are lost to connections of this server.
    pub missed: u64,
    /// Messages that arrived behind later ones of the same server, and were dropped for the sake of the order.
    pub stale: u64,
    /// What arrived and was none of ours: not signed with the key, of another version, or broken.
    pub rejected: u64,
    /// Signed envelopes that were dropped: they had been accepted before, were too old, or came from a node that does not answer.
    /// Somebody replays recorded envelopes, unless a node has just died.
    pub replayed: u64,
    /// Connects and joins that went on although the broker, or another server, had not confirmed in time.
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
    /// How many servers have said so, this one included.
    pub servers: usize,
    /// How many others there are that have not: they are not in `count`.
    pub missing: usize,
    /// How old the oldest number is.
    pub age: Duration,
}
