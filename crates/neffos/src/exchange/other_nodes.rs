//! The other nodes of the cluster. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::draft::{NodeSender, Sequence, What};
use super::node_id::NodeId;
use super::progress::{Gap, HeldMessage, NodeProgress, Turn};
use crate::budget::Charge;

#[derive(Debug, Default)]
pub(super) struct OtherNodes {
    /// In an order that follows from the ids, so that a simulation can repeat it.
    nodes: BTreeMap<NodeId, OtherNode>,
    /// The number of pauses so far. It numbers the requests for resends, so each has a different number.
    pauses: u64,
    warnings: MissedWarnings,
    /// The charge for held messages.
    charge: Charge,
}

/// The log lines about missed messages, limited so that many lost links do not fill the log.
#[derive(Debug, Default)]
struct MissedWarnings {
    since: Option<Instant>,
    count: u32,
}

#[derive(Debug)]
struct OtherNode {
    /// The number of its newest known link. Envelopes of an earlier link are out of order.
    epoch: u32,
    heard: Instant,
    /// The last link of this node over which the other node has shown that it receives.
    hears: u32,
    connections: Option<(u64, Instant)>,
    progress: NodeProgress,
    /// Whether a timer runs that ends its pause.
    is_awaited: bool,
    /// It was silent for long, and counts as gone. Its sequence number is remembered, since it may only have lost its
    /// link.
    is_silent: bool,
    /// It has left. Its earlier messages may still arrive, but do not bring it back.
    has_left: bool,
}

/// The action for an envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Process it.
    Fresh,
    /// Process it, and request a resend from the sender, which has opened another link. Either messages of the sender
    /// are missing, or an earlier request is unanswered and may have been lost with the sender's last link.
    Behind,
    /// Drop it: the sender has opened another link since, and its messages must stay in order.
    Stale,
}

/// The sums over all other nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::exchange) struct Census {
    pub(super) servers: usize,
    pub(super) connections: u64,
    /// The age of the oldest report.
    pub(super) age: Duration,
}

impl OtherNodes {
    pub(super) fn new(charge: Charge) -> Self {
        Self { charge, ..Self::default() }
    }

    /// Records an envelope of a node, received over link number `over` of this node.
    ///
    /// An unknown link of the other node is new, and began with its subscriptions. An envelope of a known link may be
    /// old, and even its last one: after a pause, a broker reads everything that its sockets hold, also from nodes that
    /// are gone.
    pub(super) fn hear(&mut self, from: NodeSender, over: u32, now: Instant) -> Freshness {
        let NodeSender { id, epoch, sequence, .. } = from;
        if let Some(other) = self.nodes.get_mut(&id) {
            if epoch < other.epoch {
                return Freshness::Stale;
            }
            let is_new = epoch > other.epoch;
            let was_silent = other.is_silent && !other.has_left;
            other.is_silent = other.has_left;
            (other.epoch, other.heard) = (epoch, now);
            other.hears = if is_new { over } else { other.hears };
            if (is_new || was_silent) && (other.progress.is_behind(sequence) || other.progress.gap().is_some()) {
                self.pauses += 1;
                other.progress.pause(self.pauses);
                return Freshness::Behind;
            }
            other.progress.note(sequence);
        } else {
            self.insert(id, OtherNode::begin(epoch, over, sequence, now));
        }
        Freshness::Fresh
    }

    fn insert(&mut self, id: NodeId, other: OtherNode) {
        if self.nodes.len() >= MOST {
            self.nodes.retain(|_, other| !other.is_silent);
        }
        if self.nodes.len() < MOST {
            self.nodes.insert(id, other);
        }
    }

    /// Records the end of this node's link: from now on, messages of any node may be missed.
    pub(super) fn pause(&mut self) {
        self.pauses += 1;
        self.nodes.values_mut().for_each(|other| other.progress.pause(self.pauses));
    }

    /// Records that dropped messages of a node are missing. Returns false if the node is unknown.
    pub(super) fn pause_one(&mut self, id: NodeId) -> bool {
        self.pauses += 1;
        let nth = self.pauses;
        self.progress(id).map(|progress| progress.pause(nth)).is_some()
    }

