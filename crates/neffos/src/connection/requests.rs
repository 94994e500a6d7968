//! Requests of this side to connect and disconnect namespaces, and to join and leave rooms.
//!
//! This side's handlers decide first, and then the peer is asked. So both sides agree if either refuses.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use smol_str::SmolStr;

use super::ask::Request;
use super::peer::Peer;
use crate::error::Error;
use crate::message::{Initiator, Message};
use crate::session::{ChangeStep, MembershipChange, Outcome, check_name};
use crate::time_limit;

/// Connects a namespace. Its events wait until `on_connected` has run on this side.
pub(crate) async fn connect(peer: &Arc<Peer>, namespace: &str) -> Result<Arc<str>, Error> {
    let name = peer.hub().app.namespace(namespace).ok_or_else(Error::bad_namespace)?;
    within(peer.hub().limits.ack_timeout, peer.acknowledged()).await??;
    check_open(peer)?;

    let held = HeldEvents::new(peer, &name);
    perform(peer, MembershipChange::connect(name.clone()), held).await?;
    Ok(name)
}

pub(crate) async fn disconnect(peer: &Arc<Peer>, namespace: &Arc<str>) -> Result<(), Error> {
    let rooms = peer.session().membership().rooms_of(namespace).unwrap_or_default().to_vec();
    perform(peer, MembershipChange::disconnect(namespace.clone(), rooms), ()).await
}

pub(crate) async fn join(peer: &Arc<Peer>, namespace: &Arc<str>, room: &str) -> Result<Arc<str>, Error> {
    check_open(peer)?;
    check_name(room, peer.hub().limits.bounds.name_bytes).map_err(Error::new)?;
    let room: Arc<str> = room.into();
    perform(peer, MembershipChange::join(namespace.clone(), room.clone()), ()).await?;
    Ok(room)
}

pub(crate) async fn leave(
    peer: &Arc<Peer>,
    namespace: &Arc<str>,
    room: &Arc<str>,
    cause: Initiator,
) -> Result<(), Error> {
    check_open(peer)?;
    if !peer.session().membership().is_joined(namespace, room) {
        return Err(Error::bad_room());
    }
    perform(peer, MembershipChange::leave(namespace.clone(), room.clone(), cause), ()).await
}

/// Checks that the connection is open, before a handler is asked about an impossible request.
fn check_open(peer: &Peer) -> Result<(), Error> {
    if peer.is_closed() { Err(Error::closed()) } else { Ok(()) }
}

/// Performs the steps of `change` with the peer, and keeps `held` until they are done.
///
/// # Cancel safety
///
/// If the future is dropped before the reply, the request is forgotten. If it is dropped later, the remaining steps run
/// as a separate task: the change has taken effect, and its handlers must run.
async fn perform(peer: &Arc<Peer>, mut change: MembershipChange, held: impl Send + 'static) -> Result<(), Error> {
    let mut claim = None;
    while let Some(step) = change.next() {
        match step {
            ChangeStep::Consent(message) => consent(peer, &change, message).await?,
            ChangeStep::Reach => claim = peer.clone().reach(change.namespace().clone(), change.room().cloned()).await,
            // The other steps follow the reply.
            ChangeStep::Ask => break,
            ChangeStep::TakeEffect | ChangeStep::Settle | ChangeStep::Tell(_) | ChangeStep::Reply => {}
        }
    }
    let request = Request::send(peer, change.request(), &change.effect())?;
    let token = request.token().clone();
    let telling = peer.clone();
    let rest = async move {
        request.answer().await?;
        finish(&telling, change).await;
        drop((held, claim));
        Ok(())
    };
    Remainder { peer: peer.clone(), token, rest: Some(Box::pin(rest)) }.await
}

/// Asks this side's handler. A refusal may also close the connection.
async fn consent(peer: &Arc<Peer>, change: &MembershipChange, message: Box<Message>) -> Result<(), Error> {
    let outcome = run(peer, change.namespace(), message).await;
    outcome.consent().map_err(|denial| {
        if let Some(frame) = &denial.close {
            peer.close(Some(frame));
        }
        Error::new(denial.text)
    })
}

/// Performs the steps that follow the peer's reply.
async fn finish(peer: &Arc<Peer>, mut change: MembershipChange) {
    while let Some(step) = change.next() {
        match step {
            ChangeStep::Settle => {
                peer.settled().await;
                // When requests cross, or are made at the same time, the namespace is connected once and `on_connected`
                // runs once.
                if change.is_connect() && peer.session().overtake(change.namespace()) {
                    return;
                }
            }
            ChangeStep::Tell(message) => drop(run(peer, change.namespace(), message).await),
            ChangeStep::Consent(_)
            | ChangeStep::Reach
            | ChangeStep::TakeEffect
            | ChangeStep::Ask
            | ChangeStep::Reply => {}
        }
    }
}

/// Runs the handler of an event, if there is one.
async fn run(peer: &Arc<Peer>, namespace: &Arc<str>, message: Box<Message>) -> Outcome {
    match peer.hub().app.start(peer, namespace.clone(), message) {
        Ok(running) => {
            let (message, outcome) = running.await;
            peer.report_failure(message.event(), &outcome);
            outcome
        }
        Err(_message) => Outcome::Nothing,
    }
}

/// The part of a request after it is sent.
struct Remainder {
    peer: Arc<Peer>,
    token: SmolStr,
    /// `None` if it is done.
    rest: Option<BoxFuture<'static, Result<(), Error>>>,
}

impl Future for Remainder {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let rest = self.rest.as_mut().expect("a future is not polled after its end");
        let outcome = ready!(rest.as_mut().poll(cx));
        self.rest = None;
        Poll::Ready(outcome)
    }
}

impl Drop for Remainder {
    fn drop(&mut self) {
        let Some(rest) = self.rest.take() else { return };
        // This and the reply both close the ask. The one that finds it open came first.
        let is_unanswered = self.peer.with_asks(|session| session.close_ask(&self.token)).is_some();
        if !is_unanswered {
            self.peer.hub().fanout.spawn(rest.map(drop));
        }
    }
}

/// Holds the peer's events for the namespace while it lives.
struct HeldEvents {
    peer: Arc<Peer>,
    namespace: Arc<str>,
}

impl HeldEvents {
    fn new(peer: &Arc<Peer>, namespace: &Arc<str>) -> Self {
        peer.session().hold(namespace);
        Self { peer: peer.clone(), namespace: namespace.clone() }
    }
}

impl Drop for HeldEvents {
    fn drop(&mut self) {
        self.peer.session().release(&self.namespace);
        self.peer.waker.wake();
    }
}

/// Waits at most for `deadline`; zero means without a limit.
pub(super) async fn within<T>(deadline: Duration, wait: impl Future<Output = T>) -> Result<T, Error> {
    time_limit::within(deadline, wait).await.map_err(|_| Error::timeout())
}
