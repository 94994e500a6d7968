//! What this side asks the peer for: to connect and disconnect namespaces, to join and leave rooms.
//!
//! The handlers here decide first, then the peer is asked, so that both sides agree when either refuses.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::ask;
use super::peer::Peer;
use super::process;
use crate::error::Error;
use crate::message::{Cause, Message, events};
use crate::session::{Effect, check_name};

/// Connects a namespace. Its events wait until the handlers here have been told that it is connected.
pub(crate) async fn connect(peer: &Arc<Peer>, namespace: &str) -> Result<Arc<str>, Error> {
    let name = peer.hub().namespaces.name(namespace).ok_or_else(Error::bad_namespace)?;
    within(peer.hub().limits.ack_timeout, peer.acknowledged()).await??;
    check_open(peer)?;

    let held = Held::new(peer, &name);
    let request = Message::system(events::CONNECT, &name, Cause::Local);
    process::decide(peer, &name, request.clone()).await?;
    let _claim = peer.reach(&name, None).await;
    ask::request(peer, request, Effect::Connect(name.clone())).await?;
    peer.settled().await;
    // Requests that cross, or that are made at once, connect once, and the handlers are told once.
    let is_overtaken = peer.session().overtake(&name);
    if !is_overtaken {
        process::tell(peer, &name, Message::system(events::CONNECTED, &name, Cause::Local)).await;
    }
    drop(held);
    Ok(name)
}

pub(crate) async fn disconnect(peer: &Arc<Peer>, namespace: &Arc<str>) -> Result<(), Error> {
    let rooms = peer.session().membership.rooms_of(namespace).unwrap_or_default().to_vec();
    let request = Message::system(events::DISCONNECT, namespace, Cause::Local);
    ask::request(peer, request.clone(), Effect::Disconnect(namespace.clone())).await?;
    peer.settled().await;
    process::tell_left(peer, namespace, &rooms, Cause::LocalForced).await;
    process::tell(peer, namespace, request).await;
    Ok(())
}

pub(crate) async fn join(peer: &Arc<Peer>, namespace: &Arc<str>, room: &str) -> Result<Arc<str>, Error> {
    check_open(peer)?;
    check_name(room, peer.hub().limits.bounds.name_bytes).map_err(Error::new)?;
    let room: Arc<str> = room.into();
    let about = |event| Message::system(event, namespace, Cause::Local).or_room(&room);
    process::decide(peer, namespace, about(events::JOIN)).await?;
    let _claim = peer.reach(namespace, Some(&room)).await;
    ask::request(peer, about(events::JOIN), Effect::Join(namespace.clone(), room.clone())).await?;
    peer.settled().await;
    process::tell(peer, namespace, about(events::JOINED)).await;
    Ok(room)
}

pub(crate) async fn leave(peer: &Arc<Peer>, namespace: &Arc<str>, room: &Arc<str>, cause: Cause) -> Result<(), Error> {
    check_open(peer)?;
    if !peer.session().membership.is_joined(namespace, room) {
        return Err(Error::bad_room());
    }
    let about = |event| Message::system(event, namespace, cause).or_room(room);
    process::decide(peer, namespace, about(events::LEAVE)).await?;
    ask::request(peer, about(events::LEAVE), Effect::Leave(namespace.clone(), room.clone())).await?;
    peer.settled().await;
    process::tell(peer, namespace, about(events::LEFT)).await;
    Ok(())
}

/// No handler is asked about what cannot be asked for.
fn check_open(peer: &Peer) -> Result<(), Error> {
    if peer.is_closed() { Err(Error::closed()) } else { Ok(()) }
}

/// While it lives, what the peer sends to the namespace waits.
struct Held<'a> {
    peer: &'a Arc<Peer>,
    namespace: &'a Arc<str>,
}

impl<'a> Held<'a> {
    fn new(peer: &'a Arc<Peer>, namespace: &'a Arc<str>) -> Self {
        peer.session().hold(namespace);
        Self { peer, namespace }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.peer.session().release(self.namespace);
        self.peer.waker.wake();
    }
}

/// Waits as long as `deadline` says; zero means for ever.
pub(super) async fn within<T>(deadline: Duration, wait: impl Future<Output = T>) -> Result<T, Error> {
    match deadline {
        Duration::ZERO => Ok(wait.await),
        deadline => timeout(deadline, wait).await.map_err(|_| Error::timeout()),
    }
}
