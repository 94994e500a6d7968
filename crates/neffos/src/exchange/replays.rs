//! Detection of replayed signed envelopes, which are dropped before they have any effect. Pure.
//!
//! The signature of an envelope covers a [`Seal`]: a serial number, which grows with every envelope of a node, and the
//! time since the node started. A node accepts an envelope once: its serial number must be higher than that of the last
//! one.
//!
//! For an unknown sender, a node cannot tell a new envelope from a recorded one.
//!
//! - It holds the sender's envelopes, and sends a challenge with a random number. It accepts them when the sender
//!   repeats this number.
//! - The proof also carries the sender's time, so clocks need not agree. Held envelopes that were sealed too long
//!   before the proof, or before this node had its broker link, are dropped. (The latter check is as exact as the proof
//!   is fast.)

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::draft::{NodeSender, What};
use super::node_id::NodeId;
use super::seal::Seal;
use crate::budget::Charge;

/// The order in which a broker delivers the envelopes of one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// In the order in which they were published.
    #[default]
    Total,
    /// In the order in which they were published on each channel.
    PerChannel,
}

/// A signed envelope that waits for a proof of its sender.
#[derive(Debug)]
pub(super) struct HeldEnvelope {
    pub(super) from: NodeSender,
    pub(super) channel: Arc<str>,
    pub(super) what: What,
    pub(super) size: usize,
}

/// The action for an envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReplayVerdict {
    Accept,
    /// Hold it until its sender has sent a proof.
    Hold,
    /// It was accepted before.
    Drop,
}

/// The result of holding an envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Holding {
    /// It is the first of its sender, which must be challenged.
    First,
    Another,
    /// There is no room.
    Dropped,
}

/// The envelopes that a proof releases.
#[derive(Debug, Default)]
pub(super) struct Proven {
    pub(super) envelopes: Vec<HeldEnvelope>,
    /// How many envelopes were dropped: they were accepted before, or are too old.
    pub(super) dropped: u64,
}

#[derive(Debug)]
pub(super) struct ReplayGuard {
    start: Instant,
    linked: Instant,
    order: Order,
    known: HashMap<NodeId, Known>,
    unproven: HashMap<NodeId, Unproven>,
    held_bytes: usize,
    charge: Charge,
    warned: Option<Instant>,
}

/// A node that has sent a proof.
#[derive(Debug, Default)]
struct Known {
    seen: Seen,
    /// An upper bound of this node's clock minus the other node's clock, in milliseconds, because an envelope takes
    /// some time.
    offset: i64,
    /// Envelopes sealed before this time of the sender's clock are not for this node.
    not_before: u64,
    heard: u64,
}

/// A node that has not sent its proof yet.
#[derive(Debug)]
struct Unproven {
    nonce: u64,
    held: Vec<HeldEnvelope>,
    bytes: usize,
}

impl ReplayGuard {
    pub(super) fn new(now: Instant, charge: Charge) -> Self {
        Self {
            start: now,
            linked: now,
            order: Order::default(),
            known: HashMap::new(),
            unproven: HashMap::new(),
            held_bytes: 0,
            charge,
            warned: None,
        }
    }

    /// Begins a new broker link. Drops envelopes held over an earlier one, because their messages are requested again.
    pub(super) fn link_up(&mut self, order: Order, now: Instant) {
        (self.linked, self.order) = (now, order);
        self.unproven.clear();
        self.set_held(0);
    }

    pub(super) fn screen(&mut self, id: NodeId, seal: Seal, now: Instant) -> ReplayVerdict {
        let now = self.clock(now);
        let Some(known) = self.known.get_mut(&id) else { return ReplayVerdict::Hold };
        if !known.is_new(seal, self.order) {
            return ReplayVerdict::Drop;
        }
        if self.unproven.contains_key(&id) || known.age(seal, now) > MAX_AGE {
            // The sender's clock may have stopped with its machine, or drifted. The proof shows it.
            return ReplayVerdict::Hold;
        }
        known.accept(seal, self.order, now);
        ReplayVerdict::Accept
    }

