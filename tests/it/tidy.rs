//! What the sources must look like, so that taste outlasts its authors.
//!
//! Each test reads files, none runs anything. A list of exceptions says why; an entry that is no
//! longer needed fails its test, so the lists only shrink.

mod budgets;
mod code;
mod configuration;
mod dependencies;
mod documents;
mod forbidden;
mod services;
mod sources;

/// Fails with everything that is wrong, not with the first.
fn assert_none(what: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{what}:\n  {}", faults.join("\n  "));
}
