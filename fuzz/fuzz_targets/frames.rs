//! Bytes yield the same frames however they are split, and a reader stores only bytes that have arrived.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::frames, data, 4 << 20));
