//! The rules of a node, without a runtime: instants and envelopes in, effects out.

use std::time::Duration;

use smol_str::SmolStr;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::super::draft::{NodeAsk, NodeSender, Sequence, What};
use super::super::super::native::{self, Body, Enclosed, Packed};
use super::super::super::progress::Gap;
use super::super::super::replays::HeldEnvelope;
use super::super::super::seal::Seal;
use super::*;
use crate::message::Message;

const OTHER: NodeId = NodeId([7; 16]);
const THIRD: NodeId = NodeId([8; 16]);
const NONCE: u64 = 77;

/// A node, and its effects.
struct Tested {
    state: NodeState,
    now: Instant,
    timers: Vec<(Instant, Timer)>,
    delivered: Vec<String>,
    /// The envelopes for other nodes.
    told: Vec<String>,
    log: Vec<Notice>,
    /// The other effects on its connections, except broadcasts.
    acts: Vec<String>,
}

impl Tested {
    fn new(dialect: Dialect) -> Self {
        let now = Instant::now();
        let limits = (QueueLimits::default(), &Budget::unlimited());
        let state = NodeState::new((NodeId([1; 16]), dialect), limits, || NONCE, now);
        let (timers, delivered, told) = (Vec::new(), Vec::new(), Vec::new());
        let mut tested = Self { state, now, timers, delivered, told, log: Vec::new(), acts: Vec::new() };
        tested.state.interest.add(&CHANNEL.into());
        tested.open_link();
        tested
    }

    fn native() -> Self {
        Self::new(Dialect::native("app"))
    }

    fn open_link(&mut self) {
        self.state.next_link();
        self.state.link_opened(Order::Total, self.now);
        self.with(NodeState::request_resends);
    }

    fn lose_link(&mut self) {
        self.state.link_lost();
        self.open_link();
    }

    /// Calls the state, and performs the effects.
    fn with<T>(&mut self, act: impl FnOnce(&mut NodeState, &mut Effects) -> T) -> T {
        let mut effects = Effects::at(self.now);
        let result = act(&mut self.state, &mut effects);
        self.finish(effects);
        result
    }

    fn finish(&mut self, effects: Effects) {
        for (id, pause) in self.perform(effects) {
            let mut effects = Effects::at(self.now);
            self.state.resume(id, pause, &mut effects);
            self.finish(effects);
        }
    }

    fn perform(&mut self, effects: Effects) -> Vec<(NodeId, u64)> {
        let mut ended = Vec::new();
        for effect in effects {
            match effect {
                NodeEffect::Act { what: What::Broadcast { messages, .. }, .. } => {
                    self.delivered.extend(messages.iter().map(|message| message.text().unwrap().to_owned()));
                }
                NodeEffect::Act { what, .. } => self.acts.push(format!("{what:?}")),
                NodeEffect::Tell { body, .. } => self.told.push(format!("{body:?}")),
                NodeEffect::Read { from, envelopes, ends } => self.take_piece(from, &envelopes, ends),
                NodeEffect::Accept(HeldEnvelope { from, channel, what, size }) => {
                    self.with(|state, out| state.accept(FromNode { from, channel: &channel, what, size }, out));
                }
                NodeEffect::NoteRequest { from, gap } => self.state.note_request(from, gap, u64::MAX, self.now),
                NodeEffect::Answer { waiter, answer } => waiter.send(answer).unwrap(),
                NodeEffect::Complete(waiter) => waiter.send(()).unwrap(),
                NodeEffect::Resume { id, pause } => ended.push((id, pause)),
                NodeEffect::Start(timer) => self.timers.push((self.now + timer.wait(), timer)),
                NodeEffect::Log(notice) => self.log.push(notice),
            }
        }
        ended
    }

    fn take_piece(&mut self, from: NodeId, envelopes: &[Envelope], ends: Option<u64>) {
        for Envelope { channel, payload } in envelopes {
            let arrival = native::read(channel, payload, None).ok();
            self.with(|state, out| state.take_resent(from, channel, arrival, out));
        }
        self.with(|state, out| state.end_piece(from, ends, out));
    }

