//! Which rules speak at a gate, and about which of its stacks.

use contracts::{
    SpaceId,
    chain::ChainKind,
    gate::{GateRequested, GateStack, Moment},
};

use crate::{
    model::{Policy, PolicySet, Rule, Scope},
    pattern::Pattern,
};

/// A rule that speaks.
pub(super) struct Asked<'a> {
    pub(super) policy: &'a Policy,
    pub(super) rule: &'a Rule,
    /// What it speaks about, for people.
    pub(super) subject: String,
}

/// The rules that speak at this gate, in the order of their policies.
pub(super) fn speaking<'a>(
    set: &'a PolicySet,
    request: &'a GateRequested,
) -> impl Iterator<Item = Asked<'a>> {
    set.policies.iter().filter(|policy| policy.scope.fits_change(request)).flat_map(|policy| {
        policy.rules.iter().filter_map(|rule| {
            let subject = subject(policy, rule, request)?;
            Some(Asked { policy, rule, subject })
        })
    })
}

/// What the rule speaks about; `None` if it is silent here.
fn subject(policy: &Policy, rule: &Rule, request: &GateRequested) -> Option<String> {
    let scope = &policy.scope;
    let kinds = if scope.kinds.is_empty() { rule.kinds() } else { &scope.kinds };
    if !kinds.contains(&request.kind) {
        return None;
    }
    let moments = if scope.moments.is_empty() { rule.moments() } else { &scope.moments };
    let speaks = |stack: &&GateStack| speaks_at(moments, request, stack) && scope.fits_stack(stack);
    let stacks: Vec<&str> =
        request.stacks.iter().filter(speaks).map(|stack| stack.stack.as_str()).collect();
    match stacks.as_slice() {
        [] if request.stacks.is_empty() && scope.asks_no_stack() => {
            moments.contains(&request.moment).then(|| "this chain".to_owned())
        }
        [] => None,
        [one, two, three, _, ..] => {
            Some(format!("{one}, {two}, {three} and {} more", stacks.len() - 3))
        }
        few => Some(few.join(", ")),
    }
}

/// Whether rules of these moments speak at the gate that is asked about this stack.
///
/// A stack that applies by itself, and a preview, never reach the gate before the apply: what
/// would be said there must be said before the plan, or never.
fn speaks_at(moments: &[Moment], request: &GateRequested, stack: &GateStack) -> bool {
    let plan_is_last = stack.autodeploy || request.kind == ChainKind::Preview;
    moments.contains(&request.moment)
        || (request.moment == Moment::BeforePlan
            && plan_is_last
            && moments.contains(&Moment::BeforeApply))
}

impl Scope {
    fn fits_change(&self, request: &GateRequested) -> bool {
        let change = &request.change;
        any(&self.repositories, [change.repository.as_str()])
            && any(&self.branches, [change.branch.as_str()])
            && any(&self.authors, [change.author.as_str()])
    }

    fn fits_stack(&self, stack: &GateStack) -> bool {
        any(&self.stacks, [stack.stack.as_str()])
            && any(&self.spaces, space_names(&stack.space))
            && any(&self.labels, stack.labels.iter().map(String::as_str))
            && any(&self.environments, stack.labels.iter().filter_map(|label| environment(label)))
    }

    fn asks_no_stack(&self) -> bool {
        [&self.stacks, &self.spaces, &self.labels, &self.environments]
            .iter()
            .all(|patterns| patterns.is_empty())
    }
}

/// Whether nothing is asked for, or one of the texts is.
fn any<'a>(patterns: &[Pattern], texts: impl IntoIterator<Item = &'a str>) -> bool {
    patterns.is_empty()
        || texts.into_iter().any(|text| patterns.iter().any(|pattern| pattern.matches(text)))
}

/// The environment that a label names.
fn environment(label: &str) -> Option<&str> {
    label.strip_prefix("env:").or_else(|| label.strip_prefix("environment:"))
}

/// A space is `<slug>-<ULID>`; people know the slug.
fn space_names(space: &SpaceId) -> impl Iterator<Item = &str> {
    let is_ulid =
        |text: &str| text.len() == 26 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let slug = space.0.rsplit_once('-').filter(|(_, end)| is_ulid(end)).map(|(slug, _)| slug);
    [Some(space.as_str()), slug].into_iter().flatten()
}

#[cfg(test)]
mod tests;
