//! Chains that no change of code asks for: what differs is put right, and what is not needed any more
//! is destroyed. A pure function of what is known.
//!
//! What is destroyed goes in the opposite order: first what depends on something, then that; and
//! where a person asks for it, in the order in which they name it. Nothing is destroyed that a stack
//! depends on which stays, also by what the code that is gone had to do with it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use contracts::{
    Action, ChainId, Code, List, Reason, StackId, Text,
    chain::{ChainKind, ChainOptions, ChainPlanned, EdgeOrigin, PlannedEdge, PlannedStep},
    change::Change,
    label,
};
use uuid::Uuid;

use crate::{blueprint::Adoption, known::Known, phrase, plan::Plan};

/// Labels that order stacks among each other, the way they are built up.
const ORDERING: [&str; 7] = [
    label::WAVE,
    label::CANARY,
    label::SOAK,
    label::CHECK,
    label::ON,
    label::JOIN,
    label::PLAN_ALL,
];

/// What is to be done, and because of what.
#[derive(Debug, Clone)]
pub(crate) struct Errand<'a> {
    /// What for.
    pub action: Action,
    /// Plan and apply, or plan only.
    pub kind: ChainKind,
    /// What is said to have set it off.
    pub change: &'a Change,
    /// Why, of each stack.
    pub why: &'a Reason,
    /// What the ids of its chains are made of.
    pub event: Uuid,
}

/// What was known when the stacks that are to go had code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before<'a> {
    /// All of it.
    pub known: &'a Known,
    /// What [`asked_for`] says of them.
    pub asked: &'a [Asked],
}

/// A stack whose code is gone, and one that still asks for it.
pub(crate) type Asked = (StackId, StackId);

/// An edge: what must be done first, what then, and who says so.
type Wait = (StackId, StackId, List<EdgeOrigin>);

impl Errand<'_> {
    /// The chains of these stacks: one for each group that hangs together. `known` is what is known
    /// now, `before` what was known when they had code.
    pub(crate) fn plans(
        &self,
        stacks: &[StackId],
        known: &Known,
        before: Option<Before<'_>>,
    ) -> Vec<Plan> {
        let wanted: BTreeSet<&StackId> = stacks.iter().collect();
        let mut waits = self.waits(&wanted, [Some(known), before.map(|it| it.known)]);
        if self.action == Action::Destroy {
            // Their code is gone, and with it what was known of their order: a person says it.
            named_in_order(stacks, &mut waits);
        }
        let asked = before.map_or(&[][..], |it| it.asked);
        groups(&wanted, waits).iter().map(|group| self.plan(group, known, asked)).collect()
    }

    fn plan(&self, Group { stacks: group, waits }: &Group, known: &Known, asked: &[Asked]) -> Plan {
        let ignored = |reason| Plan::ignored((self.kind, self.change), reason);
        let needed = || still_needed(group, known, asked);
        if let Some(reason) = self.action.destroys().then(needed).flatten() {
            return ignored(reason);
        }
        let Some(order) = ordered(group, waits) else {
            let text = format!(
                "{} wait for each other in a circle, also by the order in which they were named; name \
                 what depends on others first",
                phrase::list(names(group))
            );
            return ignored(Reason::new(Code::Cycle, text));
        };
        let steps: Vec<PlannedStep> =
            order.iter().filter_map(|stack| self.step(stack, known)).collect();
        if steps.is_empty() {
            let text = format!("{} cannot run", phrase::list(names(group)));
            return ignored(Reason::new(Code::StackGone, text));
        }
        let ran: HashSet<&StackId> = steps.iter().map(|step| &step.stack).collect();
        let edges =
            waits.iter().filter(|(first, then, _)| ran.contains(first) && ran.contains(then));
        let edges = edges.map(|(first, then, origins)| PlannedEdge {
            parent: first.clone(),
            child: then.clone(),
            origins: origins.clone(),
        });
        let edges = edges.collect();
        let name = format!("{}/{}", self.action, group.first().map_or("", StackId::as_str));
        Plan::Planned(ChainPlanned {
            chain: ChainId::derived(&self.event, &name),
            kind: self.kind,
            change: self.change.clone(),
            edges,
            steps,
            graph_version: known.catalogue.version(),
            options: ChainOptions::default(),
            action: self.action,
            files: None,
        })
    }

    fn step(&self, stack: &StackId, known: &Known) -> Option<PlannedStep> {
        let position = known.catalogue.position(stack)?;
        let found = &known.catalogue.stacks()[position];
        let destroys = self.action.destroys();
        let is_kept = |label: &&Text| !destroys || !ORDERING.iter().any(|it| label.starts_with(it));
        let labels = known.catalogue.labels(position).iter().filter(is_kept).cloned().collect();
        (!found.disabled).then(|| PlannedStep {
            stack: stack.clone(),
            name: found.name.clone(),
            space: found.space.clone(),
            labels,
            by_code: known.catalogue.by_code(position),
            // A run that destroys shows no plan that could be confirmed.
            autodeploy: destroys || found.autodeploy,
            on_commit: false,
            why: self.why.clone(),
            path: Some(found.project_root.clone()),
            uses: known.catalogue.uses(position).clone(),
            limits: known.catalogue.limits(position),
            owners: known.catalogue.owners(position),
        })
    }

    /// The edges among these stacks, as they are to be followed.
    fn waits(&self, wanted: &BTreeSet<&StackId>, known: [Option<&Known>; 2]) -> Vec<Wait> {
        let mut waits: BTreeMap<(StackId, StackId), List<EdgeOrigin>> = BTreeMap::new();
        for known in known.into_iter().flatten() {
            let stacks = known.catalogue.stacks();
            for stack in wanted {
                let Some(parent) = known.catalogue.position(stack) else { continue };
                for edge in known.graph.children(parent) {
                    let child = &stacks[edge.child].id;
                    if !wanted.contains(child) {
                        continue;
                    }
                    let origins = known.graph.origins(edge);
                    let (pair, origins) = match self.action.destroys() {
                        false => ((stacks[parent].id.clone(), child.clone()), origins.clone()),
                        true => {
                            let reversed =
                                |it: &EdgeOrigin| EdgeOrigin::Reversed { of: it.to_string() };
                            let origins = origins.iter().map(reversed).collect();
                            ((child.clone(), stacks[parent].id.clone()), origins)
                        }
                    };
                    waits.entry(pair).or_insert(origins);
                }
            }
        }
        waits.into_iter().map(|((first, then), origins)| (first, then, origins)).collect()
    }
}

