//! The limits and deadlines of a session, and [`Rules`], which all sessions of one side share.

use std::sync::Arc;
use std::time::Duration;

use super::greeting::GreetingLimits;
use super::rates::Rates;
use crate::message::wire::NativeMode;
use crate::websocket::Role;

/// The constant properties that all sessions of one side share.
pub(crate) trait Rules {
    fn role(&self) -> Role;

    /// Returns which messages without an envelope are accepted.
    fn native(&self) -> NativeMode;

    fn limits(&self) -> &SessionLimits;

    /// Returns the shared name of a namespace, if it is declared.
    fn namespace(&self, name: &str) -> Option<Arc<str>>;
}

/// The limits of a session. Zero means none, for a number and for a deadline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionLimits {
    /// For messages before the answer to the greeting.
    pub(crate) ack: GreetingLimits,
    pub(crate) bounds: Bounds,
    pub(crate) rates: Rates,
    /// For queued events, before reading pauses.
    pub(crate) max_inbox_events: usize,
    pub(crate) max_inbox_bytes: usize,
    pub(crate) ack_timeout: Duration,
    pub(crate) ping_interval: Duration,
    pub(crate) pong_timeout: Duration,
    pub(crate) slow_consumer_timeout: Duration,
    /// For a message from its first byte to its last, and the same again for each 64 KiB of it.
    pub(crate) message_timeout: Duration,
}

/// The defaults.
impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            ack: GreetingLimits { frames: 16, bytes: 64 * 1024 },
            bounds: Bounds { namespaces: 32, rooms: 128, name_bytes: 255, foreign_rooms: ForeignRooms::Refused },
            rates: Rates::default(),
            max_inbox_events: 64,
            max_inbox_bytes: 256 * 1024,
            ack_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            slow_consumer_timeout: Duration::from_secs(10),
            message_timeout: Duration::from_secs(60),
        }
    }
}

/// Limits on the state that a peer can create.
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

/// A side that declares the namespaces `a`, `b` and `c`.
#[cfg(any(test, fuzzing))]
#[derive(Debug)]
pub(super) struct TestSide {
    pub(super) role: Role,
    pub(super) native: NativeMode,
    pub(super) limits: SessionLimits,
}

#[cfg(any(test, fuzzing))]
impl TestSide {
    pub(super) fn server() -> Self {
        Self { role: Role::Server, native: NativeMode::Off, limits: SessionLimits::default() }
    }

    pub(super) fn client() -> Self {
        Self { role: Role::Client, ..Self::server() }
    }
}

#[cfg(any(test, fuzzing))]
impl Rules for TestSide {
    fn role(&self) -> Role {
        self.role
    }

    fn native(&self) -> NativeMode {
        self.native
    }

    fn limits(&self) -> &SessionLimits {
        &self.limits
    }

    fn namespace(&self, name: &str) -> Option<Arc<str>> {
        ["a", "b", "c"].contains(&name).then(|| name.into())
    }
}
