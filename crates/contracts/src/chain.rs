//! Chains: what follows from one change, in which order.

use std::fmt;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Action, ChainId, Code, List, Message, Reason, SpaceId, StackId, Text,
    change::{Change, TouchedFiles},
    step::StepSummary,
};

pub use edges::{BorrowedEdge, PlannedEdge, PlannedEdges};
pub use labels::CodeLabels;
pub use options::{ChainOptions, OnFailure};
pub use uses::{LimitedBy, SaidLimit, Uses, WorkerPool};
pub use withdrawn::ChainWithdrawn;

mod edges;
mod labels;
mod options;
mod uses;
mod withdrawn;

/// What a chain does with its stacks.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ChainKind {
    /// Plans and applies: tracked runs.
    Deploy,
    /// Plans only: proposed runs, for a pull request.
    Preview,
}

impl ChainKind {
    /// The kind as written in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Preview => "preview",
        }
    }
}

/// One stack in a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedStep {
    /// The stack.
    pub stack: StackId,
    /// Its name, for people.
    pub name: Text,
    /// Its space.
    pub space: SpaceId,
    /// Its labels.
    pub labels: List<Text>,
    /// What its code has to do with them.
    #[serde(default, skip_serializing_if = "CodeLabels::is_none")]
    pub by_code: CodeLabels,
    /// It applies without asking, so that only the gate before the plan can hold it.
    pub autodeploy: bool,
    /// Its run is on the change's commit; otherwise on the stack's own tracked commit (a stack of
    /// another repository or branch).
    pub on_commit: bool,
    /// Why it is part of the chain.
    pub why: Reason,
    /// Where its code lies in its repository; empty for the root, absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
    /// What its runs use that there is only so much of, as far as that is known.
    #[serde(default, skip_serializing_if = "Uses::is_none")]
    pub uses: Uses,
    /// What its code says of how many runs may be at once.
    #[serde(default, skip_serializing_if = "<[SaidLimit]>::is_empty")]
    pub limits: List<SaidLimit>,
    /// Who answers for it, as its code says.
    #[serde(default, skip_serializing_if = "<[Text]>::is_empty")]
    pub owners: List<Text>,
}

impl PlannedStep {
    /// Whether it is part of the chain only because of what it depends on.
    pub fn follows(&self) -> bool {
        self.why.code == Code::DependsOn
    }
}

/// Where an edge of the graph comes from.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum EdgeOrigin {
    /// A Spacelift stack dependency.
    Native {
        /// Outputs it hands over, `OUTPUT -> INPUT`.
        references: Vec<String>,
    },
    /// A `depends-on:` label of the child.
    Label {
        /// The label.
        label: String,
    },
    /// The child's `stackly.hcl` says so.
    Declared {
        /// The file, from the root of its repository.
        file: String,
        /// The line in it, counted from one.
        line: u32,
        /// The outputs that the child reads for it, `*` for all of them; none if it may read
        /// something else, too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        outputs: Vec<String>,
    },
    /// The child's code reads something of the parent's.
    Inferred {
        /// The file, from the root of its repository.
        file: String,
        /// The line in it, counted from one.
        line: u32,
        /// What it reads there, as a sentence.
        why: String,
        /// The outputs that the child reads for it, `*` for all of them; none if it may read
        /// something else, too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        outputs: Vec<String>,
    },
    /// Where stacks are destroyed: the child is what the parent depends on.
    Reversed {
        /// Who says that it does.
        of: String,
    },
}

impl fmt::Display for EdgeOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native { references } if references.is_empty() => {
                f.write_str("Spacelift dependency")
            }
            Self::Native { references } => {
                write!(f, "Spacelift dependency ({})", references.join(", "))
            }
            Self::Label { label } => write!(f, "label {label}"),
            Self::Declared { file, line, .. } => write!(f, "declared at {file}:{line}"),
            Self::Inferred { file, line, why, .. } => write!(f, "{why} at {file}:{line}"),
            Self::Reversed { of } => write!(f, "what depends on it goes first: {of}"),
        }
    }
}

