//! Everything that can happen to a chain.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, Reason, RunId, StackId,
    chain::{ChainPlanned, ChainWithdrawn},
    gate::{GateDecided, PlannedChange},
    order::OrderKind,
    run::RunReported,
    stack::StackReassociated,
};
use spacelift::RunFacts;

use crate::{call::CallKind, course::Said, lock::LockInput, outputs::Digests, retry::Finding};

contracts::inbound! {
    /// Everything that can happen to a chain.
    #[derive(Debug, Clone)]
    pub enum Input {
        Planned(ChainPlanned),
        Decided(GateDecided),
        Reported(RunReported),
        Reassociated(StackReassociated),
        Withdrawn(ChainWithdrawn),
        ; also
        /// A call to Spacelift is over.
        Concluded(Concluded),
        /// Spacelift was asked about a run nothing was heard of.
        Polled(Polled),
        /// A health check has answered.
        Checked(Checked),
        /// Somebody outside says whether a health check holds.
        Answered(Answered),
        /// A person gives an order.
        Ordered(Order),
        /// Something happens to the lock on a stack.
        Lock(LockInput),
        /// A step waits for longer than it should.
        Overdue(Overdue),
        /// A newer chain takes its place.
        Superseded(Superseded),
        /// A stack may have become free, or a time has come.
        Woken(ChainId),
    }
}

/// A newer chain takes the place of one.
#[derive(Debug, Clone)]
pub struct Superseded {
    /// The older one.
    pub chain: ChainId,
    /// The newer one.
    pub by: ChainId,
}

/// A step waits for longer than it should.
#[derive(Debug, Clone)]
pub struct Overdue {
    /// The chain.
    pub chain: ChainId,
    /// The step.
    pub stack: StackId,
    /// Since when it is in its state: of another visit to it, this says nothing.
    pub since: DateTime<Utc>,
    /// What it waits for, and how long already.
    pub reason: Reason,
    /// What people can do about it.
    pub mend: Option<String>,
}

/// A health check has answered.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The chain that asked for it.
    pub chain: ChainId,
    /// The name of the check.
    pub check: String,
    /// The look it belongs to.
    pub look: u32,
    /// Why it does not hold, as a sentence; absent if it holds.
    pub failed: Option<String>,
}

/// Somebody outside says whether a health check holds.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The chain that asked.
    pub chain: ChainId,
    /// The name of the check.
    pub check: String,
    /// The look it belongs to; the newest if absent.
    pub look: Option<u32>,
    /// Whether it holds.
    pub pass: bool,
    /// Who says so.
    pub by: String,
    /// Why.
    pub text: Option<String>,
}

/// A person gives an order.
#[derive(Debug, Clone)]
pub struct Order {
    /// The chain.
    pub chain: ChainId,
    /// What is wanted.
    pub kind: OrderKind,
    /// One step; absent for the whole chain.
    pub stack: Option<StackId>,
    /// Also what may do harm.
    pub force: bool,
    /// Also what did not run because nothing it reads has changed.
    pub all: bool,
    /// Who, why and when.
    pub said: Said,
}

/// A call to Spacelift is over.
#[derive(Debug, Clone)]
pub struct Concluded {
    /// The chain that asked for it.
    pub chain: ChainId,
    /// The step.
    pub stack: StackId,
    /// What was asked for.
    pub call: CallKind,
    /// The run it was about; absent for a trigger.
    pub run: Option<RunId>,
    /// What came of it.
    pub result: CallResult,
}

/// What came of a call to Spacelift.
#[derive(Debug, Clone)]
pub enum CallResult {
    /// The run exists, or the change was made; this is how the run stands now.
    Run(Seen),
    /// The run was confirmed, and so the outputs were right before.
    Confirmed(Seen, Digests),
    /// Spacelift's own dependencies made the run, and it has applied before everything that the step
    /// waits for had ended.
    TooEarly(Seen),
    /// What the plan changes.
    Plan(PlanRead),
    /// These outputs are as they were before the apply.
    Outputs(BTreeSet<String>),
    /// What the log says about why the run failed, if it says something that is known.
    Log(Option<Finding>),
    /// Spacelift will not do it.
    Refused(Reason),
    /// What the call is about exists no more.
    Gone(Reason),
    /// The same; and it may have been called before, so that what cannot be seen may have begun.
    GoneUnseen(Reason),
    /// There was nothing to do.
    Nothing,
    /// It was not done, because it is not wanted any more.
    Forgone,
    /// It was not done for longer than the answer of the policies is good.
    HeldUp,
}

/// A plan was read, or could not be.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRead {
    /// The number of the state in which the run shows this plan.
    pub version: Option<i64>,
    /// What it changes; none if that could not be read.
    pub changes: Option<Vec<PlannedChange>>,
    /// How many resources there are besides.
    pub more: usize,
    /// Why it could not be read.
    pub unread: Option<Reason>,
}

/// What Spacelift said when it was asked about a run.
#[derive(Debug, Clone)]
pub struct Polled {
    /// The chain whose run it is.
    pub chain: ChainId,
    /// The step.
    pub stack: StackId,
    /// The run.
    pub run: RunId,
    /// Just before it was asked.
    pub asked_at: DateTime<Utc>,
    /// What was found.
    pub found: Found,
}

/// What was found where a run should be.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub enum Found {
    /// The run.
    Run(Seen),
    /// The stack, but no such run.
    NoRun,
    /// Not even the stack.
    NoStack,
}

/// A run as it stands, told by a webhook or seen over the API.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// How it stands.
    pub report: RunReported,
    /// Whether it has ended. The API says so also for states this build does not know.
    pub finished: bool,
    /// Spacelift was asked: what is absent here is absent there. A webhook may leave things out.
    pub asked: bool,
    /// Whether it has begun to apply, where that was seen.
    pub applied: Option<bool>,
}

impl From<RunReported> for Seen {
    fn from(report: RunReported) -> Self {
        Self { finished: report.state.is_terminal(), asked: false, applied: None, report }
    }
}

impl From<RunFacts> for Seen {
    fn from(facts: RunFacts) -> Self {
        let (finished, applied) = (facts.finished, Some(facts.applied));
        Self { finished, asked: true, applied, report: facts.into() }
    }
}
