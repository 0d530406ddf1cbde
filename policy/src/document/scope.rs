//! Reads to whom a policy applies.

use contracts::{Action, chain::ChainKind, gate::Moment};
use located::Section;

use super::times;
use crate::{
    model::{Cost, Least, Scope},
    pattern::Pattern,
};

pub(crate) const ACTIONS: [(&str, Action); 4] = [
    ("deliver", Action::Deliver),
    ("fix_drift", Action::FixDrift),
    ("destroy", Action::Destroy),
    ("deregister", Action::Deregister),
];
pub(crate) const MOMENTS: [(&str, Moment); 3] = [
    ("before_chain", Moment::BeforeChain),
    ("before_plan", Moment::BeforePlan),
    ("before_apply", Moment::BeforeApply),
];
pub(crate) const KINDS: [(&str, ChainKind); 2] =
    [("deploy", ChainKind::Deploy), ("preview", ChainKind::Preview)];
/// Everything that may be asked in a `match` block.
const KEYS: [&str; 21] = [
    "labels",
    "environment",
    "spaces",
    "stacks",
    "paths",
    "files",
    "repositories",
    "branches",
    "authors",
    "author_groups",
    "moment",
    "kind",
    "action",
    "from",
    "until",
    "timezone",
    "min_stacks",
    "min_added",
    "min_changed",
    "min_deleted",
    "min_cost_delta",
];

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

/// The blocks of a name that say what is left out.
pub(super) fn excepted(section: &Section<'_>) -> Vec<Scope> {
    let read = |block: Section<'_>| {
        let scope = of_match(&block);
        if scope == Scope::default() {
            block.fault(
                "an `except` without conditions leaves everything out",
                "say what is meant, such as `labels = [\"urgent\"]`, or delete it",
            );
        }
        scope
    };
    section.blocks("except").map(read).collect()
}

fn of_match(section: &Section<'_>) -> Scope {
    section.only(&KEYS, &[]);
    let zone = times::zone(section).unwrap_or_default();
    let scope = Scope {
        labels: patterns(section, "labels"),
        environments: patterns(section, "environment"),
        spaces: patterns(section, "spaces"),
        stacks: patterns(section, "stacks"),
        paths: patterns(section, "paths"),
        files: patterns(section, "files"),
        repositories: patterns(section, "repositories"),
        branches: patterns(section, "branches"),
        authors: patterns(section, "authors"),
        author_groups: section.texts("author_groups").into_iter().map(|(name, _)| name).collect(),
        moments: words(section, "moment", &MOMENTS),
        midway: Vec::new(),
        kinds: words(section, "kind", &KINDS),
        actions: words(section, "action", &ACTIONS),
        from: times::instant(section, "from", zone),
        until: times::instant(section, "until", zone),
        least: Least {
            steps: section.number("min_stacks"),
            added: section.number("min_added"),
            changed: section.number("min_changed"),
            deleted: section.number("min_deleted"),
            cost_delta: section.decimal("min_cost_delta").map(Cost::from),
        },
    };
    if scope.least.of_plan()
        && !scope.moments.is_empty()
        && !scope.moments.contains(&Moment::BeforeApply)
    {
        section.fault_at(
            section.span_of("moment").unwrap_or_default(),
            "what a plan does is known before the apply alone",
            "add \"before_apply\", or leave `moment` out",
        );
    }
    scope
}

pub(super) fn patterns(section: &Section<'_>, key: &str) -> Vec<Pattern> {
    section.texts(key).into_iter().map(|(text, _)| Pattern::new(text)).collect()
}

pub(super) fn words<T: Copy>(section: &Section<'_>, key: &str, known: &[(&str, T)]) -> Vec<T> {
    let texts = section.texts(key);
    texts.iter().filter_map(|text| section.word(key, text, known)).collect()
}

/// The gates a freeze or a window holds, by what is to become of chains it catches half-way.
pub(super) fn midway(section: &Section<'_>, scope: &Scope) -> Option<Vec<Moment>> {
    const MIDWAY: [(&str, &[Moment]); 3] = [
        ("hold", &[Moment::BeforePlan, Moment::BeforeApply]),
        ("finish_step", &[Moment::BeforePlan]),
        ("roll_on", &[Moment::BeforeChain]),
    ];
    let text = section.text("midway")?;
    let moments = section.word("midway", &text, &MIDWAY)?;
    if !scope.moments.is_empty() {
        section.fault_at(
            text.1,
            "`midway` and `moment` both say which gates are meant",
            "delete one of them: `midway` is short for the usual choices",
        );
    }
    Some(moments.to_vec())
}
