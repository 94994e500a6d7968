//! Requests to the peer, and the effects of their replies.

use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use tokio::sync::oneshot;

use super::peer::Peer;
use super::waiter::{AskResult, Slot, Waiter};
use crate::error::Error;
use crate::message::Message;
use crate::session::{Effect, OpenAsk, new_token};
use crate::time_limit;

/// Asks the peer, and applies `effect` together with a reply that is not an error.
///
/// # Cancel safety
///
/// If the future is dropped, the request is forgotten: a later reply changes nothing on this side.
pub(crate) async fn request(peer: &Arc<Peer>, message: Message, effect: Effect) -> AskResult {
    Request::send(peer, message, &effect)?.answer().await
}

/// A request that was sent to the peer.
pub(super) struct Request {
    peer: Arc<Peer>,
    asked: Asked,
    wait: oneshot::Receiver<AskResult>,
}

impl Request {
    pub(super) fn send(peer: &Arc<Peer>, message: Message, effect: &Effect) -> Result<Self, Error> {
        let (slot, wait) = Slot::new();
        let mut asked = Asked::default();
        open(peer, message, effect, Waiter::One(slot), &mut asked)?;
        Ok(Self { peer: peer.clone(), asked, wait })
    }

    pub(super) fn token(&self) -> &SmolStr {
        &self.asked.token
    }

    pub(super) async fn answer(self) -> AskResult {
        let answer = answered(self.wait, self.peer.hub().limits.ask_timeout).await;
        drop(self.asked);
        answer
    }
}

/// Asks all of `peers` the same. The first reply counts, even an error, except that a peer without a handler for the
/// event does not count while another may reply. A peer that cannot be asked is skipped.
///
/// Returns `is_closed` as soon as every peer that was asked has ended. If none could be asked, waits for the deadline.
pub(crate) async fn first_answer(peers: Vec<Arc<Peer>>, message: Message, deadline: Duration) -> AskResult {
    let (slot, wait) = Slot::new();
    let token = new_token();
    let mut asked = Asked::default();
    let mut is_asked = false;
    for peer in &peers {
        let message = message.clone().with_token(token.clone());
        // A peer that is closing or has too many open asks is skipped.
        match open(peer, message, &Effect::Nothing, Waiter::First(slot.clone()), &mut asked) {
            Ok(()) => is_asked = true,
            // This peer will not reply, so it must not hold the slot.
            Err(_) => drop(peer.with_asks(|session| session.close_ask(&token))),
        }
    }
    // The message is in the outboxes already. To keep it until there is an answer would take as much memory again.
    drop((peers, message));
    // The peers that were asked hold the slot. If there are none, it stays until the deadline.
    let slot = (!is_asked).then_some(slot);
    let answer = answered(wait, deadline).await;
    drop(slot);
    answer
}

/// The open requests. Dropping this forgets them.
#[derive(Default)]
struct Asked {
    token: SmolStr,
    peers: Vec<Arc<Peer>>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        for peer in &self.peers {
            drop(peer.with_asks(|session| session.close_ask(&self.token)));
        }
    }
}

fn open(
    peer: &Arc<Peer>,
    mut message: Message,
    effect: &Effect,
    waiter: Waiter,
    asked: &mut Asked,
) -> Result<(), Error> {
    if peer.is_closed() {
        return Err(Error::closed());
    }
    if message.token().is_empty() {
        message.set_token(peer.session().new_token());
    }
    asked.token = message.token().clone();
    let pending = OpenAsk { namespace: message.namespace.clone(), effect: effect.clone(), waiter };
    let most = peer.hub().limits.max_asks;
    let ends_a_pause = peer.with_asks(|session| session.open_ask(message.token().clone(), pending, most))?;
    asked.peers.push(peer.clone());
    let sent = peer.send_request(&message, effect);
    if ends_a_pause {
        peer.waker.wake();
    }
    will_be_told(peer, message.token(), sent)
}

/// Fails if the waiter would never be notified: the request was not sent, or the connection ended before the request
/// was recorded. A request that is no longer open has notified its waiter, perhaps with an answer that arrived just
/// before the end.
fn will_be_told(peer: &Peer, token: &str, sent: Result<(), Error>) -> Result<(), Error> {
    let is_forgotten = peer.is_closed() && peer.with_asks(|session| session.close_ask(token)).is_some();
    if is_forgotten { Err(Error::closed()) } else { sent }
}

async fn answered(wait: oneshot::Receiver<AskResult>, deadline: Duration) -> AskResult {
    let answer = time_limit::within(deadline, wait).await.map_err(|_| Error::timeout())?;
    answer.unwrap_or_else(|_| Err(Error::closed()))
}

#[cfg(test)]
mod tests {
    use super::super::driver::tests::connected;
    use super::*;

    fn noted(peer: &Peer) -> (SmolStr, oneshot::Receiver<AskResult>) {
        let (slot, wait) = Slot::new();
        let token = new_token();
        let pending = OpenAsk { namespace: "default".into(), effect: Effect::Nothing, waiter: Waiter::One(slot) };
        peer.session().open_ask(token.clone(), pending, 1).unwrap();
        (token, wait)
    }

    #[tokio::test]
    async fn an_answer_just_before_the_end_counts() {
        let (peer, _client) = connected();
        let (token, mut wait) = noted(&peer);
        let pending = peer.session().close_ask(&token).unwrap();
        pending.waiter.answer(Message::new("question", "yes"));
        peer.end(None);
        assert!(will_be_told(&peer, &token, Ok(())).is_ok());
        assert_eq!(wait.try_recv().unwrap().unwrap().body(), "yes");
    }

    #[tokio::test]
    async fn a_request_after_the_end_fails() {
        let (peer, _client) = connected();
        peer.end(None);
        let (token, _wait) = noted(&peer);
        assert!(will_be_told(&peer, &token, Ok(())).unwrap_err().is_closed());
        assert!(!peer.session().is_asking());
    }
}
