//! What a policy is, once it has been read: to whom it applies, and what it demands.
//!
//! A policy is a scope and a list of rules. What follows from a rule is decided in
//! [`crate::evaluate`]; a new kind of rule is a new variant of [`Rule`], read in
//! [`crate::document`] and judged there.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{chain::ChainKind, gate::Moment};
use located::Fault;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{pattern::Pattern, window::Schedule};

/// All policies that are in force together.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    /// In the order of their names.
    pub policies: Vec<Policy>,
    /// Who belongs to which group; persons as [`person`] writes them.
    pub groups: BTreeMap<String, Vec<String>>,
    /// What is probably not meant, but harmless.
    pub warnings: Vec<Fault>,
    /// What the set says, as a SHA-256: two sets that differ in layout alone have the same.
    pub digest: String,
}

/// One `policy "name" { … }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Unique in its set.
    pub name: String,
    /// Where it is written; moving it changes nothing.
    #[serde(skip)]
    pub file: String,
    /// What it is about.
    pub scope: Scope,
    /// What it demands.
    pub rules: Vec<Rule>,
}

/// The `match` block. What is given must all hold; of a list, any one. Empty: not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// A label of the stack.
    pub labels: Vec<Pattern>,
    /// The value of the stack's label `env:` or `environment:`.
    pub environments: Vec<Pattern>,
    /// The stack's space, with or without the ULID at its end.
    pub spaces: Vec<Pattern>,
    /// The stack.
    pub stacks: Vec<Pattern>,
    /// The repository of the change, `owner/name`.
    pub repositories: Vec<Pattern>,
    /// The branch of the change.
    pub branches: Vec<Pattern>,
    /// Who made the change.
    pub authors: Vec<Pattern>,
    /// The gates at which it speaks, where not those its rules speak at by themselves.
    pub moments: Vec<Moment>,
    /// The kinds of chain it is about, where not those its rules are about by themselves.
    pub kinds: Vec<ChainKind>,
}

/// One demand of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Only inside a window.
    Window {
        /// When it is open.
        schedule: Schedule,
        /// What if it is not.
        on_violation: OnViolation,
    },
    /// Only when people approved.
    Approval(Approval),
    /// Not at all.
    Deny {
        /// Why, for those who are stopped.
        reason: String,
    },
    /// People must know something.
    Warn {
        /// What.
        reason: String,
    },
}

/// What becomes of who comes outside a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnViolation {
    /// Waits until it opens.
    #[default]
    Queue,
    /// Is denied.
    Deny,
    /// Goes on, and it is said.
    Warn,
}

/// Who must approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// How many people.
    pub min_approvers: usize,
    /// Who may; with no users and no groups, everybody.
    pub users: Vec<String>,
    /// Whose members may.
    pub groups: Vec<String>,
    /// Whether the author of the change is left out.
    pub no_self_approval: bool,
}

/// How people are compared: `@Alice` and `alice` are one.
pub fn person(name: &str) -> String {
    let name = name.trim();
    name.strip_prefix('@').unwrap_or(name).to_lowercase()
}

impl PolicySet {
    /// A set from what was read.
    pub fn new(
        mut policies: Vec<Policy>,
        groups: BTreeMap<String, Vec<String>>,
        warnings: Vec<Fault>,
    ) -> Self {
        policies.sort_by(|one, other| one.name.cmp(&other.name));
        let said = serde_json::to_vec(&(&policies, &groups)).expect("policies are plain data");
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(said)));
        Self { policies, groups, warnings, digest }
    }

    /// Who may approve where `approval` asks for it; `None` if everybody may.
    pub fn approvers<'a>(&'a self, approval: &'a Approval) -> Option<BTreeSet<&'a str>> {
        if approval.users.is_empty() && approval.groups.is_empty() {
            return None;
        }
        let members = approval.groups.iter().filter_map(|group| self.groups.get(group)).flatten();
        Some(approval.users.iter().chain(members).map(String::as_str).collect())
    }
}

impl Rule {
    /// The moments at which this rule speaks if its policy does not say.
    ///
    /// Windows and approvals guard the apply: the plan is what people look at while they wait. A
    /// flat no comes before a worker is spent on a plan.
    pub fn moments(&self) -> &'static [Moment] {
        match self {
            Self::Window { .. } | Self::Approval(_) => &[Moment::BeforeApply],
            Self::Deny { .. } | Self::Warn { .. } => &[Moment::BeforePlan],
        }
    }

    /// The chains this rule is about if its policy does not say: a preview changes nothing, so
    /// nobody has to wait for it.
    pub fn kinds(&self) -> &'static [ChainKind] {
        match self {
            Self::Window { .. } | Self::Approval(_) => &[ChainKind::Deploy],
            Self::Deny { .. } | Self::Warn { .. } => &[ChainKind::Deploy, ChainKind::Preview],
        }
    }
}
