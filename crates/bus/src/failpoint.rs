//! Labelled places between two durable writes, at which a test may kill the process.

use std::sync::OnceLock;

static KILL_AT: OnceLock<(String, std::sync::atomic::AtomicU32)> = OnceLock::new();

/// Arms one place: the process kills itself the `nth` time it gets there. Once per process.
pub fn arm_failpoint(label: &str, nth: u32) {
    let _ = KILL_AT.set((label.to_owned(), std::sync::atomic::AtomicU32::new(nth)));
}

/// A labelled place. Does nothing unless a test armed it: one load of a static.
pub fn failpoint(label: &str) {
    let Some((armed, left)) = KILL_AT.get() else { return };
    if armed == label && left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 1 {
        tracing::error!(label, "fail point reached; dying");
        // As SIGKILL would: no destructor, no drain, no goodbye.
        std::process::abort();
    }
}

/// Every label there is, for the test that dies at each of them.
pub const FAILPOINTS: &[&str] = &[
    "engine.before_commit",
    "engine.after_commit",
    "engine.before_publish",
    "engine.before_mark",
    "effect.before_call",
    "effect.after_call",
    "consume.before_ack",
    "ingest.before_commit",
    "ingest.after_commit",
];
