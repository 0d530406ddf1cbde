//! What is known about policies: tests, explanations, replays, trials, overrides.

use chrono::{DateTime, Utc};
use contracts::{ChainId, GateId, Reason, StackId, gate::Outcome};
use policy::{bench::Ran, evaluate::Line, replay::Difference};
use serde::Deserialize;

use super::{gates::GateView, state};
use crate::print::{Cell, Look, Table, Tone, count, moment};

/// The answer of `stackly.ask.policy.explain`.
#[derive(Debug, Deserialize)]
pub(crate) struct Explained {
    gate: GateView,
    lines: Vec<Line>,
    by_policies_of_now: bool,
}

/// The answer of `stackly.ask.policy.shadow`.
#[derive(Debug, Deserialize)]
pub(crate) struct Trial {
    folder: String,
    digest: String,
    refused: Option<String>,
    trial: Counts,
    differences: Vec<Tried>,
}

#[derive(Debug, Deserialize)]
struct Counts {
    decided: i64,
    differ: i64,
}

#[derive(Debug, Deserialize)]
struct Tried {
    gate: GateView,
    shadow: Shadow,
}

#[derive(Debug, Deserialize)]
struct Shadow {
    #[serde(flatten)]
    outcome: Outcome,
    reasons: Vec<Reason>,
}

/// The answer of `stackly.ask.policy.overrides`.
#[derive(Debug, Deserialize)]
pub(crate) struct Overrides {
    overrides: Vec<Override>,
}

#[derive(Debug, Deserialize)]
struct Override {
    gate: GateId,
    chain: ChainId,
    stack: Option<StackId>,
    by: String,
    reason: Option<String>,
    at: DateTime<Utc>,
    until: DateTime<Utc>,
    whole_chain: bool,
}

/// Tests, each with what did not come as expected.
pub(crate) fn tests(ran: &[Ran], look: &Look) -> String {
    let mut text = String::new();
    for Ran { name, place, wrong, said } in ran {
        let (mark, tone) = if wrong.is_empty() { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
        text.push_str(&format!("{} {name} ({place})\n", look.paint(tone, mark)));
        for what in wrong {
            text.push_str(&format!("    {}\n", look.paint(Tone::Bad, what)));
        }
        if !wrong.is_empty() {
            let said = said.iter().map(|said| format!("    the policies say: {said}\n"));
            text.push_str(&said.collect::<String>());
        }
    }
    let failed = ran.iter().filter(|ran| !ran.wrong.is_empty()).count();
    text.push_str(&format!("{}, {failed} failed\n", count(ran.len(), "test")));
    text
}

/// A decision line by line.
pub(crate) fn explained(explained: &Explained, look: &Look) -> String {
    let Explained { gate, lines, by_policies_of_now } = explained;
    let decided = &gate.decided;
    let mut text = format!(
        "{} {} · {} · policies {}\n",
        look.paint(Tone::Strong, &decided.gate.to_string()),
        gate.place(),
        state::change(&gate.change),
        decided.policy_digest,
    );
    if *by_policies_of_now {
        text.push_str(
            "the policies that decided it are not kept; these are the ones in force now\n",
        );
    }
    for Line { policy, file, speaks, text: said } in lines {
        let (mark, tone) = match (speaks, policy.is_empty()) {
            (true, true) => ("=", Tone::Strong),
            (true, false) => ("●", Tone::Busy),
            (false, _) => ("–", Tone::Faint),
        };
        let place = if file.is_empty() { String::new() } else { format!(" ({file})") };
        let title = if policy.is_empty() { String::new() } else { format!("{policy}{place}: ") };
        text.push_str(&format!(
            "{} {}{}\n",
            look.paint(tone, mark),
            crate::print::clean(&title),
            crate::print::clean(said)
        ));
    }
    text
}

/// What other policies would have decided.
pub(crate) fn replayed(decided: usize, differences: &[Difference], look: &Look) -> String {
    let mut table = Table::new(&["GATE", "BEFORE", "WAS", "WOULD BE", "WHY"]);
    for Difference { record, would, because } in differences {
        let request = &record.request;
        let stacks: Vec<&str> = request.stacks.iter().map(|s| s.stack.as_str()).take(3).collect();
        table.row([
            Cell::new(Tone::Strong, request.gate.to_string()),
            format!("{} of {}", request.moment, stacks.join(", ")).into(),
            state::outcome(&record.outcome),
            state::outcome(would),
            because.first().map(|reason| reason.text.clone()).unwrap_or_default().into(),
        ]);
    }
    let table = if differences.is_empty() { String::new() } else { table.render(look) };
    format!("{table}{}, {} would differ\n", count(decided, "decision"), differences.len())
}

/// How the policies on trial compare.
pub(crate) fn trial(trial: &Trial, look: &Look) -> String {
    let mut table = Table::new(&["GATE", "BEFORE", "IS", "WOULD BE", "WHY"]);
    for Tried { gate, shadow } in &trial.differences {
        table.row([
            Cell::new(Tone::Strong, gate.decided.gate.to_string()),
            gate.place().into(),
            state::outcome(&gate.decided.outcome),
            state::outcome(&shadow.outcome),
            shadow.reasons.first().map(|reason| reason.text.clone()).unwrap_or_default().into(),
        ]);
    }
    let table = if trial.differences.is_empty() { String::new() } else { table.render(look) };
    let refused = match &trial.refused {
        Some(refused) => format!("what is in the folder now is refused: {refused}\n"),
        None => String::new(),
    };
    format!(
        "{table}{refused}policies on trial in {}, digest {}: {} of {} decisions would differ\n",
        trial.folder, trial.digest, trial.trial.differ, trial.trial.decided
    )
}

/// Who broke the glass.
pub(crate) fn overrides(found: &Overrides, look: &Look) -> String {
    if found.overrides.is_empty() {
        return "nobody broke the glass\n".to_owned();
    }
    let mut table = Table::new(&["WHEN", "WHO", "OF", "GATE", "UNTIL", "WHY"]);
    for one in &found.overrides {
        let of = match (&one.stack, one.whole_chain) {
            (_, true) => format!("all of {}", one.chain),
            (Some(stack), false) => stack.to_string(),
            (None, false) => one.chain.to_string(),
        };
        table.row([
            moment(one.at).into(),
            one.by.clone().into(),
            of.into(),
            Cell::new(Tone::Strong, one.gate.to_string()),
            moment(one.until).into(),
            one.reason.clone().unwrap_or_default().into(),
        ]);
    }
    table.render(look)
}
