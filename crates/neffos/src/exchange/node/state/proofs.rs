//! Signed envelopes, and the proofs that they are no recordings: `gate.rs` has the rules. Pure.

use super::super::super::draft::{Sender, What};
use super::super::super::envelope::Body;
use super::super::super::gate::{Admission, Held, Holding, Verdict};
use super::super::super::node_id::NodeId;
use super::super::super::seal::Seal;
use super::hear::Heard;
use super::timer::PROOF_WAITS;
use super::{Effect, Effects, Notice, State, Timer};

impl State {
    /// Hears a signed envelope, unless it was replayed.
    pub(super) fn hear_signed(&mut self, heard: Heard<'_>, out: &mut Effects) {
        let (id, seal) = (heard.from.id, heard.from.seal.unwrap_or_default());
        match heard.what {
            What::Challenge { nonce } if self.is_direct(heard.channel) => {
                return self.take_challenge(id, seal, nonce, out);
            }
            What::Proof { nonce } if self.is_direct(heard.channel) => return self.take_proof(heard.from, nonce, out),
            _ => {}
        }
        match self.gate.screen(id, seal, out.now) {
            Verdict::Accept => self.accept(heard, out),
            Verdict::Hold => self.hold(heard, out),
            Verdict::Drop => self.note_replayed(id, 1, out),
        }
    }

    fn hold(&mut self, Heard { from, channel, what, size }: Heard<'_>, out: &mut Effects) {
        let nonce = (self.random)();
        match self.gate.hold(Held { from, channel: channel.into(), what, size }, nonce) {
            Holding::First => {
                // Asks the node for a proof that it is there.
                out.tell(from.id, Body::Challenge { nonce });
                out.push(Effect::Start(Timer::Proof { id: from.id, nonce, repeats: 0 }));
            }
            Holding::Another => {}
            Holding::Dropped => self.note_replayed(from.id, 1, out),
        }
    }

    /// Repeats a challenge, and gives the node up when there is no proof.
    pub(super) fn see_to_proof(
        &mut self,
        id: NodeId,
        (nonce, repeats): (u64, usize),
        out: &mut Effects,
    ) -> Option<Timer> {
        if repeats == PROOF_WAITS.len() {
            let dropped = self.gate.give_up(id, nonce);
            self.note_replayed(id, dropped, out);
            return None;
        }
        self.gate.waits(id, nonce).then(|| {
            out.tell(id, Body::Challenge { nonce });
            Timer::Proof { id, nonce, repeats: repeats + 1 }
        })
    }

    /// Counts dropped envelopes, and warns of them now and then.
    fn note_replayed(&mut self, from: NodeId, count: u64, out: &mut Effects) {
        if count == 0 {
            return;
        }
        self.tallies.replayed += count;
        if self.gate.is_warning_due(out.now) {
            out.push(Effect::Log(Notice::Replayed { from, total: self.tallies.replayed }));
        }
    }

    /// A node wants to know whether this one is there. Anyone may: the answer is as small as the question.
    fn take_challenge(&mut self, from: NodeId, seal: Seal, nonce: u64, out: &mut Effects) {
        if self.gate.is_replay(from, seal) {
            return self.note_replayed(from, 1, out);
        }
        out.tell(from, Body::Proof { nonce });
    }

    /// A node is there: its envelopes that were held are accepted, and then the proof.
    fn take_proof(&mut self, from: Sender, nonce: u64, out: &mut Effects) {
        let admission = self.gate.prove(from.id, nonce, from.seal.unwrap_or_default(), out.now);
        // A challenge that was repeated has two answers.
        let Some(Admission { envelopes, dropped }) = admission else { return };
        self.note_replayed(from.id, dropped, out);
        if dropped > 0 && self.others.pause_one(from.id) {
            // Some of them may have been withheld.
            self.request_resend(from.id, out);
        }
        envelopes.into_iter().for_each(|held| out.push(Effect::Accept(held)));
        let (channel, what) = (self.own_channel.clone(), What::Proof { nonce });
        out.push(Effect::Accept(Held { from, channel, what, size: 0 }));
    }
}