    /// Advances time, and runs all timers that expire meanwhile.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(nth) =
            (0..self.timers.len()).filter(|nth| self.timers[*nth].0 <= end).min_by_key(|nth| self.timers[*nth].0)
        {
            let (due, timer) = self.timers.remove(nth);
            self.now = due;
            if let Some(next) = self.with(|state, out| state.handle_timer(timer, out)) {
                self.timers.push((self.now + next.wait(), next));
            }
        }
        self.now = end;
    }

    /// Receives an envelope of another node over the open link.
    fn hear(&mut self, sender: NodeSender, channel: &str, what: What) {
        let received = FromLink { link: self.state.link, from: Some(sender), channel, what, size: 100 };
        self.with(|state, out| state.receive(received, out));
    }

    /// Receives an envelope of a node about itself, after message `number`.
    fn hear_word(&mut self, number: u64, what: What) {
        let own = self.state.own_channel.clone();
        self.hear(sender(number, false), &own, what);
    }

    fn hear_message(&mut self, number: u64) {
        self.hear(sender(number, true), CHANNEL, broadcast(number));
    }

    fn gaps(&self) -> Vec<(NodeId, Gap)> {
        self.state.other_nodes.gaps()
    }
}

fn sender(number: u64, is_message: bool) -> NodeSender {
    NodeSender { id: OTHER, epoch: 1, sequence: Sequence { number, is_message }, seal: None }
}

/// Returns the sender of a signed envelope with this serial number, sealed this many milliseconds after the sender's
/// start.
fn signed(serial: u64, sealed_at: u64, is_message: bool) -> NodeSender {
    NodeSender { seal: Some(Seal { serial, sealed_at }), ..sender(serial, is_message) }
}

fn message(number: u64) -> Message {
    Message::new("said", number.to_string()).in_namespace("default")
}

fn broadcast(number: u64) -> What {
    What::Broadcast { messages: vec![message(number)], except: None }
}

/// Returns the message as the other node has published it over its first link.
fn published(number: u64) -> Envelope {
    let packed = Packed::of(&message(number));
    let body = Body::Broadcast { id: None, except: None, parts: vec![packed.part()] };
    let mut draft = native::write(&CHANNEL.into(), OTHER, &body);
    native::seal(&mut draft, 1, Sequence { number, is_message: true }, None);
    draft.into_envelope()
}

fn resent(numbers: &[u64], ends: Option<u64>) -> What {
    What::Resent { envelopes: numbers.iter().map(|number| published(*number)).collect(), ends }
}

fn ask(token: &str) -> What {
    What::Ask(NodeAsk { token: token.into(), message: message(0), patience: None })
}

const CHANNEL: &str = "app.n.default";
const SECOND: Duration = Duration::from_secs(1);

// ---- missed messages

#[test]
fn messages_lost_with_a_link_are_delivered_once_and_before_newer_ones() {
    let mut node = Tested::native();
    node.hear_message(1);
    node.lose_link();
    assert_eq!(node.told, ["RequestResend { pause: 3, after: 1 }"]);
    node.hear_message(4);
    assert_eq!(node.delivered, ["1"]);
    node.hear_word(4, resent(&[1, 2], None));
    node.hear_word(4, resent(&[3], Some(3)));
    node.hear_word(4, resent(&[3], Some(3)));
    node.hear_message(3);
    node.hear_message(5);
    assert_eq!(node.delivered, ["1", "2", "3", "4", "5"]);
    let tallies = node.state.tallies;
    assert_eq!((tallies.recovered, tallies.missed, tallies.rejected), (2, 0, 0));
}

#[test]
fn the_answer_for_an_earlier_link_does_not_end_the_pause_of_this_one() {
    let mut node = Tested::native();
    node.hear_word(5, What::Alive { connections: 0 });
    let gap = |pause| vec![(OTHER, Gap { pause, after: 5 })];
    node.state.next_link();
    assert_eq!(node.gaps(), gap(2));
    node.state.next_link();
    node.hear_word(6, resent(&[], Some(2)));
    assert_eq!(node.gaps(), gap(3));
    node.hear_word(6, resent(&[], Some(3)));
    assert_eq!(node.gaps(), []);
}

