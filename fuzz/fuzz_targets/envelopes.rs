//! Whatever a broker brings can be read, and a signed envelope is heard only as it was written.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::envelopes, data, 8 << 20));