    /// Returns whether an envelope has certainly been accepted before.
    pub(super) fn is_replay(&self, id: NodeId, seal: Seal) -> bool {
        self.known.get(&id).is_some_and(|known| !known.is_new(seal, self.order))
    }

    /// Holds an envelope. If it is the first one of its sender, `nonce` is the number of the challenge.
    pub(super) fn hold(&mut self, envelope: HeldEnvelope, nonce: u64) -> Holding {
        let (id, size) = (envelope.from.id, envelope.size + size_of::<HeldEnvelope>());
        let is_first = !self.unproven.contains_key(&id);
        if (is_first && self.unproven.len() >= MOST_UNPROVEN)
            || self.held_bytes + size > self.charge.share(16).min(MOST_BYTES)
        {
            return Holding::Dropped;
        }
        let unproven = self.unproven.entry(id).or_insert(Unproven { nonce, held: Vec::new(), bytes: 0 });
        if unproven.bytes + size > MOST_BYTES_EACH && !is_first {
            return Holding::Dropped;
        }
        unproven.bytes += size;
        unproven.held.push(envelope);
        self.set_held(self.held_bytes + size);
        if is_first { Holding::First } else { Holding::Another }
    }

    /// Returns whether the challenge still waits for its proof.
    pub(super) fn waits(&self, id: NodeId, nonce: u64) -> bool {
        self.unproven.get(&id).is_some_and(|unproven| unproven.nonce == nonce)
    }

    /// Handles a proof: the sender of `seal` has repeated `nonce`. Returns `None` if there was no challenge with this
    /// nonce.
    pub(super) fn prove(&mut self, id: NodeId, nonce: u64, seal: Seal, now: Instant) -> Option<Proven> {
        let unproven = self.take(id, nonce)?;
        if !self.known.contains_key(&id) && self.known.len() >= MOST_KNOWN {
            return None;
        }
        // Milliseconds are rounded, at both ends.
        let since_link = millis(now.duration_since(self.linked)).saturating_add(2);
        let oldest = seal.sealed_at.saturating_sub(since_link.min(MAX_AGE as u64));
        let (order, now) = (self.order, self.clock(now));
        let known = self.known.entry(id).or_default();
        known.not_before = oldest;
        known.offset = signed(now).saturating_sub(signed(seal.sealed_at));
        let mut admission = Proven::default();
        for envelope in unproven.held {
            let seal = envelope.from.seal.unwrap_or_default();
            if seal.sealed_at < oldest || !known.is_new(seal, order) {
                admission.dropped += 1;
                continue;
            }
            known.accept(seal, order, now);
            admission.envelopes.push(envelope);
        }
        known.accept(seal, order, now);
        Some(admission)
    }

    /// Gives up on a node that sends no proof. Returns how many of its envelopes are dropped.
    pub(super) fn give_up(&mut self, id: NodeId, nonce: u64) -> u64 {
        self.take(id, nonce).map_or(0, |unproven| unproven.held.len() as u64)
    }

    fn take(&mut self, id: NodeId, nonce: u64) -> Option<Unproven> {
        if !self.waits(id, nonce) {
            return None;
        }
        let unproven = self.unproven.remove(&id)?;
        self.set_held(self.held_bytes - unproven.bytes);
        Some(unproven)
    }

    fn set_held(&mut self, bytes: usize) {
        self.held_bytes = bytes;
        self.charge.set_about(bytes);
    }

    /// Returns whether the log may have another line about dropped envelopes. The limit keeps an attacker from filling
    /// the log.
    pub(super) fn is_warning_due(&mut self, now: Instant) -> bool {
        let is_due = self.warned.is_none_or(|warned| now.duration_since(warned) >= BETWEEN_WARNINGS);
        self.warned = if is_due { Some(now) } else { self.warned };
        is_due
    }

