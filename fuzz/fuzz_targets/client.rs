//! Whatever a server answers, what the client says is by the rules, and all that it waits for ends.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(test_strangers::client, data, 8 << 20));
