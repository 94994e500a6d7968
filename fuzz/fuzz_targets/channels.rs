//! Different places have different channels at a broker, whose names mean nothing else to it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::channels, data, 1 << 20));
