//! For any input of its peer, its handlers and its own side, a session keeps its guarantees.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::protocol, data, 1 << 20));
