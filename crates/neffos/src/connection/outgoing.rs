//! The outbox of a connection and its socket, under one lock: a task that queues a message may also write it.

use std::sync::Arc;

use bytes::Bytes;

use super::socket::Socket;
use crate::budget::Budget;
use crate::fanout::{Chunk, Offer, Outbox, OutboxLimits, Tally};

/// The queued frames of a connection, and its socket.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) outbox: Outbox,
    socket: Socket,
}

impl Outgoing {
    pub(super) fn new(socket: Socket) -> Self {
        Self { outbox: Outbox::default(), socket }
    }

    /// Queues a broadcast.
    pub(super) fn offer(&mut self, chunk: &Chunk, limits: &OutboxLimits, tally: &mut Tally) -> Offer {
        let Self { outbox, socket } = self;
        outbox.offer(chunk, limits, tally, |outbox, tally| socket.write(outbox, tally))
    }

    /// Queues one message for this connection only.
    pub(super) fn offer_single(&mut self, message: Chunk, limits: &OutboxLimits, tally: &mut Tally) -> Offer {
        let Self { outbox, socket } = self;
        outbox.offer_single(message, limits, tally, |outbox, tally| socket.write(outbox, tally))
    }

    /// Queues a frame for this connection only, and writes it, unless another task will. Returns true if the
    /// connection's task must continue.
    pub(super) fn send_single(
        &mut self,
        frame: Bytes,
        (limits, budget): (&OutboxLimits, &Arc<Budget>),
        tally: &mut Tally,
    ) -> (Offer, bool) {
        let written = self.socket.write_past(&self.outbox, &frame);
        if written == frame.len() {
            tally.queued += 1;
            tally.delivered += 1;
            return (Offer::Rest, false);
        }
        let offer = self.offer_single(Chunk::charged(frame, budget), limits, tally);
        self.outbox.advance(written, tally);
        (offer, offer == Offer::Flush && self.write(tally))
    }

    /// Writes as much as the socket accepts without waiting. Returns true if the connection's task must continue.
    pub(super) fn write(&mut self, tally: &mut Tally) -> bool {
        let Self { outbox, socket } = self;
        socket.write(outbox, tally);
        matches!(socket, Socket::Gone) || outbox.is_blocked() || outbox.is_closed() || socket.unsent() > 0
    }

    /// Returns how many bytes would be free without it.
    pub(super) fn held(&self) -> usize {
        self.outbox.held() + self.socket.held()
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(super) fn parts(&mut self) -> (&mut Outbox, &mut Socket) {
        (&mut self.outbox, &mut self.socket)
    }

    /// Drops the queue and returns the socket, which closes when it is dropped.
    #[must_use = "to close a socket is a system call, which is not made under the lock"]
    pub(super) fn abandon(&mut self, tally: &mut Tally) -> Socket {
        self.outbox.abandon(tally);
        std::mem::replace(&mut self.socket, Socket::Gone)
    }
}
