//! The open counts of connections of other nodes in a place. Pure.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::super::super::node_id::NodeId;

/// The open counts.
#[derive(Debug, Default)]
pub(in crate::exchange) struct OpenCounts {
    open: HashMap<u64, Count>,
    last: u64,
}

#[derive(Debug)]
struct Count {
    missing: Vec<NodeId>,
    sum: u64,
    complete: Option<oneshot::Sender<()>>,
}

/// The result of a count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::exchange) struct Answers {
    /// The number of connections of the servers that answered.
    pub(in crate::exchange) sum: u64,
    /// The number of servers that did not answer.
    pub(in crate::exchange) missing: usize,
}

impl OpenCounts {
    /// Opens a count of `servers`. Returns its token, and a receiver that resolves when all have answered.
    pub(in crate::exchange) fn open(&mut self, servers: Vec<NodeId>) -> (u64, oneshot::Receiver<()>) {
        self.last += 1;
        let (complete, wait) = oneshot::channel();
        self.open.insert(self.last, Count { missing: servers, sum: 0, complete: Some(complete) });
        (self.last, wait)
    }

    /// Records an answer. Only the first of each server counts. With the last one, returns the sender to notify.
    pub(super) fn note(&mut self, token: u64, from: NodeId, connections: u64) -> Option<oneshot::Sender<()>> {
        let count = self.open.get_mut(&token)?;
        let nth = count.missing.iter().position(|missing| *missing == from)?;
        count.missing.swap_remove(nth);
        count.sum = count.sum.saturating_add(connections);
        count.complete.take_if(|_| count.missing.is_empty())
    }

    pub(in crate::exchange) fn close(&mut self, token: u64) -> Answers {
        let count = self.open.remove(&token);
        count.map(|count| Answers { sum: count.sum, missing: count.missing.len() }).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NodeId = NodeId([1; 16]);
    const TWO: NodeId = NodeId([2; 16]);

    #[test]
    fn a_count_is_complete_when_each_server_has_answered_once() {
        let mut counts = OpenCounts::default();
        let (token, mut complete) = counts.open(vec![ONE, TWO]);
        counts.note(token, ONE, 3);
        counts.note(token, ONE, 100);
        counts.note(token, NodeId([3; 16]), 100);
        assert!(complete.try_recv().is_err());
        counts.note(token, TWO, 4).unwrap().send(()).unwrap();
        complete.try_recv().unwrap();
        assert_eq!(counts.close(token), Answers { sum: 7, missing: 0 });
    }

    #[test]
    fn a_node_that_does_not_answer_is_missing() {
        let mut counts = OpenCounts::default();
        let (token, _complete) = counts.open(vec![ONE, TWO]);
        counts.note(token, TWO, 4);
        counts.note(token + 1, ONE, 4);
        assert_eq!(counts.close(token), Answers { sum: 4, missing: 1 });
        counts.note(token, ONE, 4);
        assert_eq!(counts.close(token), Answers::default());
    }
}
