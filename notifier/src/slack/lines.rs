//! One line for each step, and how lines become sections.

use contracts::{Code, Reason, step::StepState};
use serde_json::Value;

use super::{
    SECTION_CHARS_MAX, section, sentence,
    text::{clip, escape, link},
};
use crate::digest::Line;

/// All step lines together. Slack refuses messages that are too long as a whole without saying
/// how long that is; a longer list would not be read either.
const LINES_CHARS_MAX: usize = 8_000;
/// As many sections as the lines need; what does not fit is counted. What needs attention is kept
/// first, but shown in its place.
pub(super) fn sections(lines: &[Line<'_>]) -> Vec<Value> {
    let texts: Vec<String> = lines.iter().map(line_text).collect();
    let (mut paragraphs, more) = chosen(lines, texts, LINES_CHARS_MAX);
    paragraphs.extend(more);
    packed(&paragraphs).into_iter().map(section).collect()
}

/// The texts of these lines that fit into so many characters, and what is said of the others.
pub(crate) fn chosen(
    lines: &[Line<'_>],
    mut texts: Vec<String>,
    chars_max: usize,
) -> (Vec<String>, Option<String>) {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|&at| (attention(&lines[at]), at));
    let mut chars = 0;
    let mut shown: Vec<usize> = order
        .into_iter()
        .take_while(|&at| {
            chars += texts[at].chars().count() + 1;
            chars <= chars_max
        })
        .collect();
    shown.sort_unstable();
    let more = (shown.len() < lines.len()).then(|| {
        let hidden = (0..lines.len()).filter(|at| shown.binary_search(at).is_err());
        more_text(hidden.map(|at| &lines[at]))
    });
    (shown.into_iter().map(|at| std::mem::take(&mut texts[at])).collect(), more)
}

/// Joins lines into texts that each fit into one section.
pub(super) fn packed(lines: &[String]) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    let mut room = 0;
    for line in lines {
        let chars = line.chars().count() + 1;
        match sections.last_mut().filter(|_| chars <= room) {
            Some(section) => {
                section.push('\n');
                section.push_str(line);
            }
            None => {
                sections.push(line.clone());
                room = SECTION_CHARS_MAX;
            }
        }
        room = room.saturating_sub(chars);
    }
    sections
}

fn more_text<'a>(hidden: impl Iterator<Item = &'a Line<'a>>) -> String {
    let mut by_state: Vec<(StepState, usize)> = Vec::new();
    let mut total = 0;
    for line in hidden {
        total += 1;
        match by_state.iter_mut().find(|(state, _)| *state == line.state) {
            Some((_, count)) => *count += 1,
            None => by_state.push((line.state, 1)),
        }
    }
    by_state.sort_unstable();
    let parts: Vec<String> =
        by_state.iter().map(|(state, count)| format!("{count} {}", words(*state))).collect();
    format!("+{total} more: {}", parts.join(", "))
}

fn line_text(line: &Line<'_>) -> String {
    let emoji = if line.held { ":raised_hand:" } else { emoji(line.state) };
    let state = if line.held { "held" } else { words(line.state) };
    let name = escape(&clip(line.name, 100));
    let mut text = format!("{emoji} *{name}* {state}");
    if let Some(delta) = line.delta {
        text.push_str(&format!(" `{delta}`"));
    }
    if line.run_url.is_some() {
        text.push_str(&format!(" · {}", link(line.run_url, "run")));
    }
    // That a finished run finished says nothing; that it had nothing to do does.
    let telling = |reason: &&Reason| !matches!(reason.code, Code::RunFinished | Code::Done);
    if let Some(reason) = line.reason.filter(telling) {
        text.push_str(&format!(" · {}", sentence(reason)));
    }
    text
}

/// What is shown first when not everything can be shown.
fn attention(line: &Line<'_>) -> u8 {
    match line.state {
        StepState::Failed | StepState::Denied | StepState::Unknown => 0,
        _ if line.held => 1,
        StepState::Triggering
        | StepState::Planning
        | StepState::GatingApply
        | StepState::Confirming
        | StepState::Applying
        | StepState::Discarding
        | StepState::Canceling => 2,
        StepState::Skipped | StepState::Canceled => 3,
        StepState::Waiting | StepState::GatingPlan | StepState::Queued | StepState::Retrying => 4,
        StepState::Finished => 5,
    }
}

fn emoji(state: StepState) -> &'static str {
    match state {
        StepState::Waiting | StepState::GatingPlan => ":white_circle:",
        StepState::Queued | StepState::Triggering => ":large_blue_circle:",
        StepState::Planning => ":mag:",
        StepState::GatingApply | StepState::Confirming => ":ballot_box_with_check:",
        StepState::Applying => ":gear:",
        StepState::Discarding | StepState::Denied => ":no_entry:",
        StepState::Finished => ":white_check_mark:",
        StepState::Failed => ":x:",
        StepState::Skipped => ":fast_forward:",
        StepState::Canceling | StepState::Canceled => ":no_entry_sign:",
        StepState::Retrying => ":repeat:",
        StepState::Unknown => ":question:",
    }
}

pub(crate) fn words(state: StepState) -> &'static str {
    match state {
        StepState::Waiting => "waits",
        StepState::GatingPlan => "asks the policies",
        StepState::Queued => "queued",
        StepState::Triggering => "triggers",
        StepState::Planning => "plans",
        StepState::GatingApply => "planned",
        StepState::Confirming => "confirmed",
        StepState::Applying => "applies",
        StepState::Discarding => "discards",
        StepState::Finished => "finished",
        StepState::Failed => "failed",
        StepState::Denied => "denied",
        StepState::Skipped => "not run",
        StepState::Canceling => "is being cancelled",
        StepState::Canceled => "cancelled",
        StepState::Retrying => "will be tried again",
        StepState::Unknown => "unknown, a person must look",
    }
}
