//! A stack before anything runs on it, and how its runs will go.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{pace::Pace, vendor::VendorConfig};

/// A stack. Start from [`StackSeed::new`] and name what differs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StackSeed {
    /// The slug.
    pub id: String,
    /// What people read; the id if empty.
    pub name: String,
    /// A sentence about it.
    pub description: Option<String>,
    /// The space it belongs to.
    pub space: String,
    /// The owner of the repository at the VCS provider.
    pub namespace: String,
    /// The repository without its owner.
    pub repository: String,
    /// The tracked branch.
    pub branch: String,
    /// The VCS provider, as Spacelift spells it.
    pub provider: String,
    /// The folder of the stack in its repository.
    pub project_root: Option<String>,
    /// Globs outside the project root whose changes also concern the stack.
    pub additional_project_globs: Vec<String>,
    /// Free labels.
    pub labels: Vec<String>,
    /// The tool that plans and applies.
    pub vendor: VendorConfig,
    /// Whether a clean plan is applied without confirmation.
    pub autodeploy: bool,
    /// Whether a run that failed because its commit was outdated is tried again.
    pub autoretry: bool,
    /// Whether its runs may manage Spacelift itself.
    pub administrative: bool,
    /// Whether a proposed run may be promoted.
    pub github_action_deploy: bool,
    /// Whether a workspace from somebody's desk may be planned.
    pub local_preview_enabled: bool,
    /// Whether it cannot be deleted.
    pub protect_from_deletion: bool,
    /// Whether Spacelift keeps its state file.
    pub manages_state_file: bool,
    /// Whether sensitive outputs travel along references.
    pub enable_sensitive_output_upload: bool,
    /// The private worker pool it uses; the public one if none.
    pub worker_pool: Option<String>,
    /// The names of the AWS integrations that give its runs their rights.
    pub aws_integrations: Vec<String>,
    /// The image its runs use.
    pub runner_image: Option<String>,
    /// Commands around the phases, by hook name as in GraphQL (`beforePlan`).
    pub hooks: BTreeMap<String, Vec<String>>,
    /// The commit it tracks before any push.
    pub tracked_commit: Option<CommitSeed>,
    /// What an apply publishes.
    pub outputs: BTreeMap<String, OutputSeed>,
    /// Whether the outputs are there before any run, as if it had been applied long ago.
    pub outputs_published: bool,
    /// How many resources it manages before any run.
    pub resources: u32,
    /// How its runs go.
    pub behaviour: Behaviour,
}

impl StackSeed {
    /// A stack with this id and otherwise the defaults.
    pub fn new(id: &str) -> Self {
        Self { id: id.into(), name: id.into(), ..Self::default() }
    }
}

impl Default for StackSeed {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            description: None,
            space: "root".into(),
            namespace: "acme".into(),
            repository: "infra".into(),
            branch: "main".into(),
            provider: "GITHUB".into(),
            project_root: None,
            additional_project_globs: Vec::new(),
            labels: Vec::new(),
            vendor: VendorConfig::default(),
            autodeploy: false,
            autoretry: false,
            administrative: false,
            github_action_deploy: true,
            local_preview_enabled: true,
            protect_from_deletion: false,
            manages_state_file: true,
            enable_sensitive_output_upload: false,
            worker_pool: None,
            aws_integrations: Vec::new(),
            runner_image: None,
            hooks: BTreeMap::new(),
            tracked_commit: None,
            outputs: BTreeMap::new(),
            outputs_published: false,
            resources: 0,
            behaviour: Behaviour::default(),
        }
    }
}

/// How the runs of a stack go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// What a plan finds.
    pub plan: PlanResult,
    /// Whether a plan policy warns, which holds back autodeploy.
    pub plan_warning: bool,
    /// The stack's own pace; the account's if not given.
    pub pace: Option<Pace>,
    /// How many approvals a run needs, and where.
    pub approvals: Approvals,
    /// What plans change, resource by resource; made up to fit the counts if empty.
    pub changes: Vec<ResourceChange>,
    /// What the log of a run that fails says before its last line.
    pub failure_log: Vec<String>,
}

/// What a plan does to one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceChange {
    /// `module.net.aws_subnet.a`.
    pub address: String,
    /// In Spacelift's words, such as `add`, `change` or `delete`.
    pub kind: String,
}

impl ResourceChange {
    /// A change of one kind to one resource.
    pub fn new(kind: &str, address: &str) -> Self {
        Self { address: address.into(), kind: kind.into() }
    }
}

/// What a plan finds and what becomes of its apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case", deny_unknown_fields)]
pub enum PlanResult {
    /// Nothing to do: the run finishes after planning.
    NoChanges,
    /// There is something to apply, and the apply succeeds.
    Changes {
        /// Resources to add.
        add: u32,
        /// Resources to change.
        change: u32,
        /// Resources to delete.
        delete: u32,
    },
    /// Planning fails (a task or a destroy run fails in its work).
    FailPlanning,
    /// There is something to apply, and applying it fails.
    FailApplying {
        /// Resources to add.
        add: u32,
        /// Resources to change.
        change: u32,
        /// Resources to delete.
        delete: u32,
    },
}

impl Default for PlanResult {
    fn default() -> Self {
        Self::Changes { add: 1, change: 0, delete: 0 }
    }
}

impl PlanResult {
    /// Added, changed and deleted resources; nothing if planning fails.
    pub(crate) fn counts(&self) -> Option<(u32, u32, u32)> {
        match *self {
            Self::NoChanges => Some((0, 0, 0)),
            Self::Changes { add, change, delete } | Self::FailApplying { add, change, delete } => {
                Some((add, change, delete))
            }
            Self::FailPlanning => None,
        }
    }
}

/// How many approvals a run needs in each state in which approval policies are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Approvals {
    /// Before it may start.
    pub queued: u32,
    /// Before it may be confirmed.
    pub unconfirmed: u32,
    /// Before a proposed run with a plan warning may finish.
    pub pending_review: u32,
}

/// A commit as the VCS would describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommitSeed {
    /// Hexadecimal hash.
    pub hash: String,
    /// First line or whole message.
    pub message: String,
    /// The author's name.
    pub author_name: String,
    /// The author's login at the provider.
    pub author_login: Option<String>,
    /// Unix seconds; now if zero.
    pub timestamp: i64,
    /// The tag it carries.
    pub tag: Option<String>,
}

/// What an apply publishes under one output name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputSeed {
    /// The value; `{run}` and `{commit}` in it become the id of the run and the commit's hash,
    /// so that an output can change with every apply.
    pub value: String,
    /// Whether the value is hidden.
    pub sensitive: bool,
    /// A sentence about it.
    pub description: Option<String>,
}

impl From<&str> for OutputSeed {
    fn from(value: &str) -> Self {
        Self { value: value.into(), ..Self::default() }
    }
}
