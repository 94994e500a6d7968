//! What one message of the peer does: the session decides, handlers are asked, the outcome takes effect.
//!
//! All of it runs on the connection's own task, one message at a time, in the order of arrival.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use smol_str::SmolStr;

use super::outcome::{Outcome, OutcomeFuture};
use super::peer::Peer;
use crate::error::{BAD_NAMESPACE, Error};
use crate::fanout::Member;
use crate::message::wire::{self, NativeMode};
use crate::message::{Cause, Encoding, Message, events};
use crate::session::{Memberships, Refusal, Step, Verdict};
use crate::websocket::{CloseCode, CloseFrame, Role};

/// Says whether the connection is wanted: at once, unless there is an `on_connect` to ask or a place to wait for.
pub(super) fn open(peer: &Arc<Peer>, request: &Arc<http::request::Parts>) -> Option<Job> {
    let decision = peer.hub().app.open(peer, request);
    if decision.is_some() || peer.hub().native == NativeMode::Only {
        return Some(Box::pin(decide_opening(peer.clone(), decision)));
    }
    welcome(peer);
    None
}

async fn decide_opening(peer: Arc<Peer>, decision: Option<OutcomeFuture>) {
    let outcome = match decision {
        Some(decision) => guarded(decision).await,
        None => Outcome::Nothing,
    };
    let native_only = peer.hub().native == NativeMode::Only;
    let Some(refusal) = refusal(outcome) else {
        welcome(&peer);
        if native_only && let Some(name) = peer.hub().app.namespace("") {
            let _claim = peer.reach(&name, None).await;
            peer.enter(&name, None);
            peer.settled().await;
        }
        return;
    };
    tracing::debug!(conn = &**peer.id(), reason = refusal.text.as_str(), "refused");
    peer.hub().app.note_refused(peer.client_ip());
    // Without a greeting, or after a welcome that was given too early, a close frame is all there is to say it with.
    if native_only || peer.is_admitted() {
        return peer.close(Some(&refusal.close));
    }
    peer.session().ack.resolve(Verdict::Refused(refusal));
}

fn welcome(peer: &Peer) {
    peer.admit();
    peer.session().ack.resolve(Verdict::Welcome);
}

/// What handlers do, while it is not done.
pub(super) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Handles one message, as much of it as takes no wait; what is left is a job, and wakes `cx` when it goes on.
pub(super) fn message(peer: &Arc<Peer>, message: Box<Message>, step: Step, cx: &mut Context<'_>) -> Option<Job> {
    match step {
        Step::Ignore => {}
        Step::Acknowledge => acknowledge(peer, &message),
        Step::Refuse(reason) => refuse(peer, message, reason),
        Step::Connect(namespace) => return Some(Box::pin(connect(peer.clone(), namespace, message))),
        Step::Disconnect(namespace) => return Some(Box::pin(disconnect(peer.clone(), namespace, message))),
        Step::Join(namespace, room) => return Some(Box::pin(join(peer.clone(), namespace, room, message))),
        Step::Leave(namespace, room) => return Some(Box::pin(leave(peer.clone(), namespace, room, message))),
        Step::Event(namespace) => return event(peer, namespace, message, cx),
    }
    None
}

/// Answers that a request is done.
pub(super) fn acknowledge(peer: &Peer, request: &Message) {
    peer.reply(done(peer, request));
}

/// Tells the handlers of everything that the connection was in that it has ended, and then `on_disconnect`.
pub(super) async fn teardown(peer: Arc<Peer>, memberships: Memberships) {
    peer.settled().await;
    for (namespace, rooms) in &memberships {
        tell_left(&peer, namespace, rooms, Cause::LocalForced).await;
        tell(&peer, namespace, Message::system(events::DISCONNECT, namespace, Cause::LocalForced)).await;
    }
    if peer.is_admitted()
        && let Some(hook) = peer.hub().app.end(&peer)
    {
        guarded(hook).await;
    }
}

/// Asks the handler of a system event for its consent.
pub(super) async fn decide(peer: &Arc<Peer>, namespace: &Arc<str>, message: Message) -> Result<(), Error> {
    let decision = consent(peer, namespace, Box::new(message)).await.1;
    decision.map_err(|denial| {
        denial.close(peer);
        Error::new(denial.text)
    })
}

/// Tells the handler of a system event; it has no say.
pub(super) async fn tell(peer: &Arc<Peer>, namespace: &Arc<str>, message: Message) {
    run(peer, namespace, Box::new(message)).await;
}

/// A handler's no.
struct Denial {
    text: String,
    /// It wants the connection closed, too.
    close: Option<CloseFrame>,
}