    /// Forgets nodes that were silent for so long that all their recorded envelopes are too old.
    pub(super) fn expire(&mut self, now: Instant) {
        let now = self.clock(now);
        self.known.retain(|_, known| now.saturating_sub(known.heard) <= MEMORY);
    }

    /// Returns this node's clock, in milliseconds.
    fn clock(&self, now: Instant) -> u64 {
        millis(now.duration_since(self.start))
    }
}

impl Known {
    /// Returns a lower bound of the time that an envelope has travelled, in milliseconds.
    fn age(&self, seal: Seal, now: u64) -> i64 {
        signed(now).saturating_sub(self.offset).saturating_sub(signed(seal.sealed_at))
    }

    fn is_new(&self, seal: Seal, order: Order) -> bool {
        // If only channels keep their order, a lower number proves nothing about the time.
        self.seen.is_new(seal.serial, order) && (order == Order::Total || seal.sealed_at >= self.not_before)
    }

    fn accept(&mut self, seal: Seal, order: Order, now: u64) {
        self.seen.note(seal.serial, order);
        self.heard = now;
        self.offset = self.offset.min(signed(now).saturating_sub(signed(seal.sealed_at)));
    }
}

/// The accepted serial numbers.
#[derive(Debug, Default)]
struct Seen {
    highest: u64,
    /// A bit for each of the latest numbers, up to `highest` in the last word. Empty if the order is total.
    words: VecDeque<u64>,
}

impl Seen {
    fn is_new(&self, serial: u64, order: Order) -> bool {
        if serial > self.highest || order == Order::Total {
            return serial > self.highest;
        }
        let back = self.highest / 64 - serial / 64;
        let is_known = |back: usize| self.word(back).is_some_and(|word| word & (1 << (serial % 64)) != 0);
        back < MOST_WORDS as u64 && !is_known(back as usize)
    }

    fn note(&mut self, serial: u64, order: Order) {
        if order == Order::Total {
            self.highest = self.highest.max(serial);
            return;
        }
        if serial > self.highest {
            let forward = (serial / 64 - self.highest / 64).min(MOST_WORDS as u64);
            (0..forward).for_each(|_| self.words.push_back(0));
            self.highest = serial;
        }
        let back = self.highest / 64 - serial / 64;
        while self.words.len() as u64 <= back.min(MOST_WORDS as u64) {
            self.words.push_front(0);
        }
        let surplus = self.words.len().saturating_sub(MOST_WORDS);
        self.words.drain(..surplus);
        let nth = self.words.len().checked_sub(back as usize + 1);
        if let Some(word) = nth.and_then(|nth| self.words.get_mut(nth)) {
            *word |= 1 << (serial % 64);
        }
    }

