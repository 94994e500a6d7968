//! The rules of one connection, pure: no socket, no clock, no lock, no task.
//!
//! - `mod.rs`: [`Session`], what one connection has agreed with its peer, and what an incoming message may do.
//! - `ack.rs`: the `M`/`A`/`H` exchange, readiness and what waits for it.
//! - `membership.rs`: namespaces and rooms.
//! - `asks.rs`: requests of ours that wait for a reply.

mod ack;
mod asks;
mod membership;

use std::sync::Arc;

pub(crate) use ack::{Ack, AckLimits, AckStep, Frame, Refusal, Verdict};
pub(crate) use asks::{Asks, CLIENT_TOKEN, Effect, Match, Pending, is_made_by, new_token};
pub(crate) use membership::{Membership, Memberships};

use crate::error::{BAD_NAMESPACE, BAD_ROOM, Error, INVALID_PAYLOAD};
use crate::message::{Encoding, Message, events};

/// What one connection has agreed with its peer. `W` is whoever waits for a reply.
#[derive(Debug)]
pub(crate) struct Session<W> {
    pub(crate) ack: Ack,
    pub(crate) membership: Membership,
    pub(crate) asks: Asks<W>,
    /// Namespaces that are being connected from this side: their events wait.
    held: Vec<Hold>,
    /// A namespace, or a room of it, that the peer has asked for and that it does not know it is in.
    unconfirmed: Option<Box<Place>>,
}

/// A namespace that is being connected from this side.
#[derive(Debug)]
struct Hold {
    namespace: Arc<str>,
    /// It was connected meanwhile.
    overtaken: bool,
}

/// Bounds on what a peer may make us remember.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) namespaces: usize,
    pub(crate) rooms: usize,
    pub(crate) name_bytes: usize,
    pub(crate) foreign_rooms: ForeignRooms,
}

/// Whether a peer may send events to a room that it has not joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ForeignRooms {
    Refused,
    Allowed,
}

/// What an incoming message leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Ignore,
    /// The empty reply: it is so already.
    Acknowledge,
    /// An error reply if the sender waits for one, else nothing.
    Refuse(&'static str),
    Connect(Arc<str>),
    Disconnect(Arc<str>),
    Join(Arc<str>, Arc<str>),
    Leave(Arc<str>, Arc<str>),
    /// A handler of this namespace.
    Event(Arc<str>),
}

/// A namespace, or a room of it.
type Place = (Arc<str>, Option<Arc<str>>);

impl<W> Session<W> {
    pub(crate) fn new(ack: Ack, membership: Membership, asks: Asks<W>) -> Self {
        Self { ack, membership, asks, held: Vec::new(), unconfirmed: None }
    }

    /// Lets the events of `namespace` wait until [`Session::release`] was called as often as this.
    pub(crate) fn hold(&mut self, namespace: &Arc<str>) {
        self.held.push(Hold { namespace: namespace.clone(), overtaken: false });
    }

    pub(crate) fn release(&mut self, namespace: &str) {
        if let Some(at) = self.held.iter().position(|hold| *hold.namespace == *namespace) {
            self.held.swap_remove(at);
        }
        if self.held.is_empty() {
            // Most connections never connect a namespace again: they hold no storage for it.
            self.held = Vec::new();
        }
    }

    /// Whether `message` waits. A request to connect never does: the peer may wait for its reply before it gives its own.
    pub(crate) fn is_held(&self, message: &Message) -> bool {
        message.event() != events::CONNECT && self.held.iter().any(|hold| *hold.namespace == *message.namespace())
    }

    /// `namespace` is connected; true when that was known here since it is held.
    pub(crate) fn overtake(&mut self, namespace: &str) -> bool {
        let holds = self.held.iter_mut().filter(|hold| *hold.namespace == *namespace);
        holds.fold(false, |was, hold| std::mem::replace(&mut hold.overtaken, true) | was)
    }

