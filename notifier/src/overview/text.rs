//! What the comment says, as Markdown that all hosts show alike: no HTML, no names of emoji.
//!
//! Everything that came from outside is escaped: a stack called `@everyone` wakes nobody, and nothing
//! ends a row of the table or hides what stands around it.

use contracts::{
    Code, Reason,
    chain::ChainState,
    change::Change,
    gate::{Moment, Outcome},
    phrase::count,
    run::Delta,
    step::StepState,
};

use crate::{
    check::quiet,
    digest::{Digest, Line, Wait},
    notice::Notice,
    slack::{
        lines::{chosen, words},
        text::clip,
    },
};

#[cfg(test)]
mod tests;

/// Characters of all rows: some hosts take 32,768 of a comment, and nobody reads more than this.
const ROWS_CHARS_MAX: usize = 20_000;
/// Waits listed before the rest is only counted.
const WAITS_MAX: usize = 10;
/// Characters of a reason.
const SENTENCE_CHARS_MAX: usize = 240;
/// Characters of a stack's name.
const NAME_CHARS_MAX: usize = 100;

/// What is said of a chain of previews.
pub(super) fn chain(digest: &Digest, change: &Change) -> String {
    let (lines, waits) = (digest.lines(), digest.waits());
    let mut parts = vec![title(digest, change)];
    if !lines.is_empty() {
        parts.push(table(&lines));
        parts.extend(sum(&lines));
    }
    if !waits.is_empty() {
        parts.push(waiting(&waits));
    }
    parts.extend(digest.told().map(|told| format!("**A person**: {}", sentence(told))));
    let broken: Vec<String> = digest.broken().take(WAITS_MAX).map(cell).collect();
    if !broken.is_empty() {
        parts.push(format!("**Break-glass**: {}", broken.join("; ")));
    }
    if let Some(ending) = digest.ending().filter(|ending| ending.state != ChainState::Finished) {
        parts.push(format!("**Why**: {}", sentence(&ending.reason)));
    }
    parts.push(format!("**Next**: {}", next(digest, &waits)));
    parts.push(format!("`stackly chain {}` shows more.", digest.chain));
    parts.join("\n\n")
}

/// What is said of a head that leads to no chain.
pub(super) fn notice(notice: &Notice) -> String {
    let commit = notice.change.commit.short();
    let refusals: Vec<String> = notice.refusals().iter().take(WAITS_MAX).map(sentence).collect();
    if refusals.is_empty() {
        let why = notice.worth_a_status().map(sentence).unwrap_or_default();
        return format!("### Nothing to plan at `{commit}`\n\n{why}");
    }
    let why = refusals.join("\n- ");
    let next = "mend this and push, or ask again with `stackly plan` in a comment.";
    format!("### `{commit}` cannot be planned\n\n- {why}\n\n**Next**: {next}")
}

fn title(digest: &Digest, change: &Change) -> String {
    let counts = digest.counts();
    let stacks = count(counts.total, "stack");
    let state = match digest.state() {
        ChainState::Gating => format!("{stacks}, not begun"),
        ChainState::Planning | ChainState::Running if counts.total == 0 => "planning".to_owned(),
        ChainState::Planning | ChainState::Running => {
            format!("{} of {stacks} planned", counts.finished)
        }
        ChainState::Finished => format!("{stacks} planned"),
        ChainState::Failed => format!("failed, {} of {stacks} planned", counts.finished),
        ChainState::Denied => "denied".to_owned(),
        ChainState::Canceled => "cancelled".to_owned(),
        ChainState::Paused => format!("paused, {} of {stacks} planned", counts.finished),
    };
    format!("### Preview of `{}`: {state}", change.commit.short())
}