#[test]
fn without_an_answer_a_request_is_repeated_and_held_messages_are_delivered_after_three_seconds() {
    let mut node = Tested::native();
    node.hear_message(1);
    node.lose_link();
    node.hear_message(4);
    node.pass(3 * SECOND - Duration::from_millis(1));
    assert_eq!((&node.delivered, node.told.len()), (&vec!["1".to_owned()], 4));
    node.pass(Duration::from_millis(1));
    assert_eq!(node.delivered, ["1", "4"]);
    assert_eq!(node.log[1..], [Notice::Missed { from: OTHER, count: 2, total: 2 }]);
    node.pass(SECOND);
    assert_eq!((node.timers.len(), node.told.len()), (0, 4));
}

#[test]
fn a_link_that_opens_meanwhile_begins_the_three_seconds_anew_with_the_same_timer() {
    let mut node = Tested::native();
    node.hear_message(1);
    node.lose_link();
    node.hear_message(3);
    node.pass(2 * SECOND);
    node.lose_link();
    node.pass(3 * SECOND);
    assert_eq!((&node.delivered, node.timers.len()), (&vec!["1".to_owned()], 1));
    // The timer notices the new link at its next tick.
    node.pass(Duration::from_millis(100));
    assert_eq!(node.delivered, ["1", "3"]);
}

#[test]
fn messages_that_the_sender_no_longer_keeps_are_counted() {
    let mut node = Tested::native();
    node.hear_message(1);
    node.lose_link();
    node.hear_word(9, What::NotKept { until: 9 });
    node.hear_word(9, resent(&[4], Some(3)));
    assert_eq!((node.delivered.len(), node.state.tallies.missed), (2, 7));
}

#[test]
fn a_resend_of_another_nodes_envelopes_is_rejected() {
    let mut node = Tested::native();
    node.hear_message(1);
    node.hear(NodeSender { id: THIRD, ..sender(1, false) }, CHANNEL, What::Alive { connections: 0 });
    node.lose_link();
    node.hear(NodeSender { id: THIRD, ..sender(1, false) }, CHANNEL, resent(&[2], None));
    let broken = vec![Envelope::new(CHANNEL, "no envelope")];
    node.hear_word(1, What::Resent { envelopes: broken, ends: None });
    assert_eq!((node.delivered.len(), node.state.tallies.rejected), (1, 2));
}

#[test]
fn a_resent_message_whose_connections_have_left_is_not_delivered() {
    let mut node = Tested::native();
    node.hear_message(1);
    node.lose_link();
    node.state.interest.remove(&CHANNEL.into());
    node.hear_word(2, resent(&[2], Some(3)));
    assert_eq!((node.delivered.len(), node.state.tallies.recovered, node.state.tallies.missed), (1, 0, 0));
}

#[test]
fn a_node_resends_what_it_keeps_in_answer_to_a_request() {
    let (mut receiver, mut sender) = (Tested::native(), Tested::native());
    receiver.hear_message(1);
    receiver.lose_link();
    let envelopes: Vec<_> = (1..=3).map(published).collect();
    sender.state.keep((1..).zip(&envelopes), sender.now);
    sender.hear_word(0, What::RequestResend { pause: 3, after: 1 });
    let piece = sender.state.next_piece(sender.now).unwrap();
    assert_eq!((piece.to, &piece.envelopes[..], piece.ends), (OTHER, &envelopes[1..], Some(3)));
    let body = Body::Resent { envelopes: piece.envelopes.iter().map(Enclosed::of).collect(), ends: piece.ends };
    let answer = native::write(&CHANNEL.into(), OTHER, &body).into_envelope().payload;
    receiver.hear_word(3, native::read(CHANNEL, &answer, None).unwrap().what);
    assert_eq!(receiver.delivered, ["1", "2", "3"]);
    sender.state.link_lost();
    sender.hear_word(0, What::RequestResend { pause: 4, after: 1 });
    sender.state.link_lost();
    assert_eq!(sender.state.next_piece(sender.now), None);
}

