//! Any bytes from a broker can be read, and a signed envelope is accepted only if it is unchanged.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::envelopes, data, 8 << 20));