    /// Returns whether an unsigned envelope is stale. It changes nothing about its sender, because any client of the
    /// broker could have written it.
    pub(super) fn is_stale(&self, from: NodeSender) -> bool {
        self.nodes.get(&from.id).is_some_and(|other| from.epoch < other.epoch)
    }

    /// Returns whether the pause of a node needs a new timer that ends it. There is never more than one.
    pub(super) fn await_resend(&mut self, id: NodeId) -> bool {
        self.nodes.get_mut(&id).is_some_and(|other| !std::mem::replace(&mut other.is_awaited, true))
    }

    /// Returns the gap of a node. `None` ends its timer.
    pub(super) fn awaited(&mut self, id: NodeId) -> Option<Gap> {
        let other = self.nodes.get_mut(&id)?;
        let gap = other.progress.gap();
        other.is_awaited = gap.is_some();
        gap
    }

    /// Returns the gaps of all nodes.
    pub(super) fn gaps(&self) -> Vec<(NodeId, Gap)> {
        self.nodes.iter().filter_map(|(id, other)| Some((*id, other.progress.gap()?))).collect()
    }

    /// Handles a message of `size` bytes: at once, unless earlier ones are missing.
    pub(super) fn take(&mut self, (id, number): (NodeId, u64), channel: &str, what: What, size: usize) -> Turn {
        let Some(progress) = self.progress(id) else { return Turn::Now(what) };
        match progress.take(number, channel, what, size) {
            Turn::Later(pause) if self.account() > self.charge.share(4).min(MOST_BYTES_HELD) => Turn::TooMuch(pause),
            turn => turn,
        }
    }

    /// Ends a pause of a node, if it is still the current one. Returns the held messages.
    pub(super) fn resume(&mut self, id: NodeId, pause: u64) -> Vec<HeldMessage> {
        let held = self.progress(id).map_or_else(Vec::new, |progress| progress.resume(pause));
        self.account();
        held
    }

    /// Charges all held messages to the budget. Returns their approximate size.
    fn account(&mut self) -> usize {
        let held = self.nodes.values().map(|other| other.progress.held_bytes()).sum();
        self.charge.set_about(held);
        held
    }

    pub(super) fn progress(&mut self, id: NodeId) -> Option<&mut NodeProgress> {
        self.nodes.get_mut(&id).map(|other| &mut other.progress)
    }

    /// Returns how many messages of a node were missed since the last call.
    pub(super) fn take_missed(&mut self, id: NodeId) -> u64 {
        self.progress(id).map_or(0, NodeProgress::take_missed)
    }

    /// Returns whether the log may have another line about missed messages.
    pub(super) fn is_warning_due(&mut self, now: Instant) -> bool {
        let MissedWarnings { since, count } = &mut self.warnings;
        if since.is_none_or(|since| now.duration_since(since) >= WARNINGS_TIME) {
            (*since, *count) = (Some(now), 0);
        }
        *count = count.saturating_add(1);
        *count <= MOST_WARNINGS
    }

    /// Records that a node has answered an envelope of this node's link number `over`.
    pub(super) fn note_answer(&mut self, id: NodeId, over: u32) {
        if let Some(other) = self.nodes.get_mut(&id) {
            other.hears = over;
        }
    }

    pub(super) fn count(&mut self, id: NodeId, connections: u64, now: Instant) {
        if let Some(other) = self.nodes.get_mut(&id).filter(|other| !other.has_left) {
            other.connections = Some((connections, now));
        }
    }

    pub(super) fn knows(&self, id: NodeId) -> bool {
        self.nodes.get(&id).is_some_and(|other| !other.is_silent)
    }

    /// Records that a node has left for ever: its next start has another id. Returns false if it counted as gone
    /// before.
    pub(super) fn leave(&mut self, id: NodeId) -> bool {
        let Some(other) = self.nodes.get_mut(&id) else { return false };
        (other.has_left, other.connections) = (true, None);
        !std::mem::replace(&mut other.is_silent, true)
    }

