//! The promises of a session, which fuzzers hold up against any input.

use tokio::time::Instant;

use super::limits::TestSide;
use super::model::{Act, EVENTS, MOST_REQUESTS, NAMESPACES, ROOMS, World, small};

/// A session keeps its promises whatever its peer, its handlers and its own side do. The first byte of `data` says which side it is;
/// three bytes each say what happens next.
///
/// # Panics
///
/// When that is not so.
pub fn protocol(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let side = if first & 1 == 0 { TestSide::server() } else { TestSide::client() };
    let acts: Vec<_> = rest.chunks(3).take(MOST_ACTS).map(act_of).collect();
    World::new(small(side), Instant::now()).run(&acts);
}

fn act_of(bytes: &[u8]) -> Act {
    let at = |nth: usize| bytes.get(nth).copied().unwrap_or_default();
    let (what, how) = (at(1), at(2));
    let (namespace, room) = (usize::from(how) % NAMESPACES.len(), usize::from(how >> 2) % ROOMS.len());
    match at(0) % 10 {
        0..3 => {
            let event = EVENTS[usize::from(what) % EVENTS.len()];
            Act::Send { event, namespace, room, is_ask: what < 200 }
        }
        3 => Act::SendBytes(bytes[1..].to_vec()),
        4 => Act::Reply { is_error: what & 1 == 1 },
        5 => Act::EndJob(what),
        6 => Act::Begin { what, namespace, room },
        7 => Act::Step { nth: usize::from(what) % MOST_REQUESTS, consents: how < 200 },
        8 => Act::GiveUp { nth: usize::from(what) % MOST_REQUESTS },
        _ if what < 250 => Act::Wait(u16::from(what) * 100),
        _ => Act::Drain,
    }
}

const MOST_ACTS: usize = 400;
