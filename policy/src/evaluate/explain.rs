//! A decision line by line: which policies were asked, and why the others were not.

use serde::{Deserialize, Serialize};

use super::{
    Ask, Case, Verdict,
    facts::Facts,
    judge,
    said::Said,
    scope::{Asked, Silent, about, heard, misfits},
};
use crate::{
    model::{Policy, PolicySet, Rule},
    pattern::Pattern,
};

/// One rule of one policy, and what it had to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The policy; empty for what people said and for the sum of it.
    pub policy: String,
    /// Where it is written.
    pub file: String,
    /// Whether it spoke.
    pub speaks: bool,
    /// What it said, or why it was silent.
    pub text: String,
}

/// Explains the answer to a case.
pub fn explain(set: &PolicySet, case: &Case<'_>) -> Vec<Line> {
    let facts = Facts::of(case);
    let mut lines = Vec::new();
    for policy in &set.policies {
        for rule in &policy.rules {
            let (speaks, text) = match about(set, policy, rule, &facts) {
                Ok(about) => (true, alone(set, case, &facts, Asked { policy, rule, about })),
                Err(silent) => (false, silence(policy, rule, &facts, silent)),
            };
            let (title, file) = (policy.title().to_string(), policy.file.clone());
            lines.push(Line { policy: title, file, speaks, text });
        }
    }
    let Verdict { outcome, reasons, .. } = judge(set, case);
    let outcome = contracts::plain(&outcome);
    let word = outcome["outcome"].as_str().unwrap_or_default().replace('_', " ");
    let first = reasons.first().map(ToString::to_string).unwrap_or_default();
    let text = format!("together: {word} ({first})");
    lines.push(Line { policy: String::new(), file: String::new(), speaks: true, text });
    lines
}

/// What one rule would say if it were the only one.
fn alone<'a>(set: &'a PolicySet, case: &Case<'a>, facts: &Facts<'_>, asked: Asked<'a>) -> String {
    let mut said = Said::new(set, case);
    said.fates.is_muted = !matches!(asked.rule, Rule::Deregistration { .. });
    let (title, about) = (asked.policy.title(), asked.about.to_string());
    said.hear(asked, facts);
    let verdict = said.verdict(&super::glass::Glass::Whole);
    if let Some(Ask { on_silence, .. }) = verdict.ask {
        // Nobody is asked by explaining, and while something else holds it, nobody was.
        let silence = on_silence.as_str();
        return format!(
            "{title} is asked about {about} once nothing else holds it; silence means {silence}"
        );
    }
    let texts: Vec<String> = verdict.reasons.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

fn silence(policy: &Policy, rule: &Rule, facts: &Facts<'_>, silent: Silent) -> String {
    let request = facts.request;
    let (kinds, moments) = heard(rule, &policy.scope);
    match silent {
        Silent::Kind => {
            format!(
                "it is about {} chains, and this is a {}",
                kinds.join(", "),
                request.kind.as_str()
            )
        }
        Silent::Moment => {
            format!("it speaks {}, and this is {}", moments.join(", "), request.moment)
        }
        Silent::Change(key) => {
            let change = &request.change;
            let wanted = wanted(policy, key);
            format!(
                "{key}{wanted} does not fit (action {}, repository {}, branch {}, author {}, steps {}, plan {})",
                request.action,
                change.repository,
                change.branch,
                change.author,
                facts.steps().map_or_else(|| "unknown".to_owned(), |steps| steps.to_string()),
                request.delta.map_or_else(|| "unknown".to_owned(), |delta| delta.to_string()),
            )
        }
        Silent::Follows => {
            "it judges what a push touches, and what it is about only follows".to_owned()
        }
        Silent::Stacks => {
            let misfit = |stack: &super::facts::StackFacts<'_>| {
                let misfits = misfits(&policy.scope, stack);
                let why = if misfits.is_empty() {
                    "it is left out by an `except`, or has its gate before the apply".to_owned()
                } else {
                    format!("it does not fit {}", misfits.join(" and "))
                };
                format!("{}: {why}", stack.id)
            };
            let texts: Vec<String> = facts.stacks.iter().take(3).map(misfit).collect();
            if texts.is_empty() { "there is no stack".to_owned() } else { texts.join("; ") }
        }
    }
}

fn wanted(policy: &Policy, key: &str) -> String {
    let scope = &policy.scope;
    let patterns: &[Pattern] = match key {
        "repositories" => &scope.repositories,
        "branches" => &scope.branches,
        "authors" => &scope.authors,
        "files" => &scope.files,
        _ => &[],
    };
    let texts: Vec<String> = patterns.iter().map(Pattern::to_string).collect();
    if texts.is_empty() { String::new() } else { format!(" [{}]", texts.join(", ")) }
}
