//! Messages that were lost with a broker link are resent: those on their way when it broke, and those that were published before
//! the next one was open.
//!
//! On a new link, a node requests from every other node the messages after the last one that it received. It repeats the request
//! until the answer arrives: the other node may have no link yet. Newer messages of that node are held until then, for three
//! seconds of the link at most. So no message of a node is delivered twice or out of order. A node that has ended never answers:
//! its held messages may be delivered behind messages of the node that took its place.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::draft::{Arrival, What};
use super::super::envelope::{self, Body};
use super::super::node_id::NodeId;
use super::super::parcel::Parcel;
use super::super::progress::{Gap, Turn};
use super::super::resends::PATIENCE;
use super::hear::Heard;
use super::{Node, PoisonError};
use crate::lock::lock;

impl Node {
    // ---- what this server has said

    /// Keeps what is being published, for a while.
    pub(in crate::exchange) fn keep(&self, number: u64, parcel: &Parcel) {
        lock(&self.kept).push(number, parcel.clone(), Instant::now());
    }

    pub(in crate::exchange) fn forget_old(&self) {
        lock(&self.kept).expire(Instant::now());
    }

    /// Resends to one node the messages that were published after the last one that it received, if they are still kept.
    pub(super) fn resend(&self, to: NodeId, Gap { pause, after }: Gap) {
        let until = lock(&self.queue).said();
        lock(&self.resends).request((to, pause), after, until, Instant::now());
        self.queue_changed.notify_one();
    }

    // ---- what the others have said

    /// Asks every server that was there before, over a link that is new.
    pub(in crate::exchange) fn request_resends(self: &Arc<Self>) {
        let gaps = lock(&self.others).gaps();
        gaps.into_iter().for_each(|(id, gap)| self.ask_for(id, gap));
    }

    /// Asks a server over a link of its own that is new.
    pub(super) fn request_resend(self: &Arc<Self>, id: NodeId) {
        let gap = lock(&self.others).progress(id).and_then(|progress| progress.gap());
        if let Some(gap) = gap {
            self.ask_for(id, gap);
        }
    }

    fn ask_for(self: &Arc<Self>, id: NodeId, gap: Gap) {
        self.request(id, gap);
        let is_awaited = !lock(&self.others).await_resend(id);
        if !is_awaited {
            self.runtime.spawn(see_to_end(Arc::downgrade(self), id, gap.pause));
        }
    }

    fn request(&self, id: NodeId, Gap { pause, after }: Gap) {
        self.control(&self.dialect.of_server(id), &Body::RequestResend { pause, after });
    }

    /// Takes what a server says when its turn has come. Names a pause that is over with this.
    pub(super) fn take_in_turn(self: &Arc<Self>, heard: Heard<'_>) -> Option<(NodeId, u64)> {
        let Heard { from, channel, what, size } = heard;
        let (id, said) = (from.id, from.said);
        match what {
            What::Resent { parcels, ends } => {
                parcels.iter().for_each(|parcel| self.take_resent(id, parcel));
                self.note_resent(id, ends);
                return ends.map(|pause| (id, pause));
            }
            what if said.is_message => {
                let turn = lock(&self.others).take((id, said.number), channel, what, size);
                match turn {
                    Turn::Now(what) => self.take(Some(id), channel, what),
                    Turn::TooMuch(pause) => return Some((id, pause)),
                    Turn::Later(_) | Turn::Done => {}
                }
            }
            what => self.take(Some(id), channel, what),
        }
        None
    }

    /// Takes a message that is said again, if it was missed and is for somebody here.
    fn take_resent(self: &Arc<Self>, id: NodeId, Parcel { channel, payload }: &Parcel) {
        let Ok(Arrival { from: Some(from), what }) = envelope::read(channel, payload, self.dialect.key()) else {
            return self.tallies.rejected.add(1);
        };
        if from.id != id || !from.said.is_message {
            return self.tallies.rejected.add(1);
        }
        let was_missed = lock(&self.others).progress(id).is_some_and(|progress| progress.repeat(from.said.number));
        // Who asked something has given up, or soon will.
        let counts = matches!(what, What::Broadcast { .. } | What::Close { .. });
        if was_missed && counts && lock(&self.interest).needs(channel) {
            self.tallies.recovered.add(1);
            self.take(Some(id), channel, what);
        }
    }

