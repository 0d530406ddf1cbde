//! What a question says, made ready to be held against many patterns.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use contracts::{
    SpaceId, StackId,
    chain::ChainKind,
    gate::{GateRequested, GateStack, Moment, RecentFailure},
    label,
    text::lower,
};

use super::Case;
use crate::{call::Call, model::Cost};

/// The facts of one case, without capitals.
pub(super) struct Facts<'a> {
    pub(super) request: &'a GateRequested,
    pub(super) now: DateTime<Utc>,
    pub(super) repository: Cow<'a, str>,
    pub(super) branch: Cow<'a, str>,
    pub(super) author: Cow<'a, str>,
    pub(super) stacks: Vec<StackFacts<'a>>,
    /// The files that the change touches, as far as they are known.
    pub(super) files: Vec<Cow<'a, str>>,
    /// What it would add to the costs of a month, if anybody said so.
    pub(super) cost_delta: Option<Cost>,
    /// Whether these are all of them.
    pub(super) all_files: bool,
}

/// The facts of one stack.
pub(super) struct StackFacts<'a> {
    pub(super) id: &'a StackId,
    pub(super) name: Cow<'a, str>,
    /// With the ULID at the end, and without it.
    pub(super) space: [Cow<'a, str>; 2],
    pub(super) path: Option<Cow<'a, str>>,
    /// Those in Spacelift before those that only its code says.
    labels: Vec<Cow<'a, str>>,
    /// How many are in Spacelift.
    own_labels: usize,
    /// The policies that its code asks to be held to.
    held_to: Vec<Cow<'a, str>>,
    /// It never reaches the gate before the apply: what would be said there must be said before
    /// the plan, or never.
    pub(super) plan_is_last: bool,
    /// It is applied without a question about its plan.
    pub(super) applies_unseen: bool,
    /// It is there only because of what it depends on.
    pub(super) follows: bool,
}

impl<'a> Facts<'a> {
    pub(super) fn of(case: &Case<'a>) -> Self {
        let request = case.request;
        let change = &request.change;
        Self {
            request,
            now: case.now,
            repository: lower(&change.repository),
            branch: lower(&change.branch),
            author: lower(&change.author),
            cost_delta: Call::cost_delta(case.calls),
            files: request.files.iter().flat_map(|it| &it.paths).map(|path| lower(path)).collect(),
            all_files: request.files.as_ref().is_some_and(|files| files.more == 0),
            stacks: request.stacks.iter().map(|stack| StackFacts::of(stack, request)).collect(),
        }
    }

    /// How many steps the chain has; a gate before a chain is about all of them.
    pub(super) fn steps(&self) -> Option<u64> {
        let all = (self.request.moment == Moment::BeforeChain).then_some(self.request.stacks.len());
        self.request.steps.or(all).map(|steps| steps as u64)
    }
}

impl<'a> StackFacts<'a> {
    fn of(stack: &'a GateStack, request: &GateRequested) -> Self {
        let GateStack { stack: id, space, labels, code_labels, path, autodeploy, follows, .. } =
            stack;
        let labels = (labels.as_slice(), code_labels.as_slice());
        let is_preview = request.kind == ChainKind::Preview;
        // A run that destroys shows no plan.
        let has_no_gate = *autodeploy || request.action.destroys();
        Self {
            plan_is_last: has_no_gate || is_preview,
            applies_unseen: has_no_gate && !is_preview,
            follows: *follows,
            ..Self::new(id, space, labels, path.as_deref())
        }
    }

    /// Those of a stack on which something ended badly.
    pub(super) fn of_failure(failure: &'a RecentFailure) -> Self {
        let RecentFailure { stack, space, labels, path, .. } = failure;
        Self::new(stack, space, (labels, &[]), path.as_deref())
    }

    fn new(
        id: &'a StackId,
        space: &'a SpaceId,
        (labels, by_code): (&'a [String], &[String]),
        path: Option<&'a str>,
    ) -> Self {
        let (mut ordered, code): (Vec<&String>, Vec<&String>) =
            labels.iter().partition(|label| !by_code.contains(label));
        let own_labels = ordered.len();
        ordered.extend(code);
        let held_to =
            labels.iter().filter_map(|label| label.strip_prefix(label::POLICY)).map(lower);
        Self {
            held_to: held_to.collect(),
            id,
            name: lower(id.as_str()),
            space: [lower(space.as_str()), lower(slug(space))],
            path: path.map(lower),
            labels: ordered.into_iter().map(|label| lower(label)).collect(),
            own_labels,
            plan_is_last: false,
            applies_unseen: false,
            follows: false,
        }
    }

    /// Whether its code asks to be held to the policy of this name.
    pub(super) fn asks_for(&self, policy: &str) -> bool {
        !self.held_to.is_empty() && self.held_to.contains(&lower(policy))
    }

    /// The labels that may hold it: all of them.
    pub(super) fn labels(&self) -> Labels<'_> {
        Labels(&self.labels)
    }

    /// Whether its code says labels that Spacelift does not.
    pub(super) fn has_code_labels(&self) -> bool {
        self.own_labels < self.labels.len()
    }

    /// The labels that may let it go: not what its code says, which the change may have written.
    pub(super) fn own_labels(&self) -> Labels<'_> {
        Labels(&self.labels[..self.own_labels])
    }
}

/// Labels of a stack that count for something.
#[derive(Clone, Copy)]
pub(super) struct Labels<'a>(&'a [Cow<'a, str>]);

impl<'a> Labels<'a> {
    pub(super) fn iter(self) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// The environments that they name.
    pub(super) fn environments(self) -> impl Iterator<Item = &'a str> {
        self.iter().filter_map(environment)
    }
}

/// The environment that a label names.
pub(crate) fn environment(label: &str) -> Option<&str> {
    label.strip_prefix("env:").or_else(|| label.strip_prefix("environment:"))
}

/// A space is `<slug>-<ULID>`; people know the slug.
fn slug(space: &SpaceId) -> &str {
    let is_ulid =
        |text: &str| text.len() == 26 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let slug = space.0.rsplit_once('-').filter(|(_, end)| is_ulid(end)).map(|(slug, _)| slug);
    slug.unwrap_or_else(|| space.as_str())
}
