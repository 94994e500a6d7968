//! Timers, which repeat requests and end waits. Pure.

use std::time::Duration;

use super::super::super::node_id::NodeId;
use super::super::super::resends::PATIENCE;

/// The wait that a timer looks at after [`Timer::wait`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exchange) enum Timer {
    /// Whether the resend for a pause has come. So many ticks have passed.
    Resend { id: NodeId, pause: u64, ticks: u32 },
    /// Whether the proof of a node has come. The challenge was repeated so many times.
    Proof { id: NodeId, nonce: u64, repeats: usize },
}

impl Timer {
    pub(in crate::exchange) fn wait(self) -> Duration {
        match self {
            Self::Resend { .. } => TICK,
            Self::Proof { repeats, .. } => PROOF_WAITS.get(repeats).copied().unwrap_or(LAST_PROOF_WAIT),
        }
    }
}

/// Ticks are counted, and not the time: a node that stood still has not been waiting.
const TICK: Duration = Duration::from_millis(100);
/// After how many ticks newer messages are held no longer. That is as long as anything may take over a broker link.
pub(super) const MOST_TICKS: u32 = (PATIENCE.as_millis() / TICK.as_millis()) as u32;
/// After how many ticks a request is repeated.
pub(super) const REPEATS: [u32; 3] = [1, 4, 13];
/// After which times a challenge is repeated, and how long its last repetition is waited for: 3 s in all.
pub(super) const PROOF_WAITS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(900)];
const LAST_PROOF_WAIT: Duration = Duration::from_millis(1700);
