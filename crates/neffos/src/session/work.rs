//! The work for an event of the peer: its handler runs, a change takes effect, the peer receives a reply. Pure.
//!
//! Events are handled one at a time, in the order of arrival.

use std::sync::Arc;

use bytes::Bytes;

use super::action::{Action, IndexChange, ReplyAndClose};
use super::asks::Effect;
use super::change::{ChangeStep, MembershipChange};
use super::decide::Decision;
use super::greeting::Refusal;
use super::limits::Rules;
use super::outcome::{Denial, Outcome};
use super::state::{EndStage, Session, Work};
use crate::error::{BAD_NAMESPACE, INTERNAL_ERROR, UNKNOWN_EVENT};
use crate::message::wire::{self, NativeMode};
use crate::message::{Encoding, Message};
use crate::websocket::{CloseCode, CloseFrame, Role};

impl<W> Session<W> {
    /// Begins a connection of a server. If there is an `on_connect`, its result goes to [`Session::handle_admission`].
    pub(crate) fn begin(&mut self, has_hook: bool, rules: &impl Rules) {
        match has_hook {
            true => self.work = Work::Admission,
            false => self.welcome(rules),
        }
    }

    /// Handles the decision of `on_connect`.
    pub(crate) fn handle_admission(&mut self, refusal: Option<Refusal>, rules: &impl Rules) -> Option<Action<W>> {
        self.work = Work::None;
        let Some(refusal) = refusal else {
            self.welcome(rules);
            return self.continue_work(rules);
        };
        // Without a greeting, or after the client was admitted by a call, only a close frame can carry the refusal.
        if rules.native() == NativeMode::Only || self.is_admitted {
            return Some(Action::Close(refusal.close));
        }
        self.greeting.refuse(refusal);
        None
    }

    fn welcome(&mut self, rules: &impl Rules) {
        self.admit();
        if rules.native() == NativeMode::Only
            && let Some(namespace) = rules.namespace("")
        {
            self.work = Work::Change(Box::new(MembershipChange::connect_native(namespace)));
        }
    }

    /// Returns the action that must not wait for the current work.
    pub(crate) fn poll_urgent(&mut self) -> Option<Action<W>> {
        // A connection that is not open yet has begun no events. Its `on_connect` may run on.
        if self.stage == EndStage::Open && self.is_draining && !self.greeting.is_done() {
            return Some(Action::CloseForRestart);
        }
        self.poll_greeting()
    }

    /// Returns the next action, when no job runs.
    pub(crate) fn poll_action(&mut self, rules: &impl Rules) -> Option<Action<W>> {
        if self.is_at_work() {
            let action = self.continue_work(rules);
            if action.is_some() || self.is_at_work() {
                return action;
            }
        }
        if self.greeting.is_done() {
            self.deadlines.acknowledged();
        }
        if let Some((message, decision)) = self.next_event(rules) {
            return Some(self.begin_event(message, decision, rules));
        }
        match self.stage {
            EndStage::Open if self.is_draining => Some(Action::CloseForRestart),
            EndStage::Ending => self.begin_teardown(),
            EndStage::Open | EndStage::Telling | EndStage::Over => None,
        }
    }

    /// Returns whether there is current work.
    pub(crate) fn is_at_work(&self) -> bool {
        !matches!(self.work, Work::None)
    }

    /// Returns the approximate memory of the current request, while no handler has it.
    pub(crate) fn bytes_at_hand(&self) -> usize {
        if let Work::Change(change) = &self.work { change.bytes() } else { 0 }
    }

    /// Returns the next event, with the decision about it. An event waits until the connect of its namespace is
    /// complete.
    fn next_event(&mut self, rules: &impl Rules) -> Option<(Box<Message>, Decision)> {
        let next = self.inbox.first()?;
        if self.stage == EndStage::Open && self.is_held(next) {
            return None;
        }
        let decision = self.decide(next, &rules.limits().bounds, |name| rules.namespace(name));
        self.inbox.pop().map(|message| (message, decision))
    }