impl Denial {
    fn close(&self, peer: &Peer) {
        if let Some(frame) = &self.close {
            peer.close(Some(frame));
        }
    }
}

/// As [`decide`], and hands the message back. It closes nothing: the error reply goes first.
async fn consent(peer: &Arc<Peer>, namespace: &Arc<str>, message: Box<Message>) -> (Box<Message>, Result<(), Denial>) {
    let (message, outcome) = run(peer, namespace, message).await;
    let decision = match outcome {
        Outcome::Nothing | Outcome::Body(_) | Outcome::Binary(_) => Ok(()),
        Outcome::Error(text) => Err(Denial { text, close: None }),
        Outcome::Close(close) => {
            let frame = CloseFrame::new(close.code(), close.text());
            Err(Denial { text: close.to_wire(), close: Some(frame) })
        }
        Outcome::Panicked => Err(Denial { text: PANICKED.to_owned(), close: None }),
    };
    (message, decision)
}

/// Tells of rooms that were left because their namespace was.
pub(super) async fn tell_left(peer: &Arc<Peer>, namespace: &Arc<str>, rooms: &[Arc<str>], cause: Cause) {
    for room in rooms {
        for event in [events::LEAVE, events::LEFT] {
            tell(peer, namespace, Message::system(event, namespace, cause).or_room(room)).await;
        }
    }
}

async fn connect(peer: Arc<Peer>, namespace: Arc<str>, message: Box<Message>) {
    let (message, decision) = consent(&peer, &namespace, message).await;
    if let Err(denial) = decision {
        return deny(&peer, message, &denial);
    }
    let _claim = peer.reach(&namespace, None).await;
    let is_new = peer.enter_for_peer(&namespace, done(&peer, &message));
    peer.settled().await;
    if is_new {
        run(&peer, &namespace, renamed(message, events::CONNECTED)).await;
    }
}

/// A server's handler is asked while all is as it was; a client's is told when it is done.
async fn disconnect(peer: Arc<Peer>, namespace: Arc<str>, mut message: Box<Message>) {
    let role = peer.hub().role;
    if role == Role::Server {
        let decision;
        (message, decision) = consent(&peer, &namespace, message).await;
        if let Err(denial) = decision {
            return deny(&peer, message, &denial);
        }
    }
    let rooms = peer.exit(&namespace);
    peer.settled().await;
    tell_left(&peer, &namespace, &rooms, Cause::PeerForced).await;
    peer.reply(done(&peer, &message));
    if role == Role::Client {
        run(&peer, &namespace, message).await;
    }
}

async fn join(peer: Arc<Peer>, namespace: Arc<str>, room: Arc<str>, message: Box<Message>) {
    let (message, decision) = consent(&peer, &namespace, message).await;
    if let Err(denial) = decision {
        return deny(&peer, message, &denial);
    }
    let _claim = peer.reach(&namespace, Some(&room)).await;
    if !peer.session().membership.is_connected(&namespace) {
        // This side has disconnected it while the handler was asked.
        return refuse(&peer, message, BAD_NAMESPACE);
    }
    let is_new = peer.join_for_peer(&namespace, &room, done(&peer, &message));
    peer.settled().await;
    if is_new {
        run(&peer, &namespace, renamed(message, events::JOINED)).await;
    }
}

/// A server's handler may refuse; a client's has no say.
async fn leave(peer: Arc<Peer>, namespace: Arc<str>, room: Arc<str>, message: Box<Message>) {
    let name = message.event.clone();
    let (message, decision) = consent(&peer, &namespace, renamed(message, events::LEAVE)).await;
    match decision {
        Err(denial) if peer.hub().role == Role::Server => return deny(&peer, renamed(message, name), &denial),
        Err(denial) => denial.close(&peer),
        Ok(()) => {}
    }
    peer.leave(&namespace, &room);
    peer.settled().await;
    let (message, _) = run(&peer, &namespace, renamed(message, events::LEFT)).await;
    peer.reply(done(&peer, &message));
}

/// Runs a handler. Most are done at once: only what waits becomes a job.
fn event(peer: &Arc<Peer>, namespace: Arc<str>, message: Box<Message>, cx: &mut Context<'_>) -> Option<Job> {
    let mut running = peer.hub().app.start(peer, namespace, message).ok()?;
    match running.poll_unpin(cx) {
        Poll::Ready((message, outcome)) => {
            answer(peer, message, outcome);
            None
        }
        Poll::Pending => {
            let peer = peer.clone();
            Some(Box::pin(running.map(move |(message, outcome)| answer(&peer, message, outcome))))
        }
    }
}

