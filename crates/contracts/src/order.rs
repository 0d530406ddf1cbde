//! Orders: what people tell chains to do, and that they did.
//!
//! An order is a request to the executor, which commits it before it answers. `force` is for what
//! may do harm, so that nobody does it by accident.

use std::fmt;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ChainId, Message, Reason, StackId, chain::ChainState};

/// What a person wants of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// Start nothing new until it is resumed.
    Pause,
    /// Go on.
    Resume,
    /// End it.
    Cancel,
    /// Try again what ended badly, and what depends on it.
    Retry,
}

impl OrderKind {
    /// The order as written in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
        }
    }
}

impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! order {
    ($(#[$meta:meta])* $name:ident, $type:literal, $meaning:literal, { $($more:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            /// The chain.
            pub chain: ChainId,
            /// One step of it; absent for all of them.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub stack: Option<StackId>,
            $($more)*
            /// Who says so.
            pub by: String,
            /// Why, in their words.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub note: Option<String>,
        }

        order!(message $name, $type, $meaning);
    };
    (message $name:ident, $type:literal, $meaning:literal) => {
        impl Message for $name {
            const TYPE: &'static str = $type;
            const MEANING: &'static str = $meaning;

            fn key(&self) -> String {
                self.chain.to_string()
            }
        }
    };
}

order!(
    /// A person pauses a chain or a step of it.
    PauseChain,
    "chain.pause",
    "Pause a chain or a step of it: runs continue to their next gate, nothing new starts.",
    {}
);
order!(
    /// Resume a paused chain, or a paused step of it.
    ResumeChain,
    "chain.resume",
    "Resume a paused chain, or a paused step of it.",
    {}
);
order!(
    /// A person cancels a chain or a step of it.
    CancelChain,
    "chain.cancel",
    "Cancel a chain or a step of it: what has not been applied is ended.",
    {
        /// Also what applies is stopped, and killed if it does not heed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub force: bool,
    }
);
order!(
    /// A person has what ended badly tried again.
    RetryChain,
    "chain.retry",
    "Retry what failed in a chain, and then what depends on it.",
    {
        /// Also steps of unknown outcome, because a person has looked at what they manage.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub force: bool,
        /// Also what did not run because nothing it reads has changed; from now on, nothing of the
        /// chain is left out for that.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub all: bool,
    }
);

/// A person locks a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockStack {
    /// The stack.
    pub stack: StackId,
    /// Who says so.
    pub by: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Message for LockStack {
    const TYPE: &'static str = "stack.lock";
    const MEANING: &'static str = "Lock a stack, in Spacelift and for chains: no run of it starts.";

    fn key(&self) -> String {
        self.stack.to_string()
    }
}

/// A person takes off the lock that was taken with [`LockStack`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnlockStack {
    /// The stack.
    pub stack: StackId,
    /// Also if somebody else had it locked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Who says so.
    pub by: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Message for UnlockStack {
    const TYPE: &'static str = "stack.unlock";
    const MEANING: &'static str = "Release a lock taken with `stack.lock`, and never another one.";

    fn key(&self) -> String {
        self.stack.to_string()
    }
}

/// A person has locked a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StackLocked {
    /// The stack.
    pub stack: StackId,
    /// Who has it.
    pub by: String,
    /// Who, since when and why, as a sentence.
    pub reason: Reason,
    /// When it was asked for.
    pub at: DateTime<Utc>,
}

impl Message for StackLocked {
    const TYPE: &'static str = "stack.locked";
    const MEANING: &'static str =
        "A person locked a stack, in Spacelift and for chains: no run of it starts.";

    fn key(&self) -> String {
        self.stack.to_string()
    }
}

/// The lock that a person had taken with [`LockStack`] is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StackUnlocked {
    /// The stack.
    pub stack: StackId,
    /// Who took it off; absent if that was done in Spacelift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What became of the lock, as a sentence.
    pub reason: Reason,
    /// When that was known.
    pub at: DateTime<Utc>,
}

impl Message for StackUnlocked {
    const TYPE: &'static str = "stack.unlocked";
    const MEANING: &'static str =
        "A person's lock on a stack was released; waiting steps continue.";

    fn key(&self) -> String {
        self.stack.to_string()
    }
}

/// A person gave an order about a chain, and it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainOrdered {
    /// The chain.
    pub chain: ChainId,
    /// What it was told.
    pub order: OrderKind,
    /// The step it is about; absent for the whole chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackId>,
    /// Who said so.
    pub by: String,
    /// How the chain stands since.
    pub state: ChainState,
    /// What was said, as a sentence.
    pub reason: Reason,
    /// The steps that had ended and begin again because of it; none if they are more than 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<StackId>,
}

impl Message for ChainOrdered {
    const TYPE: &'static str = "chain.ordered";
    const MEANING: &'static str =
        "A person paused, resumed, cancelled or retried a chain or a step of it.";

    fn key(&self) -> String {
        self.chain.to_string()
    }
}
