//! Bytes of a NATS server are read the same however they are split, and a URL shows no password.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos_nats::fuzzing::nats, data, 4 << 20));
