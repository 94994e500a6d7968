//! For any faults of broker links, no node delivers a message twice or out of order, and missing messages arrive soon.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::links, data, 8 << 20));
