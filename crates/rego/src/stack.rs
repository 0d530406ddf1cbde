//! Room to evaluate: a rule that needs another is evaluated inside of it, and a few hundred of them
//! fill the stack of an ordinary thread, which ends the process.

/// Enough for the longest chain of rules that a program may have. What is not touched is not taken.
const STACK_BYTES: usize = 128 * 1024 * 1024;

/// Does something with room for deep calls. On this thread: another one would have to be waited for,
/// which on a busy machine takes longer than the evaluation.
pub(crate) fn roomy<T>(work: impl FnOnce() -> T) -> T {
    stacker::grow(STACK_BYTES, work)
}
