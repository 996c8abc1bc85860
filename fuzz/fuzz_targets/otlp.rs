//! An export request as the gateway is sent it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| roost::fuzzing::otlp(body));
