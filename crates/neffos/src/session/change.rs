//! A change of membership in steps, requested by either side. Pure.
//!
//! - First, the handler of the system event decides.
//! - Then the change takes effect, or the peer is asked for it.
//! - Then broadcasts follow the change.
//! - Last, the handlers are notified.

use std::slice;
use std::sync::Arc;
use std::vec;

use smol_str::SmolStr;

use super::asks::Effect;
use crate::message::{Initiator, Message, events};
use crate::websocket::Role;

/// A change of membership in progress.
#[derive(Debug)]
pub(crate) struct MembershipChange {
    kind: ChangeKind,
    namespace: Arc<str>,
    /// Set for a join and a leave.
    room: Option<Arc<str>>,
    /// The cause that this side's handlers see, if this side requests the change.
    cause: Initiator,
    steps: slice::Iter<'static, Planned>,
    /// The request of the peer, while no handler has it.
    request: Option<Box<Message>>,
    /// Whether a handler has the request.
    is_lent: bool,
    /// The event name of the request.
    requested_as: SmolStr,
    /// The rooms that are left with the namespace, and whose handlers are not notified yet.
    rooms: RoomsLeft,
    /// Whether the membership was already so, so that no handler is notified.
    is_old: bool,
    /// Whether the deciding handler runs.
    is_deciding: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChangeKind {
    Connect,
    Disconnect,
    Join,
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planned {
    Consent,
    Reach,
    TakeEffect,
    Ask,
    Settle,
    TellRooms,
    Tell,
    Reply,
}

/// The next step of a change.
#[derive(Debug)]
pub(crate) enum ChangeStep {
    /// The handler of this event decides whether the change happens. A client cannot refuse a leave that its server
    /// requests.
    Consent(Box<Message>),
    /// From here on, other nodes deliver to the place.
    Reach,
    /// The membership changes.
    TakeEffect,
    /// The peer is asked, and the membership changes with its reply.
    Ask,
    /// From here on, broadcasts follow the change.
    Settle,
    /// The handler of this event is notified.
    Tell(Box<Message>),
    /// The peer's request is answered.
    Reply,
}

impl MembershipChange {
    /// The peer asks this side, which has `role`, to connect a namespace.
    pub(super) fn connect_for_peer(namespace: Arc<str>, request: Box<Message>) -> Self {
        Self::for_peer(ChangeKind::Connect, namespace, None, request, ENTER)
    }

    /// The peer asks to disconnect a namespace. A server's handler decides before anything changes; a client's handler
    /// is notified at the end.
    pub(super) fn disconnect_for_peer(role: Role, namespace: Arc<str>, request: Box<Message>) -> Self {
        let steps: &[Planned] = match role {
            Role::Server => {
                &[Planned::Consent, Planned::TakeEffect, Planned::Settle, Planned::TellRooms, Planned::Reply]
            }
            Role::Client => &[Planned::TakeEffect, Planned::Settle, Planned::TellRooms, Planned::Reply, Planned::Tell],
        };
        Self::for_peer(ChangeKind::Disconnect, namespace, None, request, steps)
    }

    /// The peer asks to join a room.
    pub(super) fn join_for_peer(namespace: Arc<str>, room: Arc<str>, request: Box<Message>) -> Self {
        Self::for_peer(ChangeKind::Join, namespace, Some(room), request, ENTER)
    }

    /// The peer asks to leave a room.
    pub(super) fn leave_for_peer(namespace: Arc<str>, room: Arc<str>, request: Box<Message>) -> Self {
        let steps = &[Planned::Consent, Planned::TakeEffect, Planned::Settle, Planned::Tell, Planned::Reply];
        Self::for_peer(ChangeKind::Leave, namespace, Some(room), request, steps)
    }

    /// Connects the empty namespace of a connection without envelopes, at its beginning.
    pub(super) fn connect_native(namespace: Arc<str>) -> Self {
        Self::new(ChangeKind::Connect, namespace, None, &[Planned::Reach, Planned::TakeEffect, Planned::Settle])
    }

    /// This side connects a namespace.
    pub(crate) fn connect(namespace: Arc<str>) -> Self {
        Self::new(ChangeKind::Connect, namespace, None, ASK_TO_ENTER)
    }

    /// This side disconnects a namespace, and leaves these rooms in it.
    pub(crate) fn disconnect(namespace: Arc<str>, rooms: Vec<Arc<str>>) -> Self {
        let steps = &[Planned::Ask, Planned::Settle, Planned::TellRooms, Planned::Tell];
        let rooms = RoomsLeft::new(&namespace, rooms, Initiator::LocalForced);
        Self { rooms, ..Self::new(ChangeKind::Disconnect, namespace, None, steps) }
    }

    /// This side joins a room.
    pub(crate) fn join(namespace: Arc<str>, room: Arc<str>) -> Self {
        Self::new(ChangeKind::Join, namespace, Some(room), ASK_TO_ENTER)
    }

    /// This side leaves a room.
    pub(crate) fn leave(namespace: Arc<str>, room: Arc<str>, cause: Initiator) -> Self {
        let steps = &[Planned::Consent, Planned::Ask, Planned::Settle, Planned::Tell];
        Self { cause, ..Self::new(ChangeKind::Leave, namespace, Some(room), steps) }
    }

    fn for_peer(
        kind: ChangeKind,
        namespace: Arc<str>,
        room: Option<Arc<str>>,
        request: Box<Message>,
        steps: &'static [Planned],
    ) -> Self {
        let requested_as = request.event.clone();
        Self { request: Some(request), requested_as, ..Self::new(kind, namespace, room, steps) }
    }

    fn new(kind: ChangeKind, namespace: Arc<str>, room: Option<Arc<str>>, steps: &'static [Planned]) -> Self {
        let rooms = RoomsLeft::new(&namespace, Vec::new(), Initiator::PeerForced);
        let requested_as = SmolStr::default();
        Self {
            kind,
            namespace,
            room,
            cause: Initiator::Local,
            steps: steps.iter(),
            request: None,
            is_lent: false,
            requested_as,
            rooms,
            is_old: false,
            is_deciding: false,
        }
    }

    pub(crate) fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    pub(crate) fn room(&self) -> Option<&Arc<str>> {
        self.room.as_ref()
    }

    /// Returns the next step, or `None` if the change is complete.
    pub(crate) fn next(&mut self) -> Option<ChangeStep> {
        loop {
            if let Some(&Planned::TellRooms) = self.steps.as_slice().first()
                && let Some(message) = self.rooms.next()
            {
                return Some(ChangeStep::Tell(message));
            }
            let step = *self.steps.next()?;
            self.is_deciding = step == Planned::Consent;
            let step = match step {
                Planned::Consent => ChangeStep::Consent(self.message(self.kind.asked())),
                Planned::Reach => ChangeStep::Reach,
                Planned::TakeEffect => ChangeStep::TakeEffect,
                Planned::Ask => ChangeStep::Ask,
                Planned::Settle => ChangeStep::Settle,
                Planned::Tell if !self.is_old => ChangeStep::Tell(self.message(self.kind.done())),
                Planned::Tell | Planned::TellRooms => continue,
                Planned::Reply => ChangeStep::Reply,
            };
            return Some(step);
        }
    }

    /// Records that the membership has changed. `is_new` is false if it was already so.
    pub(super) fn took_effect(&mut self, is_new: bool) {
        self.is_old = !is_new;
    }

    /// Records the rooms that were left with the namespace, because the peer asked to disconnect it.
    pub(super) fn left(&mut self, rooms: Vec<Arc<str>>) {
        self.rooms = RoomsLeft::new(&self.namespace, rooms, Initiator::PeerForced);
    }

    /// Returns whether the deciding handler runs.
    pub(super) fn is_deciding(&self) -> bool {
        self.is_deciding
    }

    pub(crate) fn is_connect(&self) -> bool {
        self.kind == ChangeKind::Connect
    }

    pub(super) fn is_leave(&self) -> bool {
        self.kind == ChangeKind::Leave
    }

    /// Takes the message back from a handler that has ended. The request of the peer is kept for the reply.
    pub(super) fn give_back(&mut self, message: Box<Message>) {
        if std::mem::take(&mut self.is_lent) {
            self.request = Some(message);
        }
    }

    /// Returns the request of the peer, which is refused, with its original event name.
    pub(super) fn refuse(&mut self, mut request: Box<Message>) -> Box<Message> {
        request.event = std::mem::take(&mut self.requested_as);
        request
    }

    /// Takes the request of the peer out, because the change is no longer possible.
    pub(super) fn take_request(&mut self) -> Option<Box<Message>> {
        self.request.take()
    }

    /// Returns the token that the peer waits for.
    pub(super) fn token(&self) -> &str {
        self.request.as_ref().map_or("", |request| request.token())
    }

    /// Returns the approximate memory of the peer's request, while no handler has it.
    pub(super) fn bytes(&self) -> usize {
        self.request.as_deref().map_or(0, super::inbox::size)
    }

    /// Returns the request of this side.
    pub(crate) fn request(&self) -> Message {
        self.system(self.kind.asked())
    }

    /// Returns the effect of the change. It happens at once for a request of the peer, and with a positive reply for
    /// one of this side.
    pub(crate) fn effect(&self) -> Effect {
        let namespace = self.namespace.clone();
        match (self.kind, self.room.clone()) {
            (ChangeKind::Connect, _) => Effect::Connect(namespace),
            (ChangeKind::Disconnect, _) => Effect::Disconnect(namespace),
            (ChangeKind::Join, Some(room)) => Effect::Join(namespace, room),
            (ChangeKind::Leave, Some(room)) => Effect::Leave(namespace, room),
            (ChangeKind::Join | ChangeKind::Leave, None) => Effect::Nothing,
        }
    }

    /// Returns the message for a handler: the request of the peer under another event name, or a new one for a change
    /// of this side.
    fn message(&mut self, event: &'static str) -> Box<Message> {
        match self.request.take() {
            Some(mut request) => {
                self.is_lent = true;
                request.event = SmolStr::new_static(event);
                request
            }
            None => Box::new(self.system(event)),
        }
    }

    fn system(&self, event: &'static str) -> Message {
        Message::system(event, &self.namespace, self.cause).or_room(self.room.as_deref().unwrap_or_default())
    }
}

impl ChangeKind {
    /// Returns the event whose handler decides.
    fn asked(self) -> &'static str {
        match self {
            Self::Connect => events::CONNECT,
            Self::Disconnect => events::DISCONNECT,
            Self::Join => events::JOIN,
            Self::Leave => events::LEAVE,
        }
    }

    /// Returns the event whose handler is notified.
    fn done(self) -> &'static str {
        match self {
            Self::Connect => events::CONNECTED,
            Self::Disconnect => events::DISCONNECT,
            Self::Join => events::JOINED,
            Self::Leave => events::LEFT,
        }
    }
}

