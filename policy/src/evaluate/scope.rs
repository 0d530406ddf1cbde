//! Which rules speak at a gate, and about which of its stacks.

use std::fmt;

use contracts::{
    Action,
    chain::ChainKind,
    gate::{Moment, RecentFailure},
};

use super::facts::{Facts, StackFacts};
use crate::{
    model::{Policy, PolicySet, Rule, Scope},
    pattern::Pattern,
    people::People,
};

/// A rule that speaks.
pub(super) struct Asked<'a> {
    pub(super) policy: &'a Policy,
    pub(super) rule: &'a Rule,
    /// What it speaks about.
    pub(super) about: About<'a>,
}

/// What a rule speaks about, for people.
pub(super) enum About<'a> {
    /// A chain as such.
    Chain,
    /// Some of the stacks.
    Stacks(Vec<&'a str>),
}

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain => f.write_str("this chain"),
            Self::Stacks(stacks) => match stacks.as_slice() {
                [one, two, three, _, ..] => {
                    write!(f, "{one}, {two}, {three} and {} more", stacks.len() - 3)
                }
                few => f.write_str(&few.join(", ")),
            },
        }
    }
}

/// The rules that speak at this gate, in the order of their policies.
pub(super) fn speaking<'a>(
    set: &'a PolicySet,
    facts: &Facts<'a>,
) -> impl Iterator<Item = Asked<'a>> {
    set.policies.iter().flat_map(move |policy| {
        policy.rules.iter().filter_map(move |rule| {
            let about = about(set, policy, rule, facts).ok()?;
            Some(Asked { policy, rule, about })
        })
    })
}

/// Why a rule is silent at a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silent {
    /// It is about another kind of chain.
    Kind,
    /// It speaks at other gates.
    Moment,
    /// What it must match does not, for the change as a whole.
    Change(&'static str),
    /// No stack has all that is asked for.
    Stacks,
}

/// What the rule speaks about, or why it is silent. The cheap questions come first.
pub(super) fn about<'a>(
    set: &PolicySet,
    policy: &Policy,
    rule: &Rule,
    facts: &Facts<'a>,
) -> Result<About<'a>, Silent> {
    let scope = &policy.scope;
    let request = facts.request;
    if !kinds(scope, rule).contains(&request.kind) {
        return Err(Silent::Kind);
    }
    if matches!(rule, Rule::Deregistration { .. }) && request.action != Action::Deregister {
        return Err(Silent::Change("action"));
    }
    let moments = moments(scope, rule);
    let now = moments.contains(&request.moment);
    // A stack that applies by itself, and a preview, never reach the gate before the apply.
    let early = request.moment == Moment::BeforePlan && moments.contains(&Moment::BeforeApply);
    if !now && !early {
        return Err(Silent::Moment);
    }
    scope.fits_change(&set.people, facts).map_err(Silent::Change)?;
    if scope.touches(facts) == Some(false) {
        return Err(Silent::Change("files"));
    }
    let mut stacks = Vec::new();
    for stack in &facts.stacks {
        let excepted = || {
            policy.except.iter().any(|except| {
                except.fits_change(&set.people, facts).is_ok()
                    && except.touches(facts) == Some(true)
                    && except.fits_stack(stack)
            })
        };
        if (now || stack.plan_is_last) && scope.fits_stack(stack) && !excepted() {
            stacks.push(stack.id.as_str());
        }
    }
    if stacks.is_empty() {
        let is_about_chain = now && facts.stacks.is_empty() && scope.asks_no_stack();
        return if is_about_chain { Ok(About::Chain) } else { Err(Silent::Stacks) };
    }
    Ok(About::Stacks(stacks))
}

/// The kinds of chain a rule is about.
pub(super) fn kinds<'a>(scope: &'a Scope, rule: &'a Rule) -> &'a [ChainKind] {
    if scope.kinds.is_empty() { rule.kinds() } else { &scope.kinds }
}

/// The moments at which a rule speaks.
pub(super) fn moments<'a>(scope: &'a Scope, rule: &'a Rule) -> &'a [Moment] {
    match rule {
        Rule::Window { .. } if !scope.midway.is_empty() => &scope.midway,
        _ if scope.moments.is_empty() => rule.moments(),
        _ => &scope.moments,
    }
}

