//! Asks of this node that other nodes answer, and asks of other nodes that this node answers.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use smol_str::SmolStr;
use tokio::sync::oneshot;

use super::super::dialect::Form;
use super::super::draft::{Draft, NodeAsk};
use super::super::go;
use super::super::native::{self, Body, Packed};
use super::super::node_id::NodeId;
use super::Node;
use crate::message::Message;

/// An open ask. Dropping it ends the ask.
struct AskGuard {
    node: Arc<Node>,
    token: SmolStr,
}

impl Drop for AskGuard {
    fn drop(&mut self) {
        // The receiver of the answer is gone.
        drop(self.node.state().asks.close(&self.token));
    }
}

/// A slot for answering an ask of another node. Dropping it frees the slot.
struct AnswerSlot(Arc<Node>);

impl AnswerSlot {
    async fn answer(self, to: Option<NodeId>, token: SmolStr, asked: BoxFuture<'static, Option<Message>>) {
        if let Some(answer) = asked.await {
            self.0.answer(to, &token, &answer);
        }
    }
}

impl Drop for AnswerSlot {
    fn drop(&mut self) {
        self.0.state().asks.end_answer();
    }
}

impl Node {
    /// Returns the first answer from another node. Never resolves if there is none.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the ask is forgotten.
    pub(crate) async fn ask(self: Arc<Self>, message: Message, token: SmolStr, patience: Duration) -> Message {
        let (told, wait) = oneshot::channel();
        let token = self.state().asks.open(&token, told);
        let _asked = AskGuard { node: self.clone(), token: token.clone() };
        // Go servers answer on a separate channel for each token.
        let _claim = match self.dialect.form() {
            Form::Native => None,
            Form::Go(_) => Some(self.claim(vec![self.dialect.of_answers(&token)]).await),
        };
        self.publish(self.ask_draft(&message, &token, patience));
        match wait.await {
            Ok(answer) => answer,
            Err(_) => pending().await,
        }
    }

    /// Returns `None` if Go servers would ask the whole namespace.
    fn ask_draft(&self, message: &Message, token: &str, patience: Duration) -> Option<Draft> {
        let channel = self.channel_of(message);
        let draft = match self.dialect.form() {
            Form::Native => {
                let packed = Packed::of(message);
                // Zero means no limit at the other node too, so less than a millisecond must not become zero.
                let patience_ms = u32::try_from(patience.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX);
                let (id, part) = (message.recipient(), packed.part());
                native::write(&channel, self.id, &Body::Ask { token, id, patience_ms, part })
            }
            Form::Go(_) if self.is_mistakable(message, &channel) => {
                self.state().tallies.refused += 1;
                return None;
            }
            Form::Go(_) => go::ask(channel, message, token),
        };
        Some(draft)
    }

    /// Returns the token of the ask whose answers arrive on this channel.
    pub(super) fn answered_on(&self, channel: &str) -> Option<SmolStr> {
        let token = self.dialect.token_of_answers(channel)?;
        self.state().asks.waiting(token)
    }

    /// Asks connections of this node, and sends the first answer back. The state has counted the ask.
    pub(super) fn ask_here(self: &Arc<Self>, from: Option<NodeId>, ask: NodeAsk) {
        let NodeAsk { token, message, patience } = ask;
        let slot = AnswerSlot(self.clone());
        let Some(here) = self.here() else { return };
        let asked = here.ask(message, patience);
        self.runtime.spawn(slot.answer(from, token, asked));
    }

    fn answer(&self, to: Option<NodeId>, token: &str, answer: &Message) {
        let Some(id) = to else {
            return self.publish([go::answer(self.dialect.of_answers(token), answer)]);
        };
        let packed = Packed::of(answer);
        let body = Body::Answer { token, part: packed.part() };
        self.publish([native::write(&self.dialect.of_server(id), self.id, &body)]);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use bytes::Bytes;
    use futures_util::FutureExt;
    use futures_util::future::ready;
    use tokio::runtime::Handle;
    use tokio::time::Instant;

    use super::super::super::dialect::Dialect;
    use super::super::super::queue::QueueLimits;
    use super::super::{Here, Selection};
    use super::*;
    use crate::budget::Budget;
    use crate::fanout::Except;
    use crate::websocket::CloseFrame;

    /// Connections that never answer.
    #[derive(Default)]
    struct Silent {
        asked: AtomicU32,
    }

    impl Here for Silent {
        fn deliver(&self, _: Vec<Message>, _: &Except) {}

        fn ask(&self, _: Message, _: Option<Duration>) -> BoxFuture<'static, Option<Message>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            ready(None).boxed()
        }

        fn close(&self, _: &str, _: &CloseFrame) {}

        fn connections(&self) -> usize {
            1
        }

        fn count(&self, _: Selection<'_>) -> usize {
            1
        }
    }

    fn node(here: &Arc<Silent>) -> Arc<Node> {
        let node =
            Node::new(Dialect::go_redis("app"), (QueueLimits::default(), &Budget::unlimited()), Handle::current());
        let here: Arc<dyn Here> = here.clone();
        node.settle(Arc::downgrade(&here));
        node.next_link();
        node
    }

    #[tokio::test]
    async fn an_ask_that_comes_back_after_its_answer_is_not_asked_again() {
        let (own, others) = (Arc::<Silent>::default(), Arc::<Silent>::default());
        let (asker, other) = (node(&own), node(&others));
        let question = Message::new("question", "how?").in_namespace("default");
        // A connection of this server has answered, so the ask ends.
        assert!(asker.clone().ask(question, "n0123456789".into(), Duration::ZERO).now_or_never().is_none());
        asker.queue().open();
        let (draft, _) = asker.queue().take(None, Instant::now()).drafts.remove(0);
        let (channel, payload) = (draft.channel.clone(), Bytes::from(draft.bytes));
        for node in [&asker, &other] {
            node.receive(1, &channel, &payload);
        }
        assert_eq!([own, others].map(|here| here.asked.load(Ordering::Relaxed)), [0, 1]);
    }
}