    fn begin_event(&mut self, message: Box<Message>, decision: Decision, rules: &impl Rules) -> Action<W> {
        let change = match decision {
            Decision::Ignore => return ReplyAndClose::default().into(),
            Decision::Acknowledge => {
                return ReplyAndClose::from(wire::encode_empty_reply(message.token(), rules.role())).into();
            }
            Decision::Refuse(reason) => return refusal(message, reason, rules).into(),
            Decision::Event(namespace) => {
                self.work = Work::Event;
                return Action::Run(namespace, message);
            }
            Decision::Connect(namespace) => MembershipChange::connect_for_peer(namespace, message),
            Decision::Disconnect(namespace) => MembershipChange::disconnect_for_peer(rules.role(), namespace, message),
            Decision::Join(namespace, room) => MembershipChange::join_for_peer(namespace, room, message),
            Decision::Leave(namespace, room) => MembershipChange::leave_for_peer(namespace, room, message),
        };
        self.work = Work::Change(Box::new(change));
        self.continue_work(rules).unwrap_or_else(|| ReplyAndClose::default().into())
    }

    /// Returns the next step of the current work, when the last one is complete. Returns `None` if the work is
    /// complete, or a handler runs.
    pub(crate) fn continue_work(&mut self, rules: &impl Rules) -> Option<Action<W>> {
        match std::mem::replace(&mut self.work, Work::None) {
            Work::Change(change) => self.continue_change(change, rules),
            Work::Teardown(teardown) => self.continue_teardown(teardown),
            other => {
                self.work = other;
                None
            }
        }
    }

    fn continue_change(&mut self, mut change: Box<MembershipChange>, rules: &impl Rules) -> Option<Action<W>> {
        loop {
            let action = match change.next()? {
                ChangeStep::Consent(message) | ChangeStep::Tell(message) => {
                    Action::Run(change.namespace().clone(), message)
                }
                ChangeStep::Reach => Action::Reach(change.namespace().clone(), change.room().cloned()),
                ChangeStep::TakeEffect => match self.apply(&mut change, rules) {
                    Ok(Some(action)) => action,
                    Ok(None) => continue,
                    Err(refused) => return Some(refused.into()),
                },
                ChangeStep::Settle => Action::Settle,
                ChangeStep::Reply => ReplyAndClose::from(done(&change, rules)).into(),
                // Only requests of this side ask the peer.
                ChangeStep::Ask => continue,
            };
            self.work = Work::Change(change);
            return Some(action);
        }
    }

    /// Changes the membership as the peer has requested. Fails with the answer if that is no longer possible.
    fn apply(&mut self, change: &mut MembershipChange, rules: &impl Rules) -> Result<Option<Action<W>>, ReplyAndClose> {
        let reply = (!change.token().is_empty()).then(|| done(change, rules));
        match change.effect() {
            Effect::Connect(namespace) => {
                let is_new = self.begin_membership(&namespace, None, reply.is_some());
                if is_new {
                    self.overtake(&namespace);
                }
                change.took_effect(is_new);
                Ok(Some(Action::Index(IndexChange::Connect(namespace), reply)))
            }
            Effect::Join(namespace, _) if !self.membership.is_connected(&namespace) => {
                // This side has disconnected it while the handler ran.
                Err(change.take_request().map(|request| refusal(request, BAD_NAMESPACE, rules)).unwrap_or_default())
            }
            Effect::Join(namespace, room) => {
                let is_new = self.begin_membership(&namespace, Some(&room), reply.is_some());
                change.took_effect(is_new);
                Ok(Some(match is_new {
                    true => Action::Index(IndexChange::Join(namespace, room), reply),
                    false => ReplyAndClose { reply, close: None }.into(),
                }))
            }
            other => {
                let index_change = self.take_effect(other);
                if let Some(IndexChange::Disconnect(_, rooms)) = &index_change {
                    change.left(rooms.clone());
                }
                Ok(index_change.map(|index_change| Action::Index(index_change, None)))
            }
        }
    }

    /// Connects `namespace`, or joins `room` in it. If a reply follows, the place is unconfirmed until it is queued.
    /// Returns true if the membership is new.
    fn begin_membership(&mut self, namespace: &Arc<str>, room: Option<&Arc<str>>, has_reply: bool) -> bool {
        let is_new = match room {
            None => self.membership.connect(namespace),
            Some(room) => self.membership.join(namespace, room),
        };
        if is_new && has_reply {
            self.unconfirmed = Some(Box::new((namespace.clone(), room.cloned())));
        }
        is_new
    }

    /// Handles the end of a handler. The outcome stays with the caller, so that values of the application are dropped
    /// outside of any lock.
    pub(crate) fn handle_handler_done(
        &mut self,
        message: Box<Message>,
        outcome: &Outcome,
        rules: &impl Rules,
    ) -> AfterHandler<W> {
        AfterHandler::Next(match std::mem::replace(&mut self.work, Work::None) {
            Work::Event => {
                let may_reply = self.may_reply(&message);
                return AfterHandler::Respond { message, may_reply };
            }
            Work::Change(change) => self.continue_after(change, message, outcome, rules),
            Work::Teardown(teardown) => self.continue_teardown(teardown),
            // The work was dropped.
            Work::None | Work::Admission => None,
        })
    }