impl Scope {
    /// Whether everything fits that is asked of the change, or what does not.
    pub(super) fn fits_change(
        &self,
        people: &People,
        facts: &Facts<'_>,
    ) -> Result<(), &'static str> {
        self.fits_origin(people, facts)?;
        let in_time = self.from.is_none_or(|from| from <= facts.now)
            && self.until.is_none_or(|until| facts.now < until);
        if !in_time {
            return Err("from, until");
        }
        self.fits_size(facts)
    }

    /// The same for what neither time nor a plan can change.
    pub(super) fn fits_origin(
        &self,
        people: &People,
        facts: &Facts<'_>,
    ) -> Result<(), &'static str> {
        if !self.actions.is_empty() && !self.actions.contains(&facts.request.action) {
            return Err("action");
        }
        let one = |patterns: &[Pattern], text: &str, name| match any(patterns, [text]) {
            true => Ok(()),
            false => Err(name),
        };
        one(&self.repositories, &facts.repository, "repositories")?;
        one(&self.branches, &facts.branch, "branches")?;
        let author = &facts.author;
        // A pattern may mean the login or the person.
        let fits = || any(&self.authors, [author.as_ref(), people.who(author).as_str()]);
        if !self.authors.is_empty() && !fits() {
            return Err("authors");
        }
        if !self.author_groups.is_empty() {
            let author = people.who(author);
            if !people.members(&self.author_groups).any(|member| member == author) {
                return Err("author_groups");
            }
        }
        Ok(())
    }

    /// Whether the change touches a file that is asked for; `None` if it may, among those that
    /// nobody names. What holds somebody counts in doubt, what lets somebody go does not.
    pub(super) fn touches(&self, facts: &Facts<'_>) -> Option<bool> {
        match any(&self.files, facts.files.iter().map(AsRef::as_ref)) {
            true => Some(true),
            false => facts.all_files.then_some(false),
        }
    }

    fn fits_size(&self, facts: &Facts<'_>) -> Result<(), &'static str> {
        let delta = facts.request.delta.unwrap_or_default();
        let enough = |least: Option<u64>, found: Option<u64>| {
            least.is_none_or(|least| found.is_some_and(|found| found >= least))
        };
        let count = |number: i64| Some(number.unsigned_abs());
        let least = &self.least;
        if !enough(least.steps, facts.steps()) {
            return Err("min_stacks");
        }
        if !enough(least.added, count(delta.added)) {
            return Err("min_added");
        }
        if !enough(least.changed, count(delta.changed)) {
            return Err("min_changed");
        }
        if !enough(least.deleted, count(delta.deleted)) {
            return Err("min_deleted");
        }
        Ok(())
    }

    /// Whether everything fits that is asked of a stack.
    pub(super) fn fits_stack(&self, stack: &StackFacts<'_>) -> bool {
        any(&self.stacks, [stack.name.as_ref()])
            && any(&self.spaces, stack.space.iter().map(AsRef::as_ref))
            && any(&self.labels, stack.labels.iter().map(AsRef::as_ref))
            && any(&self.environments, stack.environments())
            && any(&self.paths, stack.path.as_deref())
    }

    /// The same for a stack on which something ended badly.
    pub(super) fn fits_failure(&self, failure: &RecentFailure) -> bool {
        self.fits_stack(&StackFacts::of_failure(failure))
    }

    fn asks_no_stack(&self) -> bool {
        [&self.stacks, &self.spaces, &self.labels, &self.environments, &self.paths]
            .iter()
            .all(|patterns| patterns.is_empty())
    }

    /// When time alone may change whether it fits.
    pub(super) fn turns_at(&self) -> impl Iterator<Item = chrono::DateTime<chrono::Utc>> + '_ {
        [self.from, self.until].into_iter().flatten()
    }
}

/// Whether nothing is asked for, or one of the texts is.
fn any<'a>(patterns: &[Pattern], texts: impl IntoIterator<Item = &'a str>) -> bool {
    patterns.is_empty()
        || texts.into_iter().any(|text| patterns.iter().any(|pattern| pattern.matches_lower(text)))
}

/// The rule's own kinds or moments, for people.
pub(super) fn heard(rule: &Rule, scope: &Scope) -> (Vec<&'static str>, Vec<&'static str>) {
    let kinds = kinds(scope, rule).iter().copied().map(ChainKind::as_str).collect();
    (kinds, moments(scope, rule).iter().copied().map(Moment::as_str).collect())
}

/// The patterns of a scope that a stack does not fit, with what it has, for people.
pub(super) fn misfits(scope: &Scope, stack: &StackFacts<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let mut hold = |key: &str, patterns: &[Pattern], has: Vec<&str>| {
        if !any(patterns, has.iter().copied()) {
            let wanted: Vec<String> = patterns.iter().map(Pattern::to_string).collect();
            let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
            found.push(format!("{key} [{}] (it has {has})", wanted.join(", ")));
        }
    };
    hold("stacks", &scope.stacks, vec![stack.name.as_ref()]);
    hold("spaces", &scope.spaces, vec![stack.space[1].as_ref()]);
    hold("labels", &scope.labels, stack.labels.iter().map(AsRef::as_ref).collect());
    hold("environment", &scope.environments, stack.environments().collect());
    hold("paths", &scope.paths, stack.path.as_deref().into_iter().collect());
    // The slug and the whole name of a space are both names of it.
    if any(&scope.spaces, stack.space.iter().map(AsRef::as_ref)) {
        found.retain(|text| !text.starts_with("spaces "));
    }
    found
}

#[cfg(test)]
mod tests;
