//! What a policy is, once it has been read: to whom it applies, and what it demands.
//!
//! A policy is a scope and a list of rules. What follows from a rule is decided in
//! [`crate::evaluate`]; a new kind of rule is a new variant of [`Rule`], read in
//! [`crate::document`] and judged there.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use contracts::{Action, CommitSha, chain::ChainKind, gate::Moment};
use located::Fault;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

mod approval;
mod hook;
mod limits;

pub(crate) use approval::{Approval, Escalation, Share};
pub(crate) use hook::{Hook, Silence};
pub(crate) use limits::{Budget, Cost, Limits};

pub(crate) use crate::people::person;
use crate::{
    pattern::Pattern,
    people::People,
    rego::Program,
    window::{Freeze, Schedule},
};

/// All policies that are in force together.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    /// In the order of their names.
    pub policies: Vec<Policy>,
    /// Who is who.
    pub people: People,
    /// Who may break the glass.
    pub break_glass: Vec<BreakGlass>,
    /// What is probably not meant, but harmless.
    pub warnings: Vec<Fault>,
    /// What the set says, as a SHA-256: two sets that differ in layout alone have the same.
    pub digest: String,
    /// The commit it was read from, if it was: what it says is the same from any other.
    pub commit: Option<CommitSha>,
}

/// One `policy "name" { … }`, or what else can hold a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Which block it is.
    pub kind: Kind,
    /// Unique in its set.
    pub name: String,
    /// Where it is written; moving it changes nothing.
    #[serde(skip)]
    pub file: String,
    /// What it is about.
    pub scope: Scope,
    /// What it is not about all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Scope>,
    /// What it demands.
    pub rules: Vec<Rule>,
}

/// The blocks that can hold a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `policy`.
    Policy,
    /// `freeze`.
    Freeze,
    /// `stop`.
    Stop,
    /// `rego`.
    Rego,
    /// `hook`.
    Hook,
}

impl Kind {
    /// The name of the block.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Freeze => "freeze",
            Self::Stop => "stop",
            Self::Rego => "rego",
            Self::Hook => "hook",
        }
    }
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
    /// Where the stack's code lies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<Pattern>,
    /// A file that the change touches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Pattern>,
    /// The repository of the change, `owner/name`.
    pub repositories: Vec<Pattern>,
    /// The branch of the change.
    pub branches: Vec<Pattern>,
    /// Who made the change.
    pub authors: Vec<Pattern>,
    /// Groups that whoever made the change belongs to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub author_groups: Vec<String>,
    /// The gates at which it speaks, where not those its rules speak at by themselves.
    pub moments: Vec<Moment>,
    /// The gates its window holds, where that was said: the other rules of the policy speak at
    /// theirs all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub midway: Vec<Moment>,
    /// What chains are there for that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// The kinds of chain it is about, where not those its rules are about by themselves.
    pub kinds: Vec<ChainKind>,
    /// Not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Not from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// No fewer than these.
    #[serde(skip_serializing_if = "Least::is_nothing")]
    pub least: Least,
}

/// How large something must be to be meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Least {
    /// Steps of the chain.
    pub steps: Option<u64>,
    /// Resources the plan adds.
    pub added: Option<u64>,
    /// Resources it changes.
    pub changed: Option<u64>,
    /// Resources it deletes.
    pub deleted: Option<u64>,
    /// What it adds to the costs of a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_delta: Option<Cost>,
}

