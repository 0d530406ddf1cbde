//! What can happen to the lock on a stack, and what is asked of Spacelift about it: values.

use contracts::{Reason, StackId};
use serde::{Deserialize, Serialize};

use crate::course::Said;

/// What is asked of Spacelift about the lock on a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockKind {
    /// `stackLock`.
    Lock,
    /// `stackUnlock`.
    Unlock,
}

/// What can happen to the lock on a stack.
#[derive(Debug, Clone)]
pub struct LockInput {
    /// The stack.
    pub stack: StackId,
    /// Whether it is about locking or unlocking.
    pub kind: LockKind,
    /// What happens.
    pub what: LockWord,
}

/// What is said of a lock.
#[derive(Debug, Clone)]
pub enum LockWord {
    /// A person gives an order.
    Ordered {
        /// Who, why and when.
        said: Said,
        /// Also what somebody else had locked.
        force: bool,
    },
    /// The call to Spacelift is over.
    Concluded {
        /// What came of it.
        result: LockResult,
        /// Who wanted it.
        said: Option<Said>,
    },
    /// Spacelift does not show our lock any more.
    TakenOff {
        /// By which that lock is known.
        mark: String,
        /// What stands there instead.
        reason: Reason,
    },
}

/// What came of a call about a lock.
#[derive(Debug, Clone, PartialEq)]
pub enum LockResult {
    /// It is as was asked for.
    Done,
    /// Of an unlock: our lock had gone without us; this is what stands there.
    Gone(Reason),
    /// Spacelift will not do it.
    Refused(Reason),
}

/// A call about a lock, kept with its intent. Written by one build and made by another, perhaps: a new
/// field needs a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LockCall {
    /// What to do.
    pub call: LockKind,
    /// On which stack.
    pub stack: StackId,
    /// What is written beside a lock in Spacelift; our mark is part of it.
    pub note: String,
    /// By which our lock is known.
    pub mark: String,
    /// Who wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
}

impl LockKind {
    /// The kind of effect.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "stack.lock",
            Self::Unlock => "stack.unlock",
        }
    }

    /// Whether an effect of this kind is about a lock.
    pub(crate) fn is_of(kind: &str) -> bool {
        [Self::Lock, Self::Unlock].iter().any(|known| known.as_str() == kind)
    }
}
