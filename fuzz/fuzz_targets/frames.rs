//! However bytes are cut, they are the same frames, and nothing is kept but what has come.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::frames, data, 4 << 20));
