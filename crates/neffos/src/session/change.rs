//! A change of membership, step by step, whichever side asked for it. Pure.
//!
//! The handler of the system event decides first. Then the change takes effect, or the peer is asked for it. Broadcasts
//! follow. Then the handlers are notified.

use std::slice;
use std::sync::Arc;
use std::vec;

use smol_str::SmolStr;

use super::asks::Effect;
use crate::message::{Initiator, Message, events};
use crate::websocket::Role;

/// A change of membership that has begun.
#[derive(Debug)]
pub(crate) struct MembershipChange {
    kind: ChangeKind,
    namespace: Arc<str>,
    /// For a join and a leave.
    room: Option<Arc<str>>,
    /// The side that caused it, for the handlers here, when this side asks for it.
    cause: Initiator,
    steps: slice::Iter<'static, Planned>,
    /// The request of the peer, while no handler has it.
    request: Option<Box<Message>>,
    /// A handler has the request.
    is_lent: bool,
    /// The name that the request came under.
    requested_as: SmolStr,
    /// The rooms that are left with the namespace, and whose handlers are not notified yet.
    rooms: RoomsLeft,
    /// The membership was so before: no handler is notified.
    is_old: bool,
    /// The handler that decides is at work.
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

/// What a change needs next.
#[derive(Debug)]
pub(crate) enum ChangeStep {
    /// The handler of this event decides whether the change happens. A client cannot forbid its server a leave.
    Consent(Box<Message>),
    /// Other nodes deliver to the place from here on.
    Reach,
    /// The membership changes.
    TakeEffect,
    /// The peer is asked, and the membership changes with its reply.
    Ask,
    /// The change is in effect for broadcasts from here on.
    Settle,
    /// The handler of this event is notified.
    Tell(Box<Message>),
    /// The peer's request is answered.
    Reply,
}

impl MembershipChange {
    /// The peer asks this side, which is of `role`, to connect a namespace.
    pub(super) fn connect_for_peer(namespace: Arc<str>, request: Box<Message>) -> Self {
        Self::for_peer(ChangeKind::Connect, namespace, None, request, ENTER)
    }

    /// A server's handler decides before anything changes. A client's handler is notified at the end.
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

    /// A connection without envelopes is in the empty namespace from its beginning.
    pub(super) fn connect_native(namespace: Arc<str>) -> Self {
        Self::new(ChangeKind::Connect, namespace, None, &[Planned::Reach, Planned::TakeEffect, Planned::Settle])
    }

    /// This side connects a namespace.
    pub(crate) fn connect(namespace: Arc<str>) -> Self {
        Self::new(ChangeKind::Connect, namespace, None, ASK_TO_ENTER)
    }

    /// This side disconnects a namespace, and leaves these rooms of it.
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

    /// The next step. None: the change is complete.
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

    /// The membership has changed; false when it was so before.
    pub(super) fn took_effect(&mut self, is_new: bool) {
        self.is_old = !is_new;
    }

    /// These rooms were left with the namespace, since the peer asked to disconnect it.
    pub(super) fn left(&mut self, rooms: Vec<Arc<str>>) {
        self.rooms = RoomsLeft::new(&self.namespace, rooms, Initiator::PeerForced);
    }

    /// Whether the handler that is at work decides.
    pub(super) fn is_deciding(&self) -> bool {
        self.is_deciding
    }

    pub(crate) fn is_connect(&self) -> bool {
        self.kind == ChangeKind::Connect
    }

    pub(super) fn is_leave(&self) -> bool {
        self.kind == ChangeKind::Leave
    }

    /// A handler is done with this message. When it is the request of the peer, it is kept for the reply.
    pub(super) fn give_back(&mut self, message: Box<Message>) {
        if std::mem::take(&mut self.is_lent) {
            self.request = Some(message);
        }
    }

    /// The request of the peer, under its own name: it is refused.
    pub(super) fn refuse(&mut self, mut request: Box<Message>) -> Box<Message> {
        request.event = std::mem::take(&mut self.requested_as);
        request
    }

    /// Takes the request of the peer out, since the change is not possible any more.
    pub(super) fn take_request(&mut self) -> Option<Box<Message>> {
        self.request.take()
    }

    /// The token that the peer waits for.
    pub(super) fn token(&self) -> &str {
        self.request.as_ref().map_or("", |request| request.token())
    }

    /// About how many bytes the request of the peer takes, while no handler has it.
    pub(super) fn bytes(&self) -> usize {
        self.request.as_deref().map_or(0, super::inbox::size)
    }

    /// The request of this side.
    pub(crate) fn request(&self) -> Message {
        self.system(self.kind.asked())
    }

    /// The effect of the change: at once for a request of the peer, with a positive reply for one of this side.
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

    /// The request of the peer under another name: the place and the body stay. A change of this side makes its events.
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
    /// The event whose handler decides.
    fn asked(self) -> &'static str {
        match self {
            Self::Connect => events::CONNECT,
            Self::Disconnect => events::DISCONNECT,
            Self::Join => events::JOIN,
            Self::Leave => events::LEAVE,
        }
    }

    /// The event whose handler is notified.
    fn done(self) -> &'static str {
        match self {
            Self::Connect => events::CONNECTED,
            Self::Disconnect => events::DISCONNECT,
            Self::Join => events::JOINED,
            Self::Leave => events::LEFT,
        }
    }
}

/// The events of rooms that were left because their namespace was: for each room, that it is being left and that it was.
#[derive(Debug)]
pub(super) struct RoomsLeft {
    namespace: Arc<str>,
    cause: Initiator,
    rooms: vec::IntoIter<Arc<str>>,
    /// Its first event is out.
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

    /// The steps that are left, with the events that handlers get.
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
