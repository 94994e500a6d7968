//! What one connection has agreed with its peer.

use std::sync::Arc;

use crate::message::Message;
use crate::session::{Ack, Asks, Bounds, Effect, ForeignRooms, Match, Membership, Pending, Session, Step};
use crate::websocket::Role;

/// The session of a connection that is in one namespace, `default`, and in as many rooms as was said.
#[derive(Debug)]
pub struct Rules {
    session: Session<()>,
    namespace: Arc<str>,
    room: Arc<str>,
    bounds: Bounds,
}

impl Rules {
    /// A session in the rooms `room 0`, `room 1` and so on.
    pub fn in_rooms(rooms: usize) -> Self {
        let namespace: Arc<str> = "default".into();
        let mut membership = Membership::default();
        membership.connect(&namespace);
        for nth in 0..rooms {
            membership.join(&namespace, &format!("room {nth}").into());
        }
        let session = Session::new(Ack::done(), membership, Asks::new(Role::Server));
        let bounds = Bounds { namespaces: 0, rooms: 0, name_bytes: 0, foreign_rooms: ForeignRooms::Refused };
        Self { session, namespace, room: "one more".into(), bounds }
    }

    /// Whether `message` of the peer reaches a handler.
    pub fn is_for_a_handler(&self, message: &Message) -> bool {
        let step = self.session.decide(message, &self.bounds, |_| Some(self.namespace.clone()));
        matches!(step, Step::Event(_))
    }

    /// Joins one more room, and leaves it again.
    pub fn join_and_leave(&mut self) {
        self.session.membership.join(&self.namespace, &self.room);
        self.session.membership.leave(&self.namespace, &self.room);
    }

    /// Opens a request, and takes its reply; true when the reply was known for one.
    ///
    /// # Panics
    ///
    /// Never: there is no bound on open requests here.
    pub fn ask_and_answer(&mut self) -> bool {
        let token = self.session.asks.new_token();
        let pending = Pending { namespace: (&*self.namespace).into(), effect: Effect::Nothing, waiter: () };
        self.session.asks.open(token.clone(), pending, 0).expect("requests without a bound");
        matches!(self.session.asks.answer(&Message::empty_reply(&token)), Match::Reply(_))
    }
}
