//! Bodies, read as every kind of sender.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ingest::fuzzing::read(data));
