//! The graph: which stack waits for which, and everybody who says so.
//!
//! Nodes are positions in [`Catalogue::stacks`], which is ordered by id, so "the smaller position"
//! is "the smaller id" and every answer is the same whatever the order of edges and events.
//! It is ours rather than a library's: the few questions asked (who follows, in which order, along
//! which circle) cost what the answer is long, never what the account is large.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet},
    fmt,
};

use contracts::{StackId, chain::EdgeOrigin};
use serde::Serialize;

use crate::{
    catalogue::{Catalogue, Stack},
    label,
};

mod circle;

/// `child` may start when `parent` is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// What must be done first.
    pub parent: usize,
    /// What waits for it.
    pub child: usize,
    /// All the places that say so.
    pub origins: Vec<EdgeOrigin>,
}

/// A dependency that leads nowhere; reported, not fatal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LooseEdge {
    /// The stack that wants to wait.
    pub child: StackId,
    /// What it wants to wait for, as written.
    pub parent: String,
    /// Who says so.
    pub origin: EdgeOrigin,
    /// Why it leads nowhere.
    pub text: String,
}

/// All dependencies of one version of the catalogue.
#[derive(Debug, Default)]
pub struct Graph {
    /// Ordered by parent, then by child.
    edges: Vec<Edge>,
    /// `edges[starts[p]..starts[p + 1]]` are those of parent `p`.
    starts: Vec<usize>,
    loose: Vec<LooseEdge>,
}

/// Some stacks in the order in which they must change.
#[derive(Debug, PartialEq, Eq)]
pub struct Order<'a> {
    /// Parents before children; among those that could be next, the smallest id first.
    pub stacks: Vec<usize>,
    /// The edges among them, ordered by parent, then by child.
    pub edges: Vec<&'a Edge>,
}

/// Stacks that wait for each other: each edge's child is the next one's parent, and the last one's
/// child is the first one's parent.
#[derive(Debug, PartialEq, Eq)]
pub struct Cycle<'a>(pub Vec<&'a Edge>);

impl Graph {
    /// The graph that native dependencies and labels make together.
    pub fn new(catalogue: &Catalogue) -> Self {
        let stacks = catalogue.stacks();
        let names = unique_names(stacks);
        let mut merged: BTreeMap<(usize, usize), BTreeSet<EdgeOrigin>> = BTreeMap::new();
        let mut loose = Vec::new();
        for (child, stack) in stacks.iter().enumerate() {
            for (parent, origin) in declared(stack) {
                match find(catalogue, &names, &parent) {
                    Ok(parent) => {
                        merged.entry((parent, child)).or_default().insert(origin);
                    }
                    Err(text) => loose.push(LooseEdge {
                        child: stack.id.clone(),
                        parent: parent.name.to_owned(),
                        origin,
                        text,
                    }),
                }
            }
        }
        loose.sort();
        loose.dedup();
        let mut starts = vec![0; stacks.len() + 1];
        let mut edges = Vec::with_capacity(merged.len());
        for ((parent, child), origins) in merged {
            starts[parent + 1] += 1;
            edges.push(Edge { parent, child, origins: origins.into_iter().collect() });
        }
        for parent in 0..stacks.len() {
            starts[parent + 1] += starts[parent];
        }
        Self { edges, starts, loose }
    }

    /// All edges, ordered by parent, then by child.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Dependencies that lead nowhere.
    pub fn loose(&self) -> &[LooseEdge] {
        &self.loose
    }

    /// The edges to those that wait for `parent`, ordered by child.
    pub fn children(&self, parent: usize) -> &[Edge] {
        match (self.starts.get(parent), self.starts.get(parent + 1)) {
            (Some(&from), Some(&to)) => &self.edges[from..to],
            _ => &[],
        }
    }

    /// `from` and all that waits for any of them, over any number of edges, going only through
    /// stacks that `passes` lets through.
    pub fn downstream(
        &self,
        from: impl IntoIterator<Item = usize>,
        passes: impl Fn(usize) -> bool,
    ) -> BTreeSet<usize> {
        let mut open: Vec<usize> = from.into_iter().filter(|&stack| passes(stack)).collect();
        let mut seen: HashSet<usize> = open.iter().copied().collect();
        while let Some(stack) = open.pop() {
            for edge in self.children(stack) {
                if passes(edge.child) && seen.insert(edge.child) {
                    open.push(edge.child);
                }
            }
        }
        seen.into_iter().collect()
    }

