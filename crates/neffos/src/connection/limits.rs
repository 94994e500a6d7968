//! Bounds and deadlines of one connection, with the defaults that ship.

use std::time::Duration;

use super::rates::Rates;
use crate::fanout::{OutboxLimits, Overflow};
use crate::session::{AckLimits, Bounds, ForeignRooms};
use crate::websocket::{Compression, ReadLimits};

/// A bound of zero, or a deadline of zero, means none.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) max_message: usize,
    pub(crate) rates: Rates,
    pub(crate) max_fragments: usize,
    /// None: messages are not compressed.
    pub(crate) compression: Option<Compression>,
    pub(crate) ack_frames: usize,
    pub(crate) bounds: Bounds,
    pub(crate) outbox: OutboxLimits,
    pub(crate) max_asks: usize,
    pub(crate) max_waiting_events: usize,
    pub(crate) max_waiting_bytes: usize,
    pub(crate) max_pongs: usize,
    pub(crate) ack_timeout: Duration,
    pub(crate) ask_timeout: Duration,
    pub(crate) ping_interval: Duration,
    pub(crate) pong_timeout: Duration,
    pub(crate) slow_consumer_timeout: Duration,
    /// For a message from its first byte to its last, and again for each 64 KiB of it.
    pub(crate) message_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) handler_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 64 * 1024,
            rates: Rates::default(),
            max_fragments: 1024,
            compression: None,
            ack_frames: 16,
            bounds: Bounds { namespaces: 32, rooms: 128, name_bytes: 255, foreign_rooms: ForeignRooms::Refused },
            outbox: OutboxLimits { messages: 1024, bytes: 1024 * 1024, overflow: Overflow::DropNewest },
            max_asks: 64,
            max_waiting_events: 64,
            max_waiting_bytes: 256 * 1024,
            max_pongs: 16,
            ack_timeout: Duration::from_secs(10),
            ask_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            slow_consumer_timeout: Duration::from_secs(10),
            message_timeout: Duration::from_secs(60),
            close_timeout: Duration::from_secs(5),
            handler_grace: Duration::from_secs(10),
        }
    }
}

impl Limits {
    pub(crate) fn read(&self) -> ReadLimits {
        ReadLimits { max_message: self.max_message, max_fragments: self.max_fragments }
    }

    pub(crate) fn ack(&self) -> AckLimits {
        AckLimits { frames: self.ack_frames, bytes: self.max_message }
    }
}