/// Runs a handler to its end; the message comes back.
async fn run(peer: &Arc<Peer>, namespace: &Arc<str>, message: Box<Message>) -> (Box<Message>, Outcome) {
    match peer.hub().app.start(peer, namespace.clone(), message) {
        Ok(running) => {
            let (message, outcome) = running.await;
            report_panic(peer, &message, &outcome);
            (message, outcome)
        }
        Err(message) => (message, Outcome::Nothing),
    }
}

fn report_panic(peer: &Peer, message: &Message, outcome: &Outcome) {
    if matches!(outcome, Outcome::Panicked) {
        tracing::error!(conn = &**peer.id(), event = message.event(), "a handler panicked");
    }
}

/// Sends what the handler of an event returned.
fn answer(peer: &Peer, message: Box<Message>, outcome: Outcome) {
    report_panic(peer, &message, &outcome);
    let plain = if message.is_binary() { Encoding::Binary } else { Encoding::Text };
    match outcome {
        Outcome::Nothing => {}
        Outcome::Body(body) => answer_with(peer, message, |ask| ask.turn_into_reply(body, plain)),
        Outcome::Binary(body) => answer_with(peer, message, |ask| ask.turn_into_reply(body, Encoding::Binary)),
        Outcome::Error(text) => answer_with(peer, message, |ask| ask.turn_into_error_reply(text)),
        Outcome::Close(close) => {
            answer_with(peer, message, |ask| ask.turn_into_error_reply(close.to_wire()));
            peer.close(Some(&CloseFrame::new(close.code(), close.text())));
        }
        Outcome::Panicked if message.is_ask() => answer_with(peer, message, |ask| ask.turn_into_error_reply(PANICKED)),
        Outcome::Panicked => peer.close(Some(&CloseFrame::new(CloseCode::INTERNAL_ERROR, PANICKED))),
    }
}

/// Sends a reply, unless the peer is not in the place (any more), or the reply would return the peer's own error. A peer that
/// asked gets its reply whether it has joined the room or not: the token finds the caller.
fn answer_with(peer: &Peer, mut message: Box<Message>, turn_into_reply: impl FnOnce(&mut Message)) {
    let was_error = message.error.is_some();
    // There is no envelope that could tell a native reply from a native message.
    let is_bare = message.is_native() && !message.is_ask();
    turn_into_reply(&mut message);
    let is_echo_of_an_error = message.error.is_some() && was_error;
    if is_echo_of_an_error || is_bare || !may_answer(peer, &message) {
        return;
    }
    peer.reply(wire::encode(&message, peer.hub().role));
}

fn may_answer(peer: &Peer, message: &Message) -> bool {
    let session = peer.session();
    match message.is_ask() {
        true => session.membership.is_connected(message.namespace()),
        false => session.may_send(message).is_ok(),
    }
}

/// Tells an asker of a handler's no, and then closes, if that is wanted.
fn deny(peer: &Peer, message: Box<Message>, denial: &Denial) {
    refuse(peer, message, &denial.text);
    denial.close(peer);
}

/// Tells an asker that it may not; one that did not ask is told nothing.
fn refuse(peer: &Peer, mut message: Box<Message>, reason: &str) {
    if message.is_ask() && message.error.is_none() {
        message.turn_into_error_reply(reason);
        peer.reply(wire::encode(&message, peer.hub().role));
    }
}

fn done(peer: &Peer, message: &Message) -> Bytes {
    wire::encode_empty_reply(&message.token, peer.hub().role)
}

/// The event that goes with a request: the same place, and its body.
fn renamed(mut message: Box<Message>, event: impl Into<SmolStr>) -> Box<Message> {
    message.event = event.into();
    message
}

/// What `on_connect` returned, when it was a refusal. The answer to the greeting names the code of a `CloseError`, as
/// Go's does.
fn refusal(outcome: Outcome) -> Option<Refusal> {
    let plain = |code, text: String| Refusal { close: CloseFrame::new(code, text.clone()), text };
    match outcome {
        Outcome::Nothing | Outcome::Body(_) | Outcome::Binary(_) => None,
        Outcome::Error(text) => Some(plain(CloseCode::POLICY, text)),
        Outcome::Close(close) => {
            Some(Refusal { text: close.to_wire(), ..plain(close.code(), close.text().to_owned()) })
        }
        Outcome::Panicked => Some(plain(CloseCode::INTERNAL_ERROR, PANICKED.to_owned())),
    }
}

async fn guarded(hook: OutcomeFuture) -> Outcome {
    let outcome = AssertUnwindSafe(hook).catch_unwind().await;
    outcome.unwrap_or_else(|_panic| {
        tracing::error!("a connect or disconnect callback panicked");
        Outcome::Panicked
    })
}

const PANICKED: &str = "internal error";
