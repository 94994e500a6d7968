//! For any answers of a server, the client's frames keep the rules, and all of its calls end.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(test_strangers::client, data, 8 << 20));
