//! The state of a session, and the methods for other tasks. Pure.

use std::sync::Arc;

use smol_str::SmolStr;
use tokio::time::Instant;

use super::action::IndexChange;
use super::asks::{Asks, Effect, OpenAsk};
use super::change::MembershipChange;
use super::deadlines::Deadlines;
use super::greeting::Greeting;
use super::inbox::Inbox;
use super::limits::Rules;
use super::membership::Membership;
use super::rates::{Meter, RateKind};
use super::teardown::Teardown;
use crate::error::Error;
use crate::message::Message;
use crate::message::wire::NativeMode;
use crate::websocket::Role;

/// The protocol state of one connection. `W` is a caller that waits for a reply.
#[derive(Debug)]
pub(crate) struct Session<W> {
    pub(super) greeting: Greeting,
    pub(super) membership: Membership,
    pub(super) asks: Asks<W>,
    /// Namespaces that this side is connecting: their events wait. Boxed, since most connections have none.
    #[expect(clippy::box_collection, reason = "one word while there are none")]
    pub(super) held: Option<Box<Vec<Hold>>>,
    /// A namespace or room that the peer has requested, while the confirming reply is not queued yet.
    pub(super) unconfirmed: Option<Box<UnconfirmedPlace>>,
    pub(super) inbox: Inbox,
    pub(super) work: Work,
    pub(super) deadlines: Deadlines,
    /// The peer's rate of input, if it is limited. Boxed, since idle connections have none.
    pub(super) meter: Option<Box<Meter>>,
    /// The peer has exceeded a rate, and no action has followed yet.
    pub(super) excess: Option<Excess>,
    /// Whether reading pauses until a request is opened.
    pub(super) pauses_until_asked: bool,
    pub(super) stage: EndStage,
    /// Whether the server has admitted the client.
    pub(super) is_admitted: bool,
    /// Whether the connection finishes the events that it has begun, and then closes for a restart.
    pub(super) is_draining: bool,
}

/// A namespace that this side is connecting.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) namespace: Arc<str>,
    /// Whether it was connected meanwhile.
    pub(super) overtaken: bool,
}

/// The current work.
#[derive(Debug)]
pub(super) enum Work {
    None,
    /// `on_connect` decides.
    Admission,
    /// The handler of an event runs.
    Event,
    Change(Box<MembershipChange>),
    /// The handlers are notified of the end.
    Teardown(Box<Teardown>),
}

/// The stage of the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndStage {
    Open,
    /// The socket is being flushed and closed. Earlier events are still handled.
    Ending,
    /// The handlers of all memberships are being notified.
    Telling,
    /// All handlers have ended.
    Over,
}

/// An exceeded rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// A pause begins, for this kind of input.
    Pause(RateKind),
    /// The excess is so large that the connection is closed.
    Close,
}

/// A namespace, or a room in it.
type UnconfirmedPlace = (Arc<str>, Option<Arc<str>>);

impl<W> Session<W> {
    /// Creates the session of a new connection. A client has completed its greeting before.
    pub(crate) fn new(rules: &impl Rules, now: Instant) -> Self {
        let greets = rules.role() == Role::Server && rules.native() != NativeMode::Only;
        Self {
            greeting: if greets { Greeting::awaited() } else { Greeting::done() },
            membership: Membership::default(),
            asks: Asks::new(rules.role()),
            held: None,
            unconfirmed: None,
            inbox: Inbox::default(),
            work: Work::None,
            deadlines: Deadlines::new(now),
            meter: None,
            excess: None,
            pauses_until_asked: false,
            stage: EndStage::Open,
            is_admitted: false,
            is_draining: false,
        }
    }

    /// Admits the client. Only the first decision counts.
    pub(crate) fn admit(&mut self) {
        self.is_admitted = true;
        self.greeting.welcome();
    }

