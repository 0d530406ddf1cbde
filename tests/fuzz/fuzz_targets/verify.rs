//! Headers and bodies, verified under every scheme.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ingest::fuzzing::verify(data));
