//! What the planner decides about a change that is read again, beside what it decided when it came.

use std::collections::BTreeSet;

use contracts::{
    StackId,
    chain::{BorrowedEdge, ChainKind, ChainPlanned},
    phrase::count,
};
use planner::{reconsider::Reconsidered, what_if::Outcome};
use serde::{Deserialize, Serialize};

use crate::print::{Look, Tone, clean};

/// More stacks of a chain are not named.
const NAMED: usize = 20;

/// The decisions about one change, in sentences.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Decision {
    /// What was decided then.
    then: Vec<String>,
    /// What would be decided now.
    now: Vec<String>,
    /// In what they differ.
    difference: Vec<String>,
    /// Why nothing is known of them.
    trouble: Option<String>,
}

impl Decision {
    pub(crate) fn unknown(trouble: String) -> Self {
        Self { trouble: Some(trouble), ..Self::default() }
    }

    /// Where nothing was decided then, or it is not kept any more, there is nothing to differ from.
    pub(crate) fn compared(Reconsidered { then, now, .. }: &Reconsidered) -> Self {
        let sentences = |outcomes: &[Outcome]| outcomes.iter().map(sentence).collect();
        let difference = if then.is_empty() { Vec::new() } else { difference(then, now) };
        Self { then: sentences(then), now: sentences(now), difference, trouble: None }
    }

    pub(crate) fn differs(&self) -> bool {
        !self.difference.is_empty()
    }

    /// In lines.
    pub(crate) fn lines(&self, look: &Look) -> Vec<String> {
        if let Some(trouble) = &self.trouble {
            let line = format!("  what the planner would decide is not known: {trouble}");
            return vec![look.paint(Tone::Waits, &clean(&line))];
        }
        let now = self.now.join("; besides, ");
        match (self.then.is_empty(), self.differs()) {
            (true, _) => {
                vec![clean(&format!("  would be decided: {now}; of then nothing is kept"))]
            }
            (false, false) => vec![clean(&format!("  is decided as then: {now}"))],
            (false, true) => {
                let then = self.then.join("; besides, ");
                let mut lines = vec![
                    clean(&format!("  was decided: {then}")),
                    clean(&format!("  would be decided: {now}")),
                ];
                let differs = self.difference.iter();
                lines.extend(
                    differs.map(|line| format!("    {}", look.paint(Tone::Waits, &clean(line)))),
                );
                lines
            }
        }
    }
}

/// A decision in a sentence.
fn sentence(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Planned(chain) => {
            let names: Vec<_> = chain.steps.iter().map(|step| step.stack.as_str()).collect();
            let more = match names.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let named = names[..names.len().min(NAMED)].join(", ");
            let what = match chain.kind {
                ChainKind::Deploy => "chain",
                ChainKind::Preview => "preview",
            };
            format!("a {what} of {}: {named}{more}", count(names.len(), "run"))
        }
        Outcome::Ignored { reason } => {
            format!("nothing follows ({}): {}", reason.code.as_str(), reason.text)
        }
        Outcome::Refused { reason } => {
            format!("refused ({}): {}", reason.code.as_str(), reason.text)
        }
    }
}

/// What kind of decision it is, and why: what is said of it in words may change from day to day.
fn kind(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Planned(_) => "a chain".to_owned(),
        Outcome::Ignored { reason } => format!("nothing ({})", reason.code.as_str()),
        Outcome::Refused { reason } => format!("a refusal ({})", reason.code.as_str()),
    }
}

/// In what decisions differ, a line each. Pure.
fn difference(then: &[Outcome], now: &[Outcome]) -> Vec<String> {
    let mut lines = Vec::new();
    for place in 0..then.len().max(now.len()) {
        match (then.get(place), now.get(place)) {
            (Some(Outcome::Planned(then)), Some(Outcome::Planned(now))) => {
                chains(then, now, &mut lines)
            }
            (Some(then), Some(now)) if kind(then) != kind(now) => {
                lines.push(format!("{} became {}", kind(then), kind(now)));
            }
            (Some(then), None) => lines.push(format!("{} would not follow any more", kind(then))),
            (None, Some(now)) => lines.push(format!("{} would follow as well", kind(now))),
            _ => {}
        }
    }
    lines
}

fn chains(then: &ChainPlanned, now: &ChainPlanned, lines: &mut Vec<String>) {
    let stacks = |chain: &ChainPlanned| -> BTreeSet<String> {
        chain.steps.iter().map(|step| step.stack.as_str().to_owned()).collect()
    };
    let edges = |chain: &ChainPlanned| -> BTreeSet<(String, String)> {
        let names = chain.edges.iter();
        names.map(|edge| (edge.child.to_string(), edge.parent.to_string())).collect()
    };
    let (before, after) = (stacks(then), stacks(now));
    lines.extend(before.difference(&after).map(|stack| format!("{stack} would not run any more")));
    lines.extend(after.difference(&before).map(|stack| format!("{stack} would run as well")));
    // Of stacks that are in one of the chains alone, that says enough.
    let is_in_both = |(child, parent): &&(String, String)| {
        [child, parent].iter().all(|stack| before.contains(*stack) && after.contains(*stack))
    };
    let (waited, waits) = (edges(then), edges(now));
    let gone = waited.difference(&waits).filter(is_in_both);
    lines.extend(gone.map(|(child, parent)| format!("{child} would not wait for {parent}")));
    let new = waits.difference(&waited).filter(is_in_both);
    lines.extend(new.map(|(child, parent)| format!("{child} would wait for {parent}")));
    if before == after && waited == waits {
        details(then, now, lines);
    }
}

/// In what chains of the same steps differ, in the same order of waiting.
fn details(then: &ChainPlanned, now: &ChainPlanned, lines: &mut Vec<String>) {
    if (then.kind, then.action, &then.options) != (now.kind, now.action, &now.options) {
        lines.push("it would be carried out in another way".to_owned());
    }
    let order = |chain: &ChainPlanned| -> Vec<StackId> {
        chain.steps.iter().map(|step| step.stack.clone()).collect()
    };
    if order(then) != order(now) {
        lines.push("its steps would be listed in another order".to_owned());
    }
    for step in &then.steps {
        let Some(again) = now.steps.iter().find(|again| again.stack == step.stack) else {
            continue;
        };
        let (was, is) = (step.why.code, again.why.code);
        if was != is {
            lines.push(format!("{} would be in it as `{is}`, no more as `{was}`", step.stack));
        } else if step.on_commit != again.on_commit || step.autodeploy != again.autodeploy {
            lines.push(format!("the run of {} would be another one", step.stack));
        }
    }
    for edge in then.edges.iter() {
        let BorrowedEdge { child, parent, .. } = edge;
        let is_it = |it: &BorrowedEdge<'_>| it.child == child && it.parent == parent;
        if now.edges.iter().find(is_it).is_some_and(|again| again.origins != edge.origins) {
            lines.push(format!("why {child} waits for {parent} would be told otherwise"));
        }
    }
}

#[cfg(test)]
mod tests;
