//! Reads to whom a policy applies.

use contracts::{chain::ChainKind, gate::Moment};
use located::Section;

use crate::{model::Scope, pattern::Pattern};

const MOMENTS: [(&str, Moment); 3] = [
    ("before_chain", Moment::BeforeChain),
    ("before_plan", Moment::BeforePlan),
    ("before_apply", Moment::BeforeApply),
];
const KINDS: [(&str, ChainKind); 2] =
    [("deploy", ChainKind::Deploy), ("preview", ChainKind::Preview)];

/// The `match` block of a policy, and the `environment` that may stand outside of it.
pub(super) fn read(policy: &Section<'_>) -> Scope {
    let mut scope = match policy.block("match") {
        Some(section) => of_match(&section),
        None => Scope::default(),
    };
    if let Some(span) = policy.span_of("environment") {
        if !scope.environments.is_empty() {
            policy.fault_at(
                span,
                "`environment` stands both in the policy and in its `match`",
                "delete one of them",
            );
        }
        scope.environments = patterns(policy, "environment");
    }
    scope
}

fn of_match(section: &Section<'_>) -> Scope {
    section.only(
        &[
            "labels",
            "environment",
            "spaces",
            "stacks",
            "repositories",
            "branches",
            "authors",
            "moment",
            "kind",
        ],
        &[],
    );
    Scope {
        labels: patterns(section, "labels"),
        environments: patterns(section, "environment"),
        spaces: patterns(section, "spaces"),
        stacks: patterns(section, "stacks"),
        repositories: patterns(section, "repositories"),
        branches: patterns(section, "branches"),
        authors: patterns(section, "authors"),
        moments: words(section, "moment", &MOMENTS),
        kinds: words(section, "kind", &KINDS),
    }
}

fn patterns(section: &Section<'_>, key: &str) -> Vec<Pattern> {
    section.texts(key).into_iter().map(|(text, _)| Pattern::new(text)).collect()
}

fn words<T: Copy>(section: &Section<'_>, key: &str, known: &[(&str, T)]) -> Vec<T> {
    let texts = section.texts(key);
    texts.iter().filter_map(|text| section.word(key, text, known)).collect()
}
