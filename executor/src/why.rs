//! Why something waits: for every step that has not ended, what it waits for, whether it has waited
//! longer than it should, and what people can do about it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Code, Reason, chain::ChainState, run::RunState, step::StepState};
use serde::{Deserialize, Serialize};

use crate::{
    config::Reminders,
    questions::{ChainPage, StepPage},
};

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// For what, as a sentence with its code.
    pub reason: Reason,
    /// Since when.
    pub since: DateTime<Utc>,
    /// It has waited longer than it should.
    #[serde(default)]
    pub stuck: bool,
    /// What people can do about it, as a command or a sentence; absent if it goes on by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// What is known so far about a wait.
struct Found {
    reason: Reason,
    mend: Option<String>,
    /// After how long it is too long, and by what name.
    limit: Option<(Duration, Code)>,
    /// Before that there is nothing to mend.
    is_usual: bool,
}

impl Found {
    fn new(reason: &Reason) -> Self {
        Self { reason: reason.clone(), mend: None, limit: None, is_usual: false }
    }

    fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }

    fn limit(self, patience: Duration, code: Code) -> Self {
        Self { limit: Some((patience, code)), ..self }
    }

    fn usual(self) -> Self {
        Self { is_usual: true, ..self }
    }
}

/// Where a step may have waited for too long.
#[derive(Debug)]
pub(crate) struct Late {
    pub(crate) state: StepState,
    /// For this reason; any, where none is named. A chain that waits for its gate has one for all its
    /// steps.
    pub(crate) reason: Option<Code>,
    /// With its run in this state, if in any.
    pub(crate) run: Option<RunState>,
    /// After how long it is too long.
    pub(crate) patience: Duration,
    /// What people are told then; nothing, where that may be anything.
    pub(crate) told: Option<Code>,
}

impl Late {
    /// Everything of which [`why`] may say that it is too long. Without the times that labels say.
    pub(crate) fn all(reminders: &Reminders) -> Vec<Self> {
        use StepState as S;
        let mut all = Vec::new();
        let mut late = |states: &[S], reason, run: Option<RunState>, patience, told| {
            let run = || run.clone();
            all.extend(states.iter().map(|&state| Self {
                state,
                reason,
                run: run(),
                patience,
                told,
            }));
        };
        let gates = [S::Waiting, S::GatingPlan, S::GatingApply];
        for asked in [Code::ApprovalNeeded, Code::PlanDiffers] {
            late(&gates, Some(asked), None, reminders.approval, Some(Code::ApprovalOverdue));
        }
        let silent = Some(Code::GateSilent);
        late(&gates, Some(Code::WaitingForGate), None, reminders.gate_silent, silent);
        let unknown = Some(Code::OutcomeUnknown);
        late(&[S::Queued], unknown, None, reminders.approval, unknown);
        late(&[S::Unknown], None, None, reminders.approval, unknown);
        let locked = Some(Code::StackLocked);
        late(&[S::Queued], locked, None, reminders.call, locked);
        let at_work = [S::Planning, S::Applying];
        for (run, patience, told) in [
            (Some(RunState::Queued), reminders.queued, Code::QueuedOverdue),
            (Some(RunState::Ready), reminders.worker, Code::NoWorker),
            (None, reminders.run, Code::RunOverdue),
        ] {
            late(&at_work, None, run, patience, Some(told));
        }
        let calls = [S::Triggering, S::Confirming, S::Discarding, S::Canceling];
        late(&calls, None, None, reminders.call, None);
        all
    }
}

/// Why a step waits; none if it has ended and keeps nothing.
pub(crate) fn why(
    page: &ChainPage,
    step: &StepPage,
    reminders: &Reminders,
    now: DateTime<Utc>,
) -> Option<Wait> {
    if !step.is_open() && !step.keeps_stack {
        return None;
    }
    let mut found = find(page, step, reminders);
    let waited = now - step.since;
    let over = |(patience, code): (Duration, Code)| {
        let patience = TimeDelta::from_std(patience).unwrap_or(TimeDelta::MAX);
        (waited >= patience).then_some(code)
    };
    let late = found.limit.and_then(over);
    if found.is_usual && late.is_none() {
        found.mend = None;
    }
    let Found { mut reason, mend, .. } = paused(page, step, step_paused(page, step, found));
    if let Some(code) = late {
        let text = format!("{}; that is {} already", reason.text, spoken(waited));
        reason = Reason::new(code, text);
    }
    Some(Wait { reason, since: step.since, stuck: late.is_some(), mend })
}