impl Least {
    /// Whether anything is asked about what a plan does.
    pub fn of_plan(&self) -> bool {
        [self.added, self.changed, self.deleted].iter().any(Option::is_some)
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// One demand of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "there are few, and the large one is the usual one")]
pub enum Rule {
    /// Only inside a window.
    Window {
        /// When it is open.
        schedule: Schedule,
        /// What if it is not.
        on_violation: OnViolation,
    },
    /// Only outside a freeze.
    Freeze {
        /// When it is in force.
        freeze: Freeze,
        /// Why, for those who are stopped.
        reason: String,
        /// What if it is.
        on_violation: OnViolation,
    },
    /// Not before people start the line again.
    Stop {
        /// Why, for those who are stopped.
        reason: String,
    },
    /// Only when people approved.
    Approval(Approval),
    /// Only up to a size.
    Limits {
        /// The most there may be.
        limits: Limits,
        /// What if there is more.
        on_violation: OnViolation,
    },
    /// Only while few other chains are under way.
    Concurrency {
        /// How many may be at once.
        most: u64,
        /// What if as many are.
        on_violation: OnViolation,
    },
    /// Only while little ended badly of late.
    Budget {
        /// How much may.
        budget: Budget,
        /// What if it is more.
        on_violation: OnViolation,
    },
    /// What becomes of stacks whose code is gone.
    Deregistration {
        /// Whether what they manage is destroyed.
        destroy: bool,
        /// How long it may come back before that: what moves to another repository is gone from the
        /// old one first, if that is pushed first.
        after: Duration,
    },
    /// What a program says.
    Rego(Arc<Program>),
    /// What somebody outside says.
    Hook(Hook),
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

/// What becomes of who violates a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnViolation {
    /// Waits until it is right.
    #[default]
    Queue,
    /// Is denied.
    Deny,
    /// Goes on, and it is said.
    Warn,
}

/// Who may break the glass, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BreakGlass {
    /// Unique in its set.
    pub name: String,
    /// Of which gates.
    pub scope: Scope,
    /// Who may.
    pub users: Vec<String>,
    /// Whose members may.
    pub groups: Vec<String>,
    /// Whether two people must.
    pub second_person: bool,
    /// For how long at most.
    pub expires: Duration,
}

impl PolicySet {
    /// A set from what was read.
    pub fn new(
        mut policies: Vec<Policy>,
        mut people: People,
        mut break_glass: Vec<BreakGlass>,
    ) -> Self {
        policies.sort_by(|one, other| {
            (&one.name, one.kind as u8).cmp(&(&other.name, other.kind as u8))
        });
        break_glass.sort_by(|one, other| one.name.cmp(&other.name));
        people.settle();
        let rules = policies.iter_mut().flat_map(|policy| &mut policy.rules);
        let of_approvals = rules.filter_map(|rule| match rule {
            Rule::Approval(approval) => Some(&mut approval.users),
            _ => None,
        });
        let of_glass = break_glass.iter_mut().map(|block| &mut block.users);
        of_approvals.chain(of_glass).for_each(|users| people.settle_users(users));
        let said = serde_json::to_vec(&(&policies, &people, &break_glass))
            .expect("policies are plain data");
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(said)));
        Self { policies, people, break_glass, warnings: Vec::new(), digest, commit: None }
    }

    /// Who may approve where `approval` asks for it; `None` if everybody may.
    pub fn approvers<'a>(&'a self, approval: &'a Approval) -> Option<BTreeSet<&'a str>> {
        let Approval { users, groups, shares, .. } = approval;
        if users.is_empty() && groups.is_empty() && shares.is_empty() {
            return None;
        }
        let shared = shares.iter().flat_map(|share| self.people.members(&share.groups));
        let members = self.people.members(groups).chain(shared);
        Some(users.iter().map(String::as_str).chain(members).collect())
    }

    /// Whether any policy counts chains.
    pub fn counts_chains(&self) -> bool {
        let mut rules = self.policies.iter().flat_map(|policy| &policy.rules);
        rules.any(|rule| matches!(rule, Rule::Concurrency { .. }))
    }

    /// How many policies, freezes and so on there are.
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether there is nothing that could hold a gate.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }
}

impl Rule {
    /// The moments at which this rule speaks if its policy does not say.
    ///
    /// Windows and approvals guard the apply: the plan is what people look at while they wait. A
    /// denial comes before a worker is spent on a plan; a stop holds whatever has not begun.
    pub fn moments(&self) -> &'static [Moment] {
        match self {
            Self::Window { .. } | Self::Approval(_) | Self::Hook(_) => &[Moment::BeforeApply],
            Self::Deny { .. } | Self::Warn { .. } | Self::Budget { .. } => &[Moment::BeforePlan],
            Self::Deregistration { .. } | Self::Concurrency { .. } => &[Moment::BeforeChain],
            Self::Freeze { .. } | Self::Stop { .. } => &[Moment::BeforePlan, Moment::BeforeApply],
            Self::Limits { limits, .. } => limits.moments(),
            Self::Rego(program) => program.moments(),
        }
    }

    /// The chains this rule is about if its policy does not say: a preview changes nothing, so
    /// nobody has to wait for it.
    pub fn kinds(&self) -> &'static [ChainKind] {
        match self {
            Self::Deny { .. } | Self::Warn { .. } => &[ChainKind::Deploy, ChainKind::Preview],
            Self::Rego(program) => program.kinds(),
            _ => &[ChainKind::Deploy],
        }
    }
}

impl Rule {
    /// Whether it judges a push, and so only what the push itself touches.
    pub fn judges_push(&self) -> bool {
        matches!(self, Self::Rego(program) if program.judges_push())
    }

    /// For how many seconds it looks back at what ended badly.
    pub fn looks_back(&self) -> Option<u64> {
        match self {
            Self::Budget { budget, .. } => Some(budget.within.as_secs()),
            _ => None,
        }
    }

    /// Whether it may look at single resources of a plan, so that they must be read before it is
    /// asked. What a hook looks at, nobody can tell.
    pub fn reads_plan(&self) -> bool {
        match self {
            Self::Limits { limits, .. } => !limits.protected_types.is_empty(),
            Self::Rego(program) => program.reads_plan(),
            Self::Hook(_) => true,
            _ => false,
        }
    }
}

impl Policy {
    /// For people: `policy office_hours`.
    pub fn title(&self) -> Title<'_> {
        Title(self)
    }
}

/// A policy by kind and name.
pub struct Title<'a>(&'a Policy);

impl fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.kind.as_str(), self.0.name)
    }
}
