//! What people, options and failures have done to the course of a chain or a step: plain values,
//! kept beside what was planned.

use chrono::{DateTime, Utc};
use contracts::{
    Action, Code, Reason, RunId, StackId, chain::ChainOptions, change::TouchedFiles,
    gate::Clearance,
};
use serde::{Deserialize, Serialize};

use crate::{
    draft::{Draft, Plans},
    outputs::Outputs,
    share::Serves,
    waves::Rollout,
};

/// The course of a chain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Course {
    /// The policies have let it begin.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub begun: bool,
    /// A person paused it and nobody has resumed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Said>,
    /// A person cancelled all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canceled: Option<Said>,
    /// Somebody broke the glass for it: it goes before others, whatever is said of it since.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub urgent: bool,
    /// Why it begins nothing new: it stops at its first failure, and a step has failed since a person
    /// had any tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Reason>,
    /// How it is carried out.
    #[serde(skip_serializing_if = "ChainOptions::is_default")]
    pub options: ChainOptions,
    /// What it is there for.
    #[serde(skip_serializing_if = "Action::is_deliver")]
    pub action: Action,
    /// When a person had it begin again after it had ended: what was newer then does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again_at: Option<DateTime<Utc>>,
    /// When the executor took it up; runs from before are none of its.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_up_at: Option<DateTime<Utc>>,
    /// Which of its steps pass their gates without asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clearance: Option<Clearance>,
    /// Which files the change touches; absent if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<TouchedFiles>,
    /// Stacks whose last run had ended well, with nothing owed to them since, when it began.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<StackId>,
    /// The question about all its plans together, once it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plans: Option<Plans>,
    /// How far its waves are.
    #[serde(skip_serializing_if = "Rollout::is_default")]
    pub rollout: Rollout,
}

/// The course of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepCourse {
    /// Counts from one.
    pub attempt: u32,
    /// The one that began last because a person wanted it, or the first: those after it began by
    /// themselves, and only so many do. One more for each plan that was only too old.
    #[serde(skip_serializing_if = "is_first")]
    pub began_with: u32,
    /// The runs of earlier attempts: never adopted again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub past_runs: Vec<RunId>,
    /// A person paused it and nobody has resumed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Said>,
    /// Its gate has let it pass while it was paused, or its chain, or while the confirm of an earlier plan
    /// was not through: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Reason>,
    /// A plan of its run is being confirmed, this one or an earlier one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub confirms: bool,
    /// A person wants it ended, and it is not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    /// Its run failed, and the log is being read for the reason: what is known without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Reason>,
    /// When the next attempt begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<DateTime<Utc>>,
    /// When its run ended, by Spacelift's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// What people were reminded of, since the step is in its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminded: Option<Code>,
    /// It ended, and surely changed nothing that others could read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
    /// What is known of the outputs that others read, where that decides whether they run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// Somebody broke the glass for it: it goes before others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub urgent: bool,
    /// Its outcome is not known, and a person has looked, or its run was seen after all: others may
    /// have its stack.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
    /// A person had it tried again with force: it runs on its own commit, whatever its stack has been
    /// run with meanwhile.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insisted: bool,
    /// A newer change of its branch has been run on its stack meanwhile: it runs on the head.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub on_head: bool,
    /// Whose work its run does beside its own.
    #[serde(skip_serializing_if = "Serves::is_empty")]
    pub serves: Serves,
    /// Its plan before anything of the chain is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<Draft>,
    /// Why its plan is not the one that was allowed with the chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differs: Option<Reason>,
    /// Its gate let it pass, and it had to wait for something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed: Option<Passed>,
    /// Its gate does not let it pass any more, or its chain has stopped, and the call that followed when
    /// it did may not be made yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
}

/// A gate let a step pass that could not go on at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// When it did so last.
    pub at: DateTime<Utc>,
    /// How often it was asked again because that was too long ago.
    pub again: usize,
    /// It is being asked again.
    pub asks: bool,
    /// A call was held up: since when the step had waited for it, and what people were told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<(DateTime<Utc>, Option<Code>)>,
}

/// What a person said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Said {
    /// Who.
    pub by: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A person wants a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// Who, and why.
    pub why: Reason,
    /// Also if it applies.
    pub force: bool,
    /// It was seen to apply meanwhile.
    #[serde(default)]
    pub applying: bool,
}

impl Default for StepCourse {
    fn default() -> Self {
        Self {
            attempt: 1,
            began_with: 1,
            past_runs: Vec::new(),
            paused: None,
            allowed: None,
            confirms: false,
            cancel: None,
            failed: None,
            retry_at: None,
            ended_at: None,
            reminded: None,
            unchanged: false,
            outputs: None,
            urgent: false,
            released: false,
            insisted: false,
            on_head: false,
            serves: Serves::new(),
            draft: None,
            differs: None,
            passed: None,
            withheld: false,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "so serde wants it")]
fn is_first(attempt: &u32) -> bool {
    *attempt == 1
}

impl StepCourse {
    /// How many attempts there were since a person wanted one, without those that only made a plan
    /// anew.
    pub(crate) fn tries(&self) -> u32 {
        self.attempt + 1 - self.began_with
    }
}

impl Said {
    /// That a chain is paused, and by whom.
    pub(crate) fn reason(&self) -> Reason {
        Reason::new(Code::ChainPaused, format!("paused {}", self.phrase()))
    }

    /// `by jane: the provider has an outage`.
    pub(crate) fn phrase(&self) -> String {
        match &self.note {
            Some(note) => format!("by {}: {note}", self.by),
            None => format!("by {}", self.by),
        }
    }
}
