//! Frames of the peer: the greeting, replies to requests of this side, and events for the inbox. Pure.

use smol_str::SmolStr;
use tokio::time::Instant;

use super::action::{Action, Dropped, ReplyAndClose};
use super::asks::{CLIENT_TOKEN, Match, OpenAsk, is_made_by};
use super::greeting::{GreetingStep, RawMessage};
use super::limits::Rules;
use super::rates::RateKind;
use super::state::{Excess, Session};
use crate::message::wire;
use crate::message::{Message, events};
use crate::websocket::{CloseCode, CloseFrame, Role};

impl<W> Session<W> {
    /// Handles one message of the peer.
    pub(crate) fn handle_frame(&mut self, frame: RawMessage, now: Instant, rules: &impl Rules) -> Option<Action<W>> {
        self.deadlines.received();
        if self.excess == Some(Excess::Close) {
            return None;
        }
        match self.greeting.receive(frame, rules.limits().ack) {
            GreetingStep::Message(frame) => self.take(frame, now, rules),
            step => self.follow_greeting(step),
        }
    }

    /// Returns the next action of the greeting, once the application has decided.
    pub(super) fn poll_greeting(&mut self) -> Option<Action<W>> {
        let step = self.greeting.advance();
        self.follow_greeting(step)
    }

    fn follow_greeting(&mut self, step: GreetingStep) -> Option<Action<W>> {
        let close = |code, reason| Some(Action::Close(CloseFrame::new(code, reason)));
        match step {
            // Messages are handled elsewhere.
            GreetingStep::Wait | GreetingStep::Message(_) => None,
            GreetingStep::Accept(frames) => {
                self.deadlines.acknowledged();
                Some(Action::Welcome(frames))
            }
            GreetingStep::Refuse(refusal) => Some(Action::Refuse(refusal)),
            GreetingStep::Violation => close(CloseCode::PROTOCOL_ERROR, "only a server may answer a greeting"),
            GreetingStep::Flood => close(CloseCode::POLICY, "too much before the greeting was answered"),
        }
    }

    /// Handles one message: a reply goes to the caller that asked, an event to the inbox, anything else is dropped.
    fn take(&mut self, frame: RawMessage, now: Instant, rules: &impl Rules) -> Option<Action<W>> {
        if let Some(reply) = self.short_reply(&frame) {
            return self.take_reply(&reply).ok();
        }
        let native = rules.native();
        if frame.data.is_empty() && native != wire::NativeMode::Only {
            return None;
        }
        match wire::decode(frame.data, frame.kind, native) {
            Ok(message) => self.take_message(message, now, rules),
            Err(reason) => Some(Action::Dropped(Dropped::Invalid(reason))),
        }
    }

    fn take_message(&mut self, message: Message, now: Instant, rules: &impl Rules) -> Option<Action<W>> {
        // Only a server states the sender of a message.
        let message = if rules.role() == Role::Server { message.without_sender() } else { message };
        if is_made_by(rules.role(), message.token())
            && let Ok(action) = self.take_reply(&message)
        {
            return Some(action);
        }
        self.enqueue(Box::new(message), now, rules)
    }

    /// Some clients shorten the empty reply. It is expected only while a request is open.
    fn short_reply(&self, frame: &RawMessage) -> Option<Message> {
        let token = wire::empty_reply_token(&frame.data)?;
        (!self.asks.is_empty()).then(|| Message::empty_reply(token))
    }

    /// Passes a reply to the caller that asked. Its effect happens before any later frame is handled.
    fn take_reply(&mut self, message: &Message) -> Result<Action<W>, NoReply> {
        match self.asks.answer(message) {
            Match::Reply(OpenAsk { effect, waiter, .. }) => {
                let change = if message.error().is_none() { self.take_effect(effect) } else { None };
                Ok(Action::Deliver(change, waiter, Box::new(message.clone())))
            }
            Match::Stale => Ok(Action::Dropped(Dropped::LateReply)),
            Match::Other => Err(NoReply),
        }
    }

    fn enqueue(&mut self, mut message: Box<Message>, now: Instant, rules: &impl Rules) -> Option<Action<W>> {
        // A connection that closes soon begins no new work.
        if self.is_draining {
            return None;
        }
        // A server may forward an ask of another client with its token. This client must not reply to it.
        if rules.role() == Role::Client && message.token().starts_with(CLIENT_TOKEN) {
            message.set_token(SmolStr::default());
        }
        if is_heartbeat(&message, rules) {
            return Some(ReplyAndClose::from(wire::encode_empty_reply(message.token(), rules.role())).into());
        }
        if matches!(message.event(), events::CONNECT | events::JOIN) {
            self.count(RateKind::Joins, 1, now, rules);
        }
        self.inbox.push(message);
        None
    }
}

/// The message is not a reply to a request of this side.
struct NoReply;

/// Returns whether this is a request to disconnect an undeclared namespace. Browser clients, which cannot send pings,
/// send it instead. It must not wait for a handler.
fn is_heartbeat(message: &Message, rules: &impl Rules) -> bool {
    message.event() == events::DISCONNECT && message.is_request() && rules.namespace(message.namespace()).is_none()
}

impl Message {
    /// Returns whether this is a form of the empty reply, which means "done".
    pub(super) fn is_empty_reply(&self) -> bool {
        let names = [&self.namespace, &self.room, &self.event];
        names.iter().all(|name| name.is_empty()) && self.body.is_empty() && self.error.is_none()
    }

    /// Creates the full form of the empty reply to `token`.
    pub(super) fn empty_reply(token: &str) -> Self {
        Self::default().with_token(token.into())
    }
}