fn find(page: &ChainPage, step: &StepPage, reminders: &Reminders) -> Found {
    let chain = page.line.chain;
    let here = format!("{chain}/{}", step.summary.stack);
    match step.summary.state {
        StepState::Waiting if page.line.state == ChainState::Gating => {
            gate(&page.line.reason, &chain.to_string(), reminders)
        }
        StepState::Waiting | StepState::GatingPlan | StepState::GatingApply
            if step.summary.reason.code == Code::ChainPaused =>
        {
            Found::new(&step.summary.reason).mend(format!("stackly resume {chain}"))
        }
        StepState::Waiting | StepState::GatingPlan | StepState::GatingApply
            if step.summary.reason.code == Code::StepPaused =>
        {
            Found::new(&step.summary.reason).mend(format!("stackly resume {here}"))
        }
        StepState::GatingApply if reads_plan(step) => call(step, &here, reminders),
        StepState::Waiting if page.line.state == ChainState::Planning => match reads_plan(step) {
            true => call(step, &here, reminders),
            false => Found::new(&step.summary.reason),
        },
        StepState::Waiting if step.summary.reason.code == Code::Unhealthy => {
            let looks_again = format!("stackly retry {chain}");
            Found::new(&step.summary.reason)
                .mend(format!("{looks_again}, or to go on all the same: stackly resume {chain}"))
        }
        StepState::Waiting
            if matches!(step.summary.reason.code, Code::Soaking | Code::CheckingHealth) =>
        {
            Found::new(&step.summary.reason)
        }
        StepState::Waiting if step.summary.reason.code == Code::WaitingForWave => {
            Found::new(&wave(page, step))
        }
        StepState::Waiting => Found::new(&parents(page, step)),
        StepState::GatingPlan | StepState::GatingApply => {
            gate(&step.summary.reason, &here, reminders)
        }
        StepState::Queued => queued(step, reminders),
        // Nothing of it is tried again by order.
        StepState::Retrying if page.line.state == ChainState::Planning => {
            Found::new(&step.summary.reason)
        }
        StepState::Retrying => {
            Found::new(&step.summary.reason).mend(format!("stackly retry {here}"))
        }
        StepState::Planning | StepState::Applying => run(step, &here, reminders),
        StepState::Triggering
        | StepState::Confirming
        | StepState::Discarding
        | StepState::Canceling => call(step, &here, reminders),
        StepState::Finished
        | StepState::Failed
        | StepState::Denied
        | StepState::Skipped
        | StepState::Canceled => Found::new(&step.summary.reason),
        StepState::Unknown => Found::new(&step.summary.reason)
            .mend(format!(
                "look at what {} manages; then: stackly retry {here} --force, or to leave it as it \
                 is: stackly cancel {here}",
                step.summary.stack
            ))
            .limit(reminders.approval, Code::OutcomeUnknown),
    }
}

/// Who has the stack or the place that a step queues for.
fn queued(step: &StepPage, reminders: &Reminders) -> Found {
    let (stack, found) = (&step.summary.stack, Found::new(&step.summary.reason));
    match step.summary.reason.code {
        Code::WaitingForPlace => found,
        Code::OutcomeUnknown => found
            .mend("do what the sentence says, once you have looked")
            .limit(reminders.approval, Code::OutcomeUnknown),
        // Only a lock that was taken through us is known before Spacelift refuses.
        Code::StackLocked => {
            found.mend(format!("stackly unlock {stack}")).limit(reminders.call, Code::StackLocked)
        }
        _ => found.mend(format!("stackly why {stack}")),
    }
}

/// A step that is paused, whatever it waits for until it could go on.
fn step_paused(page: &ChainPage, step: &StepPage, found: Found) -> Found {
    let is_said = matches!(found.reason.code, Code::StepPaused | Code::ChainPaused);
    let Some(paused) = step.paused.as_ref().filter(|_| !is_said) else { return found };
    let resume = format!("stackly resume {}/{}", page.line.chain, step.summary.stack);
    let Reason { code, text } = &found.reason;
    let text =
        format!("{text}; but it is {}, and it begins nothing before it is resumed", paused.text);
    let reason = Reason::new(*code, text);
    let mend = Some(match &found.mend {
        Some(mend) => format!("{mend}; and {resume}"),
        None => resume,
    });
    Found { reason, mend, ..found }
}

/// What does not go on by itself while the chain is paused, whatever else it waits for.
fn paused(page: &ChainPage, step: &StepPage, found: Found) -> Found {
    let is_held = matches!(page.line.state, ChainState::Gating | ChainState::Paused)
        && matches!(step.summary.state, StepState::Waiting | StepState::Retrying);
    let Some(paused) = page.paused.as_ref().filter(|_| is_held) else { return found };
    if found.reason.code == Code::ChainPaused {
        return found;
    }
    let resume = format!("stackly resume {}", page.line.chain);
    let text = match page.line.state {
        // Its line says so already.
        ChainState::Gating => found.reason.text.clone(),
        _ => format!(
            "{}; but the chain is {}, and it begins nothing before it is resumed",
            found.reason.text, paused.text
        ),
    };
    let (code, mend) = match (step.summary.state, &found.mend) {
        (StepState::Retrying, _) => (Code::ChainPaused, resume),
        (_, Some(mend)) => (found.reason.code, format!("{mend}; and {resume}")),
        (_, None) => (found.reason.code, resume),
    };
    Found { reason: Reason::new(code, text), mend: Some(mend), ..found }
}