    /// Decides what `message` leads to; `declared` knows the namespaces that have handlers.
    pub(crate) fn decide(
        &self,
        message: &Message,
        bounds: &Bounds,
        declared: impl Fn(&str) -> Option<Arc<str>>,
    ) -> Step {
        let is_request = message.is_ask() && !message.no_op;
        match message.event() {
            events::CONNECT if is_request => self.decide_connect(message, bounds, declared),
            events::DISCONNECT if is_request => match self.membership.namespace(message.namespace()) {
                Some(name) => Step::Disconnect(name),
                None => Step::Acknowledge,
            },
            events::JOIN if is_request => self.decide_join(message, bounds),
            // Some clients send a leave under the name of the event that follows it.
            events::LEAVE | events::LEFT if is_request => self.decide_leave(message),
            events::CONNECT | events::DISCONNECT | events::JOIN | events::LEAVE => Step::Ignore,
            event if events::is_local_only(event) => Step::Refuse(INVALID_PAYLOAD),
            events::NATIVE if !message.is_native() => Step::Refuse(INVALID_PAYLOAD),
            _ => self.decide_event(message, bounds),
        }
    }

    /// Connects `namespace`, or joins `room` of it, for a peer that does not know it yet: the reply is about to be queued. True
    /// when that is new.
    pub(crate) fn begin_membership(&mut self, namespace: &Arc<str>, room: Option<&Arc<str>>) -> bool {
        let is_new = match room {
            None => self.membership.connect(namespace),
            Some(room) => self.membership.join(namespace, room),
        };
        if is_new {
            self.unconfirmed = Some(Box::new((namespace.clone(), room.cloned())));
        }
        is_new
    }

    /// The reply is being queued: messages that are sent from now on come after it.
    pub(crate) fn confirm_membership(&mut self) {
        self.unconfirmed = None;
    }

    /// Whether a message may be sent to the peer: its namespace is connected and its room, if any, joined, and the peer knows.
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

    /// Whether a request may be sent: a connect comes before the namespace is connected, a join before the room is joined.
    pub(crate) fn may_ask(&self, message: &Message, effect: &Effect) -> Result<(), Error> {
        match effect {
            Effect::Connect(_) => Ok(()),
            Effect::Join(namespace, _) if self.membership.is_connected(namespace) => Ok(()),
            Effect::Join(..) => Err(Error::bad_namespace()),
            Effect::Nothing | Effect::Disconnect(_) | Effect::Leave(..) => self.may_send(message),
        }
    }

    fn decide_connect(&self, message: &Message, bounds: &Bounds, declared: impl Fn(&str) -> Option<Arc<str>>) -> Step {
        if self.membership.is_connected(message.namespace()) {
            return Step::Acknowledge;
        }
        let Some(name) = declared(message.namespace()) else { return Step::Refuse(BAD_NAMESPACE) };
        match self.membership.namespaces() < bounds.namespaces || bounds.namespaces == 0 {
            true => Step::Connect(name),
            false => Step::Refuse(TOO_MANY_NAMESPACES),
        }
    }

    fn decide_join(&self, message: &Message, bounds: &Bounds) -> Step {
        let Some(namespace) = self.membership.namespace(message.namespace()) else {
            return Step::Refuse(BAD_NAMESPACE);
        };
        let room = &*message.room;
        if self.membership.is_joined(&namespace, room) {
            return Step::Acknowledge;
        }
        if let Err(reason) = check_name(room, bounds.name_bytes) {
            return Step::Refuse(reason);
        }
        match self.membership.rooms() < bounds.rooms || bounds.rooms == 0 {
            true => Step::Join(namespace, room.into()),
            false => Step::Refuse(TOO_MANY_ROOMS),
        }
    }

    fn decide_leave(&self, message: &Message) -> Step {
        let Some(namespace) = self.membership.namespace(message.namespace()) else {
            return Step::Refuse(BAD_NAMESPACE);
        };
        match self.membership.room(&namespace, &message.room) {
            Some(room) => Step::Leave(namespace, room),
            None => Step::Acknowledge,
        }
    }

