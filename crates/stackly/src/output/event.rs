//! One event in one line.

use contracts::{
    Envelope, Message,
    catalogue::{AccountAlerted, AccountAudited},
    chain::{
        ChainFinished, ChainIgnored, ChainPlanned, ChainRefused, ChainStarted, ChainWithdrawn,
    },
    change::{ChangeAnswered, ChangeCommanded, ChangeProposed, ChangePushed},
    check::CheckAsked,
    gate::{GateDecided, GateOverridden, GateRequested, HookAsked, Outcome},
    hook::HookCalled,
    order::{StackLocked, StackUnlocked},
    phrase::count,
    run::RunReported,
    step::{StepApplying, StepFinished, StepPlanned, StepRetrying, StepStarted, StepSummary},
    validation::ChangeValidated,
};

use super::state;
use crate::print::{Look, Tone, clean};

/// The event in one line: when, what, about what, and what it says.
pub(crate) fn line(event: &Envelope, look: &Look) -> String {
    let time = look.paint(Tone::Faint, &event.time.format("%H:%M:%S%.3f").to_string());
    let kind = look.paint(tone(&event.kind), &clean(&format!("{:<16}", event.kind)));
    let key = look.paint(Tone::Strong, &clean(&event.key));
    format!("{time}  {kind}  {key}  {}\n", clean(&summary(event)))
}

fn tone(kind: &str) -> Tone {
    match kind.split_once('.') {
        Some((_, "finished")) => Tone::Good,
        Some((_, "refused" | "alerted" | "overridden")) => Tone::Bad,
        Some(("gate", _)) => Tone::Waits,
        _ => Tone::Busy,
    }
}

fn summary(event: &Envelope) -> String {
    let said = match event.kind.as_str() {
        ChangePushed::TYPE => said(event, |m: ChangePushed| state::change(&m.change)),
        ChangeProposed::TYPE => said(event, |m: ChangeProposed| state::change(&m.change)),
        ChangeCommanded::TYPE => {
            said(event, |m: ChangeCommanded| format!("{} by {}", m.command, m.by))
        }
        ChangeAnswered::TYPE => {
            said(event, |m: ChangeAnswered| format!("{} by {}: {}", m.command, m.by, m.reason.text))
        }
        ChangeValidated::TYPE => said(event, |m: ChangeValidated| m.reason.to_string()),
        ChainPlanned::TYPE => said(event, planned),
        ChainIgnored::TYPE => said(event, |m: ChainIgnored| m.reason.to_string()),
        ChainRefused::TYPE => said(event, |m: ChainRefused| m.reason.to_string()),
        ChainWithdrawn::TYPE => said(event, |m: ChainWithdrawn| m.reason.to_string()),
        ChainStarted::TYPE => said(event, |m: ChainStarted| count(m.steps, "step")),
        ChainFinished::TYPE => {
            said(event, |m: ChainFinished| format!("{}: {}", m.state, m.reason.text))
        }
        GateRequested::TYPE => said(event, asked),
        GateDecided::TYPE => said(event, decided),
        GateOverridden::TYPE => said(event, |m: GateOverridden| format!("{}: {}", m.by, m.reason)),
        HookAsked::TYPE => said(event, |m: HookAsked| format!("silence means {}", m.on_silence)),
        HookCalled::TYPE => said(event, |m: HookCalled| {
            format!("{} after {} of {}", m.hook, m.after.as_str(), m.step.stack)
        }),
        CheckAsked::TYPE => {
            said(event, |m: CheckAsked| format!("{} after {} of {}", m.check, m.wave, m.chain))
        }
        StepStarted::TYPE => said(event, |m: StepStarted| step(&m.step)),
        StepPlanned::TYPE => said(event, |m: StepPlanned| step(&m.step)),
        StepApplying::TYPE => said(event, |m: StepApplying| step(&m.step)),
        StepRetrying::TYPE => said(event, |m: StepRetrying| step(&m.step)),
        StepFinished::TYPE => said(event, |m: StepFinished| step(&m.step)),
        RunReported::TYPE => {
            said(event, |m: RunReported| format!("{} {} {}", m.run, m.run_type, m.state))
        }
        StackLocked::TYPE => said(event, |m: StackLocked| m.reason.to_string()),
        StackUnlocked::TYPE => said(event, |m: StackUnlocked| m.reason.to_string()),
        AccountAudited::TYPE => {
            said(event, |m: AccountAudited| format!("{} by {}", m.action, m.actor))
        }
        AccountAlerted::TYPE => {
            said(event, |m: AccountAlerted| format!("{}: {}", m.severity, m.title))
        }
        _ => None,
    };
    // A newer event than this program knows is shown as it came.
    said.unwrap_or_else(|| event.body.to_string())
}

fn said<M: Message>(event: &Envelope, tell: impl FnOnce(M) -> String) -> Option<String> {
    M::upgrade(event.version, event.body.clone()).ok().map(tell)
}

fn planned(planned: ChainPlanned) -> String {
    let stacks: Vec<&str> = planned.steps.iter().map(|step| step.stack.as_str()).collect();
    format!("{}: {}", count(stacks.len(), "step"), stacks.join(", "))
}

fn asked(asked: GateRequested) -> String {
    let stacks: Vec<&str> = asked.stacks.iter().map(|stack| stack.stack.as_str()).collect();
    format!("{} of {}", asked.moment, stacks.join(", "))
}

fn decided(decided: GateDecided) -> String {
    let word = match &decided.outcome {
        Outcome::Pass => "passed".to_owned(),
        Outcome::Deny => "denied".to_owned(),
        Outcome::HoldUntil { until } => format!("held until {}", crate::print::moment(*until)),
        Outcome::HoldForApprovals { given, needed } => {
            format!("held, {given} of {needed} approvals")
        }
    };
    let of = decided.stack.map(|stack| format!(" of {stack}")).unwrap_or_default();
    let why = decided.reasons.first().map(|reason| format!(": {}", reason.text));
    format!("{}{of} {word}{}", decided.moment, why.unwrap_or_default())
}

fn step(step: &StepSummary) -> String {
    let delta = step.delta.map(|delta| format!(" ({delta})")).unwrap_or_default();
    let symbol = state::step_symbol(step.state);
    format!("{symbol} {} {}{delta}: {}", step.stack, step.state, step.reason.text)
}
