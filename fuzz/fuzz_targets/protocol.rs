//! Whatever the peer, the handlers and the own side of a connection do, its session keeps its promises.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::protocol, data, 1 << 20));