    fn decide_event(&self, message: &Message, bounds: &Bounds) -> Step {
        let Some(namespace) = self.membership.namespace(message.namespace()) else {
            return Step::Refuse(BAD_NAMESPACE);
        };
        let foreign = message.room().is_some_and(|room| !self.membership.is_joined(&namespace, room));
        match foreign && bounds.foreign_rooms == ForeignRooms::Refused {
            true => Step::Refuse(BAD_ROOM),
            false => Step::Event(namespace),
        }
    }
}

impl Message {
    /// Whether this is one of the forms of the reply that says no more than "done".
    pub(crate) fn is_empty_reply(&self) -> bool {
        let names = [&self.namespace, &self.room, &self.event];
        names.iter().all(|name| name.is_empty()) && self.body.is_empty() && self.error.is_none()
    }

    /// The empty reply to `token`, as if it had come in full.
    pub(crate) fn empty_reply(token: &str) -> Self {
        Self { token: token.into(), encoding: Encoding::Text, ..Self::default() }
    }
}

/// A name of a room or namespace: no control characters, and not without end.
pub(crate) fn check_name(name: &str, max_bytes: usize) -> Result<(), &'static str> {
    if max_bytes > 0 && name.len() > max_bytes {
        return Err("name too long");
    }
    match name.chars().any(char::is_control) {
        true => Err("name holds control characters"),
        false => Ok(()),
    }
}