/// Each stack waits for the one that was named before it, if nothing better is known.
fn named_in_order(stacks: &[StackId], waits: &mut Vec<Wait>) {
    let mut known: HashSet<(StackId, StackId)> =
        waits.iter().map(|(first, then, _)| (first.clone(), then.clone())).collect();
    for pair in stacks.windows(2) {
        if pair[0] != pair[1] && known.insert((pair[0].clone(), pair[1].clone())) {
            let of = "that is the order in which they were named".to_owned();
            waits.push((
                pair[0].clone(),
                pair[1].clone(),
                vec![EdgeOrigin::Reversed { of }].into(),
            ));
        }
    }
}

/// Why nothing of a group is destroyed: stacks that stay depend on it, or those of it that cannot
/// run.
fn still_needed(group: &[StackId], known: &Known, asked: &[Asked]) -> Option<Reason> {
    let stacks = known.catalogue.stacks();
    let can_run = |stack: &&StackId| {
        known.catalogue.position(stack).is_some_and(|position| !stacks[position].disabled)
    };
    let goes: BTreeSet<&StackId> = group.iter().filter(can_run).collect();
    let now = goes.iter().flat_map(|&stack| {
        let parent = known.catalogue.position(stack);
        let edges = parent.into_iter().flat_map(|parent| known.graph.children(parent));
        edges.map(move |edge| (stack, &stacks[edge.child].id))
    });
    let asked = asked.iter().map(|(stack, child)| (stack, child));
    let asked = asked.filter(|(stack, _)| goes.contains(stack));
    let mut needed_by = BTreeSet::new();
    for (stack, child) in now.chain(asked).filter(|(_, child)| !goes.contains(child)) {
        let Some(position) = known.catalogue.position(child) else { continue };
        let disabled = if stacks[position].disabled { ", which is disabled" } else { "" };
        needed_by.insert(format!("{stack} by {child}{disabled}"));
    }
    (!needed_by.is_empty()).then(|| {
        let text = format!(
            "nothing of {} is destroyed, because it is needed: {}; let go of these dependencies \
             first",
            phrase::list(names(group)),
            phrase::list(needed_by.iter().map(String::as_str)),
        );
        Reason::new(Code::StillNeeded, text)
    })
}

/// Stacks whose code is gone, each with one that their code led to it before that, and that did not
/// let go of it since: what it says now would have led there as well. As long as for a reading of
/// the account, if code of these others has changed.
pub(crate) fn asked_for(gone: &[StackId], known: &Known, before: &Known) -> Vec<Asked> {
    let led = gone.iter().flat_map(|stack| led_by_code(before, stack).map(move |it| (stack, it)));
    let says_else = |(_, child): &(_, &StackId)| {
        // Without code it cannot say that it does without what it was made with.
        let both = known.catalogue.said_of(child).zip(before.catalogue.said_of(child));
        both.is_some_and(|(now, was)| !now.is_like(was))
    };
    let (mut changed, mut asked): (Vec<_>, Vec<_>) = led.partition(says_else);
    if !changed.is_empty() {
        let children: BTreeSet<&StackId> = changed.iter().map(|(_, child)| *child).collect();
        let then = before_with(&children, known, before);
        changed.retain(|(stack, child)| led_by_code(&then, stack).any(|it| it == *child));
        asked.extend(changed);
    }
    asked.into_iter().map(|(stack, child)| (stack.clone(), child.clone())).collect()
}

