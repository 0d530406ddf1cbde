//! What an account holds before anything runs: plain values, so that a JSON file can seed it too.

mod stack;

use serde::{Deserialize, Serialize};

pub use stack::{
    Approvals, Behaviour, CommitSeed, OutputSeed, PlanResult, ResourceChange, StackSeed,
};

/// A whole account. Write `..Account::default()` for what you do not name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// The account's name, which webhooks carry.
    pub name: String,
    /// The spaces; `root` exists even if it is not listed.
    pub spaces: Vec<SpaceSeed>,
    /// The stacks.
    pub stacks: Vec<StackSeed>,
    /// Native dependencies between the stacks.
    pub dependencies: Vec<DependencySeed>,
    /// Private worker pools.
    pub worker_pools: Vec<WorkerPoolSeed>,
    /// Shared configuration that stacks attach.
    pub contexts: Vec<ContextSeed>,
    /// Templates from which stacks are made.
    pub blueprints: Vec<BlueprintSeed>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            name: "acme".into(),
            spaces: Vec::new(),
            stacks: Vec::new(),
            dependencies: Vec::new(),
            worker_pools: Vec::new(),
            contexts: Vec::new(),
            blueprints: Vec::new(),
        }
    }
}

/// A space: what stacks, webhooks and policies belong to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpaceSeed {
    /// `root`, or a slug with a ULID behind it.
    pub id: String,
    /// What people read; the id if empty.
    pub name: String,
    /// A sentence about it.
    pub description: String,
    /// The space above; `root` if not given, except for `root` itself.
    pub parent: Option<String>,
    /// Whether what belongs to the space above reaches into this one.
    pub inherit_entities: bool,
    /// Free labels.
    pub labels: Vec<String>,
}

/// A native dependency: `stack` waits for `depends_on`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DependencySeed {
    /// The id of the edge; made up if empty.
    pub id: String,
    /// The child, which waits.
    pub stack: String,
    /// The parent, which is waited for.
    pub depends_on: String,
    /// Whether the child runs even if no referenced output has changed.
    pub trigger_always: bool,
    /// Outputs of the parent that become inputs of the child.
    pub references: Vec<ReferenceSeed>,
}

/// One output of the parent that becomes an environment variable of the child.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReferenceSeed {
    /// The parent's output.
    pub output: String,
    /// The child's environment variable.
    pub input: String,
    /// Whether the child runs even if this output has not changed.
    pub trigger_always: bool,
}

impl ReferenceSeed {
    /// A reference from an output to an input.
    pub fn new(output: &str, input: &str) -> Self {
        Self { output: output.into(), input: input.into(), trigger_always: false }
    }
}

/// A private worker pool.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerPoolSeed {
    /// ULID or slug.
    pub id: String,
    /// What people read.
    pub name: String,
    /// A sentence about it.
    pub description: Option<String>,
    /// How many workers it has.
    pub workers: u32,
    /// Whether they take no runs any more.
    pub drained: bool,
}

/// Shared configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContextSeed {
    /// Slug.
    pub id: String,
    /// What people read.
    pub name: String,
    /// A sentence about it.
    pub description: Option<String>,
    /// Free labels; `autoattach:<label>` attaches it to stacks that carry the label.
    pub labels: Vec<String>,
    /// The space it belongs to.
    pub space: String,
    /// Environment variables by name.
    pub variables: std::collections::BTreeMap<String, String>,
    /// The stacks it is attached to by hand.
    pub stacks: Vec<String>,
}

/// A template from which stacks are made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlueprintSeed {
    /// Slug or ULID.
    pub id: String,
    /// What people read.
    pub name: String,
    /// The input whose value names the new stack.
    pub name_input: String,
    /// Everything else the new stack has.
    pub stack: StackSeed,
}
