//! Whatever becomes of the links between servers, nobody hears anything twice or in another order, and nothing is missed for long.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::hold(neffos::fuzzing::links, data, 8 << 20));
