//! Signed envelopes, and the proofs that they are not replayed: `replays.rs` has the rules. Pure.

use super::super::super::draft::{NodeSender, What};
use super::super::super::native::Body;
use super::super::super::node_id::NodeId;
use super::super::super::replays::{HeldEnvelope, Holding, Proven, ReplayVerdict};
use super::super::super::seal::Seal;
use super::hear::FromNode;
use super::timer::PROOF_WAITS;
use super::{Effects, NodeEffect, NodeState, Notice, Timer};

impl NodeState {
    /// Handles a signed envelope, unless it was replayed.
    pub(super) fn hear_signed(&mut self, heard: FromNode<'_>, out: &mut Effects) {
        let (id, seal) = (heard.from.id, heard.from.seal.unwrap_or_default());
        match heard.what {
            What::Challenge { nonce } if self.is_direct(heard.channel) => {
                return self.take_challenge(id, seal, nonce, out);
            }
            What::Proof { nonce } if self.is_direct(heard.channel) => return self.take_proof(heard.from, nonce, out),
            _ => {}
        }
        match self.replay_guard.screen(id, seal, out.now) {
            ReplayVerdict::Accept => self.accept(heard, out),
            ReplayVerdict::Hold => self.hold(heard, out),
            ReplayVerdict::Drop => self.note_replayed(id, 1, out),
        }
    }

    fn hold(&mut self, FromNode { from, channel, what, size }: FromNode<'_>, out: &mut Effects) {
        let nonce = (self.random)();
        match self.replay_guard.hold(HeldEnvelope { from, channel: channel.into(), what, size }, nonce) {
            Holding::First => {
                // Asks the node for a proof that it is alive.
                out.tell(from.id, Body::Challenge { nonce });
                out.push(NodeEffect::Start(Timer::Proof { id: from.id, nonce, repeats: 0 }));
            }
            Holding::Another => {}
            Holding::Dropped => self.note_replayed(from.id, 1, out),
        }
    }

    /// Repeats a challenge, and gives up on the node if no proof arrives.
    pub(super) fn see_to_proof(
        &mut self,
        id: NodeId,
        (nonce, repeats): (u64, usize),
        out: &mut Effects,
    ) -> Option<Timer> {
        if repeats == PROOF_WAITS.len() {
            let dropped = self.replay_guard.give_up(id, nonce);
            self.note_replayed(id, dropped, out);
            return None;
        }
        self.replay_guard.waits(id, nonce).then(|| {
            out.tell(id, Body::Challenge { nonce });
            Timer::Proof { id, nonce, repeats: repeats + 1 }
        })
    }

    /// Counts dropped envelopes, and warns about them at a limited rate.
    fn note_replayed(&mut self, from: NodeId, count: u64, out: &mut Effects) {
        if count == 0 {
            return;
        }
        self.tallies.replayed += count;
        if self.replay_guard.is_warning_due(out.now) {
            out.push(NodeEffect::Log(Notice::Replayed { from, total: self.tallies.replayed }));
        }
    }

    /// Answers the challenge of a node. Any node may send one: the answer is as small as the challenge.
    fn take_challenge(&mut self, from: NodeId, seal: Seal, nonce: u64, out: &mut Effects) {
        if self.replay_guard.is_replay(from, seal) {
            return self.note_replayed(from, 1, out);
        }
        out.tell(from, Body::Proof { nonce });
    }

    /// Handles the proof of a node: its held envelopes are accepted, and then the proof.
    fn take_proof(&mut self, from: NodeSender, nonce: u64, out: &mut Effects) {
        let admission = self.replay_guard.prove(from.id, nonce, from.seal.unwrap_or_default(), out.now);
        // A repeated challenge has two answers.
        let Some(Proven { envelopes, dropped }) = admission else { return };
        self.note_replayed(from.id, dropped, out);
        if dropped > 0 && self.other_nodes.pause_one(from.id) {
            // Some of its earlier envelopes may have been withheld.
            self.request_resend(from.id, out);
        }
        envelopes.into_iter().for_each(|held| out.push(NodeEffect::Accept(held)));
        let (channel, what) = (self.own_channel.clone(), What::Proof { nonce });
        out.push(NodeEffect::Accept(HeldEnvelope { from, channel, what, size: 0 }));
    }
}