    /// Marks nodes as gone that were silent for longer than `silence`, and returns them. Their sequence numbers are
    /// remembered for longer.
    pub(super) fn expire(&mut self, silence: Duration, now: Instant) -> Vec<NodeId> {
        let is_over = |other: &OtherNode, time| now.duration_since(other.heard) > time;
        let mut gone = Vec::new();
        for (id, other) in self.nodes.iter_mut().filter(|(_, other)| !other.is_silent && is_over(other, silence)) {
            (other.is_silent, other.connections) = (true, None);
            gone.push(*id);
        }
        self.nodes.retain(|_, other| !is_over(other, silence.max(MEMORY)));
        self.account();
        gone
    }

    /// Returns whether all known nodes receive over this node's link number `over`.
    pub(super) fn are_back(&self, over: u32) -> bool {
        self.here().all(|(_, other)| other.hears == over)
    }

    pub(super) fn ids(&self) -> Vec<NodeId> {
        self.here().map(|(id, _)| *id).collect()
    }

    /// Returns all known nodes, including those that count as gone.
    pub(super) fn remembered(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    fn here(&self) -> impl Iterator<Item = (&NodeId, &OtherNode)> {
        self.nodes.iter().filter(|(_, other)| !other.is_silent)
    }

    /// Returns the nodes that sent an envelope within `silence`.
    pub(super) fn heard_since(&self, silence: Duration, now: Instant) -> Vec<NodeId> {
        let heard = self.nodes.iter().filter(|(_, other)| now.duration_since(other.heard) <= silence);
        heard.map(|(id, _)| *id).collect()
    }

    pub(super) fn census(&self, now: Instant) -> Census {
        let counted = self.nodes.values().filter_map(|other| other.connections);
        let (connections, age) = counted.fold((0, Duration::ZERO), |(sum, age), (connections, told)| {
            (sum + connections, age.max(now.duration_since(told)))
        });
        Census { servers: self.here().count(), connections, age }
    }
}

impl OtherNode {
    fn begin(epoch: u32, hears: u32, sequence: Sequence, heard: Instant) -> Self {
        let progress = NodeProgress::begin(sequence);
        Self { epoch, heard, hears, connections: None, progress, is_awaited: false, is_silent: false, has_left: false }
    }
}

/// More nodes than any cluster has. A client of the broker could invent nodes.
const MOST: usize = 4096;
/// The most bytes of held messages, of all nodes together.
const MOST_BYTES_HELD: usize = 16 * 1024 * 1024;
/// How long the sequence number of a silent node is remembered.
const MEMORY: Duration = Duration::from_secs(60);
/// The most log lines about missed messages in this time.
const MOST_WARNINGS: u32 = 16;
const WARNINGS_TIME: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    const ONE: NodeId = NodeId([1; 16]);
    const TWO: NodeId = NodeId([2; 16]);

    fn from(id: NodeId, epoch: u32) -> NodeSender {
        NodeSender { id, epoch, sequence: Sequence::default(), seal: None }
    }

    #[test]
    fn envelopes_of_a_link_are_stale_once_the_next_one_is_known() {
        let (mut others, now) = (OtherNodes::default(), Instant::now());
        assert_eq!(others.hear(from(ONE, 1), 1, now), Freshness::Fresh);
        assert_eq!(others.hear(from(ONE, 2), 1, now), Freshness::Fresh);
        assert_eq!(others.hear(from(ONE, 1), 1, now), Freshness::Stale);
        assert_eq!(others.hear(from(TWO, 1), 1, now), Freshness::Fresh);
    }

    #[test]
    fn a_node_is_back_with_a_new_link_or_an_answer_over_ours() {
        let (mut others, now) = (OtherNodes::default(), Instant::now());
        assert!(others.are_back(7));
        others.hear(from(ONE, 1), 1, now);
        others.hear(from(TWO, 1), 1, now);
        others.hear(from(ONE, 2), 2, now);
        assert!(!others.are_back(2));
        others.note_answer(TWO, 2);
        assert!(others.are_back(2));
    }

    #[test]
    fn a_node_heard_only_over_an_old_link_is_not_back() {
        let (mut others, now) = (OtherNodes::default(), Instant::now());
        others.hear(from(ONE, 1), 1, now);
        others.hear(from(ONE, 1), 2, now);
        assert!(!others.are_back(2));
        others.hear(from(ONE, 2), 2, now);
        assert!(others.are_back(2));
    }

