//! Resends of messages that were lost with a broker link: those in flight when it broke, and those published before the
//! next one was open. Pure.
//!
//! On a new link, a node requests from every other node the messages after the last one that it received.
//!
//! - It repeats the request until the answer arrives, because the other node may have no link yet.
//! - Until then it holds newer messages of that node, at most for three seconds of the link. So no message of a node is
//!   delivered twice or out of order.
//! - A node that has ended never answers. Its held messages may be delivered after messages of the node that took its
//!   place.

use tokio::time::Instant;

use super::super::super::draft::{Decoded, What};
use super::super::super::native::Body;
use super::super::super::node_id::NodeId;
use super::super::super::progress::Gap;
use super::timer::{MOST_TICKS, REPEATS};
use super::{Effects, NodeEffect, NodeState, Notice, Timer};

impl NodeState {
    // ---- requests of other nodes

    /// Records a node's request for the messages published after the last one that it received, up to number `until`.
    pub(in crate::exchange) fn note_request(
        &mut self,
        from: NodeId,
        Gap { pause, after }: Gap,
        until: u64,
        now: Instant,
    ) {
        self.resends.request((from, pause), after, until, now);
    }

    // ---- requests of this node

    /// Requests a resend from every node known before, over a new link.
    pub(in crate::exchange) fn request_resends(&mut self, out: &mut Effects) {
        for (id, gap) in self.other_nodes.gaps() {
            self.request(id, gap, out);
        }
    }

    /// Requests a resend from a node that has opened a new link.
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

    /// Repeats the request for a resend, and ends the pause if no answer arrives.
    pub(super) fn see_to_resend(&mut self, id: NodeId, (pause, ticks): (u64, u32), out: &mut Effects) -> Option<Timer> {
        let gap = self.other_nodes.awaited(id)?;
        if gap.pause != pause {
            // The link is new, and all requests were repeated when it opened.
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

    /// Handles a resent message, if it was missed and is for a connection of this node. Returns `None` if it is
    /// invalid.
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
        // Resent asks are dropped: the asker has given up, or soon will.
        let counts = matches!(what, What::Broadcast { .. } | What::Close { .. });
        if was_missed && counts && self.interest.needs(channel) {
            self.tallies.recovered += 1;
            self.take(Some(id), channel, what, out);
        }
    }

    /// Records that a piece of a resend was handled. The last piece ends a pause.
    pub(in crate::exchange) fn end_piece(&mut self, id: NodeId, ends: Option<u64>, out: &mut Effects) {
        if let (Some(pause), Some(progress)) = (ends, self.other_nodes.progress(id)) {
            progress.note_answer(pause);
        }
        self.count_missed(id, out);
        if let Some(pause) = ends {
            out.push(NodeEffect::Resume { id, pause });
        }
    }

    /// Ends a pause: handles held messages before any later message of a link.
    pub(in crate::exchange) fn resume(&mut self, id: NodeId, pause: u64, out: &mut Effects) {
        let held = self.other_nodes.resume(id, pause);
        self.count_missed(id, out);
        for held in held {
            self.take(Some(id), &held.channel, held.what, out);
        }
    }

    /// Counts messages that a node no longer keeps, and warns about them.
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
