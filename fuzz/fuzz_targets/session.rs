//! Whatever a client sends, the server goes on answering others, and nothing of it is left.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(test_strangers::session, data, 8 << 20));