    #[test]
    fn a_new_link_of_a_node_leaves_a_gap_for_it_and_ours_for_all_nodes() {
        let (mut others, now) = (OtherNodes::default(), Instant::now());
        let sequence = |number| Sequence { number, is_message: false };
        others.hear(NodeSender { sequence: sequence(5), ..from(ONE, 1) }, 1, now);
        assert_eq!(others.hear(NodeSender { sequence: sequence(5), ..from(ONE, 2) }, 1, now), Freshness::Fresh);
        assert_eq!(others.hear(NodeSender { sequence: sequence(7), ..from(ONE, 3) }, 1, now), Freshness::Behind);
        assert_eq!(others.gaps(), [(ONE, Gap { pause: 1, after: 5 })]);
        others.hear(from(TWO, 1), 1, now);
        others.pause();
        let mut gaps = others.gaps();
        gaps.sort_unstable_by_key(|(id, _)| id.0);
        assert_eq!(gaps, [(ONE, Gap { pause: 2, after: 5 }), (TWO, Gap { pause: 2, after: 0 })]);
    }

    #[test]
    fn a_new_link_of_a_node_that_has_not_answered_repeats_the_request() {
        let (mut others, now) = (OtherNodes::default(), Instant::now());
        others.hear(from(ONE, 1), 1, now);
        others.pause();
        assert_eq!(others.hear(from(ONE, 1), 2, now), Freshness::Fresh);
        assert_eq!(others.hear(from(ONE, 2), 2, now), Freshness::Behind);
        assert_eq!(others.gaps(), [(ONE, Gap { pause: 2, after: 0 })]);
    }

    #[test]
    fn a_pause_has_one_task_that_waits_for_its_end() {
        let (mut others, now) = (OtherNodes::default(), Instant::now());
        assert!(!others.await_resend(ONE));
        others.hear(from(ONE, 1), 1, now);
        others.pause();
        assert_eq!([others.await_resend(ONE), others.await_resend(ONE)], [true, false]);
        assert_eq!(others.awaited(ONE), Some(Gap { pause: 1, after: 0 }));
        others.progress(ONE).unwrap().resume(1);
        assert_eq!(others.awaited(ONE), None);
        assert!(others.pause_one(ONE) && others.await_resend(ONE) && !others.pause_one(TWO));
    }

    #[test]
    fn an_unsigned_envelope_of_an_old_link_is_stale_and_changes_nothing() {
        let (mut others, now) = (OtherNodes::default(), Instant::now());
        others.hear(from(ONE, 2), 1, now);
        assert_eq!([1, 2, 9].map(|epoch| others.is_stale(from(ONE, epoch))), [true, false, false]);
        assert_eq!(others.hear(from(ONE, 3), 1, now), Freshness::Fresh);
        assert!(!others.is_stale(from(TWO, 1)));
        assert_eq!(others.ids(), [ONE]);
    }

    #[test]
    fn however_many_are_behind_only_so_much_is_held_back() {
        let (mut others, now) = (OtherNodes::default(), Instant::now());
        let ids: Vec<_> = (0..64_u128).map(|nth| NodeId(nth.to_be_bytes())).collect();
        for id in &ids {
            others.hear(from(*id, 1), 1, now);
        }
        others.pause();
        let mut take = |id: &NodeId| others.take((*id, 1), "c", What::Bye, 1024 * 1024 - size_of::<HeldMessage>());
        assert!(ids[..16].iter().all(|id| matches!(take(id), Turn::Later(1))));
        assert!(matches!(take(&ids[16]), Turn::TooMuch(1)));
        assert!(matches!(others.take((NodeId([9; 16]), 1), "c", What::Bye, 1), Turn::Now(_)));
    }

