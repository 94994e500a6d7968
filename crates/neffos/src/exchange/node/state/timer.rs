//! Timers, which repeat requests and end waits. Pure.

use std::time::Duration;

use super::super::super::node_id::NodeId;
use super::super::super::resends::PATIENCE;

/// The condition that a timer checks after [`Timer::wait`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exchange) enum Timer {
    /// Checks for the resend of a pause, after this many ticks.
    Resend { id: NodeId, pause: u64, ticks: u32 },
    /// Checks for the proof of a node, after this many repeated challenges.
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

/// Ticks are counted rather than time: a suspended node has not been waiting.
const TICK: Duration = Duration::from_millis(100);
/// The number of ticks after which newer messages are no longer held: the longest time that any call may take over a
/// broker link.
pub(super) const MOST_TICKS: u32 = (PATIENCE.as_millis() / TICK.as_millis()) as u32;
/// The numbers of ticks after which a request is repeated.
pub(super) const REPEATS: [u32; 3] = [1, 4, 13];
/// The delays after which a challenge is repeated, and the wait after the last one: 3 s in total.
pub(super) const PROOF_WAITS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(900)];
const LAST_PROOF_WAIT: Duration = Duration::from_millis(1700);
