//! Asks between nodes: the open asks of this node, and the number of asks of other nodes that are being answered. Pure.

use std::collections::HashMap;

use smol_str::SmolStr;
use tokio::sync::oneshot;

use crate::message::Message;

#[derive(Debug)]
pub(in crate::exchange) struct NodeAsks {
    /// The suffix of this node's tokens, by which it recognises them. Clients see it, so it is not the node's name: no
    /// other program may be able to write under that name.
    mark: String,
    waiting: HashMap<SmolStr, oneshot::Sender<Message>>,
    /// The number of asks of other nodes that wait for connections of this node.
    answering: usize,
}

impl NodeAsks {
    /// Creates the asks of a node. `number` is random.
    pub(super) fn new(number: u64) -> Self {
        Self { mark: format!("-{number:016x}"), waiting: HashMap::new(), answering: 0 }
    }

    /// Opens an ask of this node. Returns its token between nodes.
    pub(in crate::exchange) fn open(&mut self, token: &str, waiter: oneshot::Sender<Message>) -> SmolStr {
        let token = SmolStr::from(format!("{token}{}", self.mark));
        self.waiting.insert(token.clone(), waiter);
        token
    }

    /// Closes an ask of this node. Returns the receiver of the answer, if it still waits.
    pub(in crate::exchange) fn close(&mut self, token: &str) -> Option<oneshot::Sender<Message>> {
        self.waiting.remove(token)
    }

    /// Returns the token, if its ask is still open.
    pub(in crate::exchange) fn waiting(&self, token: &str) -> Option<SmolStr> {
        self.waiting.get_key_value(token).map(|(token, _)| token.clone())
    }

    /// Returns whether a token belongs to an ask of this node, open or closed.
    pub(super) fn is_own(&self, token: &str) -> bool {
        token.ends_with(&self.mark)
    }

    /// Begins to answer an ask of another node. Returns false if too many are being answered.
    pub(super) fn begin_answer(&mut self) -> bool {
        let fits = self.answering < MOST_ANSWERING;
        self.answering += usize::from(fits);
        fits
    }

    /// Records that an ask of another node is answered, or never will be.
    pub(in crate::exchange) fn end_answer(&mut self) {
        self.answering -= 1;
    }
}

/// How many asks of other nodes may wait for connections of this node.
const MOST_ANSWERING: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ask_is_recognised_by_its_token_and_gets_one_answer() {
        let (mut asks, (waiter, _wait)) = (NodeAsks::new(7), oneshot::channel());
        let token = asks.open("n1", waiter);
        assert_eq!((&*token, asks.waiting(&token)), ("n1-0000000000000007", Some(token.clone())));
        assert!(asks.close(&token).is_some() && asks.close(&token).is_none());
        assert_eq!(asks.waiting(&token), None);
        assert!(asks.is_own(&token) && !NodeAsks::new(8).is_own(&token));
    }

    #[test]
    fn asks_of_other_nodes_are_answered_up_to_a_limit() {
        let mut asks = NodeAsks::new(7);
        assert!((0..MOST_ANSWERING).all(|_| asks.begin_answer()));
        assert!(!asks.begin_answer());
        asks.end_answer();
        assert_eq!([asks.begin_answer(), asks.begin_answer()], [true, false]);
    }
}
