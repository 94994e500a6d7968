//! Whatever servers in Go write can be read, and what is written for them is read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::go_messages, data, 1 << 20));
