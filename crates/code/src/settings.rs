//! What a stackly.hcl can say of a stack. The sentences here are the manual and the JSON Schema.

use contracts::label;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod inherit;

/// A whole stackly.hcl.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StackFile {
    /// Settings for every stack in this folder and in all folders below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Settings>,
    /// The stacks that run the code in this folder, by name. If the code has several states, each
    /// is a block.
    pub stack: BTreeMap<String, Settings>,
}

/// The settings of a stack or, in `defaults`, of many stacks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether it inherits the `defaults` of this folder and of those above it. In `defaults`:
    /// whether it inherits those of the folders above. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inherit: Option<bool>,
    /// The version of the code, for people only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The purpose of the stack, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Labels by which policies, limits and people find it. Added to inherited ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Its owners: users, or teams as `@org/team`. They replace inherited ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
    /// Names of policies that it is held to. Added to inherited ones. The same as labels
    /// `stackly:policy=name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Names of stacks that must finish before it, from any repository. Added to inherited ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Additional files whose changes touch it: globs from the root of the repository, or from this
    /// folder if they begin with `./` or `../`. Added to inherited ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub watch: Vec<String>,
    /// The wave in which it is rolled out: the stacks of a wave wait for all waves with lower
    /// numbers. The same as a label `stackly:wave=2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wave: Option<u32>,
    /// Whether it and the stacks it depends on run first, and all other stacks wait for them.
    /// Default: `false`. The same as a label `stackly:canary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<bool>,
    /// The minimum time for which its wave soaks before the next one begins, such as `30m`. The
    /// same as a label `stackly:soak=30m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soak: Option<String>,
    /// Names of health checks that must pass after its wave. Added to inherited ones. The same as
    /// labels `stackly:check=name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// How many of the stacks before it must have ended well: `all`, `any`, or a number such as
    /// `2`. Default: `all`. The same as a label `stackly:join=any`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// Names of stacks that must have failed before it, such as one that it repairs: it runs only
    /// then. It depends on them. The same as labels `stackly:on=failure:name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_failure_of: Vec<String>,
    /// Names of stacks that must have ended before it, well or badly. It depends on them. The same
    /// as labels `stackly:on=always:name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_end_of: Vec<String>,
    /// Limits dependencies to some branches or environments, by the stack it depends on; `*` stands
    /// for all of them. The same as labels `stackly:only=branch:main:name`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<String, Only>,
    /// Tags of its repository that deliver it, such as `v*`; pushes to its branch then do not. `*`
    /// matches any text and `?` any character. Added to inherited ones. The same as labels
    /// `stackly:on-tag=v*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_tag: Vec<String>,
    /// Whether it runs with every change it depends on, even if nothing it reads has changed.
    /// Default: `false`. The same as a label `stackly:always`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always: Option<bool>,
    /// Whether a chain with this stack starts nothing new after its first failure. Default:
    /// `false`. The same as a label `stackly:fail-fast`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_fast: Option<bool>,
    /// Whether a chain with this stack gives way to a newer one of the same branch that has all of
    /// its stacks. Default: `false`. The same as a label `stackly:supersede`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supersede: Option<bool>,
    /// Whether a chain with this stack plans all its stacks before any is applied, so that all
    /// plans are approved at once. Default: `false`. The same as a label `stackly:plan-all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_all: Option<bool>,
    /// Values for the variables of its code: any plain data. They override inherited ones. They
    /// resolve which stacks its code reads, where that depends on them, and `stackly drift
    /// catalogue` compares them with the environment of the stack; they are not passed to runs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// Variables that get their value from an output of another stack, by variable.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub input: BTreeMap<String, Input>,
    /// Names of hooks, by when they are called. Inherited ones are called first.
    #[serde(skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// What it uses at its providers, by provider.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub provider: BTreeMap<String, Provider>,
    /// How many runs may be in progress at once, how long they may take, and how often they are
    /// retried.
    #[serde(skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// When it is checked for drift from its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// How edges that are inferred from code are handled.
    #[serde(skip_serializing_if = "Inferred::is_empty")]
    pub inferred: Inferred,
    /// The stack in Spacelift that runs it.
    #[serde(skip_serializing_if = "Spacelift::is_empty")]
    pub spacelift: Spacelift,
}

