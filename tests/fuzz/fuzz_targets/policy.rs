//! Policies in HCL, and the programs in Rego that they name.

#![no_main]

use policy::document::{File, read};

// The program comes after a byte that no UTF-8 has.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == 0xff);
    let mut files = Vec::new();
    for name in ["policies.hcl", "program.rego"] {
        let Some(part) = parts.next() else { break };
        let Ok(text) = std::str::from_utf8(part) else { return };
        files.push(File { name: name.to_owned(), text: text.to_owned() });
    }
    if let Err(faults) = read(&files) {
        assert!(!faults.to_string().is_empty(), "a refusal says why");
    }
});
