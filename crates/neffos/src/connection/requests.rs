//! What this side asks the peer for: to connect and disconnect namespaces, to join and leave rooms.
//!
//! The handlers here decide first, then the peer is asked, so that both sides agree when either refuses.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use smol_str::SmolStr;

use super::ask::Request;
use super::peer::Peer;
use super::process;
use crate::error::Error;
use crate::message::{Cause, Message, events};
use crate::session::{Effect, check_name};
use crate::time_limit;

/// Connects a namespace. Its events wait until `on_connected` has run here.
pub(crate) async fn connect(peer: &Arc<Peer>, namespace: &str) -> Result<Arc<str>, Error> {
    let name = peer.hub().app.namespace(namespace).ok_or_else(Error::bad_namespace)?;
    within(peer.hub().limits.ack_timeout, peer.acknowledged()).await??;
    check_open(peer)?;

    let held = Held::new(peer, &name);
    let request = Message::system(events::CONNECT, &name, Cause::Local);
    process::decide(peer, &name, request.clone()).await?;
    let claim = peer.reach(&name, None).await;
    let request = Request::send(peer, request, &Effect::Connect(name.clone()))?;
    let connected = name.clone();
    agreed(peer, request, (held, claim), |peer| async move {
        // Requests that cross, or that are made at once, connect once, and `on_connected` runs once.
        let is_overtaken = peer.session().overtake(&connected);
        if !is_overtaken {
            let message = Message::system(events::CONNECTED, &connected, Cause::Local);
            process::tell(&peer, &connected, message).await;
        }
    })
    .await?;
    Ok(name)
}

pub(crate) async fn disconnect(peer: &Arc<Peer>, namespace: &Arc<str>) -> Result<(), Error> {
    let rooms = peer.session().membership.rooms_of(namespace).unwrap_or_default().to_vec();
    let message = Message::system(events::DISCONNECT, namespace, Cause::Local);
    let request = Request::send(peer, message.clone(), &Effect::Disconnect(namespace.clone()))?;
    let namespace = namespace.clone();
    agreed(peer, request, (), |peer| async move {
        process::tell_left(&peer, &namespace, &rooms, Cause::LocalForced).await;
        process::tell(&peer, &namespace, message).await;
    })
    .await
}

pub(crate) async fn join(peer: &Arc<Peer>, namespace: &Arc<str>, room: &str) -> Result<Arc<str>, Error> {
    check_open(peer)?;
    check_name(room, peer.hub().limits.bounds.name_bytes).map_err(Error::new)?;
    let room: Arc<str> = room.into();
    let about = |event| Message::system(event, namespace, Cause::Local).or_room(&room);
    process::decide(peer, namespace, about(events::JOIN)).await?;
    let claim = peer.reach(namespace, Some(&room)).await;
    let request = Request::send(peer, about(events::JOIN), &Effect::Join(namespace.clone(), room.clone()))?;
    let (joined, namespace) = (about(events::JOINED), namespace.clone());
    agreed(peer, request, claim, |peer| async move { process::tell(&peer, &namespace, joined).await }).await?;
    Ok(room)
}

pub(crate) async fn leave(peer: &Arc<Peer>, namespace: &Arc<str>, room: &Arc<str>, cause: Cause) -> Result<(), Error> {
    check_open(peer)?;
    if !peer.session().membership.is_joined(namespace, room) {
        return Err(Error::bad_room());
    }
    let about = |event| Message::system(event, namespace, cause).or_room(room);
    process::decide(peer, namespace, about(events::LEAVE)).await?;
    let request = Request::send(peer, about(events::LEAVE), &Effect::Leave(namespace.clone(), room.clone()))?;
    let (left, namespace) = (about(events::LEFT), namespace.clone());
    agreed(peer, request, (), |peer| async move { process::tell(&peer, &namespace, left).await }).await
}

/// No handler is asked about what cannot be asked for.
fn check_open(peer: &Peer) -> Result<(), Error> {
    if peer.is_closed() { Err(Error::closed()) } else { Ok(()) }
}

/// Waits until the peer agrees to `request`, and then runs `tell`, for which `held` is kept.
///
/// # Cancel safety
///
/// Dropped before the reply, the request is forgotten. Dropped later, the rest runs as a separate task: the change has taken
/// effect, and the handlers must hear of it.
async fn agreed<T: Future<Output = ()> + Send + 'static>(
    peer: &Arc<Peer>,
    request: Request,
    held: impl Send + 'static,
    tell: impl FnOnce(Arc<Peer>) -> T + Send + 'static,
) -> Result<(), Error> {
    let token = request.token().clone();
    let peer = peer.clone();
    let telling = peer.clone();
    let rest = async move {
        request.answer().await?;
        telling.settled().await;
        tell(telling).await;
        drop(held);
        Ok(())
    };
    Agreed { peer, token, rest: Some(Box::pin(rest)) }.await
}

/// The part of a request that follows once it is sent.
struct Agreed {
    peer: Arc<Peer>,
    token: SmolStr,
    /// None: it is done.
    rest: Option<BoxFuture<'static, Result<(), Error>>>,
}

impl Future for Agreed {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let rest = self.rest.as_mut().expect("a future is not polled after its end");
        let outcome = ready!(rest.as_mut().poll(cx));
        self.rest = None;
        Poll::Ready(outcome)
    }
}

impl Drop for Agreed {
    fn drop(&mut self) {
        let Some(rest) = self.rest.take() else { return };
        // Whoever takes the request out, this or the reply, decides which came first.
        let is_unanswered = self.peer.with_asks(|asks| asks.close(&self.token)).is_some();
        if !is_unanswered {
            self.peer.hub().fanout.spawn(rest.map(drop));
        }
    }
}

/// While it lives, what the peer sends to the namespace waits.
struct Held {
    peer: Arc<Peer>,
    namespace: Arc<str>,
}

impl Held {
    fn new(peer: &Arc<Peer>, namespace: &Arc<str>) -> Self {
        peer.session().hold(namespace);
        Self { peer: peer.clone(), namespace: namespace.clone() }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.peer.session().release(&self.namespace);
        self.peer.waker.wake();
    }
}

/// Waits as long as `deadline` says; zero means for ever.
pub(super) async fn within<T>(deadline: Duration, wait: impl Future<Output = T>) -> Result<T, Error> {
    time_limit::within(deadline, wait).await.map_err(|_| Error::timeout())
}
