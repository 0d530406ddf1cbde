//! Room to evaluate: a rule that needs another is evaluated inside of it, and a few hundred of them
//! fill the stack of an ordinary thread, which ends the process.

use std::{
    io,
    panic::resume_unwind,
    thread::{Builder, scope},
};

/// Enough for the longest chain of rules that a program may have. What is not touched is not taken.
const STACK_BYTES: usize = 128 * 1024 * 1024;

/// Does something with room for deep calls.
pub(crate) fn roomy<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    scope(|scope| {
        let thread = Builder::new().name("rego".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}