    /// A piece of a resend was heard, and perhaps the last of a pause.
    fn note_resent(&self, id: NodeId, ends: Option<u64>) {
        let missed = {
            let mut others = lock(&self.others);
            if let (Some(pause), Some(progress)) = (ends, others.progress(id)) {
                progress.note_answer(pause);
            }
            others.take_missed(id)
        };
        self.note_missed(id, missed);
    }

    /// Counts messages that a node no longer keeps, and warns of them.
    pub(super) fn note_missed(&self, from: NodeId, count: u64) {
        if count == 0 {
            return;
        }
        self.tallies.missed.add(count);
        let total = self.tallies.missed.read();
        let is_due = lock(&self.others).is_warning_due(Instant::now());
        if is_due {
            tracing::warn!(node = %from, count, total, "missed messages of another server: it keeps them no longer");
        }
    }

    /// Ends a pause: what was held back has its turn, before anything else that a link brings.
    pub(super) fn resume(self: &Arc<Self>, id: NodeId, pause: u64) {
        let _alone = self.link.write().unwrap_or_else(PoisonError::into_inner);
        let (held, missed) = {
            let mut others = lock(&self.others);
            (others.resume(id, pause), others.take_missed(id))
        };
        self.note_missed(id, missed);
        for held in held {
            self.take(Some(id), &held.channel, held.what);
        }
    }
}

/// Repeats the request for a resend of node `id`, and ends its pause when no answer comes.
async fn see_to_end(node: Weak<Node>, id: NodeId, mut pause: u64) {
    let mut ticks = 0;
    loop {
        sleep(TICK).await;
        let Some(node) = node.upgrade() else { return };
        let awaited = lock(&node.others).awaited(id);
        let Some(gap) = awaited else { return };
        if gap.pause != pause {
            // A new link: everything was requested anew when it opened.
            (pause, ticks) = (gap.pause, 0);
            continue;
        }
        ticks += 1;
        if ticks >= MOST_TICKS {
            node.resume(id, pause);
        } else if REPEATS.contains(&ticks) {
            node.request(id, gap);
        }
    }
}

const TICK: Duration = Duration::from_millis(100);
/// After how many ticks newer messages are held no longer. That is as long as anything may take over a broker link.
const MOST_TICKS: u32 = (PATIENCE.as_millis() / TICK.as_millis()) as u32;
/// After how many ticks a request is repeated.
const REPEATS: [u32; 3] = [1, 4, 13];

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use super::super::super::dialect::Dialect;
    use super::super::super::draft::Said;
    use super::super::super::queue::QueueLimits;
    use super::*;
    use crate::budget::Budget;

    const OTHER: NodeId = NodeId([7; 16]);

    /// What the other says over its first link, as an answer to this server.
    fn hear(node: &Arc<Node>, link: u32, number: u64, body: &Body<'_>) {
        let channel = node.own_channels[1].clone();
        let mut draft = envelope::write(&channel, OTHER, body);
        envelope::seal(&mut draft, 1, Said { number, is_message: false }, None);
        node.receive(link, &channel, &draft.into_parcel().payload);
    }

    #[tokio::test]
    async fn the_answer_for_an_earlier_link_does_not_end_the_pause_of_this_one() {
        let node = Node::new(Dialect::native("app"), (QueueLimits::default(), &Budget::unlimited()), Handle::current());
        let first = node.next_link();
        hear(&node, first, 5, &Body::Alive { connections: 0 });
        let gap = |pause| vec![(OTHER, Gap { pause, after: 5 })];
        node.next_link();
        assert_eq!(lock(&node.others).gaps(), gap(2));
        let link = node.next_link();
        hear(&node, link, 6, &Body::Resent { parcels: Vec::new(), ends: Some(2) });
        assert_eq!(lock(&node.others).gaps(), gap(3));
        hear(&node, link, 6, &Body::Resent { parcels: Vec::new(), ends: Some(3) });
        assert_eq!(lock(&node.others).gaps(), []);
    }
}