fn gate(reason: &Reason, what: &str, reminders: &Reminders) -> Found {
    let found = Found::new(reason);
    match reason.code {
        Code::ApprovalNeeded | Code::PlanDiffers => found
            .mend(format!("stackly approve {what}"))
            .limit(reminders.approval, Code::ApprovalOverdue),
        Code::WaitingForGate => found
            .mend("look whether the policy service runs: stackly status")
            .limit(reminders.gate_silent, Code::GateSilent)
            .usual(),
        // A window opens by itself.
        _ => found,
    }
}

/// The parents a step waits for, each with what it waits for itself.
fn parents(page: &ChainPage, step: &StepPage) -> Reason {
    let unfinished = page.steps_in_order.iter().filter(|other| {
        let name = other.summary.stack.as_str();
        step.parents.iter().any(|parent| parent == name) && other.is_open()
    });
    let named: Vec<String> = unfinished
        .map(|other| format!("{} ({})", other.summary.stack, other.summary.reason.text))
        .collect();
    match named.is_empty() {
        true => step.summary.reason.clone(),
        false if step.needed < step.parents.len() => {
            let (needed, all) = (step.needed, step.parents.len());
            let text = format!("waits until {needed} of {all} ended well: {}", named.join(", "));
            Reason::new(Code::WaitingForParents, text)
        }
        false => Reason::new(Code::WaitingForParents, format!("waits for {}", named.join(", "))),
    }
}

/// The most steps of a wave that are named.
const NAMED: usize = 5;

/// The wave a step waits for, with those of its steps that have not ended.
fn wave(page: &ChainPage, step: &StepPage) -> Reason {
    let known = &step.summary.reason;
    let Some(wave) = page.waves.iter().find(|wave| !wave.through) else { return known.clone() };
    let is_of_it =
        |other: &&StepPage| other.is_open() && wave.stacks.contains(&other.summary.stack);
    let open: Vec<String> = page
        .steps_in_order
        .iter()
        .filter(is_of_it)
        .map(|other| format!("{} ({})", other.summary.stack, other.summary.reason.text))
        .collect();
    let named = open.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let text = match open.len().saturating_sub(NAMED) {
        0 => format!("{}: {named}", known.text),
        more => format!("{}: {named} and {more} more", known.text),
    };
    Reason::new(known.code, text)
}

fn run(step: &StepPage, here: &str, reminders: &Reminders) -> Found {
    let found = Found::new(&step.summary.reason);
    if matches!(step.summary.reason.code, Code::RunGone | Code::StackGone) {
        return found.mend("look in Spacelift whether it is there and our API key may see it");
    }
    let in_spacelift = match &step.summary.run_url {
        Some(url) => format!("look at {url}, or: stackly cancel {here}"),
        None => format!("stackly cancel {here}"),
    };
    let (patience, code) = match &step.run_state {
        Some(RunState::Queued) => (reminders.queued, Code::QueuedOverdue),
        Some(RunState::Ready) => (reminders.worker, Code::NoWorker),
        _ => (step.may_take.unwrap_or(reminders.run), Code::RunOverdue),
    };
    found.mend(in_spacelift).limit(patience, code).usual()
}

/// Whether the policies are not asked yet, because the plan they are to look at cannot be read now.
fn reads_plan(step: &StepPage) -> bool {
    let Reason { code, .. } = step.summary.reason;
    step.call_reason.is_some() && matches!(code, Code::WaitingForGate | Code::PlannedFirst)
}

fn call(step: &StepPage, here: &str, reminders: &Reminders) -> Found {
    let Some(reason) = &step.call_reason else {
        // The call is on its way.
        return Found::new(&step.summary.reason).limit(reminders.call, Code::CallOverdue);
    };
    let mend = match reason.code {
        Code::StackLocked => {
            let stack = &step.summary.stack;
            format!("unlock stack {stack} as the sentence says, or: stackly cancel {here}")
        }
        Code::SpaceliftUnauthorized => "give the executor an API key that Spacelift accepts".into(),
        Code::OutcomeUnknown => "discard all but one of these runs in Spacelift".into(),
        Code::CircuitOpen => "stackly doctor tells why; it goes on by itself".into(),
        Code::SpaceliftUnavailable => "look whether Spacelift can be reached".into(),
        _ => format!("do what the sentence says, or: stackly cancel {here} --force"),
    };
    Found::new(reason).mend(mend).limit(reminders.call, reason.code)
}

/// A span of time as people say it.
fn spoken(span: TimeDelta) -> String {
    match (span.num_hours(), span.num_minutes()) {
        (0, 0) => format!("{} s", span.num_seconds()),
        (0, minutes) => format!("{minutes} min"),
        (hours, _) if hours < 48 => format!("{hours} h"),
        (hours, _) => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests;