    /// Returns the word `back` places before the last one.
    fn word(&self, back: usize) -> Option<u64> {
        self.words.len().checked_sub(back + 1).map(|nth| self.words[nth])
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// The greatest age of an envelope, in milliseconds. A broker link that takes more than three seconds for any call is
/// dropped, at either end. This is shorter than any silence after which a node is forgotten.
const MAX_AGE: i64 = 8_000;
/// How long a silent node is remembered, in milliseconds.
const MEMORY: u64 = 60_000;
const BETWEEN_WARNINGS: Duration = Duration::from_secs(10);
/// More nodes than any cluster has.
const MOST_KNOWN: usize = 4096;
/// How many nodes may be challenged at the same time.
const MOST_UNPROVEN: usize = 1024;
/// The most bytes that are held of one node, and of all.
const MOST_BYTES_EACH: usize = 1024 * 1024;
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// If a broker keeps only the order of each channel, an envelope may arrive after 64 times as many later ones.
const MOST_WORDS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::super::draft::Sequence;
    use super::*;

    const ONE: NodeId = NodeId([1; 16]);
    const NONCE: u64 = 77;

    fn envelope(serial: u64, sealed_at: u64) -> HeldEnvelope {
        let from =
            NodeSender { id: ONE, epoch: 1, sequence: Sequence::default(), seal: Some(Seal { serial, sealed_at }) };
        HeldEnvelope { from, channel: "c".into(), what: What::Bye, size: 10 }
    }

    /// Holds an envelope if the verdict is to hold it.
    fn is_held(gate: &mut ReplayGuard, envelope: HeldEnvelope, now: Instant) -> bool {
        let verdict = gate.screen(envelope.from.id, envelope.from.seal.unwrap(), now);
        verdict == ReplayVerdict::Hold && gate.hold(envelope, NONCE) != Holding::Dropped
    }

    /// Returns a guard that has accepted the proof with serial number 10, sealed when the other node was 50 seconds
    /// old.
    fn proven(order: Order) -> (ReplayGuard, Instant) {
        let now = Instant::now();
        let mut gate = ReplayGuard::new(now, Charge::default());
        gate.link_up(order, now);
        assert!(is_held(&mut gate, envelope(9, 50_000), now));
        let admission = gate.prove(ONE, NONCE, Seal { serial: 10, sealed_at: 50_000 }, now).unwrap();
        assert_eq!((serials(&admission), admission.dropped), (vec![9], 0));
        (gate, now)
    }

    fn serials(admission: &Proven) -> Vec<u64> {
        admission.envelopes.iter().map(|envelope| envelope.from.seal.unwrap().serial).collect()
    }

    fn is_accepted(gate: &mut ReplayGuard, serial: u64, sealed_at: u64, now: Instant) -> bool {
        gate.screen(ONE, Seal { serial, sealed_at }, now) == ReplayVerdict::Accept
    }

    #[test]
    fn an_envelope_is_accepted_once_and_not_behind_later_ones() {
        let (mut gate, now) = proven(Order::Total);
        assert!(is_accepted(&mut gate, 11, 50_000, now));
        assert!(!is_accepted(&mut gate, 11, 50_000, now));
        assert!(is_accepted(&mut gate, 13, 50_001, now));
        assert!(!is_accepted(&mut gate, 12, 50_001, now));
    }

    #[test]
    fn where_only_channels_keep_their_order_each_envelope_is_accepted_once_in_any_order() {
        let (mut gate, now) = proven(Order::PerChannel);
        for serial in [200, 12, 11, 199, 64, 63, 8] {
            assert!(is_accepted(&mut gate, serial, 50_000, now), "{serial}");
        }
        for serial in [200, 12, 11, 199, 64, 63, 8, 9, 10] {
            assert!(!is_accepted(&mut gate, serial, 50_000, now), "{serial}");
        }
        assert!(!is_accepted(&mut gate, 198, 49_000, now), "it was sealed before this node was linked");
        let far = 200 + 64 * MOST_WORDS as u64;
        assert!(is_accepted(&mut gate, far, 50_000, now));
        assert!(!is_accepted(&mut gate, 198, 50_000, now), "it is too far behind");
        assert!(is_accepted(&mut gate, far - 64 * 500, 50_000, now));
        assert!(!is_accepted(&mut gate, far - 64 * 500, 50_000, now));
        assert!(!is_accepted(&mut gate, far, 50_000, now));
        assert!(gate.known[&ONE].seen.words.len() <= MOST_WORDS);
    }

    #[test]
    fn envelopes_from_before_the_broker_link_are_dropped_when_their_sender_proves_itself() {
        let start = Instant::now();
        let mut gate = ReplayGuard::new(start, Charge::default());
        let linked = start + Duration::from_secs(3);
        gate.link_up(Order::Total, linked);
        // The other node is 60 seconds old when this one is linked.
        for (serial, sealed_at) in [(5, 59_900), (6, 60_000), (7, 60_001), (6, 60_000)] {
            assert!(is_held(&mut gate, envelope(serial, sealed_at), linked));
        }
        let proof = Seal { serial: 8, sealed_at: 60_005 };
        let admission = gate.prove(ONE, NONCE, proof, linked + Duration::from_millis(5)).unwrap();
        assert_eq!((serials(&admission), admission.dropped), (vec![6, 7], 2));
        assert!(!is_accepted(&mut gate, 8, 60_005, linked));
    }

    #[test]
    fn an_envelope_that_is_too_old_is_dropped_after_a_proof_and_one_of_a_clock_that_stood_still_is_not() {
        let (mut gate, start) = proven(Order::Total);
        let now = start + Duration::from_secs(20);
        // The first was sealed early and withheld. The second was sealed just now by a node whose clock stood still for
        // 20 seconds.
        for (serial, sealed_at) in [(11, 50_000), (12, 69_000)] {
            assert!(is_held(&mut gate, envelope(serial, sealed_at), now));
        }
        let admission = gate.prove(ONE, NONCE, Seal { serial: 13, sealed_at: 70_000 }, now).unwrap();
        assert_eq!((serials(&admission), admission.dropped), (vec![12], 1));
        let later = now + Duration::from_secs(20);
        assert!(is_held(&mut gate, envelope(14, 70_500), later));
        let admission = gate.prove(ONE, NONCE, Seal { serial: 15, sealed_at: 70_500 }, later).unwrap();
        assert_eq!((serials(&admission), admission.dropped), (vec![14], 0));
    }

    #[test]
    fn the_log_has_a_warning_every_ten_seconds_at_most() {
        let start = Instant::now();
        let mut gate = ReplayGuard::new(start, Charge::default());
        let due = [0, 1, 9, 10, 19, 21].map(|second| gate.is_warning_due(start + Duration::from_secs(second)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }

    #[test]
    fn only_the_right_number_is_a_proof_and_it_counts_once() {
        let now = Instant::now();
        let mut gate = ReplayGuard::new(now, Charge::default());
        assert_eq!(gate.hold(envelope(1, 0), NONCE), Holding::First);
        assert_eq!(gate.hold(envelope(2, 0), NONCE), Holding::Another);
        let seal = Seal { serial: 3, sealed_at: 0 };
        assert!(gate.prove(ONE, NONCE + 1, seal, now).is_none());
        assert!(gate.prove(NodeId([2; 16]), NONCE, seal, now).is_none());
        assert!(gate.prove(ONE, NONCE, seal, now).is_some());
        assert!(gate.prove(ONE, NONCE, seal, now).is_none());
    }

    #[test]
    fn a_node_that_does_not_prove_itself_takes_little_room_and_not_for_long() {
        let now = Instant::now();
        let mut gate = ReplayGuard::new(now, Charge::default());
        let large = |serial| HeldEnvelope { size: 100_000, ..envelope(serial, 0) };
        assert_eq!((1..100).filter(|serial| is_held(&mut gate, large(*serial), now)).count(), 10);
        for nth in 0..2_000_u128 {
            let mut other = envelope(1, 0);
            other.from.id = NodeId(nth.to_be_bytes());
            is_held(&mut gate, other, now);
        }
        assert_eq!(gate.unproven.len(), MOST_UNPROVEN);
        assert_eq!(gate.give_up(ONE, NONCE), 10);
        assert!(!gate.waits(ONE, NONCE));
        gate.link_up(Order::Total, now);
        assert_eq!((gate.unproven.len(), gate.held_bytes), (0, 0));
    }

    #[test]
    fn a_node_is_forgotten_long_after_its_last_envelope_has_become_too_old() {
        let (mut gate, start) = proven(Order::Total);
        gate.expire(start + Duration::from_secs(59));
        assert_eq!(gate.known.len(), 1);
        gate.expire(start + Duration::from_secs(61));
        assert_eq!(gate.known.len(), 0);
    }
}
