//! `stackly.hcl` files.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = code::stack_file::read("stacks/a/stackly.hcl", text);
    // What is said to be wrong must be there to be shown.
    for fault in &read.faults {
        assert!(!fault.to_string().is_empty());
    }
});
