//! Messages that were lost with a broker link are resent: those on their way when it broke, and those that were published before
//! the next one was open. Pure.
//!
//! On a new link, a node requests from every other node the messages after the last one that it received. It repeats the request
//! until the answer arrives: the other node may have no link yet. Newer messages of that node are held until then, for three
//! seconds of the link at most. So no message of a node is delivered twice or out of order. A node that has ended never answers:
//! its held messages may be delivered behind messages of the node that took its place.

use tokio::time::Instant;

use super::super::super::draft::{Decoded, What};
use super::super::super::native::Body;
use super::super::super::node_id::NodeId;
use super::super::super::progress::Gap;
use super::timer::{MOST_TICKS, REPEATS};
use super::{Effects, NodeEffect, NodeState, Notice, Timer};

impl NodeState {
    // ---- what other nodes request

    /// A node requests the messages that were published after the last one that it received, up to number `until`.
    pub(in crate::exchange) fn note_request(
        &mut self,
        from: NodeId,
        Gap { pause, after }: Gap,
        until: u64,
        now: Instant,
    ) {
        self.resends.request((from, pause), after, until, now);
    }

    // ---- what this node requests

    /// Requests a resend of every node that was there before, over a link that is new.
    pub(in crate::exchange) fn request_resends(&mut self, out: &mut Effects) {
        for (id, gap) in self.other_nodes.gaps() {
            self.request(id, gap, out);
        }
    }

    /// Requests a resend of a node that has opened a new link.
    pub(super) fn request_resend(&mut self, id: NodeId, out: &mut Effects) {
        if let Some(gap) = self.other_nodes.progress(id).and_then(|progress| progress.gap()) {
            self.request(id, gap, out);
        }
    }

    fn request(&mut self, id: NodeId, gap: Gap, out: &mut Effects) {
        tell_gap(id, gap, out);
        if self.other_nodes.await_resend(id) {
            out.push(NodeEffect::Start(Timer::Resend { id, pause: gap.pause, ticks: 0 }));
        }
    }

    /// Repeats the request for a resend of a node, and ends its pause when no answer comes.
    pub(super) fn see_to_resend(&mut self, id: NodeId, (pause, ticks): (u64, u32), out: &mut Effects) -> Option<Timer> {
        let gap = self.other_nodes.awaited(id)?;
        if gap.pause != pause {
            // A new link: everything was requested anew when it opened.
            return Some(Timer::Resend { id, pause: gap.pause, ticks: 0 });
        }
        let ticks = ticks + 1;
        if ticks >= MOST_TICKS {
            out.push(NodeEffect::Resume { id, pause });
        } else if REPEATS.contains(&ticks) {
            tell_gap(id, gap, out);
        }
        Some(Timer::Resend { id, pause, ticks })
    }

    /// Takes a message that a node has resent, if it was missed and is for a connection of this node. None when it cannot be read.
    pub(in crate::exchange) fn take_resent(
        &mut self,
        id: NodeId,
        channel: &str,
        arrival: Option<Decoded>,
        out: &mut Effects,
    ) {
        let Some(Decoded { from: Some(from), what }) = arrival else { return self.tallies.rejected += 1 };
        if from.id != id || !from.sequence.is_message {
            return self.tallies.rejected += 1;
        }
        let was_missed = self.other_nodes.progress(id).is_some_and(|progress| progress.repeat(from.sequence.number));
        // Who asked something has given up, or soon will.
        let counts = matches!(what, What::Broadcast { .. } | What::Close { .. });
        if was_missed && counts && self.interest.needs(channel) {
            self.tallies.recovered += 1;
            self.take(Some(id), channel, what, out);
        }
    }

    /// All of a piece of a resend was taken; perhaps the last piece, which ends a pause.
    pub(in crate::exchange) fn end_piece(&mut self, id: NodeId, ends: Option<u64>, out: &mut Effects) {
        if let (Some(pause), Some(progress)) = (ends, self.other_nodes.progress(id)) {
            progress.note_answer(pause);
        }
        self.count_missed(id, out);
        if let Some(pause) = ends {
            out.push(NodeEffect::Resume { id, pause });
        }
    }

    /// Ends a pause: messages that were held are taken, before anything else that a link brings.
    pub(in crate::exchange) fn resume(&mut self, id: NodeId, pause: u64, out: &mut Effects) {
        let held = self.other_nodes.resume(id, pause);
        self.count_missed(id, out);
        for held in held {
            self.take(Some(id), &held.channel, held.what, out);
        }
    }

    /// Counts messages that a node no longer keeps, and warns of them.
    pub(super) fn count_missed(&mut self, from: NodeId, out: &mut Effects) {
        let count = self.other_nodes.take_missed(from);
        if count == 0 {
            return;
        }
        self.tallies.missed += count;
        if self.other_nodes.is_warning_due(out.now) {
            out.push(NodeEffect::Log(Notice::Missed { from, count, total: self.tallies.missed }));
        }
    }
}

fn tell_gap(id: NodeId, Gap { pause, after }: Gap, out: &mut Effects) {
    out.tell(id, Body::RequestResend { pause, after });
}