    /// Lets the connection finish the events that it has begun, and then close for a restart.
    pub(crate) fn drain(&mut self) {
        self.is_draining = true;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Returns whether the greeting is answered, or there is none.
    pub(crate) fn is_greeted(&self) -> bool {
        self.greeting.is_done()
    }

    pub(crate) fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Connects a namespace without a request.
    pub(crate) fn connect(&mut self, namespace: &Arc<str>) {
        self.membership.connect(namespace);
    }

    /// Returns the approximate memory of the memberships and the open requests.
    pub(crate) fn bytes(&self) -> usize {
        self.membership.bytes() + self.asks.bytes()
    }

    /// Returns the approximate memory of the open requests.
    pub(crate) fn bytes_of_asks(&self) -> usize {
        self.asks.bytes()
    }

    /// Returns a token that no open request has.
    pub(crate) fn new_token(&self) -> SmolStr {
        self.asks.new_token()
    }

    /// Adds a request, unless `max` are open; zero means no limit. Returns whether the connection's task must be woken,
    /// because it has paused reading and the reply must be read.
    pub(crate) fn open_ask(&mut self, token: SmolStr, pending: OpenAsk<W>, max: usize) -> Result<bool, Error> {
        self.asks.open(token, pending, max)?;
        Ok(std::mem::take(&mut self.pauses_until_asked))
    }

    /// Removes and returns a request whose caller stopped waiting. Returns `None` if it was answered before, or if the
    /// connection has ended.
    pub(crate) fn close_ask(&mut self, token: &str) -> Option<OpenAsk<W>> {
        self.asks.close(token)
    }

    #[cfg(test)]
    pub(crate) fn is_asking(&self) -> bool {
        !self.asks.is_empty()
    }

    /// Holds the events of `namespace` until [`Session::release`] was called as often as this.
    pub(crate) fn hold(&mut self, namespace: &Arc<str>) {
        self.held.get_or_insert_default().push(Hold { namespace: namespace.clone(), overtaken: false });
    }

    pub(crate) fn release(&mut self, namespace: &str) {
        let Some(held) = &mut self.held else { return };
        if let Some(at) = held.iter().position(|hold| *hold.namespace == *namespace) {
            held.swap_remove(at);
        }
        if held.is_empty() {
            self.held = None;
        }
    }

    /// Records that `namespace` is connected. Returns true if that was recorded before, during the same hold.
    pub(crate) fn overtake(&mut self, namespace: &str) -> bool {
        let holds = self.held.iter_mut().flat_map(|held| held.iter_mut());
        let holds = holds.filter(|hold| *hold.namespace == *namespace);
        holds.fold(false, |was, hold| std::mem::replace(&mut hold.overtaken, true) | was)
    }

    /// Records that the reply to a request for a namespace or room is being queued. Messages sent from now on follow
    /// it.
    pub(crate) fn confirm_membership(&mut self) {
        self.unconfirmed = None;
    }

    /// Checks that a message may be sent to the peer: its namespace is connected, its room (if any) is joined, and the
    /// peer knows both.
    pub(crate) fn may_send(&self, message: &Message) -> Result<(), Error> {
        if !self.membership.is_connected(message.namespace()) {
            return Err(Error::bad_namespace());
        }
        match self.unconfirmed.as_deref() {
            Some((namespace, None)) if **namespace == *message.namespace() => return Err(Error::bad_namespace()),
            Some((namespace, Some(room))) if **namespace == *message.namespace() && message.room() == Some(room) => {
                return Err(Error::bad_room());
            }
            _ => {}
        }
        match message.room() {
            Some(room) if !self.membership.is_joined(message.namespace(), room) => Err(Error::bad_room()),
            _ => Ok(()),
        }
    }

    /// Checks that a request may be sent. A connect is allowed before the namespace is connected, a join before the
    /// room is joined.
    pub(crate) fn may_ask(&self, message: &Message, effect: &Effect) -> Result<(), Error> {
        match effect {
            Effect::Connect(_) => Ok(()),
            Effect::Join(namespace, _) if self.membership.is_connected(namespace) => Ok(()),
            Effect::Join(..) => Err(Error::bad_namespace()),
            Effect::Nothing | Effect::Disconnect(_) | Effect::Leave(..) => self.may_send(message),
        }
    }

    /// Changes the membership according to `effect`. Returns `None` if it was already so.
    pub(super) fn take_effect(&mut self, effect: Effect) -> Option<IndexChange> {
        match effect {
            Effect::Nothing => None,
            Effect::Connect(namespace) => {
                self.membership.connect(&namespace);
                // Also if it was connected before, which changes nothing in the index.
                Some(IndexChange::Connect(namespace))
            }
            Effect::Disconnect(namespace) => {
                let rooms = self.membership.disconnect(&namespace).unwrap_or_default();
                Some(IndexChange::Disconnect(namespace, rooms))
            }
            Effect::Join(namespace, room) => {
                let is_new = self.membership.join(&namespace, &room);
                is_new.then_some(IndexChange::Join(namespace, room))
            }
            Effect::Leave(namespace, room) => {
                let was_joined = self.membership.leave(&namespace, &room);
                was_joined.then_some(IndexChange::Leave(namespace, room))
            }
        }
    }
}
