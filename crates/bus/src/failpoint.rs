//! Labelled places between two durable writes, at which a test may kill or pause the process.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use nix::sys::signal::{Signal, raise};

static ARMED: OnceLock<Armed> = OnceLock::new();

struct Armed {
    label: String,
    left: AtomicU32,
    pause: bool,
}

/// Arms one place, `<label>=<nth>`: the process kills itself the `nth` time it gets there. With
/// `=pause` at the end it stops itself instead, as SIGSTOP would, until it is told to go on. Once
/// per process.
pub fn arm_failpoint(order: &str) {
    let mut parts = order.split('=');
    let label = parts.next().unwrap_or_default().to_owned();
    let left = AtomicU32::new(parts.next().and_then(|nth| nth.parse().ok()).unwrap_or(1));
    let pause = parts.next() == Some("pause");
    let _ = ARMED.set(Armed { label, left, pause });
}

/// A labelled place. Does nothing unless a test armed it: one load of a static.
pub fn failpoint(label: &str) {
    let Some(armed) = ARMED.get() else { return };
    if armed.label != label || armed.left.fetch_sub(1, SeqCst) != 1 {
        return;
    }
    if armed.pause {
        tracing::error!(label, "fail point reached; pausing");
        let _ = raise(Signal::SIGSTOP);
        tracing::error!(label, "going on after a pause");
    } else {
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
    "effect.before_postpone",
    "consume.before_ack",
    "letter.before_publish",
    "letter.before_note",
    "relay.before_era",
    "relay.before_publish",
    "relay.before_mark",
    "ingest.before_commit",
    "ingest.after_commit",
    "ingest.before_mark",
    "order.before_finish",
    "news.before_forget",
    "spacelift.before_trigger",
    "spacelift.after_trigger",
    "spacelift.after_act",
];
