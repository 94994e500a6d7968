//! No URL is shown with its user, password, query or fragment.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::urls, data, 1 << 20));