    /// Brings `members` into order, or names a cycle among them. Edges that lead out of `members`
    /// do not count, and neither do cycles elsewhere.
    pub fn order(&self, members: &BTreeSet<usize>) -> Result<Order<'_>, Cycle<'_>> {
        let inside = |edge: &&Edge| members.contains(&edge.child);
        let edges: Vec<&Edge> =
            members.iter().flat_map(|&parent| self.children(parent)).filter(inside).collect();
        let mut parents_left: HashMap<usize, usize> = HashMap::with_capacity(members.len());
        for edge in &edges {
            *parents_left.entry(edge.child).or_default() += 1;
        }
        let mut ready: BinaryHeap<Reverse<usize>> = members
            .iter()
            .filter(|stack| !parents_left.contains_key(stack))
            .map(|&s| Reverse(s))
            .collect();
        let mut stacks = Vec::with_capacity(members.len());
        while let Some(Reverse(stack)) = ready.pop() {
            stacks.push(stack);
            for edge in self.children(stack).iter().filter(inside) {
                let left = parents_left.get_mut(&edge.child).expect("it was counted as a child");
                *left -= 1;
                if *left == 0 {
                    ready.push(Reverse(edge.child));
                }
            }
        }
        if stacks.len() == members.len() {
            return Ok(Order { stacks, edges });
        }
        let stuck = parents_left.into_iter().filter(|&(_, left)| left > 0).map(|(stack, _)| stack);
        Err(circle::among(self, &stuck.collect()))
    }
}

impl Cycle<'_> {
    /// The cycle in full: `a → b (label depends-on:a) → a (Spacelift dependency)`.
    pub fn named<'a>(&'a self, catalogue: &'a Catalogue) -> impl fmt::Display + 'a {
        NamedCycle { edges: &self.0, stacks: catalogue.stacks() }
    }
}

struct NamedCycle<'a> {
    edges: &'a [&'a Edge],
    stacks: &'a [Stack],
}

impl fmt::Display for NamedCycle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.edges.first() {
            write!(f, "{}", self.stacks[first.parent].id)?;
        }
        for edge in self.edges {
            let origins: Vec<String> = edge.origins.iter().map(ToString::to_string).collect();
            write!(f, " → {} ({})", self.stacks[edge.child].id, origins.join("; "))?;
        }
        Ok(())
    }
}

/// A parent as a stack's dependency or label names it.
struct Wanted<'a> {
    name: &'a str,
    by_name: bool,
    condition: Option<&'a str>,
}

fn declared(stack: &Stack) -> impl Iterator<Item = (Wanted<'_>, EdgeOrigin)> {
    let native = stack.depends_on.iter().map(|dependency| {
        let origin = EdgeOrigin::Native { references: dependency.references.clone() };
        (Wanted { name: dependency.on.as_str(), by_name: false, condition: None }, origin)
    });
    let labelled = stack.labels.iter().flat_map(|label| {
        let mentions = label::dependencies(label).unwrap_or_default();
        mentions.into_iter().map(move |mention| {
            let wanted =
                Wanted { name: mention.stack, by_name: true, condition: mention.condition };
            (wanted, EdgeOrigin::Label { label: label.clone() })
        })
    });
    native.chain(labelled)
}

/// Where each name leads; nowhere if two stacks share it.
fn unique_names(stacks: &[Stack]) -> HashMap<&str, Option<usize>> {
    let mut names: HashMap<&str, Option<usize>> = HashMap::with_capacity(stacks.len());
    for (position, stack) in stacks.iter().enumerate() {
        names.entry(&stack.name).and_modify(|found| *found = None).or_insert(Some(position));
    }
    names
}

fn find(
    catalogue: &Catalogue,
    names: &HashMap<&str, Option<usize>>,
    wanted: &Wanted<'_>,
) -> Result<usize, String> {
    let name = wanted.name;
    if let Some(condition) = wanted.condition {
        return Err(format!("`{condition}` is no order; only `state:FINISHED` is"));
    }
    if name.is_empty() {
        return Err("it names no stack".to_owned());
    }
    if let Some(position) = catalogue.position(&StackId::from(name)) {
        return Ok(position);
    }
    if !wanted.by_name {
        return Err(format!("no stack has the id {name}"));
    }
    match names.get(name) {
        Some(Some(position)) => Ok(*position),
        Some(None) => Err(format!("several stacks have the name {name}; use the id")),
        None => Err(format!("no stack has the id or name {name}")),
    }
}

#[cfg(test)]
mod tests;
