//! Any payload can be decoded, and what it is decoded to is encoded to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::messages, data, 1 << 20));
