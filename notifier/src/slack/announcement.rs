//! What people must hear at once about a chain: a message of its own, because nobody is woken by one
//! that is changed in place.

use contracts::{
    Reason,
    chain::ChainKind,
    gate::{GateOverridden, Moment},
    step::StepStuck,
};
use serde_json::Value;

use super::{
    DETAILS_CHARS_MAX, Message, SENTENCE_CHARS_MAX, WAITS_MAX, clock, context, header, section,
    sentence,
    text::{clip, escape, link},
};
use crate::{digest::Digest, input::Input};

/// A message beside that of the chain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Announcement {
    pub(crate) message: Message,
    /// Whether the whole channel is to hear it, not only who follows the chain.
    pub(crate) aloud: bool,
}

/// What is announced of an event that the digest knows of already.
pub(crate) fn of(input: &Input, digest: &Digest) -> Option<Announcement> {
    match input {
        Input::Overridden(event) => {
            Some(Announcement { message: overridden(event, digest), aloud: true })
        }
        // Nobody waits for a preview but its author, who reads of it at the pull request.
        Input::StepStuck(_) if digest.kind == Some(ChainKind::Preview) => None,
        Input::StepStuck(event) => stuck(event, digest),
        _ => None,
    }
}

/// Somebody broke the glass.
fn overridden(event: &GateOverridden, digest: &Digest) -> Message {
    let title = format!(":rotating_light: {} broke the glass {}", event.by, place(event));
    let why = escape(&clip(&event.reason, SENTENCE_CHARS_MAX));
    let whole = if event.whole_chain { "every gate of the chain" } else { "this gate" };
    let mut text = format!("*Why*: {why}\n*Until*: {}, for {whole}", clock(event.until));
    if event.wants_second {
        text.push_str("\nIt counts once a second person has broken it, too.");
    }
    let mut blocks = vec![header(&title), section(text)];
    if !event.over.is_empty() {
        let over = event.over.iter().take(WAITS_MAX).map(|it| format!("• {}", sentence(it)));
        let over: Vec<String> = over.collect();
        blocks.push(section(format!("*Passed over*\n{}", over.join("\n"))));
    }
    blocks.push(context(&format!("{} · `{}`", about(digest), event.gate)));
    said(&title, &event.reason, blocks)
}

/// What the glass was before.
fn place(event: &GateOverridden) -> String {
    match (event.moment, &event.stack) {
        _ if event.whole_chain => "of the whole chain".to_owned(),
        (Moment::BeforePlan, Some(stack)) => format!("before the plan of {stack}"),
        (Moment::BeforeApply, Some(stack)) => format!("before the apply of {stack}"),
        (Moment::BeforeApply, None) => "before anything is applied".to_owned(),
        (Moment::BeforeChain | Moment::BeforePlan, _) => "before the chain".to_owned(),
    }
}

/// A step waits for longer than it should; none if it went on since. If others of the chain wait for
/// the same, the channel has heard of that.
fn stuck(event: &StepStuck, digest: &Digest) -> Option<Announcement> {
    let StepStuck { step, mend, .. } = event;
    let lines = digest.lines();
    let line = lines.iter().find(|line| line.stack == &step.stack && line.stuck)?;
    let waits_for = |reason: &Reason| reason.code == step.reason.code;
    let is_known = lines.iter().any(|other| {
        other.stuck && other.stack != line.stack && other.reason.is_some_and(waits_for)
    });
    let title = format!(":warning: {} is stuck", line.name);
    let why = escape(&clip(&step.reason.text, DETAILS_CHARS_MAX));
    let mut text = format!("*Why*: {why}");
    if line.run_url.is_some() {
        text.push_str(&format!(" · {}", link(line.run_url, "run")));
    }
    if let Some(mend) = mend {
        let mend = escape(&clip(mend, DETAILS_CHARS_MAX));
        text.push_str(&format!("\n*What to do*: {mend}"));
    }
    let blocks = vec![header(&title), section(text), context(&about(digest))];
    let message = said(&title, &step.reason.text, blocks);
    Some(Announcement { message, aloud: !is_known })
}

/// The chain it is about, and the change that it follows from.
fn about(digest: &Digest) -> String {
    match &digest.change {
        None => digest.chain.to_string(),
        Some(change) => {
            let title = clip(&change.title, SENTENCE_CHARS_MAX);
            let title = if title.trim().is_empty() { "its change" } else { &title };
            let link = link(change.url.as_deref(), title);
            format!("{}: {link} · {}", escape(&change.repository), digest.chain)
        }
    }
}

fn said(title: &str, why: &str, blocks: Vec<Value>) -> Message {
    let text = format!("{title}: {}", clip(why, SENTENCE_CHARS_MAX));
    Message::new(escape(&text), blocks)
}
