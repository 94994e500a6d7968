//! How many connections the other servers have in a place: each is asked, and answers for itself.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::super::envelope::Body;
use super::super::node_id::NodeId;
use super::state::Answers;
use super::{Node, Selection};

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
        let (token, complete) = self.state().counts.open(servers);
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
        let lively = self.state().lively(Instant::now());
        let answers = self.count(lively, Selection { namespace: "", room: None, id: None }, SIGN_PATIENCE).await;
        if answers.missing > 0 {
            self.state().tallies.unconfirmed += 1;
        }
    }
}

const SIGN_PATIENCE: Duration = Duration::from_millis(500);

/// A question that is open; it is forgotten with it.
struct Question<'a> {
    node: &'a Node,
    token: u64,
}

impl Question<'_> {
    fn close(&self) -> Answers {
        self.node.state().counts.close(self.token)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.close();
    }
}
