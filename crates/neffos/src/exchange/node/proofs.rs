//! Signed envelopes, and the proofs that they are no recordings: `gate.rs` has the rules.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::draft::{Sender, What};
use super::super::envelope::Body;
use super::super::gate::{Admission, Held, Holding, Order, Verdict};
use super::super::node_id::NodeId;
use super::super::seal::Seal;
use super::Node;
use super::hear::Heard;
use crate::lock::lock;

impl Node {
    /// A broker link is open, and nothing is subscribed to yet.
    pub(in crate::exchange) fn link_opened(&self, order: Order) {
        lock(&self.gate).link_up(order, Instant::now());
    }

    /// Hears a signed envelope, unless it was replayed. Names the pauses that end with it.
    pub(super) fn hear_signed(self: &Arc<Self>, link: u32, heard: Heard<'_>) -> Vec<(NodeId, u64)> {
        let (id, seal, is_direct) = (heard.from.id, heard.from.seal.unwrap_or_default(), self.is_direct(heard.channel));
        match heard.what {
            What::Challenge { nonce } if is_direct => {
                self.take_challenge(id, seal, nonce);
                return Vec::new();
            }
            What::Proof { nonce } if is_direct => return self.take_proof(link, heard.from, nonce),
            _ => {}
        }
        let verdict = lock(&self.gate).screen(id, seal, Instant::now());
        match verdict {
            Verdict::Accept => self.accept(link, heard).into_iter().collect(),
            Verdict::Hold => {
                self.hold(heard);
                Vec::new()
            }
            Verdict::Drop => {
                self.note_replayed(id, 1);
                Vec::new()
            }
        }
    }

    fn hold(self: &Arc<Self>, Heard { from, channel, what, size }: Heard<'_>) {
        let nonce = rand::random();
        let holding = lock(&self.gate).hold(Held { from, channel: channel.into(), what, size }, nonce);
        match holding {
            Holding::First => self.challenge(from.id, nonce),
            Holding::Another => {}
            Holding::Dropped => self.note_replayed(from.id, 1),
        }
    }

    /// Asks a node for a proof that it is there.
    fn challenge(self: &Arc<Self>, id: NodeId, nonce: u64) {
        self.control(&self.dialect.of_server(id), &Body::Challenge { nonce });
        self.runtime.spawn(see_to_proof(Arc::downgrade(self), id, nonce));
    }

    fn give_up(&self, id: NodeId, nonce: u64) {
        let dropped = lock(&self.gate).give_up(id, nonce);
        self.note_replayed(id, dropped);
    }

    /// Counts dropped envelopes, and warns of them now and then.
    fn note_replayed(&self, from: NodeId, count: u64) {
        if count == 0 {
            return;
        }
        self.tallies.replayed.add(count);
        let total = self.tallies.replayed.read();
        let is_due = lock(&self.gate).is_warning_due(Instant::now());
        if is_due {
            tracing::warn!(node = %from, total, "dropped replayed envelopes, or those of a node that does not answer");
        }
    }

    /// A node wants to know whether this one is there. Anyone may: the answer is as small as the question.
    fn take_challenge(&self, from: NodeId, seal: Seal, nonce: u64) {
        if lock(&self.gate).is_replay(from, seal) {
            return self.note_replayed(from, 1);
        }
        self.control(&self.dialect.of_server(from), &Body::Proof { nonce });
    }

    /// A node is there: its envelopes that were held have their turn.
    fn take_proof(self: &Arc<Self>, link: u32, from: Sender, nonce: u64) -> Vec<(NodeId, u64)> {
        let seal = from.seal.unwrap_or_default();
        let admission = lock(&self.gate).prove(from.id, nonce, seal, Instant::now());
        // A challenge that was repeated has two answers.
        let Some(Admission { envelopes, dropped }) = admission else { return Vec::new() };
        self.note_replayed(from.id, dropped);
        if dropped > 0 && lock(&self.others).pause_one(from.id) {
            // Some of them may have been withheld.
            self.request_resend(from.id);
        }
        let mut ended = Vec::new();
        for Held { from, channel, what, size } in envelopes {
            ended.extend(self.accept(link, Heard { from, channel: &channel, what, size }));
        }
        let what = What::Proof { nonce };
        ended.extend(self.accept(link, Heard { from, channel: &self.own_channels[1], what, size: 0 }));
        ended
    }
}

/// Repeats a challenge, and gives the node up when there is no proof.
async fn see_to_proof(node: Weak<Node>, id: NodeId, nonce: u64) {
    for wait in WAITS {
        sleep(wait).await;
        let Some(node) = node.upgrade() else { return };
        let is_open = lock(&node.gate).waits(id, nonce);
        if !is_open {
            return;
        }
        node.control(&node.dialect.of_server(id), &Body::Challenge { nonce });
    }
    sleep(LAST_WAIT).await;
    if let Some(node) = node.upgrade() {
        node.give_up(id, nonce);
    }
}

/// After which times a challenge is repeated, and how long its last repetition is waited for: 3 s in all.
const WAITS: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(900)];
const LAST_WAIT: Duration = Duration::from_millis(1700);
