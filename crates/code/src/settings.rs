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
    /// What holds for every stack of this folder and of all folders below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Settings>,
    /// The stacks made from the code in this folder, by name.
    /// One code may have many states: each of them is a block.
    pub stack: BTreeMap<String, Settings>,
}

/// What can be said of a stack, and of many at once in `defaults`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether the `defaults` of this folder and of those above it count.
    /// In `defaults`: whether those of the folders above count. True unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inherit: Option<bool>,
    /// The version of the code, for people alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it is for, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Labels, by which policies, limits and people find it. Inherited ones are added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Who answers for it: users, or teams as `@org/team`. Own ones replace inherited ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
    /// Names of policies it asks to be held to. Inherited ones are added. The same as labels
    /// `stackly:policy=name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Names of stacks that must be done before it, of any repository. Inherited ones are added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// More files whose changes touch it: globs from the root of the repository, or from this
    /// folder if they begin with `./` or `../`. Inherited ones are added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub watch: Vec<String>,
    /// The wave it is rolled out in: the stacks of a wave wait for all waves with lower numbers.
    /// The same as a label `stackly:wave=2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wave: Option<u32>,
    /// Whether it goes first, with what it depends on, and all other stacks wait for it.
    /// False unless said otherwise. The same as a label `stackly:canary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<bool>,
    /// How long its wave soaks at least before the next one begins, such as `30m`.
    /// The same as a label `stackly:soak=30m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soak: Option<String>,
    /// Names of health checks that must hold after its wave. Inherited ones are added.
    /// The same as labels `stackly:check=name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// How many of the stacks before it must have ended well: `all`, `any`, or a number such as `2`.
    /// All unless said otherwise. The same as a label `stackly:join=any`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// Names of stacks that must have failed before it, such as one that it repairs: it runs only
    /// then. They are depended on. The same as labels `stackly:on=failure:name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_failure_of: Vec<String>,
    /// Names of stacks that must have ended before it, well or badly. They are depended on.
    /// The same as labels `stackly:on=always:name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_end_of: Vec<String>,
    /// Where it waits for another stack, by that stack: on some branches, or in some environments
    /// alone. `*` stands for all stacks it waits for. The same as labels
    /// `stackly:only=branch:main:name`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<String, Only>,
    /// Tags of its repository that deliver it, such as `v*`; pushes to its branch do not then.
    /// `*` and `?` stand for any text and any character. Inherited ones are added. The same as
    /// labels `stackly:on-tag=v*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_tag: Vec<String>,
    /// Whether it runs with every change it depends on, even if nothing it reads has changed.
    /// False unless said otherwise. The same as a label `stackly:always`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always: Option<bool>,
    /// Whether a change of it, with all that follows, starts nothing new after its first failure.
    /// False unless said otherwise. The same as a label `stackly:fail-fast`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_fast: Option<bool>,
    /// Whether a change of it, with all that follows, gives way to a newer one of the same branch
    /// that has all of its stacks. False unless said otherwise. The same as a label
    /// `stackly:supersede`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supersede: Option<bool>,
    /// Whether every stack that a change of it leads to is planned before any is applied, so that
    /// all plans are approved at once. False unless said otherwise. The same as a label
    /// `stackly:plan-all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_all: Option<bool>,
    /// Values for the variables of its code: any plain data. Own ones win over inherited ones.
    /// They say which stacks it reads, where that hangs on them, and `stackly drift catalogue` holds
    /// them against the environment of the stack; no run is given them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// Variables that get their value from an output of another stack, by variable.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub input: BTreeMap<String, Input>,
    /// Names of hooks, by when they are called. Inherited ones are called first.
    #[serde(skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// What it touches at its providers, by provider.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub provider: BTreeMap<String, Provider>,
    /// How much of it may happen at once, and for how long.
    #[serde(skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// When the real world is compared with its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// What becomes of edges that were read from code rather than declared.
    #[serde(skip_serializing_if = "Inferred::is_empty")]
    pub inferred: Inferred,
    /// The stack in Spacelift that it is.
    #[serde(skip_serializing_if = "Spacelift::is_empty")]
    pub spacelift: Spacelift,
}

/// A variable that gets its value from an output of another stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The stack that has the output; it is depended on.
    pub stack: String,
    /// The output; of the same name as the variable unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Whether a run follows even if the output did not change. False unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub always: Option<bool>,
    /// Whether it is handed on although it is a secret. False unless said otherwise.
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

/// Where a stack waits for another one. What is not named does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Only {
    /// The branches a change must be of, such as `main` or `release/*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<String>,
    /// The environments, as labels `env:name` say them, of which the stack that waits must be.
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

/// Names of hooks, by when they are called. Each is a label `stackly:hook=pre_plan:name`. Those before
/// something are asked by policies; those after it are told as the event `hook.called`.
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

/// What a stack touches at one of its providers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Provider {
    /// The accounts, projects or subscriptions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// The regions. Each is a label `stackly:region=name`, by which policies match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    /// The most runs at once for each of these accounts; where none is named, of the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
}

/// How much may happen at once, and for how long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most runs at once among all stacks that share one of its labels, while it runs or waits
    /// for a place. Labels that begin with `stackly:` or `depends-on:` group nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
    /// How long a run may take before people are told, such as `45m` or `2h`. Nothing is broken off.
    /// The same as a label `stackly:timeout=45m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// How often at most a run that failed for a passing reason is tried again. The same as a label
    /// `stackly:attempts=3`, which counts the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// When the real world is compared with the code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Drift {
    /// Whether it is compared at all. True unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// When: cron expressions of five fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<String>,
    /// The time zone of the schedule, by its IANA name. UTC unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Whether what drifted is put right. False unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<bool>,
}

/// What becomes of edges that were read from code rather than declared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Inferred {
    /// Whether edges are read from its code at all. True unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Stacks that it does not wait for, whatever its code reads from them. `*` stands for
    /// anything. Inherited ones are added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

/// The stack in Spacelift.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Spacelift {
    /// Its id (slug); the name of this stack unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// Its space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// The branch it tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The folder it runs in; that of this file unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_root: Option<String>,
    /// What runs it: `terraform`, `opentofu` or `terragrunt`. Compared with the account, not set there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    /// The version of the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_version: Option<String>,
    /// The worker pool it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_pool: Option<String>,
    /// Whether it applies without asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autodeploy: Option<bool>,
    /// Whether it may manage Spacelift itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub administrative: Option<bool>,
    /// Whether it is protected from being deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protect_from_deletion: Option<bool>,
    /// The image its runs use.
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
