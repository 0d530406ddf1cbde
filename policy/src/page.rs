//! What the service answers people and programs: one page for each question, written here and read
//! by the command line.

use std::{collections::BTreeMap, path::PathBuf};

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, CommitSha, GateId, RunId,
    chain::ChainKind,
    change::Change,
    gate::{GateDecided, GateStack, Outcome},
    policies::PolicySource,
    run::Delta,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    call::Call,
    evaluate::Line,
    foresee::Foreseen,
    gate::Shadow,
    library::Away,
    line::Stop,
    model::Kind,
    replay::Record,
    review::{Review, Word},
};

/// A place among gates in the order in which they were asked: the page that follows begins after it.
pub type After = (DateTime<Utc>, Uuid);

/// `gates`: what waits, for whom, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gates {
    /// The gates.
    pub gates: Vec<GatePage>,
    /// Whether there are others.
    pub more: bool,
    /// Where they begin.
    #[serde(default)]
    pub next: Option<After>,
}

/// A gate as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatePage {
    /// The answer.
    #[serde(flatten)]
    pub decided: GateDecided,
    /// Plan and apply, or plan only.
    pub kind: ChainKind,
    /// The stacks it is about.
    pub stacks: Vec<GateStack>,
    /// What set the chain off.
    pub change: Change,
    /// The run whose plan is to be applied.
    #[serde(default)]
    pub run: Option<RunId>,
    /// What that plan would change.
    #[serde(default)]
    pub delta: Option<Delta>,
    /// Whether nothing changes the answer any more.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// What policies ask of people. What is decided asks for nothing any more.
    #[serde(default)]
    pub approvals: Vec<Approvals>,
    /// What people said.
    #[serde(default)]
    pub reviews: Vec<Review>,
    /// The hooks that were asked.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// When it was asked.
    pub requested_at: DateTime<Utc>,
    /// When it was answered.
    pub decided_at: DateTime<Utc>,
}

/// What one policy asks of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvals {
    /// The policy.
    pub policy: String,
    /// How many people must approve.
    pub needed: usize,
    /// Who did.
    pub given: Vec<String>,
    /// Who has not yet; absent if anybody may.
    pub may_approve: Option<Vec<String>>,
    /// Who of them may only in somebody's stead, and in whose.
    #[serde(default)]
    pub instead_of: BTreeMap<String, Vec<String>>,
    /// Who may not.
    pub not: Option<String>,
    /// When people are reminded.
    #[serde(default)]
    pub remind_at: Option<DateTime<Utc>>,
    /// When others may approve as well.
    #[serde(default)]
    pub escalate_at: Option<DateTime<Utc>>,
    /// Who they are.
    #[serde(default)]
    pub escalate_to: Vec<String>,
    /// When the first approval stops counting.
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it is denied for want of approvals.
    #[serde(default)]
    pub deny_at: Option<DateTime<Utc>>,
}

impl GatePage {
    /// Whether people have to approve before it opens.
    pub fn waits_for_people(&self) -> bool {
        matches!(self.decided.outcome, Outcome::HoldForApprovals { .. })
    }

    /// Since when and until when the glass is broken that was broken last.
    pub fn broken(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        self.reviews.iter().rev().find_map(|review| match review.word {
            Word::Override { until, .. } => Some((review.at, until)),
            _ => None,
        })
    }

    /// What it is before: `before_apply of network-prod`.
    pub fn place(&self) -> String {
        let stack = self.decided.stack.as_ref();
        let stack = stack.map_or_else(|| self.decided.chain.to_string(), ToString::to_string);
        format!("{} of {stack}", self.decided.moment)
    }

    /// Why it is answered so.
    pub fn why(&self) -> &str {
        self.decided.reasons.first().map(|reason| reason.text.as_str()).unwrap_or_default()
    }
}

/// `explain`: one decision, line by line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// What was decided.
    pub gate: GatePage,
    /// Why.
    pub lines: Vec<Line>,
    /// The policies that decided it are not kept: the lines are by those of now.
    pub by_policies_of_now: bool,
}

/// `foresee`: what would be decided about a chain that nobody has started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foresight {
    /// When.
    pub at: DateTime<Utc>,
    /// By which policies.
    pub digest: String,
    /// What.
    pub gates: Vec<Foreseen>,
}

/// `records`: decisions with everything they depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Records {
    /// The decisions.
    pub records: Vec<Record>,
    /// Where the others begin, if there are any.
    pub next: Option<After>,
    /// From when on all of them are there.
    #[serde(default)]
    pub kept_from: Option<DateTime<Utc>>,
}

