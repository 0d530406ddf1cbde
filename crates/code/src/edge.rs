//! Why one stack waits for another: the edge with the line of code it comes from.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line of a file.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Spot {
    /// The path from the root of the repository.
    pub file: String,
    /// Counts from one.
    pub line: usize,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What an edge was read from.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// `depends_on` of a stackly.hcl.
    DependsOn,
    /// An `input` of a stackly.hcl.
    Input,
    /// A `terraform_remote_state`, or another data source that reads a whole state.
    RemoteState,
    /// A `spacelift_stack_dependency` resource.
    SpaceliftDependency,
    /// A Terragrunt `dependency` or `dependencies` block.
    Terragrunt,
    /// A data source that looks up what another stack's resource writes.
    LookUp,
}

impl Origin {
    /// Whether somebody wrote the edge down as such in a stackly.hcl; all others are inferred.
    pub fn is_declared(self) -> bool {
        matches!(self, Self::DependsOn | Self::Input)
    }
}

/// An output of one stack that becomes an input of another.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Reference {
    /// The output that is read.
    pub output: String,
    /// The variable it becomes, where that is known.
    pub input: Option<String>,
}

/// One stack that waits for another, because of one place in the code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Edge {
    /// The stack that waits.
    pub stack: String,
    /// The stack it waits for.
    pub on: String,
    /// What it was read from.
    pub origin: Origin,
    /// The line it was read from.
    pub spot: Spot,
    /// Why, as one sentence for people, without the line.
    pub reason: String,
    /// The outputs it reads, where they are known.
    pub references: Vec<Reference>,
}