fn table(lines: &[Line<'_>]) -> String {
    let rows = lines.iter().map(row).collect();
    let (rows, more) = chosen(lines, rows, ROWS_CHARS_MAX);
    let mut table = "| | Stack | Plan | |\n|---|---|---|---|\n".to_owned();
    table.push_str(&rows.join("\n"));
    if let Some(more) = more {
        table.push_str(&format!("\n\n{more}"));
    }
    table
}

fn row(line: &Line<'_>) -> String {
    let state = match line.state {
        _ if line.held => "held",
        StepState::Finished => "planned",
        state => words(state),
    };
    // That a finished run finished says nothing.
    let telling = |reason: &&Reason| !matches!(reason.code, Code::RunFinished | Code::Done);
    let why = line.reason.filter(telling).map(|reason| format!(": {}", sentence(reason)));
    let (symbol, name) = (symbol(line), link(line.run_url, &clip(line.name, NAME_CHARS_MAX)));
    let plan = line.delta.map(plan).unwrap_or_default();
    format!("| {symbol} | {name} | {plan} | {state}{} |", why.unwrap_or_default())
}

/// What a plan would do; what it would delete stands out.
fn plan(delta: Delta) -> String {
    let Delta { added, changed, deleted } = delta;
    match deleted {
        _ if delta.is_empty() => "no changes".to_owned(),
        0 => format!("+{added} ~{changed} -0"),
        _ => format!("+{added} ~{changed} **-{deleted}**"),
    }
}

/// What all plans together would do.
fn sum(lines: &[Line<'_>]) -> Option<String> {
    let mut sum = Delta::default();
    let mut changing = 0;
    for delta in lines.iter().filter_map(|line| line.delta).filter(|delta| !delta.is_empty()) {
        sum.added = sum.added.saturating_add(delta.added);
        sum.changed = sum.changed.saturating_add(delta.changed);
        sum.deleted = sum.deleted.saturating_add(delta.deleted);
        changing += 1;
    }
    let known = lines.iter().filter(|line| line.delta.is_some()).count();
    let unknown = match lines.len() - known {
        0 => String::new(),
        some => format!(" Without a plan: {}.", count(some, "stack")),
    };
    (known > 0).then(|| {
        let Delta { added, changed, deleted } = sum;
        let stacks = count(changing, "stack");
        let deleted = match deleted {
            0 => "0 to delete".to_owned(),
            some => format!("**{some} to delete**"),
        };
        format!("In all: {added} to add, {changed} to change, {deleted}, in {stacks}.{unknown}")
    })
}

fn waiting(waits: &[Wait<'_>]) -> String {
    let mut lines = vec!["**Waiting**\n".to_owned()];
    lines.extend(waits.iter().take(WAITS_MAX).map(wait));
    if waits.len() > WAITS_MAX {
        lines.push(format!("- and {} more", waits.len() - WAITS_MAX));
    }
    lines.join("\n")
}

fn wait(wait: &Wait<'_>) -> String {
    let who = wait.name.map_or_else(
        || "everything".to_owned(),
        |name| format!("**{}**", cell(&clip(name, NAME_CHARS_MAX))),
    );
    let moment = match wait.moment {
        Moment::BeforeChain => "before it begins",
        Moment::BeforePlan => "before its plan",
        Moment::BeforeApply => "before its apply",
    };
    let what = match wait.outcome {
        Outcome::HoldUntil { until } => format!("until {}", until.format("%Y-%m-%d %H:%M UTC")),
        Outcome::HoldForApprovals { given, needed } => {
            format!("for approval, {given} of {needed} given, `stackly approve {}`", wait.gate)
        }
        Outcome::Pass | Outcome::Deny => "for nothing".to_owned(),
    };
    let why = wait.reason.map(|reason| format!(": {}", sentence(reason))).unwrap_or_default();
    format!("- {who} {moment}, {what}{why}")
}

/// What a person can do now.
fn next(digest: &Digest, waits: &[Wait<'_>]) -> String {
    let for_people = |wait: &&Wait<'_>| matches!(wait.outcome, Outcome::HoldForApprovals { .. });
    let asked = waits.iter().filter(for_people).count();
    let again = "`stackly plan` in a comment plans the newest head again";
    match digest.state() {
        ChainState::Gating | ChainState::Planning | ChainState::Running => match asked {
            0 => "nothing to do; this comment follows the plans.".to_owned(),
            1 => "who may approve writes `stackly approve` or `stackly reject` in a comment."
                .to_owned(),
            _ => "who may approve writes `stackly approve` in a comment, with the gate from above."
                .to_owned(),
        },
        ChainState::Finished => {
            format!("what is merged is planned anew, and deployed by the policies; {again}.")
        }
        ChainState::Failed => {
            format!("`stackly retry` in a comment tries again what failed; {again}.")
        }
        ChainState::Denied => "push what the policies allow.".to_owned(),
        ChainState::Canceled => format!("{again}."),
        ChainState::Paused => format!("`stackly resume {}` lets it go on.", digest.chain),
    }
}

fn symbol(line: &Line<'_>) -> &'static str {
    match line.state {
        StepState::Failed => "❌",
        StepState::Denied | StepState::Canceling | StepState::Canceled => "⛔",
        StepState::Unknown => "❓",
        _ if line.held => "✋",
        StepState::Finished => "✅",
        StepState::Skipped => "⏭",
        StepState::Retrying => "🔁",
        StepState::Waiting
        | StepState::GatingPlan
        | StepState::Queued
        | StepState::Triggering
        | StepState::Planning
        | StepState::GatingApply
        | StepState::Confirming
        | StepState::Applying
        | StepState::Discarding => "⏳",
    }
}

fn sentence(reason: &Reason) -> String {
    cell(&clip(&reason.text, SENTENCE_CHARS_MAX))
}

/// Text from outside that stays in its cell, and is shown as it is written.
fn cell(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in quiet(text).chars() {
        match c {
            '<' => shown.push_str("&lt;"),
            '|' | '[' | ']' | '*' | '_' | '\\' | '~' => shown.extend(['\\', c]),
            c if c.is_control() => shown.push(' '),
            c => shown.push(c),
        }
    }
    shown
}

/// A link, or only its text if the address could break out of the markup.
fn link(url: Option<&str>, text: &str) -> String {
    let safe = |url: &&str| {
        let known = url.starts_with("https://") || url.starts_with("http://");
        let breaks = |c: char| matches!(c, '<' | '>' | '(' | ')' | '|') || c.is_whitespace();
        known && url.len() <= 500 && !url.contains(breaks)
    };
    match url.filter(safe) {
        Some(url) => format!("[{}]({url})", cell(text)),
        None => cell(text),
    }
}
