//! How many connections the other servers have in a place: each is asked, and answers for itself.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::super::envelope::Body;
use super::super::node_id::NodeId;
use super::{Node, Selection};
use crate::lock::lock;

/// The questions that wait for answers. Pure.
#[derive(Debug, Default)]
pub(super) struct Counts {
    open: HashMap<u64, Count>,
    last: u64,
}

#[derive(Debug)]
struct Count {
    missing: Vec<NodeId>,
    sum: u64,
    complete: Option<oneshot::Sender<()>>,
}

/// What came of a question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::exchange) struct Answers {
    /// How many connections those have who answered.
    pub(in crate::exchange) sum: u64,
    /// How many servers have not.
    pub(in crate::exchange) missing: usize,
}

impl Counts {
    /// A question to `servers`: its token, and what resolves once all have answered.
    fn open(&mut self, servers: Vec<NodeId>) -> (u64, oneshot::Receiver<()>) {
        self.last += 1;
        let (complete, wait) = oneshot::channel();
        self.open.insert(self.last, Count { missing: servers, sum: 0, complete: Some(complete) });
        (self.last, wait)
    }

    /// Takes an answer. Each server's first counts.
    pub(super) fn note(&mut self, token: u64, from: NodeId, connections: u64) {
        let Some(count) = self.open.get_mut(&token) else { return };
        let Some(nth) = count.missing.iter().position(|missing| *missing == from) else { return };
        count.missing.swap_remove(nth);
        count.sum = count.sum.saturating_add(connections);
        if let Some(complete) = count.complete.take_if(|_| count.missing.is_empty()) {
            // Whoever asked may have given up.
            complete.send(()).ok();
        }
    }

    fn close(&mut self, token: u64) -> Answers {
        let count = self.open.remove(&token);
        count.map(|count| Answers { sum: count.sum, missing: count.missing.len() }).unwrap_or_default()
    }
}

impl Node {
    /// Asks all `servers` how many such connections they have, and waits for so long at most.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future forgets the question.
    pub(in crate::exchange) async fn count(
        &self,
        servers: Vec<NodeId>,
        selection: Selection<'_>,
        patience: Duration,
    ) -> Answers {
        if servers.is_empty() {
            return Answers::default();
        }
        let Selection { namespace, room, id } = selection;
        let (token, complete) = lock(&self.counts).open(servers);
        let question = Question { node: self, token };
        self.tell_all(&match id {
            None => Body::Count { token, namespace, room },
            Some(id) => Body::CountId { token, namespace, room, id },
        });
        // What is missing then, the answers tell.
        timeout(patience, complete).await.ok();
        question.close()
    }
}

impl Node {
    /// Asks the other servers for a sign, whatever it says, and waits for those that have given one lately, though not for long.
    pub(in crate::exchange) async fn sign_of_others(&self) {
        let lively = lock(&self.others).heard_since(LIVELY, Instant::now());
        let answers = self.count(lively, Selection { namespace: "", room: None, id: None }, SIGN_PATIENCE).await;
        if answers.missing > 0 {
            self.tallies.unconfirmed.add(1);
        }
    }
}

/// Within which time a server that lives has said so.
const LIVELY: Duration = Duration::from_secs(4);
const SIGN_PATIENCE: Duration = Duration::from_millis(500);

/// A question that is open; it is forgotten with it.
struct Question<'a> {
    node: &'a Node,
    token: u64,
}

impl Question<'_> {
    fn close(&self) -> Answers {
        lock(&self.node.counts).close(self.token)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NodeId = NodeId([1; 16]);
    const TWO: NodeId = NodeId([2; 16]);

    #[test]
    fn a_count_is_complete_when_each_server_has_answered_once() {
        let mut counts = Counts::default();
        let (token, mut complete) = counts.open(vec![ONE, TWO]);
        counts.note(token, ONE, 3);
        counts.note(token, ONE, 100);
        counts.note(token, NodeId([3; 16]), 100);
        assert!(complete.try_recv().is_err());
        counts.note(token, TWO, 4);
        complete.try_recv().unwrap();
        assert_eq!(counts.close(token), Answers { sum: 7, missing: 0 });
    }

    #[test]
    fn who_does_not_answer_is_missing() {
        let mut counts = Counts::default();
        let (token, _complete) = counts.open(vec![ONE, TWO]);
        counts.note(token, TWO, 4);
        counts.note(token + 1, ONE, 4);
        assert_eq!(counts.close(token), Answers { sum: 4, missing: 1 });
        counts.note(token, ONE, 4);
        assert_eq!(counts.close(token), Answers::default());
    }
}
