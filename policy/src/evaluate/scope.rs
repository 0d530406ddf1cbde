//! Which rules speak at a gate, and about which of its stacks.

use std::fmt;

use contracts::{Action, chain::ChainKind, gate::Moment, run::Delta};

use super::facts::{Facts, Labels, StackFacts};
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
    /// It judges pushes, and of those that have, the push touches none.
    Follows,
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
    let size = scope.fits_size(facts).map_err(Silent::Change)?;
    let (mut stacks, mut only_follow) = (Vec::new(), false);
    for stack in &facts.stacks {
        let instead = (early && stack.plan_is_last).then_some(Moment::BeforeApply);
        let asked = || now.then_some(request.moment).into_iter().chain(instead);
        let excepted = || {
            policy.except.iter().any(|except| {
                except.surely_fits_change(&set.people, facts)
                    && asked().all(|moment| except.is_about(moment))
                    && except.surely_fits_stack(stack)
            })
        };
        let is_meant = size == Size::Fits || may_be_meant(size, rule, moments, stack, facts);
        if (now || stack.plan_is_last) && is_meant && fits(policy, rule, stack) && !excepted() {
            match stack.follows && rule.judges_push() {
                true => only_follow = true,
                false => stacks.push(stack.id.as_str()),
            }
        }
    }
    if stacks.is_empty() && only_follow {
        return Err(Silent::Follows);
    }
    if stacks.is_empty() {
        let is_about_chain = now && facts.stacks.is_empty() && scope.asks_no_stack();
        return if is_about_chain { Ok(About::Chain) } else { Err(Silent::Stacks) };
    }
    Ok(About::Stacks(stacks))
}

/// Whether a rule of a policy is about a stack: by what is asked of the stack, or because the code of
/// the stack asks to be held to the policy. Nobody asks to be let go that way.
pub(super) fn fits(policy: &Policy, rule: &Rule, stack: &StackFacts<'_>) -> bool {
    match rule {
        Rule::Deregistration { destroy: true, .. } => policy.scope.surely_fits_stack(stack),
        _ => policy.scope.fits_stack(stack) || stack.asks_for(&policy.name),
    }
}

/// The kinds of chain a rule is about.
pub(super) fn kinds<'a>(scope: &'a Scope, rule: &'a Rule) -> &'a [ChainKind] {
    if scope.kinds.is_empty() { rule.kinds() } else { &scope.kinds }
}

/// The moments at which a rule speaks.
pub(super) fn moments<'a>(scope: &'a Scope, rule: &'a Rule) -> &'a [Moment] {
    match rule {
        Rule::Window { .. } if !scope.midway.is_empty() => &scope.midway,
        _ if !scope.moments.is_empty() => &scope.moments,
        // By themselves they speak where nobody knows yet what the plan does.
        Rule::Deny { .. } | Rule::Warn { .. } | Rule::Budget { .. } if scope.least.of_plan() => {
            &[Moment::BeforeApply]
        }
        _ => rule.moments(),
    }
}

/// Whether something is as large as a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// It is.
    Fits,
    /// Nobody knows how many steps the chain has.
    UnknownChain,
    /// Nobody knows what the plan does.
    UnknownPlan,
}

/// Whether a rule speaks about a stack although nobody knows how large it is. What holds somebody
/// counts in doubt, unless it is asked again once the plan is known; what lets somebody go does not,
/// and a preview applies nothing.
fn may_be_meant(
    size: Size,
    rule: &Rule,
    moments: &[Moment],
    stack: &StackFacts<'_>,
    facts: &Facts<'_>,
) -> bool {
    let request = facts.request;
    let is_asked_again = request.moment != Moment::BeforeApply
        && moments.contains(&Moment::BeforeApply)
        && !stack.plan_is_last;
    match size {
        _ if matches!(rule, Rule::Deregistration { destroy: true, .. }) => false,
        Size::Fits | Size::UnknownChain => true,
        Size::UnknownPlan => request.kind != ChainKind::Preview && !is_asked_again,
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
        if in_time { Ok(()) } else { Err("from, until") }
    }

    /// Whether everything surely fits that is asked of the change, with its kind, its files and its
    /// size.
    pub(super) fn surely_fits_change(&self, people: &People, facts: &Facts<'_>) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&facts.request.kind))
            && self.fits_change(people, facts).is_ok()
            && self.touches(facts) == Some(true)
            && self.fits_size(facts) == Ok(Size::Fits)
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

    /// Whether what is said at this moment is meant, for what has no moments of its own.
    pub(super) fn is_about(&self, moment: Moment) -> bool {
        self.moments.is_empty() || self.moments.contains(&moment)
    }

    /// Whether the change touches a file that is asked for; `None` if it may, among those that
    /// nobody names. What holds somebody counts in doubt, what lets somebody go does not.
    pub(super) fn touches(&self, facts: &Facts<'_>) -> Option<bool> {
        match any(&self.files, facts.files.iter().map(AsRef::as_ref)) {
            true => Some(true),
            false => facts.all_files.then_some(false),
        }
    }

    /// Whether it is large enough, as far as anybody knows, or what is too small.
    fn fits_size(&self, facts: &Facts<'_>) -> Result<Size, &'static str> {
        let least = &self.least;
        let delta = facts.request.delta;
        let count = |of: fn(Delta) -> i64| delta.map(|delta| of(delta).unsigned_abs());
        let counts = [
            ("min_stacks", least.steps, facts.steps()),
            ("min_added", least.added, count(|delta| delta.added)),
            ("min_changed", least.changed, count(|delta| delta.changed)),
            ("min_deleted", least.deleted, count(|delta| delta.deleted)),
        ];
        for (name, least, found) in counts {
            if let (Some(least), Some(found)) = (least, found)
                && found < least
            {
                return Err(name);
            }
        }
        let cost = facts.cost_delta;
        if least.cost_delta.is_some_and(|least| cost.is_none_or(|cost| cost < least)) {
            return Err("min_cost_delta");
        }
        Ok(match (least.of_plan() && delta.is_none(), least.steps.is_some()) {
            (true, _) => Size::UnknownPlan,
            (false, true) if facts.steps().is_none() => Size::UnknownChain,
            (false, _) => Size::Fits,
        })
    }

    /// Whether everything fits that is asked of a stack, for what holds it.
    pub(super) fn fits_stack(&self, stack: &StackFacts<'_>) -> bool {
        self.fits_labelled(stack, stack.labels())
    }

    /// The same for what lets it go.
    pub(super) fn surely_fits_stack(&self, stack: &StackFacts<'_>) -> bool {
        self.fits_labelled(stack, stack.own_labels())
    }

    fn fits_labelled(&self, stack: &StackFacts<'_>, labels: Labels<'_>) -> bool {
        any(&self.stacks, [stack.name.as_ref()])
            && any(&self.spaces, stack.space.iter().map(AsRef::as_ref))
            && any(&self.labels, labels.iter())
            && any(&self.environments, labels.environments())
            && any(&self.paths, stack.path.as_deref())
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
    hold("labels", &scope.labels, stack.labels().iter().collect());
    hold("environment", &scope.environments, stack.labels().environments().collect());
    hold("paths", &scope.paths, stack.path.as_deref().into_iter().collect());
    // The slug and the whole name of a space are both names of it.
    if any(&scope.spaces, stack.space.iter().map(AsRef::as_ref)) {
        found.retain(|text| !text.starts_with("spaces "));
    }
    found
}

#[cfg(test)]
mod tests;
