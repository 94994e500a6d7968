//! The properties of a session that fuzzers test.

use tokio::time::Instant;

use super::acts::Act;
use super::limits::TestSide;
use super::model::{World, small};

/// Checks the properties of a session with arbitrary input from its peer, its handlers and its own side.
///
/// The first byte of `data` selects the side. Each group of three further bytes selects an act.
///
/// # Panics
///
/// When a property does not hold.
pub fn protocol(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let side = if first & 1 == 0 { TestSide::server() } else { TestSide::client() };
    let acts: Vec<_> = rest.chunks(3).take(MOST_ACTS).map(Act::of).collect();
    World::new(small(side), Instant::now()).run(&acts);
}

const MOST_ACTS: usize = 400;
