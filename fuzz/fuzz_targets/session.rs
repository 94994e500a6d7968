//! For any frames of one client, the server still answers others, and nothing of that client is left in the end.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(test_strangers::session, data, 8 << 20));
