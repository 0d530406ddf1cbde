//! The log of a run: made from what is known of it, the same every time it is read.

use crate::{
    record::{Delta, Run, Transition},
    states::RunState,
};

/// So many lines are given at once.
const LINES: usize = 100;

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) at_ms: i64,
}

/// Some lines of the log of one phase.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) exists: bool,
    pub(crate) finished: bool,
    pub(crate) has_more: bool,
    pub(crate) lines: Vec<Line>,
    pub(crate) next: Option<usize>,
}

/// The lines from `from` on. Passive states have no log and are finished at once, so that nobody
/// who follows it waits for ever.
pub(crate) fn page(run: &Run, state: RunState, version: Option<i32>, from: usize) -> Page {
    let visit = run
        .history
        .iter()
        .rposition(|t| t.state == state && version.is_none_or(|version| t.version == version));
    let Some(position) = visit.filter(|_| state.has_logs()) else {
        return Page {
            exists: false,
            finished: true,
            has_more: false,
            lines: Vec::new(),
            next: None,
        };
    };
    let entered = &run.history[position];
    let left = run.history.get(position + 1);
    let lines = lines_of(run, entered, left);
    let end = (from + LINES).min(lines.len());
    let rest = lines.len() > end;
    let finished = left.is_some() && !rest;
    Page {
        exists: true,
        finished,
        has_more: !finished,
        next: (!finished).then_some(end),
        lines: lines.get(from.min(end)..end).unwrap_or_default().to_vec(),
    }
}

fn lines_of(run: &Run, entered: &Transition, left: Option<&Transition>) -> Vec<Line> {
    let mut lines: Vec<Line> = opening(run, entered.state)
        .into_iter()
        .map(|text| Line { text, at_ms: entered.at_ms })
        .collect();
    if let Some(left) = left {
        let closing = closing(run, entered.state, left.state);
        lines.extend(closing.into_iter().map(|text| Line { text, at_ms: left.at_ms }));
    }
    lines
}

fn opening(run: &Run, state: RunState) -> Vec<String> {
    match state {
        RunState::Initializing => {
            let mut lines = vec![format!("Checking out commit {}\n", run.commit.hash)];
            lines.extend(
                run.inputs.keys().map(|name| format!("Setting environment variable {name}\n")),
            );
            lines.push("Initializing the backend...\n".into());
            lines
        }
        RunState::Planning => vec!["Refreshing state...\n".into()],
        RunState::Applying => vec!["Applying changes...\n".into()],
        RunState::Destroying => vec!["Destroying resources...\n".into()],
        RunState::Performing => {
            vec![format!("$ {}\n", run.command.as_deref().unwrap_or_default())]
        }
        _ => Vec::new(),
    }
}

fn closing(run: &Run, state: RunState, to: RunState) -> Vec<String> {
    if matches!(to, RunState::Failed | RunState::Stopped) {
        let said = run.failure_log.iter().map(|line| format!("{line}\n"));
        let last = format!("The run ended as {to} while it was {state}\n");
        return said.chain([last]).collect();
    }
    let Delta { add, change, delete, .. } = run.delta.unwrap_or_default();
    let line = match state {
        RunState::Initializing => "Initialization complete.\n".into(),
        RunState::Planning if add + change + delete == 0 => {
            "No changes. Your infrastructure matches the configuration.\n".into()
        }
        RunState::Planning => {
            let mut lines: Vec<String> = [("+", add), ("~", change), ("-", delete)]
                .into_iter()
                .flat_map(|(sign, count)| {
                    (0..count).map(move |n| format!("  {sign} terraform_data.resource-{n}\n"))
                })
                .collect();
            lines.push(format!("Plan: {add} to add, {change} to change, {delete} to destroy.\n"));
            return lines;
        }
        RunState::Applying => format!(
            "Apply complete! Resources: {add} added, {change} changed, {delete} destroyed.\n"
        ),
        RunState::Destroying => "Destroy complete!\n".into(),
        _ => "Done.\n".into(),
    };
    vec![line]
}
