//! What was missed is said again: after a link was lost, this server's or another's, the messages on their way then, and those
//! that were published meanwhile.
//!
//! A server asks each other one for what came after the last message that it heard of it. Until the answer is there, newer
//! messages of that server are held back, for a moment at most: so nothing comes twice or out of order.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::envelope::{self, Body, Enclosed};
use super::super::letter::{Arrival, Sender, What};
use super::super::others::NodeId;
use super::super::progress::{Gap, Turn};
use super::super::seam::Parcel;
use super::{Node, PoisonError, lock};

impl Node {
    // ---- what this server has said

    /// Keeps what is being published, for a while.
    pub(in crate::exchange) fn keep(&self, number: u64, parcel: &Parcel) {
        lock(&self.kept).push(number, parcel.clone(), Instant::now());
    }

    pub(in crate::exchange) fn forget_old(&self) {
        lock(&self.kept).expire(Instant::now());
    }

    /// Says again to one server what was published after message `after`, as far as it is kept, and that its pause ends with
    /// that: it may be in another by then.
    pub(super) fn say_again(&self, to: NodeId, pause: u64, after: u64) {
        let parcels = lock(&self.kept).after(after, Instant::now());
        let channel = self.dialect.of_server(to);
        let mut rest = &parcels[..];
        loop {
            let (some, more) = rest.split_at(enough(rest));
            let parcels = some.iter().map(Enclosed::of).collect();
            self.control(&channel, &Body::Again { parcels, ends: more.is_empty().then_some(pause) });
            if more.is_empty() {
                return;
            }
            rest = more;
        }
    }

    // ---- what the others have said

    /// Asks every server that was there before, over a link that is new.
    pub(in crate::exchange) fn ask_all_again(self: &Arc<Self>) {
        let gaps = lock(&self.others).gaps();
        gaps.into_iter().for_each(|(id, gap)| self.ask_for(id, gap));
    }

    /// Asks a server over a link of its own that is new.
    pub(super) fn ask_again(self: &Arc<Self>, id: NodeId) {
        let gap = lock(&self.others).progress(id).and_then(|progress| progress.gap());
        if let Some(gap) = gap {
            self.ask_for(id, gap);
        }
    }

    fn ask_for(self: &Arc<Self>, id: NodeId, Gap { pause, after }: Gap) {
        self.control(&self.dialect.of_server(id), &Body::Missed { pause, after });
        let node = Arc::downgrade(self);
        self.runtime.spawn(async move {
            sleep(PATIENCE).await;
            if let Some(node) = node.upgrade() {
                node.resume(id, pause);
            }
        });
    }

    /// Takes what a server says when its turn has come. Names a pause that is over with this.
    pub(super) fn take_in_turn(
        self: &Arc<Self>,
        from: Sender,
        channel: &str,
        what: What,
        size: usize,
    ) -> Option<(NodeId, u64)> {
        let (id, said) = (from.id, from.said);
        match what {
            What::Again { parcels, ends } => {
                parcels.iter().for_each(|parcel| self.take_again(id, parcel));
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
    fn take_again(self: &Arc<Self>, id: NodeId, Parcel { channel, payload }: &Parcel) {
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

    /// Ends a pause: what was held back has its turn, before anything else that a link brings.
    pub(super) fn resume(self: &Arc<Self>, id: NodeId, pause: u64) {
        let _alone = self.link.write().unwrap_or_else(PoisonError::into_inner);
        let held = lock(&self.others).progress(id).map(|progress| progress.resume(pause));
        for held in held.into_iter().flatten() {
            self.take(Some(id), &held.channel, held.what);
        }
    }
}

/// How many of `parcels` go together: at least one, if there is one.
fn enough(parcels: &[Parcel]) -> usize {
    let sizes = parcels.iter().scan(0, |sum, parcel| {
        *sum += parcel.channel.len() + parcel.payload.len();
        Some(*sum)
    });
    sizes.take_while(|sum| *sum <= MOST_TOGETHER).count().max(parcels.len().min(1))
}

/// How long newer messages are held back at most: as long as anything may take over a link that is not given up.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of what is said again at once.
const MOST_TOGETHER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use super::super::super::dialect::Dialect;
    use super::super::super::letter::Said;
    use super::super::super::queue::QueueLimits;
    use super::*;

    const OTHER: NodeId = NodeId([7; 16]);

    /// What the other says over its first link, as an answer to this server.
    fn hear(node: &Arc<Node>, link: u32, number: u64, body: &Body<'_>) {
        let channel = node.own_channels[1].clone();
        let mut letter = envelope::write(&channel, OTHER, body);
        envelope::seal(&mut letter, 1, Said { number, is_message: false }, None);
        node.receive(link, &channel, &letter.into_parcel().payload);
    }

    #[tokio::test]
    async fn the_answer_for_an_earlier_link_does_not_end_the_pause_of_this_one() {
        let node = Node::new(Dialect::native("app"), QueueLimits::default(), Handle::current());
        let first = node.next_link();
        hear(&node, first, 5, &Body::Alive { connections: 0 });
        let gap = |pause| vec![(OTHER, Gap { pause, after: 5 })];
        node.next_link();
        assert_eq!(lock(&node.others).gaps(), gap(1));
        let link = node.next_link();
        hear(&node, link, 6, &Body::Again { parcels: Vec::new(), ends: Some(1) });
        assert_eq!(lock(&node.others).gaps(), gap(2));
        hear(&node, link, 6, &Body::Again { parcels: Vec::new(), ends: Some(2) });
        assert_eq!(lock(&node.others).gaps(), []);
    }
}
