//! Whatever a server of NATS writes is read alike however it is cut, and a url shows no password.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos_nats::fuzzing::nats, data, 4 << 20));