/// A variable that gets its value from an output of another stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The stack that has the output; it becomes a dependency.
    pub stack: String,
    /// The name of the output. Default: the name of the variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Whether the stack runs even if none of its inputs changed, whichever of them says so. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub always: Option<bool>,
    /// Whether the output is passed on even if it is sensitive. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitive: Option<bool>,
}

impl Input {
    /// Itself as a label: `stackly:input=vpc_id:network/vpc_id`.
    pub(crate) fn label(&self, variable: &str) -> String {
        let kind = if self.sensitive == Some(true) { label::SENSITIVE_INPUT } else { label::INPUT };
        let output = self.output.as_deref().unwrap_or(variable);
        format!("{kind}{variable}:{}/{output}", self.stack)
    }
}

/// Where a dependency on another stack counts. What is not set matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Only {
    /// The branches that the change must be on, such as `main` or `release/*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<String>,
    /// The environments, as in labels `env:name`, to which the waiting stack must belong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
}

impl Only {
    /// Itself as labels: `stackly:only=branch:main:dns`.
    pub(crate) fn labels(&self, stack: &str) -> impl Iterator<Item = String> {
        let of = if stack == "*" { String::new() } else { format!(":{stack}") };
        let (branches, of_branches) = (self.branches.iter(), of.clone());
        let branches = branches.map(move |it| format!("{}branch:{it}{of_branches}", label::ONLY));
        branches
            .chain(self.environments.iter().map(move |it| format!("{}env:{it}{of}", label::ONLY)))
    }
}

/// Names of hooks, by when they are called. Each becomes a label `stackly:hook=pre_plan:name`.
/// Policies ask the hooks before a plan, an apply or a destroy; those after it are called with the
/// event `hook.called`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// Before a plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pre_plan: Vec<String>,
    /// After a plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_plan: Vec<String>,
    /// Before an apply.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pre_apply: Vec<String>,
    /// After an apply.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_apply: Vec<String>,
    /// Before a destroy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pre_destroy: Vec<String>,
    /// After a destroy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_destroy: Vec<String>,
}

/// What a stack uses at one of its providers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Provider {
    /// The accounts, projects or subscriptions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// The regions. Each becomes a label `stackly:region=name`, which policies can match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    /// The maximum number of concurrent runs for each of these accounts or, if none is named, for
    /// the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
}

/// How many runs may be in progress at once, how long they may take, and how often they are
/// retried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The maximum number of concurrent runs among all stacks that share one of its labels, while
    /// it runs or waits for a place. Labels that begin with `stackly:` or `depends-on:` do not
    /// count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
    /// How long a run may take before people are told, such as `45m` or `2h`. The run is not
    /// aborted. The same as a label `stackly:timeout=45m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// The maximum number of retries of a run that failed for a temporary reason. The same as a
    /// label `stackly:attempts=3`, which also counts the first attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// When the stack is checked for drift from its code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Drift {
    /// Whether it is checked at all. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// When: cron expressions with five fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<String>,
    /// The time zone of the schedule, as an IANA name. Default: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Whether drift is fixed. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<bool>,
}

/// How edges that are inferred from code are handled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Inferred {
    /// Whether edges are inferred from its code at all. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Stacks that it does not wait for, whatever its code reads from them. `*` matches any text.
    /// Added to inherited ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

/// The stack in Spacelift.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Spacelift {
    /// Its id (slug). Default: the name of this stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// Its space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// The branch it tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The folder it runs in. Default: the folder of this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_root: Option<String>,
    /// The tool that runs it: `terraform`, `opentofu` or `terragrunt`. Compared with the account,
    /// not set there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    /// The version of the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_version: Option<String>,
    /// The worker pool it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_pool: Option<String>,
    /// Whether it deploys by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autodeploy: Option<bool>,
    /// Whether it may manage Spacelift itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub administrative: Option<bool>,
    /// Whether it is protected from deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protect_from_deletion: Option<bool>,
    /// The image that its runs use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_image: Option<String>,
}

/// What runs the code of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// HashiCorp's.
    Terraform,
    /// Its free successor.
    #[serde(rename = "opentofu")]
    OpenTofu,
    /// A wrapper around either.
    Terragrunt,
}

impl Tool {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terraform => "terraform",
            Self::OpenTofu => "opentofu",
            Self::Terragrunt => "terragrunt",
        }
    }
}