const TOO_MANY_NAMESPACES: &str = "too many namespaces on this connection";
const TOO_MANY_ROOMS: &str = "too many rooms on this connection";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::Role;

    const BOUNDS: Bounds = Bounds { namespaces: 2, rooms: 2, name_bytes: 8, foreign_rooms: ForeignRooms::Refused };

    fn session() -> Session<()> {
        Session::new(Ack::done(), Membership::default(), Asks::new(Role::Server))
    }

    fn declared(name: &str) -> Option<Arc<str>> {
        ["a", "b", "c"].contains(&name).then(|| name.into())
    }

    fn message(token: &str, namespace: &str, room: &str, event: &str) -> Message {
        Message {
            token: token.to_owned().into(),
            namespace: namespace.into(),
            room: room.into(),
            event: event.into(),
            ..Message::default()
        }
    }

    fn decide(session: &Session<()>, token: &str, namespace: &str, room: &str, event: &str) -> Step {
        session.decide(&message(token, namespace, room, event), &BOUNDS, declared)
    }

    #[test]
    fn a_connect_needs_a_token_and_a_declared_namespace() {
        let session = session();
        assert_eq!(decide(&session, "", "a", "", events::CONNECT), Step::Ignore);
        assert_eq!(decide(&session, "$1", "nope", "", events::CONNECT), Step::Refuse(BAD_NAMESPACE));
        assert_eq!(decide(&session, "$1", "a", "", events::CONNECT), Step::Connect("a".into()));
    }

    #[test]
    fn what_is_so_already_is_only_acknowledged() {
        let mut session = session();
        session.membership.connect(&"a".into());
        session.membership.join("a", &"r".into());
        assert_eq!(decide(&session, "$1", "a", "", events::CONNECT), Step::Acknowledge);
        assert_eq!(decide(&session, "$1", "a", "r", events::JOIN), Step::Acknowledge);
        assert_eq!(decide(&session, "$1", "a", "other", events::LEAVE), Step::Acknowledge);
        assert_eq!(decide(&session, "$1", "b", "", events::DISCONNECT), Step::Acknowledge);
    }

    #[test]
    fn an_event_for_a_place_that_the_peer_is_not_in_is_refused() {
        let mut session = session();
        assert_eq!(decide(&session, "$1", "a", "", "chat"), Step::Refuse(BAD_NAMESPACE));
        session.membership.connect(&"a".into());
        assert_eq!(decide(&session, "$1", "a", "r", "chat"), Step::Refuse(BAD_ROOM));
        let allowed = Bounds { foreign_rooms: ForeignRooms::Allowed, ..BOUNDS };
        let step = session.decide(&message("", "a", "r", "chat"), &allowed, declared);
        assert_eq!(step, Step::Event("a".into()));
    }

    #[test]
    fn a_peer_cannot_fire_events_that_only_this_side_fires() {
        let mut session = session();
        session.membership.connect(&"a".into());
        for event in [events::CONNECTED, events::JOINED, events::LEFT, events::ANY, events::NATIVE] {
            assert_eq!(decide(&session, "", "a", "", event), Step::Refuse(INVALID_PAYLOAD), "{event}");
        }
    }

    #[test]
    fn nothing_is_sent_to_a_place_before_the_reply_that_confirms_it() {
        let mut session = session();
        assert!(session.begin_membership(&"a".into(), None));
        assert!(session.may_send(&message("", "a", "", "chat")).is_err());
        session.confirm_membership();
        assert!(session.may_send(&message("", "a", "", "chat")).is_ok());
        assert!(session.begin_membership(&"a".into(), Some(&"r".into())));
        assert!(session.may_send(&message("", "a", "r", "chat")).is_err());
        assert!(session.may_send(&message("", "a", "", "chat")).is_ok());
        session.confirm_membership();
        assert!(session.may_send(&message("", "a", "r", "chat")).is_ok());
        assert!(!session.begin_membership(&"a".into(), Some(&"r".into())));
    }

    #[test]
    fn a_leave_under_its_other_name_is_a_leave() {
        let mut session = session();
        session.membership.connect(&"a".into());
        session.membership.join("a", &"r".into());
        assert_eq!(decide(&session, "$1", "a", "r", events::LEFT), Step::Leave("a".into(), "r".into()));
    }

    #[test]
    fn a_peer_cannot_make_us_remember_without_end() {
        let mut session = session();
        session.membership.connect(&"a".into());
        session.membership.connect(&"b".into());
        assert_eq!(decide(&session, "$1", "c", "", events::CONNECT), Step::Refuse(TOO_MANY_NAMESPACES));
        assert_eq!(decide(&session, "$1", "a", "much too long", events::JOIN), Step::Refuse("name too long"));
        assert_eq!(decide(&session, "$1", "a", "a\nb", events::JOIN), Step::Refuse("name holds control characters"));
        session.membership.join("a", &"r".into());
        session.membership.join("b", &"r".into());
        assert_eq!(decide(&session, "$1", "a", "s", events::JOIN), Step::Refuse(TOO_MANY_ROOMS));
    }

    #[test]
    fn events_wait_until_every_connect_of_their_namespace_is_over() {
        let (mut session, event) = (session(), message("", "a", "", "chat"));
        session.hold(&"a".into());
        session.hold(&"a".into());
        session.release("a");
        assert!(session.is_held(&event) && !session.is_held(&message("", "b", "", "chat")));
        session.release("a");
        assert!(!session.is_held(&event));
    }

    #[test]
    fn a_connect_of_the_peers_does_not_wait_for_ours_and_is_known() {
        let mut session = session();
        session.hold(&"a".into());
        assert!(!session.is_held(&message("$1", "a", "", events::CONNECT)));
        session.overtake("b");
        assert!(!session.overtake("a"));
        assert!(session.overtake("a"));
        session.release("a");
        assert!(!session.overtake("a"));
    }

    #[test]
    fn a_message_may_only_go_where_the_peer_is() {
        let mut session = session();
        assert!(session.may_send(&message("", "a", "", "e")).unwrap_err().is_bad_namespace());
        session.membership.connect(&"a".into());
        assert!(session.may_send(&message("", "a", "r", "e")).unwrap_err().is_bad_room());
        session.membership.join("a", &"r".into());
        session.may_send(&message("", "a", "r", "e")).unwrap();
    }
}
