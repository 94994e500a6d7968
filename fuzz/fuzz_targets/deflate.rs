//! Inflating keeps to its limit, and the other side can read compressed messages.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::deflate, data, 64 << 20));