    fn continue_after(
        &mut self,
        mut change: Box<MembershipChange>,
        message: Box<Message>,
        outcome: &Outcome,
        rules: &impl Rules,
    ) -> Option<Action<W>> {
        let denial = if change.is_deciding() { outcome.consent().err() } else { None };
        let Some(Denial { text, close }) = denial else {
            change.give_back(message);
            return self.continue_change(change, rules);
        };
        if change.is_leave() && rules.role() == Role::Client {
            change.give_back(message);
            self.work = Work::Change(change);
            return Some(ReplyAndClose { reply: None, close }.into());
        }
        let refused = refusal(change.refuse(message), &text, rules);
        Some(ReplyAndClose { close, ..refused }.into())
    }

    /// Returns whether the peer is still in the namespace of `message`, and in its room for a message that is not an
    /// ask. A reply to an ask needs no room, because its token finds the caller.
    fn may_reply(&self, message: &Message) -> bool {
        match message.is_ask() {
            true => self.membership.is_connected(message.namespace()),
            false => self.may_send(message).is_ok(),
        }
    }
}

/// The step after a handler.
#[derive(Debug)]
pub(crate) enum AfterHandler<W> {
    /// [`respond`] makes the answer to an event.
    Respond {
        message: Box<Message>,
        may_reply: bool,
    },
    Next(Option<Action<W>>),
}

/// Returns the answer to an event after its handler. A reply needs `may_reply`, and never returns the peer's own error.
pub(crate) fn respond(message: Box<Message>, outcome: Outcome, may_reply: bool, role: Role) -> ReplyAndClose {
    let is_ask = message.is_ask();
    let message = Some(message).filter(|_| may_reply);
    match outcome {
        Outcome::Unhandled if is_ask => reply(message, role, |event| event.turn_into_error_reply(UNKNOWN_EVENT)),
        Outcome::Nothing | Outcome::Unhandled => ReplyAndClose::default(),
        Outcome::Body(body) => reply(message, role, |event| {
            let encoding = if event.is_binary() { Encoding::Binary } else { Encoding::Text };
            event.turn_into_reply(body, encoding);
        }),
        Outcome::Binary(body) => reply(message, role, |event| event.turn_into_reply(body, Encoding::Binary)),
        Outcome::Error(text) => reply(message, role, |event| event.turn_into_error_reply(text)),
        Outcome::Close(error) => {
            let close = Some(CloseFrame::new(error.code(), error.text()));
            ReplyAndClose { close, ..reply(message, role, |event| event.turn_into_error_reply(error.to_wire())) }
        }
        Outcome::Internal(_) => reply(message, role, |event| event.turn_into_error_reply(INTERNAL_ERROR)),
        Outcome::Panicked if is_ask => reply(message, role, |event| event.turn_into_error_reply(INTERNAL_ERROR)),
        Outcome::Panicked => {
            ReplyAndClose { reply: None, close: Some(CloseFrame::new(CloseCode::INTERNAL_ERROR, INTERNAL_ERROR)) }
        }
    }
}

fn reply(message: Option<Box<Message>>, role: Role, turn_into_reply: impl FnOnce(&mut Message)) -> ReplyAndClose {
    let Some(mut message) = message else { return ReplyAndClose::default() };
    let was_error = message.error.is_some();
    // A native reply has no envelope, so it could not be told from a native message.
    let is_bare = message.is_native() && !message.is_ask();
    turn_into_reply(&mut message);
    let is_echo_of_an_error = message.error.is_some() && was_error;
    match is_bare || is_echo_of_an_error {
        true => ReplyAndClose::default(),
        false => wire::encode(&message, role).into(),
    }
}

/// Returns the error reply to a request. Other messages get none.
fn refusal(mut message: Box<Message>, reason: &str, rules: &impl Rules) -> ReplyAndClose {
    if !message.is_ask() || message.error.is_some() {
        return ReplyAndClose::default();
    }
    message.turn_into_error_reply(reason);
    wire::encode(&message, rules.role()).into()
}

/// Returns the empty reply: the request is done.
fn done(change: &MembershipChange, rules: &impl Rules) -> Bytes {
    wire::encode_empty_reply(change.token(), rules.role())
}
