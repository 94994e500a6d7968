//! Input and output of a connection's task.

use std::io;
use std::task::{Context, Poll};

use super::peer::Peer;
use super::socket::Written;
use crate::fanout::Tally;

/// The result of a write and a read.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) written: Written,
    /// The number of bytes read; zero at the end.
    pub(super) read: Poll<io::Result<usize>>,
}

/// Writes the peer's outbox, and reads into `buffer` if there is one, without waiting. One lock covers both: usually
/// bytes have arrived and the outbox is empty.
pub(super) fn poll(peer: &Peer, cx: &mut Context<'_>, buffer: Option<&mut [u8]>) -> Moved {
    let mut tally = Tally::default();
    let moved = {
        let mut outgoing = peer.outgoing();
        let (outbox, socket) = outgoing.parts();
        let written = socket.poll_write(outbox, cx, &mut tally);
        let read = buffer.map_or(Poll::Pending, |buffer| socket.poll_read(cx, buffer));
        Moved { written, read }
    };
    if moved.written.some {
        peer.hub().fanout.totals().add(&tally);
    }
    moved
}

/// Tries to write, although the runtime has not reported that the socket accepts more.
pub(super) fn probe(peer: &Peer) -> Written {
    let mut tally = Tally::default();
    let written = {
        let mut outgoing = peer.outgoing();
        let (outbox, socket) = outgoing.parts();
        socket.probe(outbox, &mut tally)
    };
    peer.hub().fanout.totals().add(&tally);
    written
}

/// Shuts down the sending side.
pub(super) fn poll_shut_down(peer: &Peer, cx: &mut Context<'_>) -> Poll<()> {
    peer.outgoing().parts().1.poll_shut_down(cx)
}
