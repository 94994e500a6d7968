//! Asks of this server that others answer, and asks of others that are answered here.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use smol_str::SmolStr;
use tokio::sync::oneshot;

use super::super::dialect::Form;
use super::super::draft::{Draft, Question};
use super::super::envelope::{self, Body, Packed};
use super::super::go;
use super::super::node_id::NodeId;
use super::Node;
use crate::lock::lock;
use crate::message::Message;

/// An ask that waits; it is forgotten with it.
struct Asked {
    node: Arc<Node>,
    token: SmolStr,
}

impl Drop for Asked {
    fn drop(&mut self) {
        lock(&self.node.asks).remove(&self.token);
    }
}

/// How the tokens of a server's asks end, by which it knows them when they come back. Clients see it: it is not the server's
/// name, which nobody must be able to write under.
#[derive(Debug)]
pub(super) struct AsksMark(String);

impl AsksMark {
    pub(super) fn random() -> Self {
        Self(format!("-{:016x}", rand::random::<u64>()))
    }

    fn put_on(&self, token: &str) -> SmolStr {
        format!("{token}{}", self.0).into()
    }

    fn is_on(&self, token: &str) -> bool {
        token.ends_with(&self.0)
    }
}

/// One of the asks from elsewhere that may wait at the same time.
struct Turn(Arc<Node>);

impl Turn {
    fn take(node: &Arc<Node>) -> Option<Self> {
        let turn = Self(node.clone());
        let others = turn.asked().fetch_add(1, Ordering::Relaxed);
        (others < MOST_ASKED).then_some(turn)
    }

    async fn answer(self, to: Option<NodeId>, token: SmolStr, asked: BoxFuture<'static, Option<Message>>) {
        if let Some(answer) = asked.await {
            self.0.answer(to, &token, &answer);
        }
    }

    fn asked(&self) -> &AtomicUsize {
        &self.0.asked
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.asked().fetch_sub(1, Ordering::Relaxed);
    }
}

impl Node {
    /// The first answer from elsewhere. Never resolves when there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future forgets the ask.
    pub(crate) async fn ask(self: Arc<Self>, message: Message, token: SmolStr, patience: Duration) -> Message {
        let token = self.asks_mark.put_on(&token);
        let (told, wait) = oneshot::channel();
        lock(&self.asks).insert(token.clone(), told);
        let _asked = Asked { node: self.clone(), token: token.clone() };
        // Servers in Go answer on a channel of the token's own.
        let _claim = match self.dialect.form() {
            Form::Native => None,
            Form::Go(_) => Some(self.claim(vec![self.dialect.of_answers(&token)]).await),
        };
        self.publish(self.question(&message, &token, patience));
        match wait.await {
            Ok(answer) => answer,
            Err(_) => pending().await,
        }
    }

    /// None when servers in Go would ask the whole namespace.
    fn question(&self, message: &Message, token: &str, patience: Duration) -> Option<Draft> {
        let channel = self.channel_of(message);
        let draft = match self.dialect.form() {
            Form::Native => {
                let packed = Packed::of(message);
                // Zero means no limit there as well: less than a millisecond must not become that.
                let patience_ms = u32::try_from(patience.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX);
                let (id, part) = (message.recipient(), packed.part());
                envelope::write(&channel, self.id, &Body::Ask { token, id, patience_ms, part })
            }
            Form::Go(_) if self.is_mistakable(message, &channel) => {
                self.tallies.refused.add(1);
                return None;
            }
            Form::Go(_) => go::ask(channel, message, token),
        };
        Some(draft)
    }

    /// The token of an ask whose answers come over this channel.
    pub(super) fn answered_on(&self, channel: &str) -> Option<SmolStr> {
        let token = self.dialect.token_of_answers(channel)?;
        lock(&self.asks).get_key_value(token).map(|(token, _)| token.clone())
    }

    pub(super) fn take_answer(&self, token: &str, answer: Message) {
        let told = lock(&self.asks).remove(token);
        if let Some(told) = told {
            // Whoever asked may have given up.
            told.send(answer).ok();
        }
    }

    /// Asks those here, and sends back the first answer of each whom it may be for: the first of all counts.
    pub(super) fn take_question(self: &Arc<Self>, from: Option<NodeId>, channel: &str, question: Question) {
        let Question { token, message, patience } = question;
        // In Go, what this server has asked comes back to it without its name, maybe when it is answered already.
        if from.is_none() && self.asks_mark.is_on(&token) {
            return;
        }
        let Some(here) = self.here() else { return };
        for message in self.readdressed(channel, message) {
            let Some(turn) = Turn::take(self) else {
                return self.tallies.rejected.add(1);
            };
            let asked = here.ask(message, patience);
            self.runtime.spawn(turn.answer(from, token.clone(), asked));
        }
    }

    fn answer(&self, to: Option<NodeId>, token: &str, answer: &Message) {
        let Some(id) = to else {
            return self.publish([go::answer(self.dialect.of_answers(token), answer)]);
        };
        let packed = Packed::of(answer);
        let body = Body::Answer { token, part: packed.part() };
        self.publish([envelope::write(&self.dialect.of_server(id), self.id, &body)]);
    }
}

/// How many asks of other servers may wait for somebody here.
const MOST_ASKED: usize = 4096;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

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

    /// Somebody who is asked, and never answers.
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
    async fn what_a_server_asks_is_not_asked_again_when_it_comes_back_though_it_is_answered_by_then() {
        let (own, others) = (Arc::<Silent>::default(), Arc::<Silent>::default());
        let (asker, other) = (node(&own), node(&others));
        let question = Message::new("question", "how?").in_namespace("default");
        // Somebody here has answered, so nobody waits for others any more.
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
