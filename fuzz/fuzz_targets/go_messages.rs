//! Any message of servers in Go can be read, and a message for them is read back unchanged.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::go_messages, data, 1 << 20));
