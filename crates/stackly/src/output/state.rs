//! States as a symbol, a word and a tone.

use contracts::{
    Action, Code,
    chain::{ChainKind, ChainState},
    change::Change,
    gate::Outcome,
    step::StepState,
};
use executor::ChainLine;

use crate::print::{Cell, Tone, moment};

/// How a chain stands.
pub(crate) fn chain(state: ChainState) -> Cell {
    let (symbol, tone) = match state {
        ChainState::Gating | ChainState::Paused => ("…", Tone::Waits),
        ChainState::Planning | ChainState::Running => ("●", Tone::Busy),
        ChainState::Finished => ("✓", Tone::Good),
        ChainState::Failed | ChainState::Denied => ("✗", Tone::Bad),
        ChainState::Canceled => ("–", Tone::Faint),
    };
    Cell::new(tone, format!("{symbol} {state}"))
}

/// What a chain does, in a word.
pub(crate) fn kind(line: &ChainLine) -> &'static str {
    match (line.kind, line.action) {
        (ChainKind::Preview, _) | (_, Action::Deliver) => line.kind.as_str(),
        (ChainKind::Deploy, Action::FixDrift) => "drift fix",
        (ChainKind::Deploy, Action::Destroy | Action::Deregister) => "destroy",
    }
}

/// Why a chain is as it is; nothing if all there is to say is that no policy kept it from beginning,
/// which is not why it goes on. Of waves that are through and of people, the same code tells more.
pub(crate) fn why(line: &ChainLine) -> &str {
    let text = line.reason.text.as_str();
    let is_under_way = matches!(line.state, ChainState::Running | ChainState::Planning);
    let is_silence = text == "no policy matches" || text.ends_with(" nothing against it");
    match is_under_way && line.reason.code == Code::Allowed && is_silence {
        true => "",
        false => text,
    }
}

/// How a step stands.
pub(crate) fn step(state: StepState) -> Cell {
    Cell::new(step_tone(state), format!("{} {}", step_symbol(state), state.as_str()))
}

/// How a step stands, in one character.
pub(crate) fn step_symbol(state: StepState) -> &'static str {
    match state {
        StepState::Waiting
        | StepState::GatingPlan
        | StepState::Queued
        | StepState::GatingApply
        | StepState::Retrying => "…",
        StepState::Triggering
        | StepState::Planning
        | StepState::Confirming
        | StepState::Applying
        | StepState::Discarding
        | StepState::Canceling => "●",
        StepState::Finished => "✓",
        StepState::Failed | StepState::Denied => "✗",
        StepState::Skipped | StepState::Canceled => "–",
        StepState::Unknown => "?",
    }
}

fn step_tone(state: StepState) -> Tone {
    match step_symbol(state) {
        "…" => Tone::Waits,
        "●" => Tone::Busy,
        "✓" => Tone::Good,
        "–" => Tone::Faint,
        _ => Tone::Bad,
    }
}

/// How a gate is answered.
pub(crate) fn outcome(outcome: &Outcome) -> Cell {
    match outcome {
        Outcome::Pass => Cell::new(Tone::Good, "✓ passed"),
        Outcome::Deny => Cell::new(Tone::Bad, "✗ denied"),
        Outcome::HoldUntil { until } if *until >= policy::evaluate::never() => {
            Cell::new(Tone::Waits, "… until it is lifted")
        }
        Outcome::HoldUntil { until } => {
            Cell::new(Tone::Waits, format!("… until {}", moment(*until)))
        }
        Outcome::HoldForApprovals { given, needed } => {
            Cell::new(Tone::Waits, format!("… {given} of {needed} approvals"))
        }
    }
}

/// What was changed, in one line.
pub(crate) fn change(change: &Change) -> String {
    let request = change.pull_request.map(|number| format!(" #{number}")).unwrap_or_default();
    format!(
        "{}@{} {}{request} “{}” by {}",
        change.repository,
        change.branch,
        change.commit.short(),
        change.title,
        change.author
    )
}
