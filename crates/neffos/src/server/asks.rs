//! Asks that connections of other nodes may answer.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::connection::{Peer, first_answer};
use crate::error::Error;
use crate::exchange::{Cluster, LinkState, Node};
use crate::message::Message;
use crate::session::new_token;
use crate::time_limit;

/// Returns the first answer from connections of this node and of all other nodes.
pub(super) async fn first_of_all(
    node: &Arc<Node>,
    peers: Vec<Arc<Peer>>,
    message: Message,
    patience: Duration,
) -> Result<Message, Error> {
    let (cluster, is_here) = (Cluster::new(node.clone()), !peers.is_empty());
    // Of many, a connection on another server may have a handler.
    let asks_many = message.recipient().is_none();
    let counts = move |err: &Error| !(err.is_closed() || asks_many && err.is_unknown_event());
    tokio::select! {
        biased;
        answer = if_it_counts(first_answer(peers, message.clone(), patience), counts) => answer,
        answer = if_it_counts(answer_from_elsewhere(node, message.clone(), patience), counts) => answer,
        () = no_receiver_left(&cluster, &message, is_here) => Err(Error::closed()),
    }
}

/// Returns an answer, unless it is an error that does not count: then it waits forever, as others may still answer.
async fn if_it_counts(
    answer: impl Future<Output = Result<Message, Error>>,
    counts: impl Fn(&Error) -> bool,
) -> Result<Message, Error> {
    match answer.await {
        Err(err) if !counts(&err) => pending().await,
        answer => answer,
    }
}

/// Returns the first answer from other nodes.
async fn answer_from_elsewhere(node: &Arc<Node>, message: Message, patience: Duration) -> Result<Message, Error> {
    let asked = node.clone().ask(message, new_token(), patience);
    let answer = time_limit::within(patience, asked).await.map_err(|_| Error::timeout())?;
    match answer.error() {
        Some(text) => Err(Error::from_wire(text)),
        None => Ok(answer),
    }
}

/// Resolves when no node has a connection that could answer, although one was found before. If none was ever found,
/// this takes [`COUNTS_OF_NONE`] counts in succession. Never resolves if there may be nodes that do not report their
/// counts.
async fn no_receiver_left(cluster: &Cluster, message: &Message, mut was_seen: bool) {
    if !cluster.knows_all() {
        return pending().await;
    }
    let mut counts_of_none = 0;
    loop {
        sleep(BETWEEN_COUNTS).await;
        // With a receiver on this node, the other nodes need not be asked.
        if cluster.has_own_receiver(message) {
            (was_seen, counts_of_none) = (true, 0);
            continue;
        }
        let found = cluster.count_receivers(message).await;
        was_seen |= found.count > 0;
        let status = cluster.status();
        // A node that crashed counts as missing until it is forgotten. A node whose link is new may not know all other
        // nodes yet.
        let knows_all = status.state == LinkState::Up && status.lasted >= BETWEEN_COUNTS;
        if found.count > 0 || found.missing > 0 || !knows_all {
            counts_of_none = 0;
            continue;
        }
        counts_of_none += 1;
        if was_seen || counts_of_none == COUNTS_OF_NONE {
            return;
        }
    }
}

const BETWEEN_COUNTS: Duration = Duration::from_secs(1);
/// How many counts in succession must find no receiver, if none was found before. A receiver may exist for less than a
/// second.
const COUNTS_OF_NONE: u32 = 3;
