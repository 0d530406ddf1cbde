//! The catalogue: which stacks there are, which of them have code, and what became of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CommitSha, Message, Reason, StackId, change::Change};

/// Where the code of a stack is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CodePlace {
    /// `owner/name`.
    pub repository: String,
    /// The branch it is read from.
    pub branch: String,
    /// The folder, from the root of the repository; empty for the root.
    pub path: String,
    /// What the code calls the stack.
    pub name: String,
    /// The commit that says so; for code that is gone, the last one that had it.
    pub commit: CommitSha,
}

/// Something that the account says differently of a stack than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountChange {
    /// What it is: `name`, `space`, `labels`, `branch`, `project_root`, `dependencies`, ….
    pub what: String,
    /// What the account said before; empty if nothing.
    pub from: Vec<String>,
    /// What it says now.
    pub to: Vec<String>,
}

macro_rules! catalogue_events {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident = $kind:literal $(since $version:literal)?, $meaning:literal {
            $($(#[$meta:meta])+ $field:ident: $type:ty,)+
        }
    )*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            /// The stack.
            pub stack: StackId,
            $($(#[$meta])+ pub $field: $type,)+
            /// Why.
            pub reason: Reason,
        }

        impl Message for $name {
            const TYPE: &'static str = $kind;
            $(
                const VERSION: u32 = $version;
                // Whatever said the code said it in the same words.
                const READ_AS_IS_SINCE: u32 = 1;
            )?
            const MEANING: &'static str = $meaning;

            fn key(&self) -> String {
                self.stack.to_string()
            }
        }
    )*};
}

// Since version 2 the account alone may be what changed, and then no code is named.
catalogue_events! {
    /// A stack is known: its code was found, or the account has it now.
    StackRegistered = "stack.registered" since 2,
        "The code of a stack was found, or the account has a new stack."
    {
        /// Its code; none where no code of it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<CodePlace>,
    }
    /// The code or the account settings of a stack have changed.
    StackUpdated = "stack.updated" since 2,
        "The code or the account settings of a stack have changed."
    {
        /// Its code; none where no code of it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<CodePlace>,
        /// What changed in the account; empty if it was the code that changed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changes: Vec<AccountChange>,
    }
    /// The code of a stack is gone; what it made is still there.
    StackLoosened = "stack.loosened", "The code of a stack was removed; its resources still exist." {
        /// Its code.
        code: CodePlace,
    }
    /// A stack belongs to other code now: its folder moved, or code that was gone is back.
    StackReassociated = "stack.reassociated", "A stack was associated with code in another place." {
        /// Its code.
        code: CodePlace,
    }
    /// A stack was removed from the account.
    StackRetired = "stack.retired" since 2, "A stack was removed from the account." {
        /// Its code; none where no code of it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<CodePlace>,
    }
}

/// Associate a loose stack with code. It is refused, with every reason, if it does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdoptStack {
    /// The stack.
    pub stack: StackId,
    /// The folder of the code, from the root of the repository that the stack tracks.
    pub path: String,
    /// What the code calls the stack; may be left out where the folder has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who says so.
    pub by: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Message for AdoptStack {
    const TYPE: &'static str = "stack.adopt";
    const MEANING: &'static str = "Associate a loose stack with code.";

    fn key(&self) -> String {
        self.stack.to_string()
    }
}

macro_rules! stack_orders {
    ($($(#[doc = $doc:literal])+ $name:ident = $kind:literal, $meaning:literal;)*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            /// The stacks.
            pub stacks: Vec<StackId>,
            /// Who says so.
            pub by: String,
            /// Why, in their words.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub note: Option<String>,
        }

        impl Message for $name {
            const TYPE: &'static str = $kind;
            const MEANING: &'static str = $meaning;

            fn key(&self) -> String {
                self.stacks.first().map(ToString::to_string).unwrap_or_default()
            }
        }
    )*};
}

stack_orders! {
    /// A person has what differs from the code put right: a chain of runs on the code as it is.
    FixDrift = "drift.fix",
        "Fix drift: runs apply the code as it is.";
    /// A person has what loose stacks made destroyed: a chain of runs that destroy.
    DestroyStacks = "stack.destroy", "Destroy the resources of loose stacks.";
}

/// The old head of a branch is not an ancestor of the new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryRewritten {
    /// The change that brought the new head.
    pub change: Change,
    /// The stacks whose code differs between the old head and the new one. What was applied to
    /// them may come from commits that are no more.
    pub stacks: Vec<StackId>,
    /// What happened, for people.
    pub reason: Reason,
}

impl Message for HistoryRewritten {
    const TYPE: &'static str = "history.rewritten";
    const MEANING: &'static str = "The history of a branch that stacks track was rewritten.";

    fn key(&self) -> String {
        self.change.repository.clone()
    }
}

#[cfg(test)]
mod tests;
