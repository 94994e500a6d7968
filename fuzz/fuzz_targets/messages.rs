//! Any payload can be decoded, and encoding the result yields the same payload.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::messages, data, 1 << 20));
