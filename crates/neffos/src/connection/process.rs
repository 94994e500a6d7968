//! What one message of the peer does: the session decides, handlers are asked, the outcome takes effect.
//!
//! All of it runs on the connection's own task, one message at a time, in the order of arrival.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;

use super::conn::Conn;
use super::extract::Event;
use super::reply::{Kind, Reply};
use crate::error::{CloseError, Error};
use crate::message::wire::{self, NativeMode};
use crate::message::{Cause, Encoding, Message, events};
use crate::session::{Memberships, Step, Verdict};
use crate::websocket::{CloseCode, CloseFrame, Role};

/// Asks `on_connect` whether the connection is wanted.
pub(super) async fn open(conn: Conn, request: Arc<http::request::Parts>) {
    let peer = conn.peer().clone();
    let reply = match &peer.hub().on_connect {
        Some(hook) => guarded(hook(conn, request)).await,
        None => Reply::none(),
    };
    let native_only = peer.hub().native == NativeMode::Only;
    let Some((code, text)) = refusal(reply) else {
        peer.admit();
        peer.session().ack.resolve(Verdict::Welcome);
        if native_only && let Some(name) = peer.hub().namespaces.name("") {
            peer.enter(&name, None);
        }
        return;
    };
    tracing::debug!(conn = ?conn_id(&peer), reason = ?text, "refused");
    // Without the exchange, or after a welcome that was given too early, a close frame is all there is to say it with.
    if native_only || peer.is_admitted() {
        return peer.close(Some(&CloseFrame::new(code, text)));
    }
    peer.session().ack.resolve(Verdict::Refused(text));
}

/// Handles one message.
pub(super) async fn message(conn: Conn, message: Message) {
    let hub = conn.peer().hub();
    let step = conn.peer().session().decide(&message, &hub.limits.bounds, |name| hub.namespaces.name(name));
    match step {
        Step::Ignore => {}
        Step::Acknowledge => conn.peer().reply(done(&message)),
        Step::Refuse(reason) => refuse(&conn, &message, reason),
        Step::Connect(namespace) => connect(&conn, namespace, message).await,
        Step::Disconnect(namespace) => disconnect(&conn, namespace, message).await,
        Step::Join(namespace, room) => join(&conn, namespace, room, message).await,
        Step::Leave(namespace, room) => leave(&conn, namespace, room, message).await,
        Step::Event(namespace) => event(conn, namespace, message).await,
    }
}

/// Tells the handlers of everything that the connection was in that it has ended, and then `on_disconnect`.
pub(super) async fn teardown(conn: Conn, memberships: Memberships) {
    for (namespace, rooms) in &memberships {
        tell_left(&conn, namespace, rooms, Cause::LocalForced).await;
        tell(&conn, namespace, Message::system(events::DISCONNECT, namespace, Cause::LocalForced)).await;
    }
    let hook = conn.peer().hub().on_disconnect.clone();
    if let Some(hook) = hook.filter(|_| conn.peer().is_admitted()) {
        guarded(hook(conn)).await;
    }
}

/// Asks the handler of a system event for its consent.
pub(super) async fn decide(conn: &Conn, namespace: &Arc<str>, message: Message) -> Result<(), Error> {
    match run(conn, namespace, message).await.0 {
        Kind::Nothing | Kind::Body(_) | Kind::Binary(_) => Ok(()),
        Kind::Error(text) => Err(Error::new(text)),
        Kind::Close(close) => {
            conn.close(close.code(), close.text());
            Err(Error::new(close.to_string()))
        }
        Kind::Panicked => Err(Error::new(PANICKED)),
    }
}

/// Tells the handler of a system event; it has no say.
pub(super) async fn tell(conn: &Conn, namespace: &Arc<str>, message: Message) {
    run(conn, namespace, message).await;
}

/// Tells of rooms that were left because their namespace was.
pub(super) async fn tell_left(conn: &Conn, namespace: &Arc<str>, rooms: &[Arc<str>], cause: Cause) {
    for room in rooms {
        for event in [events::LEAVE, events::LEFT] {
            tell(conn, namespace, Message::system(event, namespace, cause).or_room(room)).await;
        }
    }
}

async fn connect(conn: &Conn, namespace: Arc<str>, message: Message) {
    if let Err(err) = decide(conn, &namespace, message.clone()).await {
        return refuse(conn, &message, &err.to_string());
    }
    conn.peer().enter(&namespace, Some(done(&message)));
    tell(conn, &namespace, about(&message, events::CONNECTED)).await;
}

async fn disconnect(conn: &Conn, namespace: Arc<str>, message: Message) {
    if let Err(err) = decide(conn, &namespace, message.clone()).await {
        return refuse(conn, &message, &err.to_string());
    }
    let rooms = conn.peer().exit(&namespace);
    tell_left(conn, &namespace, &rooms, Cause::PeerForced).await;
    conn.peer().reply(done(&message));
}

