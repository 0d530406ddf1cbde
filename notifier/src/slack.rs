//! The Slack message about a story, as Block Kit. Rendering only; calls are made in
//! [`crate::client::slack`].
//!
//! Everything that came from outside is escaped and shown verbatim: a commit titled `<!channel>` or
//! `@here` must wake nobody.

use chrono::{DateTime, Utc};
use contracts::{
    Action, Code, Reason,
    chain::{ChainKind, ChainState},
    change::Change,
    gate::{Moment, Outcome},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    digest::{Digest, Ending, Wait},
    notice::{Alert, Notice},
    slack::text::{clip, escape, link, took},
};

pub(crate) mod announcement;
pub(crate) mod lines;
mod orders;
pub(crate) mod text;

#[cfg(test)]
mod tests;

/// Slack refuses a header of more characters.
const HEADER_CHARS_MAX: usize = 150;
/// Slack refuses a section of more characters.
const SECTION_CHARS_MAX: usize = 3_000;
/// Waits listed before the rest is only counted.
const WAITS_MAX: usize = 10;
/// Characters of a reason or a title.
const SENTENCE_CHARS_MAX: usize = 240;
/// Characters of the details of an alert; escaping makes a character five at most.
const DETAILS_CHARS_MAX: usize = 500;

/// One message: what notifications show, and what the channel shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) text: String,
    pub(crate) blocks: Value,
}

impl Message {
    fn new(text: String, blocks: Vec<Value>) -> Self {
        Self { text, blocks: Value::Array(blocks) }
    }

    /// Equal for messages that look the same.
    pub(crate) fn fingerprint(&self) -> Uuid {
        let looks = format!("{}\n{}", self.text, self.blocks);
        Uuid::new_v5(&contracts::id::NAMESPACE, looks.as_bytes())
    }
}

