//! The acts of a random test run, for the fuzzer and the tests of a session.

use crate::message::events;

#[derive(Debug, Clone)]
pub(super) enum Act {
    /// The peer sends a message, as a request or not.
    Send {
        event: &'static str,
        namespace: usize,
        room: usize,
        is_ask: bool,
    },
    /// The peer sends arbitrary bytes.
    SendBytes(Vec<u8>),
    /// The peer replies to the oldest open request.
    Reply {
        is_error: bool,
    },
    /// The running handler, or the wait, ends.
    EndJob(u8),
    /// This side begins a change, or an ask.
    Begin {
        what: u8,
        namespace: usize,
        room: usize,
    },
    /// A request of this side takes a step.
    Step {
        nth: usize,
        consents: bool,
    },
    /// The caller of a request stops waiting.
    GiveUp {
        nth: usize,
    },
    Wait(u16),
    Drain,
}

impl Act {
    /// Decodes an act from three bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let at = |nth: usize| bytes.get(nth).copied().unwrap_or_default();
        let (what, how) = (at(1), at(2));
        let (namespace, room) = (usize::from(how) % NAMESPACES.len(), usize::from(how >> 2) % ROOMS.len());
        match at(0) % 10 {
            0..3 => {
                let event = EVENTS[usize::from(what) % EVENTS.len()];
                Self::Send { event, namespace, room, is_ask: what < 200 }
            }
            3 => Self::SendBytes(bytes[1..].to_vec()),
            4 => Self::Reply { is_error: what & 1 == 1 },
            5 => Self::EndJob(what),
            6 => Self::Begin { what, namespace, room },
            7 => Self::Step { nth: usize::from(what) % MOST_REQUESTS, consents: how < 200 },
            8 => Self::GiveUp { nth: usize::from(what) % MOST_REQUESTS },
            _ if what < 250 => Self::Wait(u16::from(what) * 100),
            _ => Self::Drain,
        }
    }
}

/// The events that the peer may send.
pub(super) const EVENTS: [&str; 7] =
    [events::CONNECT, events::DISCONNECT, events::JOIN, events::LEAVE, events::LEFT, events::CONNECTED, "chat"];
pub(super) const NAMESPACES: [&str; 4] = ["a", "b", "c", "undeclared"];
pub(super) const ROOMS: [&str; 3] = ["", "r", "s"];
pub(super) const MOST_REQUESTS: usize = 8;
