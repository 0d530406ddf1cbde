//! One chain: its head, and each step with what it waits for.

use std::{collections::HashMap, fmt::Write};

use chrono::{DateTime, Utc};
use contracts::{
    chain::{ChainState, EdgeOrigin},
    step::StepState,
};
use executor::{ChainPage, StepPage};

use super::state;
use crate::print::{Cell, Look, Table, Tone, age, moment};

/// The chain as text.
pub(crate) fn render(page: &ChainPage, now: DateTime<Utc>, look: &Look) -> String {
    let mut text = head(page, now, look);
    if page.left_out.is_some() {
        return text;
    }
    let mut table = Table::new(&["STEP", "STATE", "FOR", "CHANGES", "WHY"]).right(&[2]);
    let states: HashMap<&str, StepState> = page
        .steps_in_order
        .iter()
        .map(|step| (step.summary.stack.as_str(), step.summary.state))
        .collect();
    for step in &page.steps_in_order {
        let summary = &step.summary;
        let delta = summary.delta.map(|delta| delta.to_string()).unwrap_or_default();
        table.row([
            Cell::new(Tone::Strong, summary.stack.as_str()),
            state::step(summary.state),
            age(step.since, now).into(),
            delta.into(),
            Cell::from(&summary.reason.text),
        ]);
        for note in notes(page, step, &states) {
            table.note(Cell::new(Tone::Faint, note));
        }
    }
    text.push('\n');
    text.push_str(&table.render(look));
    text
}

fn head(page: &ChainPage, now: DateTime<Utc>, look: &Look) -> String {
    let line = &page.line;
    let mut head = Table::new(&["CHAIN", "STATE", "KIND", "STEPS", "AGE", "WHY"]);
    head.row([
        Cell::new(Tone::Strong, line.chain.to_string()),
        state::chain(line.state),
        state::kind(line).into(),
        format!("{}/{}", line.ended, line.steps).into(),
        age(line.began_at, now).into(),
        Cell::from(state::why(line)),
    ]);
    head.note(state::change(&line.change));
    if let Some(url) = &line.change.url {
        head.note(Cell::new(Tone::Faint, url));
    }
    let ended = line.ended_at.map(|at| format!(", ended {}", moment(at))).unwrap_or_default();
    let began = format!("began {}{ended}, trace {}", moment(line.began_at), page.correlation);
    head.note(Cell::new(Tone::Faint, began));
    for wave in &page.waves {
        let tone = if wave.through { Tone::Faint } else { Tone::Waits };
        head.note(Cell::new(tone, wave.to_string()));
    }
    if let Some(reason) = &page.left_out {
        let text = format!("its steps are not shown: {}", reason.text);
        head.note(Cell::new(Tone::Waits, text));
    }
    if line.state == ChainState::Gating {
        let gate = page.gate;
        let asked = format!("asks {gate} (`stackly gates --chain {}`)", line.chain);
        head.note(Cell::new(Tone::Waits, asked));
    }
    head.render(look)
}

/// What is to be said about a step beside its line: less, once it has ended well.
fn notes(page: &ChainPage, step: &StepPage, states: &HashMap<&str, StepState>) -> Vec<String> {
    let mut notes = vec![format!("part of it: {}", step.why.text)];
    let is_done = step.summary.state == StepState::Finished;
    if !step.parents.is_empty() && !is_done {
        notes.push(format!("after: {}", parents(page, step, states)));
    }
    if let Some(run) = &step.summary.run {
        let mut note = format!("run {run}");
        if let Some(url) = &step.summary.run_url {
            // Writing to a text cannot fail.
            let _ = write!(note, " {url}");
        }
        notes.push(note);
    }
    if let Some(call) = &step.call {
        notes.push(format!("call to Spacelift: {call}"));
    }
    if let Some(mend) = step.wait.as_ref().and_then(|wait| wait.mend.as_ref()) {
        notes.push(format!("to do: {mend}"));
    }
    match (&step.gate, step.summary.state) {
        (Some(gate), StepState::GatingPlan | StepState::GatingApply) => {
            notes.push(format!("asks {gate}"));
        }
        (Some(gate), _) if !is_done => notes.push(format!("last asked {gate}")),
        _ => {}
    }
    notes
}

/// The parents with how they stand, and why the step depends on them.
fn parents(page: &ChainPage, step: &StepPage, states: &HashMap<&str, StepState>) -> String {
    let name = |parent: &String| {
        let symbol = states.get(parent.as_str()).map_or("", |state| state::step_symbol(*state));
        let edge = page
            .edges
            .iter()
            .find(|edge| edge.parent.as_str() == parent && edge.child == step.summary.stack);
        let origins: Vec<String> = edge
            .map(|edge| edge.origins.iter().map(EdgeOrigin::to_string).collect())
            .unwrap_or_default();
        match origins.is_empty() {
            true => format!("{symbol} {parent}"),
            false => format!("{symbol} {parent} by {}", origins.join(" and ")),
        }
    };
    step.parents.iter().map(name).collect::<Vec<_>>().join(", ")
}