async fn join(conn: &Conn, namespace: Arc<str>, room: Arc<str>, message: Message) {
    if let Err(err) = decide(conn, &namespace, message.clone()).await {
        return refuse(conn, &message, &err.to_string());
    }
    conn.peer().join(&namespace, &room);
    tell(conn, &namespace, about(&message, events::JOINED)).await;
    conn.peer().reply(done(&message));
}

async fn leave(conn: &Conn, namespace: Arc<str>, room: Arc<str>, message: Message) {
    if let Err(err) = decide(conn, &namespace, about(&message, events::LEAVE)).await {
        return refuse(conn, &message, &err.to_string());
    }
    conn.peer().leave(&namespace, &room);
    tell(conn, &namespace, about(&message, events::LEFT)).await;
    conn.peer().reply(done(&message));
}

async fn event(conn: Conn, namespace: Arc<str>, message: Message) {
    let hub = conn.peer().hub().clone();
    let Some(handler) = hub.namespaces.handler(&namespace, message.event()) else { return };
    let event = Event { conn, namespace, message };
    let reply = handler.run(&event).await;
    answer(&event, reply);
}

async fn run(conn: &Conn, namespace: &Arc<str>, message: Message) -> Reply {
    let hub = conn.peer().hub();
    let Some(handler) = hub.namespaces.handler(namespace, message.event()) else { return Reply::none() };
    let event = Event { conn: conn.clone(), namespace: namespace.clone(), message };
    handler.run(&event).await
}

/// Sends what the handler of an event returned.
fn answer(event: &Event, reply: Reply) {
    let Event { conn, message, .. } = event;
    let plain = if message.is_binary() { Encoding::Binary } else { Encoding::Text };
    match reply.0 {
        Kind::Nothing => {}
        Kind::Body(body) => answer_with(event, &message.reply(body, plain)),
        Kind::Binary(body) => answer_with(event, &message.reply(body, Encoding::Binary)),
        Kind::Error(text) => answer_with(event, &message.error_reply(text)),
        Kind::Close(close) => {
            answer_with(event, &message.error_reply(close.to_string()));
            conn.close(close.code(), close.text());
        }
        Kind::Panicked if message.is_ask() => answer_with(event, &message.error_reply(PANICKED)),
        Kind::Panicked => conn.close(CloseCode::INTERNAL_ERROR, PANICKED),
    }
}

/// Sends a reply, unless the peer has left the place meanwhile, or would be told of its own error.
fn answer_with(event: &Event, reply: &Message) {
    let Event { conn, message, .. } = event;
    let is_echo_of_an_error = reply.error.is_some() && message.error.is_some();
    // There is no envelope that could tell a native reply from a native message.
    let is_bare = message.is_native() && !message.is_ask();
    if is_echo_of_an_error || is_bare || conn.peer().session().may_send(reply).is_err() {
        return;
    }
    conn.peer().reply(wire::encode(reply, Role::Server));
}

/// Tells an asker that it may not; one that did not ask is told nothing.
fn refuse(conn: &Conn, message: &Message, reason: &str) {
    if message.is_ask() && message.error.is_none() {
        conn.peer().reply(wire::encode(&message.error_reply(reason.to_owned()), Role::Server));
    }
}

fn done(message: &Message) -> Bytes {
    wire::encode_empty_reply(&message.token, Role::Server)
}

/// The event that goes with a request: the same place, and its body.
fn about(request: &Message, event: &'static str) -> Message {
    Message { event: event.into(), ..request.clone() }
}

/// What `on_connect` returned, when it was a refusal.
fn refusal(reply: Reply) -> Option<(CloseCode, String)> {
    match reply.0 {
        Kind::Nothing | Kind::Body(_) | Kind::Binary(_) => None,
        Kind::Error(text) => Some((CloseCode::POLICY, text)),
        Kind::Close(close) => Some((close.code(), close_text(&close))),
        Kind::Panicked => Some((CloseCode::INTERNAL_ERROR, PANICKED.to_owned())),
    }
}

fn close_text(close: &CloseError) -> String {
    close.text().to_owned()
}

async fn guarded(hook: impl Future<Output = Reply>) -> Reply {
    let reply = AssertUnwindSafe(hook).catch_unwind().await;
    reply.unwrap_or_else(|_panic| {
        tracing::error!("a connect or disconnect callback panicked");
        Reply(Kind::Panicked)
    })
}

fn conn_id(peer: &super::peer::Peer) -> &str {
    crate::fanout::Member::id(peer)
}

const PANICKED: &str = "internal error";
