//! Counts of the connections of other nodes in a place. Each node is asked.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::super::native::Body;
use super::super::node_id::NodeId;
use super::state::Answers;
use super::{Node, Selection};

impl Node {
    /// Asks all `servers` for their number of selected connections, and waits at most for `patience`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the count is forgotten.
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
        let (token, complete) = self.state().counts.open(servers);
        let count = OpenCount { node: self, token };
        self.tell_all(&match id {
            None => Body::Count { token, namespace, room },
            Some(id) => Body::CountId { token, namespace, room, id },
        });
        // The result shows which nodes have not answered.
        timeout(patience, complete).await.ok();
        count.close()
    }
}

impl Node {
    /// Asks recently active nodes for any answer, and waits for it for a limited time.
    pub(in crate::exchange) async fn hear_from_other_nodes(&self) {
        let lively = self.state().lively(Instant::now());
        let answers = self.count(lively, Selection { namespace: "", room: None, id: None }, ANSWER_PATIENCE).await;
        if answers.missing > 0 {
            self.state().tallies.unconfirmed += 1;
        }
    }
}

const ANSWER_PATIENCE: Duration = Duration::from_millis(500);

/// An open count. Dropping it ends the count.
struct OpenCount<'a> {
    node: &'a Node,
    token: u64,
}

impl OpenCount<'_> {
    fn close(&self) -> Answers {
        self.node.state().counts.close(self.token)
    }
}

impl Drop for OpenCount<'_> {
    fn drop(&mut self) {
        self.close();
    }
}