// ---- links

#[test]
fn envelopes_of_an_ended_link_are_neither_handled_nor_counted() {
    let mut node = Tested::native();
    let link = node.state.link;
    node.lose_link();
    let received = FromLink { link, from: Some(sender(1, true)), channel: CHANNEL, what: broadcast(1), size: 1 };
    node.with(|state, out| state.receive(received, out));
    assert!(!node.state.reject(link) && node.state.reject(link + 2));
    let tallies = node.state.tallies;
    assert_eq!((node.delivered.len(), tallies.received, tallies.rejected, tallies.stale), (0, 0, 1, 0));
}

#[test]
fn envelopes_of_a_nodes_last_link_are_stale_once_its_next_one_is_known() {
    let mut node = Tested::native();
    node.hear(NodeSender { epoch: 2, ..sender(1, false) }, CHANNEL, What::Alive { connections: 0 });
    node.hear_message(1);
    assert_eq!((node.delivered.len(), node.state.tallies.stale), (0, 1));
}

#[test]
fn a_new_link_of_a_node_with_missed_messages_leads_to_a_request() {
    let mut node = Tested::native();
    node.hear_message(1);
    node.hear(NodeSender { epoch: 2, ..sender(3, false) }, CHANNEL, What::Alive { connections: 0 });
    assert_eq!((&node.told, node.timers.len()), (&vec!["RequestResend { pause: 2, after: 1 }".to_owned()], 1));
}

#[test]
fn a_probe_that_returns_over_the_same_link_counts_and_wakes_waiting_tasks() {
    let mut node = Tested::native();
    let number = node.state.probes.send(node.now);
    let echo = |link| {
        let from = Some(NodeSender { id: NodeId([1; 16]), ..sender(0, false) });
        FromLink { link, from, channel: CHANNEL, what: What::Probe { number }, size: 1 }
    };
    let link = node.state.link;
    assert!(!node.with(|state, out| (state.receive(echo(link - 1), out), out.wakes).1));
    assert!(!node.state.probes.has_returned(number));
    assert!(node.with(|state, out| (state.receive(echo(link), out), out.wakes).1));
    assert!(node.state.probes.has_returned(number));
    assert_eq!(node.state.other_nodes.ids(), []);
}

// ---- nodes that join and leave

#[test]
fn a_node_that_ends_is_gone_at_once_and_earlier_envelopes_do_not_bring_it_back() {
    let mut node = Tested::native();
    node.hear_word(0, What::Hello { connections: 5 });
    assert_eq!((node.acts.len(), node.state.other_nodes.census(node.now).connections), (1, 5));
    for number in [0, 1] {
        node.hear_word(number, What::Bye);
    }
    node.hear_message(2);
    assert_eq!(node.delivered, ["2"]);
    assert_eq!(node.log, [Notice::Joined(OTHER), Notice::Left { id: OTHER, reason: "it ended" }]);
    assert_eq!(node.state.other_nodes.census(node.now).servers, 0);
}

#[test]
fn a_node_is_gone_after_ten_seconds_of_silence_until_its_next_envelope() {
    let mut node = Tested::native();
    node.hear_message(1);
    node.pass(10 * SECOND);
    node.with(NodeState::forget_silent);
    assert_eq!(node.log.len(), 1);
    node.pass(SECOND);
    node.with(NodeState::forget_silent);
    node.hear_message(2);
    let left = Notice::Left { id: OTHER, reason: "it was silent for 10 s" };
    assert_eq!(node.log, [Notice::Joined(OTHER), left, Notice::Joined(OTHER)]);
}

#[test]
fn a_count_is_complete_when_all_nodes_have_answered() {
    let mut node = Tested::native();
    let (token, mut complete) = node.state.counts.open(vec![OTHER]);
    node.hear_word(0, What::Counted { token, count: 3 });
    complete.try_recv().unwrap();
    assert_eq!(node.state.counts.close(token), Answers { sum: 3, missing: 0 });
}

