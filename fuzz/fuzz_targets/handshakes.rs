//! Only handshakes are admitted, and a URL sets no header that other code relies on.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::handshakes, data, 4 << 20));
