//! Decisions about messages of the peer. Pure.

use std::sync::Arc;

use super::limits::{Bounds, ForeignRooms};
use super::state::Session;
use crate::error::{BAD_NAMESPACE, BAD_ROOM, INVALID_PAYLOAD};
use crate::message::{Message, events};

/// The decision about a message of the peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing.
    Ignore,
    /// Send the empty reply: it is so already.
    Acknowledge,
    /// Send an error reply if the sender waits for one; otherwise do nothing.
    Refuse(&'static str),
    Connect(Arc<str>),
    Disconnect(Arc<str>),
    Join(Arc<str>, Arc<str>),
    Leave(Arc<str>, Arc<str>),
    /// Run a handler of this namespace.
    Event(Arc<str>),
}

impl<W> Session<W> {
    /// Returns whether `message` must wait. A request to connect never waits, because the peer may wait for its reply
    /// before it sends its own.
    pub(super) fn is_held(&self, message: &Message) -> bool {
        let Some(held) = &self.held else { return false };
        message.event() != events::CONNECT && held.iter().any(|hold| *hold.namespace == *message.namespace())
    }

    /// Decides about `message`. `declared` returns the namespaces that have handlers.
    pub(crate) fn decide(
        &self,
        message: &Message,
        bounds: &Bounds,
        declared: impl Fn(&str) -> Option<Arc<str>>,
    ) -> Decision {
        let is_request = message.is_request();
        match message.event() {
            events::CONNECT if is_request => self.decide_connect(message, bounds, declared),
            events::DISCONNECT if is_request => match self.membership.namespace(message.namespace()) {
                Some(name) => Decision::Disconnect(name),
                None => Decision::Acknowledge,
            },
            events::JOIN if is_request => self.decide_join(message, bounds),
            // Some clients send a leave under the name of the event that follows it.
            events::LEAVE | events::LEFT if is_request => self.decide_leave(message),
            events::CONNECT | events::DISCONNECT | events::JOIN | events::LEAVE => Decision::Ignore,
            event if events::is_local_only(event) => Decision::Refuse(INVALID_PAYLOAD),
            events::NATIVE if !message.is_native() => Decision::Refuse(INVALID_PAYLOAD),
            _ => self.decide_event(message, bounds),
        }
    }

    fn decide_connect(
        &self,
        message: &Message,
        bounds: &Bounds,
        declared: impl Fn(&str) -> Option<Arc<str>>,
    ) -> Decision {
        if self.membership.is_connected(message.namespace()) {
            return Decision::Acknowledge;
        }
        let Some(name) = declared(message.namespace()) else { return Decision::Refuse(BAD_NAMESPACE) };
        match self.membership.namespaces() < bounds.namespaces || bounds.namespaces == 0 {
            true => Decision::Connect(name),
            false => Decision::Refuse(TOO_MANY_NAMESPACES),
        }
    }

    fn decide_join(&self, message: &Message, bounds: &Bounds) -> Decision {
        let Some(namespace) = self.membership.namespace(message.namespace()) else {
            return Decision::Refuse(BAD_NAMESPACE);
        };
        let room = &*message.room;
        if self.membership.is_joined(&namespace, room) {
            return Decision::Acknowledge;
        }
        if let Err(reason) = check_name(room, bounds.name_bytes) {
            return Decision::Refuse(reason);
        }
        match self.membership.rooms() < bounds.rooms || bounds.rooms == 0 {
            true => Decision::Join(namespace, room.into()),
            false => Decision::Refuse(TOO_MANY_ROOMS),
        }
    }

    fn decide_leave(&self, message: &Message) -> Decision {
        let Some(namespace) = self.membership.namespace(message.namespace()) else {
            return Decision::Refuse(BAD_NAMESPACE);
        };
        match self.membership.room(&namespace, &message.room) {
            Some(room) => Decision::Leave(namespace, room),
            None => Decision::Acknowledge,
        }
    }

    fn decide_event(&self, message: &Message, bounds: &Bounds) -> Decision {
        let Some(namespace) = self.membership.namespace(message.namespace()) else {
            return Decision::Refuse(BAD_NAMESPACE);
        };
        let foreign = message.room().is_some_and(|room| !self.membership.is_joined(&namespace, room));
        match foreign && bounds.foreign_rooms == ForeignRooms::Refused {
            true => Decision::Refuse(BAD_ROOM),
            false => Decision::Event(namespace),
        }
    }
}

