//! Native stack dependencies: the graph, and the pure decision whether a child runs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use crate::{record::Run, run::Refusal, states::RunState};

#[cfg(test)]
mod tests;

/// One output of the parent that becomes an environment variable of the child.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) id: String,
    pub(crate) input: String,
    pub(crate) output: String,
    pub(crate) trigger_always: bool,
    /// Added since the child last ran: forces its next run.
    pub(crate) fresh: bool,
}

/// `child` waits for `parent`.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) id: Arc<str>,
    pub(crate) child: Arc<str>,
    pub(crate) parent: Arc<str>,
    pub(crate) trigger_always: bool,
    pub(crate) references: Vec<Reference>,
}

impl Edge {
    fn triggers(&self, changed: &BTreeSet<String>) -> bool {
        self.references.is_empty()
            || self.trigger_always
            || self
                .references
                .iter()
                .any(|r| r.trigger_always || r.fresh || changed.contains(&r.output))
    }
}

/// A parent of a waiting run, in the same pass.
pub(crate) struct Parent<'a> {
    pub(crate) edge: &'a Edge,
    pub(crate) state: RunState,
    pub(crate) changed: &'a BTreeSet<String>,
}

/// What becomes of a run that waits for its parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Some parent has not ended.
    Wait,
    /// It runs; lenient if missing inputs are simply absent.
    Run { lenient: bool },
    /// It does not run, and why.
    Skip { note: String },
}

/// Decides about one waiting run. With `skipped_passes`, a parent that was skipped counts as
/// passed, which is Spacelift's own behaviour: the grandchildren of a failure still run.
pub(crate) fn judge(parents: &[Parent<'_>], skipped_passes: bool) -> Verdict {
    if parents.iter().any(|parent| !parent.state.terminal()) {
        return Verdict::Wait;
    }
    let breaks = |state| Run::broke(state) || (state == RunState::Skipped && !skipped_passes);
    if let Some(parent) = parents.iter().find(|parent| breaks(parent.state)) {
        let note = format!("dependency {} ended as {}", parent.edge.parent, parent.state);
        return Verdict::Skip { note };
    }
    if parents.is_empty() {
        return Verdict::Run { lenient: false };
    }
    if !parents.iter().any(|parent| parent.edge.triggers(parent.changed)) {
        return Verdict::Skip { note: unchanged(parents) };
    }
    Verdict::Run { lenient: parents.iter().any(|parent| parent.edge.references.is_empty()) }
}

fn unchanged(parents: &[Parent<'_>]) -> String {
    let references: Vec<String> = parents
        .iter()
        .flat_map(|parent| {
            let name = &parent.edge.parent;
            parent.edge.references.iter().map(move |r| format!("{name}.{}", r.output))
        })
        .collect();
    format!(
        "This run has dependency references ({}) which have not changed since the last run",
        references.join(", ")
    )
}

/// All edges, findable from both ends.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    edges: BTreeMap<Arc<str>, Edge>,
    below: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
    above: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
}

impl Graph {
    /// Adds an edge, unless it closes a cycle or doubles another.
    pub(crate) fn insert(&mut self, edge: Edge) -> Result<(), Refusal> {
        if edge.child == edge.parent {
            return Err(Refusal::new("a stack cannot depend on itself"));
        }
        if self.above(&edge.child).any(|other| other.parent == edge.parent) {
            let (child, parent) = (&edge.child, &edge.parent);
            return Err(Refusal::new(format!("stack {child} already depends on stack {parent}")));
        }
        if let Some(path) = self.path(&edge.child, &edge.parent) {
            let cycle = path.join(" -> ");
            return Err(Refusal::new(format!(
                "could not create stack dependency: it would close the cycle {cycle} -> {}",
                edge.child
            )));
        }
        self.below.entry(edge.parent.clone()).or_default().insert(edge.id.clone());
        self.above.entry(edge.child.clone()).or_default().insert(edge.id.clone());
        self.edges.insert(edge.id.clone(), edge);
        Ok(())
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Edge> {
        let edge = self.edges.remove(id)?;
        if let Some(ids) = self.below.get_mut(&edge.parent) {
            ids.remove(id);
        }
        if let Some(ids) = self.above.get_mut(&edge.child) {
            ids.remove(id);
        }
        Some(edge)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Edge> {
        self.edges.get_mut(id)
    }

    /// Finds the edge that has a reference with this id.
    pub(crate) fn with_reference_mut(&mut self, id: &str) -> Option<&mut Edge> {
        self.edges.values_mut().find(|edge| edge.references.iter().any(|r| r.id == id))
    }

    /// The edges in which `stack` is the parent.
    pub(crate) fn below<'a>(&'a self, stack: &str) -> impl Iterator<Item = &'a Edge> {
        self.below.get(stack).into_iter().flatten().filter_map(|id| self.edges.get(id))
    }

    /// The edges in which `stack` is the child.
    pub(crate) fn above<'a>(&'a self, stack: &str) -> impl Iterator<Item = &'a Edge> {
        self.above.get(stack).into_iter().flatten().filter_map(|id| self.edges.get(id))
    }

    /// Forgets that references of this child are new.
    pub(crate) fn settle_references(&mut self, child: &str) {
        for id in self.above.get(child).into_iter().flatten() {
            for reference in self.edges.get_mut(id).into_iter().flat_map(|e| &mut e.references) {
                reference.fresh = false;
            }
        }
    }

    /// Every stack below `roots` with the parent through which it was found, nearest first.
    pub(crate) fn cone(&self, roots: &[Arc<str>]) -> Vec<(Arc<str>, Arc<str>)> {
        let mut seen: HashSet<Arc<str>> = roots.iter().cloned().collect();
        let mut queue: VecDeque<Arc<str>> = roots.iter().cloned().collect();
        let mut found = Vec::new();
        while let Some(parent) = queue.pop_front() {
            for edge in self.below(&parent) {
                if seen.insert(edge.child.clone()) {
                    found.push((edge.child.clone(), parent.clone()));
                    queue.push_back(edge.child.clone());
                }
            }
        }
        found
    }

    /// The way down from one stack to another, both ends included.
    fn path(&self, from: &Arc<str>, to: &Arc<str>) -> Option<Vec<String>> {
        let came_from: HashMap<Arc<str>, Arc<str>> =
            self.cone(std::slice::from_ref(from)).into_iter().collect();
        let mut step = to.clone();
        let mut path = vec![step.to_string()];
        while step != *from {
            step = came_from.get(&step)?.clone();
            path.push(step.to_string());
        }
        path.reverse();
        Some(path)
    }
}
