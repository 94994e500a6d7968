//! The promises of a session, for fuzzers.

use tokio::time::Instant;

use super::acts::Act;
use super::limits::TestSide;
use super::model::{World, small};

/// A session keeps its promises with any input from its peer, its handlers and its own side. The first byte of `data` says which side it is;
/// three bytes each say what happens next.
///
/// # Panics
///
/// When that is not so.
pub fn protocol(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let side = if first & 1 == 0 { TestSide::server() } else { TestSide::client() };
    let acts: Vec<_> = rest.chunks(3).take(MOST_ACTS).map(Act::of).collect();
    World::new(small(side), Instant::now()).run(&acts);
}

const MOST_ACTS: usize = 400;