#[cfg(test)]
thread_local! {
    /// How many messages about chains were rendered in a test.
    pub(crate) static RENDERED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The message about a chain; none before it is known what set it off.
pub(crate) fn chain(digest: &Digest) -> Option<Message> {
    #[cfg(test)]
    RENDERED.set(RENDERED.get() + 1);
    let change = digest.change.as_ref()?;
    let title = chain_title(digest, change);
    let mut blocks = vec![header(&title), section(change_text(change))];
    blocks.extend(lines::sections(&digest.lines()));
    blocks.extend(waits_sections(&digest.waits()));
    if let Some(told) = digest.told() {
        blocks.push(section(format!("*A person*: {}", sentence(told))));
    }
    blocks.extend(broken_section(digest));
    if let Some(ending) = digest.ending() {
        blocks.extend(ending_section(ending));
    }
    blocks.extend(orders::buttons(digest));
    blocks.push(context(&footer(digest)));
    let text = format!("{title}: {}", clip(&change.title, SENTENCE_CHARS_MAX));
    Some(Message::new(escape(&text), blocks))
}

/// Everyone is told when somebody passes over what the policies say.
fn broken_section(digest: &Digest) -> Option<Value> {
    let told = digest.broken().take(WAITS_MAX);
    let lines: Vec<String> = told
        .map(|text| format!(":rotating_light: {}", escape(&clip(text, SENTENCE_CHARS_MAX))))
        .collect();
    (!lines.is_empty()).then(|| section(lines.join("\n")))
}

/// The message about a change that could not be planned; none if it could.
pub(crate) fn refusal(notice: &Notice) -> Option<Message> {
    let reasons = notice.refusals();
    let first = reasons.first()?;
    let change = &notice.change;
    let (what, after) = match first.code {
        Code::PoliciesRefused => ("has policies that are refused", "What was in force stays."),
        _ => ("cannot be planned", "Nothing runs for this change until somebody mends this."),
    };
    let title = format!(":no_entry: {} {what}", change.repository);
    let sentences: Vec<String> = reasons.iter().take(WAITS_MAX).map(sentence).collect();
    let blocks = vec![
        header(&title),
        section(change_text(change)),
        section(format!("*Why*\n{}", sentences.join("\n"))),
        context(after),
    ];
    let text = format!("{title}: {}", clip(&first.text, SENTENCE_CHARS_MAX));
    Some(Message::new(escape(&text), blocks))
}

/// The message about a fault of the account.
pub(crate) fn alert(alert: &Alert) -> Message {
    let fault = &alert.alert;
    let emoji = match fault.severity.as_str() {
        "ERROR" => ":rotating_light:",
        "WARNING" => ":warning:",
        _ => ":information_source:",
    };
    // What the catalogue says is of a repository; of a stack, the title names it.
    let whose = match fault.account.as_str() {
        "" => String::new(),
        repository if repository.contains('/') => format!("Repository {repository}: "),
        account => format!("Spacelift account {account}: "),
    };
    let title = format!("{emoji} {whose}{}", fault.title);
    let details = escape(&clip(&fault.text, DETAILS_CHARS_MAX));
    let mut blocks = vec![header(&title)];
    if !details.is_empty() {
        blocks.push(section(details));
    }
    blocks.push(context(&format!("Severity {}", escape(&clip(&fault.severity, 40)))));
    Message::new(escape(&clip(&title, SENTENCE_CHARS_MAX)), blocks)
}

fn chain_title(digest: &Digest, change: &Change) -> String {
    let kind = match (digest.kind, digest.action) {
        (Some(ChainKind::Preview), _) => "Preview",
        (Some(ChainKind::Deploy), Action::Deliver) => "Deploy",
        (Some(ChainKind::Deploy), Action::FixDrift) => "Drift fix",
        (Some(ChainKind::Deploy), Action::Destroy | Action::Deregister) => "Destruction",
        (None, _) => "Chain",
    };
    let counts = digest.counts();
    let done = counts.finished + counts.bad + counts.skipped;
    let (emoji, state) = match digest.state() {
        ChainState::Gating => (":hourglass_flowing_sand:", "waiting to begin".to_owned()),
        ChainState::Planning => (":mag:", "planning everything".to_owned()),
        ChainState::Running if counts.total == 0 => (":gear:", "running".to_owned()),
        ChainState::Paused => (":double_vertical_bar:", "paused".to_owned()),
        ChainState::Canceled => (":no_entry_sign:", "cancelled".to_owned()),
        ChainState::Running => (":gear:", format!("{done} of {} done", counts.total)),
        ChainState::Finished => (":white_check_mark:", "finished".to_owned()),
        ChainState::Failed => {
            (":x:", format!("failed, {} of {} finished", counts.finished, counts.total))
        }
        ChainState::Denied => (":no_entry:", "denied".to_owned()),
    };
    format!("{emoji} {kind} of {}: {state}", change.repository)
}

fn change_text(change: &Change) -> String {
    let title = clip(&change.title, SENTENCE_CHARS_MAX);
    let title = if title.trim().is_empty() { "(no title)" } else { &title };
    let mut text = format!(
        "*{}*\nby {} on `{}` at `{}`",
        link(change.url.as_deref(), title),
        escape(&clip(&change.author, 80)),
        escape(&clip(&change.branch, 120)),
        escape(change.commit.short()),
    );
    if let Some(number) = change.pull_request {
        text.push_str(&format!(", pull request #{number}"));
    }
    text
}

fn waits_sections(waits: &[Wait<'_>]) -> Vec<Value> {
    if waits.is_empty() {
        return Vec::new();
    }
    let mut blocks = Vec::new();
    let mut lines = vec!["*Waiting*".to_owned()];
    for wait in waits.iter().take(WAITS_MAX) {
        lines.push(wait_text(wait));
        // The buttons stand below what they are about, so the lines before them end there.
        if let Some(buttons) = buttons(wait) {
            blocks.extend(lines::packed(&lines).into_iter().map(section));
            blocks.push(buttons);
            lines.clear();
        }
    }
    if waits.len() > WAITS_MAX {
        lines.push(format!("+{} more", waits.len() - WAITS_MAX));
    }
    blocks.extend(lines::packed(&lines).into_iter().map(section));
    blocks
}

/// What waits for people can be decided where they read it. Who may is judged by the policies when
/// somebody presses: Slack shows the same to everybody.
fn buttons(wait: &Wait<'_>) -> Option<Value> {
    let Outcome::HoldForApprovals { .. } = wait.outcome else { return None };
    let gate = wait.gate.to_string();
    let button = |verb: &str, text: &str, style: &str| {
        json!({
            "type": "button",
            "action_id": format!("{verb}:{gate}"),
            "value": gate,
            "style": style,
            "text": { "type": "plain_text", "text": text },
        })
    };
    Some(json!({
        "type": "actions",
        "block_id": gate,
        "elements": [
            button("approve", "Approve", "primary"),
            button("reject", "Reject", "danger"),
        ],
    }))
}

fn wait_text(wait: &Wait<'_>) -> String {
    let who = match wait.name {
        Some(name) => format!("*{}*", escape(&clip(name, 60))),
        None => "The chain".to_owned(),
    };
    let moment = match wait.moment {
        Moment::BeforeChain => "before it begins",
        Moment::BeforePlan => "before its plan",
        Moment::BeforeApply if wait.name.is_none() => "before anything is applied",
        Moment::BeforeApply => "before its apply",
    };
    let what = match wait.outcome {
        Outcome::HoldUntil { until } => {
            format!("until {}", clock(*until))
        }
        Outcome::HoldForApprovals { given, needed } => {
            format!("for approval, {given} of {needed} given: `stackly approve {}`", wait.gate)
        }
        Outcome::Pass | Outcome::Deny => "for nothing".to_owned(),
    };
    let why = wait.reason.map(|reason| format!(" ({})", sentence(reason))).unwrap_or_default();
    let run = match wait.run_url {
        Some(_) => format!(" · {}", link(wait.run_url, "run")),
        None => String::new(),
    };
    format!("• {who} {moment}, {what}{run}{why}")
}

/// A time, as it is where the message is read.
fn clock(at: DateTime<Utc>) -> String {
    let plain = at.format("%Y-%m-%d %H:%M UTC");
    format!("<!date^{}^{{date_short_pretty}} {{time}}|{plain}>", at.timestamp())
}

fn ending_section(ending: &Ending) -> Option<Value> {
    let state = match ending.state {
        ChainState::Failed => "Failed",
        ChainState::Denied => "Denied",
        ChainState::Canceled => "Cancelled",
        ChainState::Finished
        | ChainState::Gating
        | ChainState::Planning
        | ChainState::Running
        | ChainState::Paused => return None,
    };
    Some(section(format!("*{state}*: {}", sentence(&ending.reason))))
}

fn footer(digest: &Digest) -> String {
    match digest.ending() {
        Some(ending) => {
            format!("{} · took {}", digest.chain, took(ending.ended_at - ending.began_at))
        }
        None => digest.chain.to_string(),
    }
}

fn sentence(reason: &Reason) -> String {
    escape(&clip(&reason.text, SENTENCE_CHARS_MAX))
}

fn header(text: &str) -> Value {
    let text = clip(text, HEADER_CHARS_MAX);
    json!({ "type": "header", "text": { "type": "plain_text", "text": text, "emoji": true } })
}

fn section(text: String) -> Value {
    let text = clip(&text, SECTION_CHARS_MAX);
    json!({ "type": "section", "text": mrkdwn(&text) })
}

fn context(text: &str) -> Value {
    json!({ "type": "context", "elements": [mrkdwn(text)] })
}

/// Verbatim: what is marked up is shown so, but Slack makes no links or mentions of plain text.
fn mrkdwn(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}
