//! Whose lock is on a stack in Spacelift: ours is the one that carries our mark.

use contracts::{Code, Reason};
use spacelift::Lock;

/// Whose lock is on a stack.
pub(crate) enum Whose {
    Nobodys,
    Ours,
    Theirs(Lock),
}

impl Whose {
    /// Whose lock this is, where ours carries this mark.
    pub(crate) fn is(lock: Option<Lock>, mark: &str) -> Self {
        match lock {
            None => Self::Nobodys,
            Some(lock) if lock.note.as_deref().is_some_and(|note| note.contains(mark)) => {
                Self::Ours
            }
            Some(lock) => Self::Theirs(lock),
        }
    }
}

/// That somebody else has a stack locked.
pub(crate) fn theirs(lock: &Lock) -> Reason {
    let text = format!("{lock} in Spacelift; it is unlocked there, by them or an administrator");
    Reason::new(Code::StackLocked, text)
}