// ---- asks

#[test]
fn an_ask_gets_the_first_answer_that_another_node_sends() {
    let mut node = Tested::native();
    let (waiter, mut wait) = oneshot::channel();
    let token = node.state.asks.open("n1", waiter);
    let answer = |number, token: &SmolStr| What::Answer { token: token.clone(), message: message(number) };
    node.hear(sender(1, true), CHANNEL, answer(1, &"n1".into()));
    assert!(wait.try_recv().is_err());
    for number in [2, 3] {
        node.hear(sender(number, true), CHANNEL, answer(number, &token));
    }
    assert_eq!(wait.try_recv().unwrap().text().unwrap(), "2");
}

#[test]
fn asks_of_other_nodes_are_limited() {
    let mut node = Tested::native();
    for number in 1..=4100 {
        node.hear(sender(number, true), CHANNEL, ask("n1"));
    }
    assert_eq!((node.acts.len(), node.state.tallies.rejected), (4096, 4));
    node.state.asks.end_answer();
    node.hear(sender(4101, true), CHANNEL, ask("n1"));
    assert_eq!(node.acts.len(), 4097);
}

#[test]
fn an_ask_of_this_node_that_comes_back_from_go_servers_is_not_asked_here() {
    let mut node = Tested::new(Dialect::go_redis("app"));
    let (waiter, _wait) = oneshot::channel();
    let own = node.state.asks.open("n1", waiter);
    for (token, acts) in [(&*own, 0), ("n2", 1)] {
        let received =
            FromLink { link: node.state.link, from: None, channel: "app.default.", what: ask(token), size: 1 };
        node.with(|state, out| state.receive(received, out));
        assert_eq!(node.acts.len(), acts);
    }
}

// ---- signed envelopes

fn with_key() -> Tested {
    let mut node = Tested::new(Dialect::native("app").with_key("a key of sixteen"));
    node.pass(SECOND);
    node
}

#[test]
fn signed_messages_of_a_new_node_are_delivered_after_its_proof_and_never_again() {
    let mut node = with_key();
    let own = node.state.own_channel.clone();
    for serial in [1, 2] {
        node.hear(signed(serial, 500, true), CHANNEL, broadcast(serial));
    }
    assert_eq!((node.delivered.len(), &node.told), (0, &vec![format!("Challenge {{ nonce: {NONCE} }}")]));
    node.hear(signed(3, 510, false), &own, What::Proof { nonce: NONCE });
    node.hear(signed(4, 520, true), CHANNEL, broadcast(4));
    assert_eq!(node.delivered, ["1", "2", "4"]);
    for serial in [1, 2, 4] {
        node.hear(signed(serial, 500, true), CHANNEL, broadcast(serial));
    }
    assert_eq!((node.delivered.len(), node.state.tallies.replayed), (3, 3));
    node.pass(4 * SECOND);
    assert_eq!((node.timers.len(), node.told.len()), (0, 1));
}

#[test]
fn messages_of_a_node_without_a_proof_are_dropped_after_three_seconds() {
    let mut node = with_key();
    node.hear(signed(1, 500, true), CHANNEL, broadcast(1));
    node.pass(3 * SECOND - Duration::from_millis(1));
    assert_eq!((node.told.len(), node.state.tallies.replayed), (4, 0));
    node.pass(Duration::from_millis(1));
    assert_eq!((node.delivered.len(), node.timers.len(), node.state.tallies.replayed), (0, 0, 1));
    assert_eq!(node.log, [Notice::Replayed { from: OTHER, total: 1 }]);
}

#[test]
fn a_challenge_on_the_channel_of_another_node_is_not_answered() {
    let mut node = with_key();
    let own = node.state.own_channel.clone();
    node.hear(signed(1, 500, false), CHANNEL, What::Challenge { nonce: 5 });
    assert_eq!(node.told, [format!("Challenge {{ nonce: {NONCE} }}")]);
    node.hear(signed(2, 500, false), &own, What::Challenge { nonce: 5 });
    assert_eq!(node.told[1..], ["Proof { nonce: 5 }"]);
}