/// Checks the name of a room or namespace: it has no control characters, and a limited length.
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
    use tokio::time::Instant;

    use super::*;
    use crate::session::limits::TestSide;

    const BOUNDS: Bounds = Bounds { namespaces: 2, rooms: 2, name_bytes: 8, foreign_rooms: ForeignRooms::Refused };

    fn session() -> Session<()> {
        Session::new(&TestSide::server(), Instant::now())
    }

    fn declared(name: &str) -> Option<Arc<str>> {
        ["a", "b", "c"].contains(&name).then(|| name.into())
    }

    fn message(token: &str, namespace: &str, room: &str, event: &str) -> Message {
        Message::new(event, "").in_namespace(namespace).to_room(room).with_token(token.into())
    }

    fn decide(session: &Session<()>, token: &str, namespace: &str, room: &str, event: &str) -> Decision {
        session.decide(&message(token, namespace, room, event), &BOUNDS, declared)
    }

    #[test]
    fn a_connect_needs_a_token_and_a_declared_namespace() {
        let session = session();
        assert_eq!(decide(&session, "", "a", "", events::CONNECT), Decision::Ignore);
        assert_eq!(decide(&session, "$1", "nope", "", events::CONNECT), Decision::Refuse(BAD_NAMESPACE));
        assert_eq!(decide(&session, "$1", "a", "", events::CONNECT), Decision::Connect("a".into()));
    }

    #[test]
    fn a_request_without_a_change_is_only_acknowledged() {
        let mut session = session();
        session.membership.connect(&"a".into());
        session.membership.join("a", &"r".into());
        assert_eq!(decide(&session, "$1", "a", "", events::CONNECT), Decision::Acknowledge);
        assert_eq!(decide(&session, "$1", "a", "r", events::JOIN), Decision::Acknowledge);
        assert_eq!(decide(&session, "$1", "a", "other", events::LEAVE), Decision::Acknowledge);
        assert_eq!(decide(&session, "$1", "b", "", events::DISCONNECT), Decision::Acknowledge);
    }

    #[test]
    fn an_event_for_a_place_that_the_peer_is_not_in_is_refused() {
        let mut session = session();
        assert_eq!(decide(&session, "$1", "a", "", "chat"), Decision::Refuse(BAD_NAMESPACE));
        session.membership.connect(&"a".into());
        assert_eq!(decide(&session, "$1", "a", "r", "chat"), Decision::Refuse(BAD_ROOM));
        let allowed = Bounds { foreign_rooms: ForeignRooms::Allowed, ..BOUNDS };
        let step = session.decide(&message("", "a", "r", "chat"), &allowed, declared);
        assert_eq!(step, Decision::Event("a".into()));
    }

    #[test]
    fn a_peer_cannot_fire_events_that_only_this_side_fires() {
        let mut session = session();
        session.membership.connect(&"a".into());
        for event in [events::CONNECTED, events::JOINED, events::LEFT, events::ANY, events::NATIVE] {
            assert_eq!(decide(&session, "", "a", "", event), Decision::Refuse(INVALID_PAYLOAD), "{event}");
        }
    }

    #[test]
    fn a_leave_under_its_other_name_is_a_leave() {
        let mut session = session();
        session.membership.connect(&"a".into());
        session.membership.join("a", &"r".into());
        assert_eq!(decide(&session, "$1", "a", "r", events::LEFT), Decision::Leave("a".into(), "r".into()));
    }

    #[test]
    fn a_peer_cannot_make_us_remember_without_end() {
        let mut session = session();
        session.membership.connect(&"a".into());
        session.membership.connect(&"b".into());
        assert_eq!(decide(&session, "$1", "c", "", events::CONNECT), Decision::Refuse(TOO_MANY_NAMESPACES));
        assert_eq!(decide(&session, "$1", "a", "much too long", events::JOIN), Decision::Refuse("name too long"));
        assert_eq!(
            decide(&session, "$1", "a", "a\nb", events::JOIN),
            Decision::Refuse("name holds control characters")
        );
        session.membership.join("a", &"r".into());
        session.membership.join("b", &"r".into());
        assert_eq!(decide(&session, "$1", "a", "s", events::JOIN), Decision::Refuse(TOO_MANY_ROOMS));
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
