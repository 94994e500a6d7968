//! The protocol of one connection, without I/O.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::message::wire::NativeMode;
use crate::session::{
    Action, AfterHandler, Bounds, Effect, ForeignRooms, GreetingLimits, OpenAsk, Outcome, Rates, RawMessage, Rules,
    Session, SessionLimits,
};
use crate::websocket::{Kind, Role};

/// The session of a server's connection in the namespace `default`, and in a given number of rooms.
#[derive(Debug)]
pub struct Protocol {
    session: Session<()>,
    side: BenchSide,
    now: Instant,
}

/// A server that declares one namespace, without limits.
#[derive(Debug)]
struct BenchSide {
    namespace: Arc<str>,
    limits: SessionLimits,
}

impl Protocol {
    /// Creates a session in the rooms `room 0`, `room 1` and so on.
    pub fn in_rooms(rooms: usize) -> Self {
        let side = BenchSide { namespace: "default".into(), limits: without_bounds() };
        let now = Instant::now();
        let mut protocol = Self { session: Session::new(&side, now), side, now };
        protocol.session.begin(false, &protocol.side);
        protocol.handle("M");
        protocol.handle("$1;default;;_OnNamespaceConnect;0;0;");
        for nth in 0..rooms {
            protocol.handle(&format!("$1;default;room {nth};_OnRoomJoin;0;0;"));
        }
        protocol
    }

    /// Handles one text message of the client completely. Returns how many handlers ran.
    pub fn handle(&mut self, message: &str) -> usize {
        let frame = RawMessage { kind: Kind::Text, data: Bytes::copy_from_slice(message.as_bytes()) };
        let mut handlers = 0;
        let first = self.session.handle_frame(frame, self.now, &self.side);
        let mut next = first.or_else(|| self.session.poll_action(&self.side));
        while let Some(action) = next {
            next = match action {
                Action::Run(_, message) => {
                    handlers += 1;
                    match self.session.handle_handler_done(message, &Outcome::Nothing, &self.side) {
                        AfterHandler::Respond { .. } => None,
                        AfterHandler::Next(action) => action,
                    }
                }
                _ => self.session.continue_work(&self.side),
            };
        }
        handlers
    }

    /// Opens a request, and handles its reply. Returns true if the reply was recognised.
    ///
    /// # Panics
    ///
    /// Never: open requests are not limited here.
    pub fn ask_and_answer(&mut self) -> bool {
        let token = self.session.new_token();
        let pending = OpenAsk { namespace: (&*self.side.namespace).into(), effect: Effect::Nothing, waiter: () };
        self.session.open_ask(token.clone(), pending, 0).expect("requests without a bound");
        let frame =
            RawMessage { kind: Kind::Text, data: Bytes::copy_from_slice(format!("{token};;;;0;0;").as_bytes()) };
        matches!(self.session.handle_frame(frame, self.now, &self.side), Some(Action::Deliver(..)))
    }
}

impl Rules for BenchSide {
    fn role(&self) -> Role {
        Role::Server
    }

    fn native(&self) -> NativeMode {
        NativeMode::Off
    }

    fn limits(&self) -> &SessionLimits {
        &self.limits
    }

    fn namespace(&self, name: &str) -> Option<Arc<str>> {
        (*self.namespace == *name).then(|| self.namespace.clone())
    }
}

fn without_bounds() -> SessionLimits {
    SessionLimits {
        ack: GreetingLimits { frames: 0, bytes: 0 },
        bounds: Bounds { namespaces: 0, rooms: 0, name_bytes: 0, foreign_rooms: ForeignRooms::Refused },
        rates: Rates::default(),
        max_inbox_events: 0,
        max_inbox_bytes: 0,
        ack_timeout: Duration::ZERO,
        ping_interval: Duration::ZERO,
        pong_timeout: Duration::ZERO,
        slow_consumer_timeout: Duration::ZERO,
        message_timeout: Duration::ZERO,
    }
}