/// `overrides`: who broke the glass of what, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// Since when.
    pub since: DateTime<Utc>,
    /// Who, and of what.
    pub overrides: Vec<BrokenGlass>,
}

/// A glass that somebody broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenGlass {
    /// The gate.
    pub gate: GateId,
    /// Its chain.
    pub chain: ChainId,
    /// Its stack; absent where it is about the whole chain.
    pub stack: Option<String>,
    /// Who did.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when it holds.
    pub until: Option<DateTime<Utc>>,
    /// Whether it is that of all gates of the chain.
    pub whole_chain: bool,
    /// It was taken back, at `until`.
    #[serde(default)]
    pub taken_back: bool,
    /// What came of it, if somebody said so.
    #[serde(default)]
    pub follow_up: Option<FollowUp>,
}

/// What came of a broken glass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUp {
    /// Who says so.
    pub by: String,
    /// In their words.
    pub note: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What came of a broken glass was noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowedUp {
    /// The gate whose glass was broken.
    pub gate: GateId,
    /// What came of it.
    pub follow_up: FollowUp,
}

/// `shadow`: the policies on trial, and what they would have decided otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnTrial {
    /// Where they are read.
    pub folder: String,
    /// Their digest.
    pub digest: String,
    /// The commit that was read.
    #[serde(default)]
    pub commit: Option<CommitSha>,
    /// Why what is there now is not tried.
    pub refused: Option<String>,
    /// Their repository cannot be fetched.
    #[serde(default)]
    pub away: Option<Away>,
    /// Since when decisions are counted.
    pub since: DateTime<Utc>,
    /// How many there were.
    pub trial: Trial,
    /// Those that would have been others.
    pub differences: Vec<Tried>,
}

/// How policies on trial compare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Decisions since the trial began.
    pub decided: i64,
    /// Those that would have been others.
    pub differ: i64,
}

/// A decision that policies on trial would not have made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// What was decided.
    pub gate: GatePage,
    /// What would have been.
    pub shadow: Shadow,
}

/// `policies`: the set in force, and why what is in its place is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// The folder it is read from; absent if that is in a repository.
    pub folder: Option<PathBuf>,
    /// Where it was read.
    pub source: PolicySource,
    /// The same, for people.
    pub title: String,
    /// When its repository was fetched last.
    pub fetched_at: Option<DateTime<Utc>>,
    /// Its repository cannot be fetched.
    pub away: Option<Away>,
    /// The digest of the set.
    pub digest: String,
    /// Since when it is in force.
    pub loaded_at: DateTime<Utc>,
    /// Its blocks that can hold a gate.
    pub policies: Vec<Block>,
    /// Who belongs to which group.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<String>>,
    /// Whose word is taken that somebody belongs to a group.
    #[serde(default)]
    pub claims: BTreeMap<String, Vec<String>>,
    /// Who stands in for whom.
    #[serde(default)]
    pub delegations: Value,
    /// Who may break the glass.
    #[serde(default)]
    pub break_glass: Value,
    /// What is probably not meant, but harmless.
    #[serde(default)]
    pub warnings: Value,
    /// What is there now and not in force.
    pub refused: Option<Refused>,
}

/// A policy in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Which block it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Where it is written.
    #[serde(default)]
    pub file: String,
    /// What it is about.
    #[serde(rename = "match", default)]
    pub scope: Value,
    /// What it is not about all the same.
    #[serde(default)]
    pub except: Value,
    /// What it demands.
    #[serde(default)]
    pub rules: Value,
}

/// Policies that are not in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// Since when that is known.
    pub at: DateTime<Utc>,
    /// Their commit, if they are in a repository.
    pub commit: Option<CommitSha>,
    /// Why.
    pub text: String,
    /// The same, fault by fault.
    #[serde(default)]
    pub faults: Value,
}

/// `line`: for what the line is stopped, and was of late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stops {
    /// What is stopped.
    pub stopped: Vec<Stop>,
    /// What was.
    pub ended: Vec<Stop>,
}

/// `words`: what was said about commits of late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// Since when.
    pub since: DateTime<Utc>,
    /// What.
    pub words: Vec<Said>,
}

/// What somebody said about a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The repository, without capitals.
    pub repository: String,
    /// The pull request at which it was said.
    pub pull_request: u64,
    /// The commit.
    pub commit: CommitSha,
    /// Who, what, why and when.
    pub said: Review,
}

/// What somebody said about a commit is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptWord {
    /// Under which id.
    pub kept: Uuid,
    /// The commit.
    pub commit: CommitSha,
}