/// The stacks that wait for one because their code, or a label, says so. What Spacelift says does not
/// go with the code.
fn led_by_code<'a>(known: &'a Known, stack: &StackId) -> impl Iterator<Item = &'a StackId> {
    let is_of_code = |origin: &EdgeOrigin| !matches!(origin, EdgeOrigin::Native { .. });
    let parent = known.catalogue.position(stack);
    let edges = parent.into_iter().flat_map(|parent| known.graph.children(parent));
    let edges = edges.filter(move |edge| known.graph.origins(*edge).iter().any(is_of_code));
    edges.map(|edge| &known.catalogue.stacks()[edge.child].id)
}

/// What would have been known before if the code of these stacks had said what it says now.
fn before_with(stacks: &BTreeSet<&StackId>, known: &Known, before: &Known) -> Known {
    let was = &before.catalogue;
    let (mut blueprints, mut adoptions) = (was.blueprints().to_vec(), was.adoptions().to_vec());
    for &stack in stacks {
        let both = was.said_of(stack).zip(known.catalogue.said_of(stack));
        let Some((old, new)) = both else { continue };
        blueprints.retain(|it| it.place() != old.place() && it.place() != new.place());
        blueprints.push(Arc::new(new.clone()));
        let (repository, branch, path, name) = new.place();
        let (branch, path, name) = (branch.to_owned(), path.to_owned(), name.to_owned());
        adoptions.retain(|it| it.stack != *stack);
        adoptions.push(Adoption { stack: stack.clone(), repository, branch, path, name });
    }
    let (stacks, read) = (known.catalogue.stacks().to_vec(), was.read().clone());
    Known::with_read(was.version(), stacks, blueprints, adoptions, read)
}

fn names(group: &[StackId]) -> impl ExactSizeIterator<Item = &str> {
    group.iter().map(StackId::as_str)
}

/// Stacks that hang together, in the order of ids, and what waits for what among them.
struct Group {
    stacks: Vec<StackId>,
    waits: Vec<Wait>,
}

/// The stacks by what hangs together, in the order of their first ids.
fn groups(wanted: &BTreeSet<&StackId>, waits: Vec<Wait>) -> Vec<Group> {
    let mut beside: HashMap<&StackId, Vec<&StackId>> = HashMap::new();
    for (first, then, _) in &waits {
        beside.entry(first).or_default().push(then);
        beside.entry(then).or_default().push(first);
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of: HashMap<StackId, usize> = HashMap::new();
    for &start in wanted {
        if group_of.contains_key(start) {
            continue;
        }
        let mut reached = vec![start];
        let mut stacks = BTreeSet::from([start]);
        while let Some(stack) = reached.pop() {
            let next = beside.get(stack).into_iter().flatten();
            reached.extend(next.filter(|next| stacks.insert(next)));
        }
        group_of.extend(stacks.iter().map(|&stack| (stack.clone(), groups.len())));
        groups.push(Group { stacks: stacks.into_iter().cloned().collect(), waits: Vec::new() });
    }
    for wait in waits {
        groups[group_of[&wait.0]].waits.push(wait);
    }
    groups
}

/// The stacks of a group, each after what it waits for, the smallest of those that could be next
/// first; none if they wait in a circle.
fn ordered(group: &[StackId], waits: &[Wait]) -> Option<Vec<StackId>> {
    let mut left: HashMap<&StackId, usize> = group.iter().map(|stack| (stack, 0)).collect();
    let mut after: HashMap<&StackId, Vec<&StackId>> = HashMap::new();
    for (first, then, _) in waits {
        *left.get_mut(then)? += 1;
        after.entry(first).or_default().push(then);
    }
    let mut ready: BTreeSet<&StackId> = group.iter().filter(|stack| left[stack] == 0).collect();
    let mut order = Vec::with_capacity(group.len());
    while let Some(next) = ready.pop_first() {
        order.push(next.clone());
        for then in after.get(next).into_iter().flatten() {
            let waits = left.get_mut(then)?;
            *waits -= 1;
            if *waits == 0 {
                ready.insert(then);
            }
        }
    }
    (order.len() == group.len()).then_some(order)
}

#[cfg(test)]
mod tests;