    #[test]
    fn held_messages_are_charged_and_take_at_most_a_quarter_of_the_budget() {
        const PIECE: usize = 64 * 1024;
        let budget = Budget::new(16 * PIECE);
        let (mut others, now) = (OtherNodes::new(budget.charge(0)), Instant::now());
        others.hear(from(ONE, 1), 1, now);
        others.pause();
        for number in 1..=4 {
            assert!(matches!(
                others.take((ONE, number), "c", What::Bye, PIECE - size_of::<HeldMessage>()),
                Turn::Later(1)
            ));
        }
        assert!(matches!(others.take((ONE, 5), "c", What::Bye, 1), Turn::TooMuch(1)));
        assert!((4 * PIECE..5 * PIECE).contains(&budget.used()), "{}", budget.used());
        assert_eq!(others.resume(ONE, 1).len(), 5);
        assert_eq!(budget.used(), 0);
        others.pause();
        others.take((ONE, 6), "c", What::Bye, PIECE);
        others.expire(Duration::ZERO, now + MEMORY + Duration::from_secs(1));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_silent_node_is_forgotten_with_its_connections() {
        let (mut others, start) = (OtherNodes::default(), Instant::now());
        others.hear(from(ONE, 1), 1, start);
        others.count(ONE, 5, start);
        let later = start + Duration::from_secs(8);
        others.hear(from(TWO, 1), 1, later);
        others.count(TWO, 7, later);
        assert_eq!(others.census(later), Census { servers: 2, connections: 12, age: Duration::from_secs(8) });
        assert_eq!(others.expire(Duration::from_secs(7), later), [ONE]);
        assert!(!others.knows(ONE) && others.knows(TWO));
        assert_eq!(others.census(later), Census { servers: 1, connections: 7, age: Duration::ZERO });
        assert!(others.ids() == [TWO] && others.remembered().len() == 2 && others.are_back(1));
        others.expire(Duration::from_secs(7), later + MEMORY);
        assert_eq!(others.remembered(), [TWO]);
    }

    #[test]
    fn earlier_envelopes_do_not_bring_back_a_node_that_has_left() {
        let (mut others, now) = (OtherNodes::default(), Instant::now());
        others.hear(from(ONE, 1), 1, now);
        others.count(ONE, 5, now);
        assert_eq!([others.leave(ONE), others.leave(ONE), others.leave(TWO)], [true, false, false]);
        // A message that arrives later over another path is delivered like any other.
        assert_eq!(
            others.hear(NodeSender { sequence: Sequence { number: 9, is_message: true }, ..from(ONE, 1) }, 1, now),
            Freshness::Fresh
        );
        others.count(ONE, 5, now);
        assert!(!others.knows(ONE) && others.census(now) == Census::default(), "{others:?}");
        others.expire(Duration::from_secs(10), now + MEMORY + Duration::from_secs(1));
        assert_eq!(others.remembered(), []);
    }

    #[test]
    fn a_node_that_was_silent_is_asked_for_its_missed_messages() {
        let (mut others, start) = (OtherNodes::default(), Instant::now());
        let sequence = |number| NodeSender { sequence: Sequence { number, is_message: false }, ..from(ONE, 1) };
        others.hear(sequence(5), 1, start);
        let later = start + Duration::from_secs(12);
        others.expire(Duration::from_secs(10), later);
        assert_eq!(others.hear(sequence(9), 1, later), Freshness::Behind);
        assert_eq!((others.gaps(), others.ids()), (vec![(ONE, Gap { pause: 1, after: 5 })], vec![ONE]));
    }

    #[test]
    fn many_gaps_write_a_limited_number_of_lines() {
        let (mut others, start) = (OtherNodes::default(), Instant::now());
        let lines = |others: &mut OtherNodes, now| (0..100).filter(|_| others.is_warning_due(now)).count();
        assert_eq!(lines(&mut others, start), 16);
        assert_eq!(lines(&mut others, start + Duration::from_secs(9)), 0);
        assert_eq!(lines(&mut others, start + Duration::from_secs(10)), 16);
    }

    #[test]
    fn recently_heard_nodes_are_distinguished() {
        let (mut others, start) = (OtherNodes::default(), Instant::now());
        others.hear(from(ONE, 1), 1, start);
        others.hear(from(TWO, 1), 1, start + Duration::from_secs(2));
        assert_eq!(others.heard_since(Duration::from_secs(4), start + Duration::from_secs(5)), [TWO]);
    }

    #[test]
    fn invented_servers_take_only_so_much_room() {
        let (mut others, now) = (OtherNodes::default(), Instant::now());
        for nth in 0..2 * MOST as u128 {
            others.hear(from(NodeId(nth.to_be_bytes()), 1), 1, now);
        }
        assert_eq!(others.ids().len(), MOST);
    }
}
