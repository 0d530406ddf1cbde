//! Why something waits: one line for each step that has not ended.

use chrono::{DateTime, Utc};
use contracts::{chain::ChainState, step::StepState};
use executor::{ChainPage, StepPage, WaitLine};

use crate::output::state;
use crate::print::{Cell, Look, Table, Tone, age, clean};

/// That nothing waits, and how it ended: the chain, and of its steps the one of the stack that was
/// asked for, or the one to look at first.
pub(crate) fn ended(what: &str, last: Option<&ChainPage>, stack: Option<&str>) -> String {
    let what = clean(what);
    let Some(page) = last else {
        return format!("nothing of {what} waits: no chain of late has a step of it");
    };
    let chain = &page.line.chain;
    let mut lines = vec![
        format!("nothing of {what} waits"),
        format!("chain {chain} is {}: {}", page.line.state, clean(&page.line.reason.text)),
    ];
    let step = match stack {
        Some(stack) => page.steps_in_order.iter().find(|step| step.summary.stack.as_str() == stack),
        None => worst(page),
    };
    lines.extend(step.map(|StepPage { summary, .. }| {
        let reason = clean(&summary.reason.text);
        format!("step {} is {}: {reason}", summary.stack, summary.state.as_str())
    }));
    lines.extend(step.filter(|step| can_be_retried(page, step)).map(|step| {
        let place = stack.map(|_| format!("/{}", step.summary.stack)).unwrap_or_default();
        format!("to do: once its cause is gone, `stackly retry {chain}{place}`")
    }));
    lines.join("\n")
}

/// The step to look at first, if one did not end well; those that others kept from running come last.
fn worst(page: &ChainPage) -> Option<&StepPage> {
    use StepState::{Canceled, Denied, Failed, Skipped, Unknown};
    let is = |state| page.steps_in_order.iter().find(|step| step.summary.state == state);
    [Failed, Unknown, Denied, Canceled, Skipped].into_iter().find_map(is)
}

fn can_be_retried(page: &ChainPage, step: &StepPage) -> bool {
    page.line.state != ChainState::Denied
        && matches!(step.summary.state, StepState::Failed | StepState::Denied)
}

/// The waits as a table, each with what can be done about it.
pub(crate) fn render(lines: &[WaitLine], now: DateTime<Utc>, look: &Look) -> String {
    let mut table = Table::new(&["CHAIN", "STEP", "STATE", "FOR", "WAITS FOR"]).right(&[3]);
    for line in lines {
        let wait = &line.wait;
        let tone = if wait.stuck { Tone::Bad } else { Tone::Plain };
        table.row([
            line.chain.to_string().into(),
            Cell::new(Tone::Strong, line.stack.as_str()),
            state::step(line.state),
            age(wait.since, now).into(),
            Cell::new(tone, &wait.reason.text),
        ]);
        match &wait.mend {
            Some(mend) => table.note(Cell::new(Tone::Waits, format!("to do: {mend}"))),
            None => table.note(Cell::new(Tone::Faint, "it goes on by itself")),
        }
    }
    table.render(look)
}