/// A change leads to runs of these stacks, in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChainPlanned {
    /// The new chain.
    pub chain: ChainId,
    /// Plan and apply, or plan only.
    pub kind: ChainKind,
    /// What set it off.
    pub change: Change,
    /// Its steps, parents before children.
    pub steps: Vec<PlannedStep>,
    /// The order among them.
    pub edges: PlannedEdges,
    /// The version of the graph it was planned with.
    pub graph_version: i64,
    /// How it is to be carried out.
    #[serde(default, skip_serializing_if = "ChainOptions::is_default")]
    pub options: ChainOptions,
    /// What it is there for.
    #[serde(default, skip_serializing_if = "Action::is_deliver")]
    pub action: Action,
    /// Which files the change touches; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<TouchedFiles>,
}

impl Message for ChainPlanned {
    const TYPE: &'static str = "chain.planned";
    const MEANING: &'static str = "A change leads to runs of these stacks, in this order.";

    fn key(&self) -> String {
        self.chain.to_string()
    }
}

/// A change leads to no run; says why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainIgnored {
    /// The change.
    pub change: Change,
    /// What a chain of it would have done; absent where an older planner told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ChainKind>,
    /// Why nothing follows.
    pub reason: Reason,
}

impl Message for ChainIgnored {
    const TYPE: &'static str = "chain.ignored";
    const MEANING: &'static str = "A change leads to no run; says why.";

    fn key(&self) -> String {
        self.change.repository.clone()
    }
}

/// A change cannot be planned, and why; people must mend something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainRefused {
    /// The change.
    pub change: Change,
    /// What a chain of it would have done; absent where an older planner told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ChainKind>,
    /// Why it cannot be planned.
    pub reason: Reason,
}

impl Message for ChainRefused {
    const TYPE: &'static str = "chain.refused";
    const MEANING: &'static str = "A change cannot be planned until someone fixes an error.";

    fn key(&self) -> String {
        self.change.repository.clone()
    }
}

/// How a chain stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChainState {
    /// Asks a gate about the whole chain: before it begins, or with the plans of all its steps.
    Gating,
    /// Every step is being planned, before any is applied.
    Planning,
    /// Steps wait or run.
    Running,
    /// A person paused it: runs go on to their next gate, and nothing new starts.
    Paused,
    /// Every step ended well.
    Finished,
    /// At least one step ended badly; its downstream cone did not run.
    Failed,
    /// The gate before the chain denied it.
    Denied,
    /// A person cancelled it, and nothing else went wrong.
    Canceled,
}

impl ChainState {
    /// Every state, in the order a chain passes through them.
    pub const ALL: [ChainState; 8] = [
        Self::Gating,
        Self::Planning,
        Self::Running,
        Self::Paused,
        Self::Finished,
        Self::Failed,
        Self::Denied,
        Self::Canceled,
    ];

    /// Whether the chain never changes again by itself.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Denied | Self::Canceled)
    }

    /// The state as written in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gating => "gating",
            Self::Planning => "planning",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Canceled => "canceled",
        }
    }
}

impl fmt::Display for ChainState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The gate before the chain is open; its first steps start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainStarted {
    /// The chain.
    pub chain: ChainId,
    /// What set it off.
    pub change: Change,
    /// How many steps it has.
    pub steps: usize,
}

impl Message for ChainStarted {
    const TYPE: &'static str = "chain.started";
    const MEANING: &'static str = "The gate before a chain has passed; its first steps start.";

    fn key(&self) -> String {
        self.chain.to_string()
    }
}

/// Every step of a chain has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChainFinished {
    /// The chain.
    pub chain: ChainId,
    /// What set it off.
    pub change: Change,
    /// How it ended.
    pub state: ChainState,
    /// Why it ended so.
    pub reason: Reason,
    /// How each step ended.
    pub steps: Vec<StepSummary>,
    /// When the chain was planned.
    pub began_at: DateTime<Utc>,
    /// When its last step ended.
    pub ended_at: DateTime<Utc>,
}

impl Message for ChainFinished {
    const TYPE: &'static str = "chain.finished";
    const MEANING: &'static str = "Every step of a chain has ended.";

    fn key(&self) -> String {
        self.chain.to_string()
    }
}

#[cfg(test)]
mod tests;