/// The events of rooms that are left with their namespace: two for each room, before and after the leave.
#[derive(Debug)]
pub(super) struct RoomsLeft {
    namespace: Arc<str>,
    cause: Initiator,
    rooms: vec::IntoIter<Arc<str>>,
    /// The room whose first event was returned.
    halfway: Option<Arc<str>>,
}

impl RoomsLeft {
    pub(super) fn new(namespace: &Arc<str>, rooms: Vec<Arc<str>>, cause: Initiator) -> Self {
        Self { namespace: namespace.clone(), cause, rooms: rooms.into_iter(), halfway: None }
    }

    pub(super) fn next(&mut self) -> Option<Box<Message>> {
        let (event, room) = match self.halfway.take() {
            Some(room) => (events::LEFT, room),
            None => (events::LEAVE, self.halfway.insert(self.rooms.next()?).clone()),
        };
        Some(Box::new(Message::system(event, &self.namespace, self.cause).or_room(&room)))
    }
}

const ENTER: &[Planned] = &[Planned::Consent, Planned::Reach, Planned::TakeEffect, Planned::Settle, Planned::Tell];
const ASK_TO_ENTER: &[Planned] = &[Planned::Consent, Planned::Reach, Planned::Ask, Planned::Settle, Planned::Tell];

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the remaining steps, with the events that handlers receive.
    fn steps(mut change: MembershipChange) -> Vec<String> {
        let mut steps = Vec::new();
        while let Some(step) = change.next() {
            steps.push(match step {
                ChangeStep::Consent(message) => {
                    let line = format!("consent {}", message.event());
                    change.give_back(message);
                    line
                }
                ChangeStep::Tell(message) => format!("tell {} {}", message.event(), message.room().unwrap_or("-")),
                other => format!("{other:?}"),
            });
        }
        steps
    }

    fn request(event: &'static str) -> Box<Message> {
        Box::new(Message::new(event, "body").with_token("$1".into()))
    }

    #[test]
    fn a_handler_decides_before_a_change_and_is_notified_after_it() {
        assert_eq!(
            steps(MembershipChange::connect_for_peer("ns".into(), request(events::CONNECT))),
            ["consent _OnNamespaceConnect", "Reach", "TakeEffect", "Settle", "tell _OnNamespaceConnected -"]
        );
        assert_eq!(
            steps(MembershipChange::join("ns".into(), "r".into())),
            ["consent _OnRoomJoin", "Reach", "Ask", "Settle", "tell _OnRoomJoined r"]
        );
        assert_eq!(
            steps(MembershipChange::leave("ns".into(), "r".into(), Initiator::Local)),
            ["consent _OnRoomLeave", "Ask", "Settle", "tell _OnRoomLeft r"]
        );
    }

    #[test]
    fn rooms_are_left_before_their_namespace_with_two_events_each() {
        assert_eq!(
            steps(MembershipChange::disconnect("ns".into(), vec!["r".into(), "s".into()])),
            [
                "Ask",
                "Settle",
                "tell _OnRoomLeave r",
                "tell _OnRoomLeft r",
                "tell _OnRoomLeave s",
                "tell _OnRoomLeft s",
                "tell _OnNamespaceDisconnect -"
            ]
        );
    }

    #[test]
    fn a_reply_has_the_token_of_its_request_after_other_events_too() {
        let mut change = MembershipChange::disconnect_for_peer(Role::Server, "ns".into(), request(events::DISCONNECT));
        change.left(vec!["r".into(), "s".into()]);
        while let Some(step) = change.next() {
            match step {
                ChangeStep::Consent(message) | ChangeStep::Tell(message) => change.give_back(message),
                ChangeStep::Reply => return assert_eq!(change.token(), "$1"),
                _ => {}
            }
        }
        panic!("no reply");
    }

    #[test]
    fn a_server_decides_about_a_disconnect_and_a_client_is_notified_of_it() {
        let of = |role| steps(MembershipChange::disconnect_for_peer(role, "ns".into(), request(events::DISCONNECT)));
        assert_eq!(of(Role::Server), ["consent _OnNamespaceDisconnect", "TakeEffect", "Settle", "Reply"]);
        assert_eq!(of(Role::Client), ["TakeEffect", "Settle", "Reply", "tell _OnNamespaceDisconnect -"]);
    }

    #[test]
    fn no_handler_is_notified_of_a_membership_that_was_so_before() {
        let mut change = MembershipChange::join_for_peer("ns".into(), "r".into(), request(events::JOIN));
        change.took_effect(false);
        assert_eq!(steps(change), ["consent _OnRoomJoin", "Reach", "TakeEffect", "Settle"]);
    }

    #[test]
    fn a_refused_request_keeps_the_name_that_it_came_under() {
        let mut change = MembershipChange::leave_for_peer("ns".into(), "r".into(), request(events::LEFT));
        let Some(ChangeStep::Consent(message)) = change.next() else { panic!("no consent") };
        assert_eq!(message.event(), events::LEAVE);
        assert_eq!(change.refuse(message).event(), events::LEFT);
    }
}
