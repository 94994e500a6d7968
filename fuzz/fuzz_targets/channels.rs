//! Different namespaces, rooms and ids have different channels at a broker, and no channel name has another meaning for
//! it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::channels, data, 1 << 20));
