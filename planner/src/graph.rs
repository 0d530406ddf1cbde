//! The graph: which stack waits for which, and everybody who says so.
//!
//! Nodes are positions in [`Catalogue::stacks`], which is ordered by id, so "the smaller position"
//! is "the smaller id" and every answer is the same whatever the order of edges and events.
//! It is ours rather than a library's: the few questions asked (who follows, in which order, along
//! which circle) cost what the answer is long, never what the account is large, and an edge costs
//! twelve bytes: who says so is a number, under which what is said of many edges is kept once.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use contracts::{
    List, SpaceId, StackId,
    chain::{EdgeOrigin, PlannedEdges},
};
use serde::{Deserialize, Serialize};

use crate::{
    catalogue::{Catalogue, Stack},
    query::fits_exactly,
};

mod adjacency;
mod bits;
mod circle;
mod merge;
mod source;

use adjacency::Adjacency;
pub use adjacency::Members;
pub(crate) use adjacency::number;
pub use bits::Bits;
pub(crate) use merge::Names;

/// `child` may start when `parent` is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// What must be done first.
    pub parent: usize,
    /// What waits for it.
    pub child: usize,
    /// Where it stands among all edges.
    place: usize,
}

/// A dependency that leads nowhere; reported, not fatal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// An edge between two spaces; it counts, but outputs may not be shared over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrossingEdge {
    /// What must be done first.
    pub parent: StackId,
    /// Its space.
    pub parent_space: SpaceId,
    /// What waits for it.
    pub child: StackId,
    /// Its space.
    pub child_space: SpaceId,
}

/// All dependencies of one version of the catalogue.
#[derive(Debug, Default)]
pub struct Graph {
    /// Ordered by parent, then by child.
    adjacency: Adjacency,
    /// The same edges by child.
    parents: Adjacency,
    /// `origins[origins_of[e]]` are the places that say edge `e`.
    origins_of: Vec<u32>,
    origins: Vec<List<EdgeOrigin>>,
    /// The edges that count on some branches alone, in order, with those.
    narrow: Vec<(u32, Vec<String>)>,
    loose: Vec<LooseEdge>,
    overruled: Vec<LooseEdge>,
    /// What was made of it for branches on which some edges do not count.
    narrowed: Narrowed,
}

/// Graphs without some edges, by the places of these: most branches leave out the same.
#[derive(Debug, Default)]
struct Narrowed(Mutex<Vec<(Vec<u32>, Arc<Graph>)>>);

/// How many of them are kept; the oldest goes.
const NARROWED_MAX: usize = 8;

/// Some stacks in the order in which they must change.
#[derive(Debug, PartialEq, Eq)]
pub struct Order {
    /// Parents before children; among those that could be next, the smallest id first.
    pub stacks: Vec<usize>,
}

/// Stacks that wait for each other: each edge's child is the next one's parent, and the last one's
/// child is the first one's parent.
#[derive(Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<Edge>);

impl Graph {
    /// The graph that everybody's edges make together.
    pub fn new(catalogue: &Catalogue) -> Self {
        merge::graph(catalogue)
    }

    /// All edges, ordered by parent, then by child.
    pub fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        (0..self.adjacency.len()).flat_map(|parent| self.children(parent))
    }

    /// The edges that do not count on a branch, each with those on which it does.
    pub fn elsewhere(&self, branch: &str) -> impl Iterator<Item = (Edge, &[String])> {
        let counts = move |on: &[String]| on.iter().any(|one| fits_exactly(one, branch));
        let narrow = self.narrow.iter().filter(move |(_, on)| !counts(on));
        narrow.map(|(place, on)| (self.edge(*place as usize), on.as_slice()))
    }

    /// The graph without the edges that do not count on a branch; nothing if all of them do. It is
    /// made once for all branches that leave out the same.
    pub fn on(&self, branch: &str) -> Option<Arc<Self>> {
        let out = self.elsewhere(branch).map(|(edge, _)| number(edge.place));
        let out: Vec<u32> = out.collect();
        if out.is_empty() {
            return None;
        }
        let mut kept = self.narrowed.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, graph)) = kept.iter().find(|(left_out, _)| *left_out == out) {
            return Some(graph.clone());
        }
        let graph = Arc::new(self.without(&out));
        if kept.len() == NARROWED_MAX {
            kept.remove(0);
        }
        kept.push((out, graph.clone()));
        Some(graph)
    }

    /// The graph without the edges at some places, which are in order.
    fn without(&self, out: &[u32]) -> Self {
        let is_left = |edge: &Edge| out.binary_search(&number(edge.place)).is_err();
        let left = || self.edges().filter(is_left);
        let pairs = left().map(|edge| (number(edge.parent), number(edge.child)));
        let adjacency = Adjacency::new(self.adjacency.len(), self.edge_count(), pairs);
        Self {
            parents: adjacency.turned(),
            origins_of: left().map(|edge| self.origins_of[edge.place]).collect(),
            origins: self.origins.clone(),
            adjacency,
            ..Self::default()
        }
    }

    /// The edge that stands at a place.
    fn edge(&self, place: usize) -> Edge {
        let (parent, child) = (self.adjacency.parent(place), self.adjacency.child(place));
        Edge { parent, child, place }
    }

    /// How many edges there are.
    pub fn edge_count(&self) -> usize {
        self.adjacency.edges()
    }

    /// All the places that say an edge.
    pub fn origins(&self, edge: Edge) -> &List<EdgeOrigin> {
        &self.origins[self.origins_of[edge.place] as usize]
    }

    /// The edges among `members`, ordered by parent, then by child, as they are planned.
    pub fn planned(&self, catalogue: &Catalogue, members: &Members) -> PlannedEdges {
        let stacks = catalogue.stacks();
        // What depends on a member and can run is a member, so this is hardly ever too much.
        let most = members.iter().map(|parent| self.children(parent).len()).sum();
        let numbers =
            |Edge { parent, child, place }| [parent, child, self.origins_of[place] as usize];
        PlannedEdges::numbered(
            self.among(members).map(numbers),
            most,
            (stacks.len(), |stack| stacks[stack].id.clone()),
            (self.origins.len(), |origins| self.origins[origins].clone()),
        )
    }

    /// Dependencies that lead nowhere.
    pub fn loose(&self) -> &[LooseEdge] {
        &self.loose
    }

    /// Edges that were read from code, and that somebody's word stands against.
    pub fn overruled(&self) -> &[LooseEdge] {
        &self.overruled
    }

    /// Edges between two spaces.
    pub fn crossing<'a>(
        &'a self,
        catalogue: &'a Catalogue,
    ) -> impl Iterator<Item = CrossingEdge> + 'a {
        let stacks = catalogue.stacks();
        self.edges().filter_map(|edge| {
            let (parent, child) = (&stacks[edge.parent], &stacks[edge.child]);
            (parent.space != child.space).then(|| CrossingEdge {
                parent: parent.id.clone(),
                parent_space: parent.space.clone(),
                child: child.id.clone(),
                child_space: child.space.clone(),
            })
        })
    }

    /// The edges to those that wait for `parent`, ordered by child.
    pub fn children(&self, parent: usize) -> impl ExactSizeIterator<Item = Edge> + '_ {
        let edge = move |place| Edge { parent, child: self.adjacency.child(place), place };
        self.adjacency.places(parent).map(edge)
    }

    /// What `child` waits for, in order.
    pub fn parents(&self, child: usize) -> impl Iterator<Item = usize> + '_ {
        self.parents.places(child).map(|place| self.parents.child(place))
    }

    /// The edges among `members`, ordered by parent, then by child.
    pub fn among<'a>(&'a self, members: &'a Members) -> impl Iterator<Item = Edge> + 'a {
        let inside = |edge: &Edge| members.contains(edge.child);
        members.iter().flat_map(|parent| self.children(parent)).filter(inside)
    }

    /// `from` and all that waits for any of them, over any number of edges, going only through
    /// stacks that `passes` lets through.
    pub fn downstream(
        &self,
        from: impl IntoIterator<Item = usize>,
        passes: impl Fn(usize) -> bool,
    ) -> Members {
        self.adjacency.reach(from, passes)
    }

    /// Brings `members` into order, or names a cycle among them. Edges that lead out of `members`
    /// do not count, and neither do cycles elsewhere.
    pub fn order(&self, members: &Members) -> Result<Order, Cycle> {
        match self.adjacency.order(members) {
            Ok(stacks) => Ok(Order { stacks }),
            Err(stuck) => Err(circle::among(self, &stuck.into_iter().collect())),
        }
    }

    /// A cycle with an edge that `old`, over the same stacks, does not have.
    pub fn closes_since(&self, old: &Self) -> Option<Cycle> {
        let all = self.downstream(0..self.adjacency.len(), |_| true);
        let stuck = self.adjacency.order(&all).err()?;
        circle::since(self, old, &stuck.into_iter().collect())
    }

    /// A cycle anywhere, if there is one.
    pub fn cycle(&self) -> Option<Cycle> {
        let all = self.downstream(0..self.adjacency.len(), |_| true);
        self.order(&all).err()
    }
}

impl Cycle {
    /// The cycle in full: `a → b (label depends-on:a) → a (Spacelift dependency)`.
    pub fn named<'a>(&'a self, known: (&'a Catalogue, &'a Graph)) -> impl fmt::Display + 'a {
        NamedCycle { edges: &self.0, catalogue: known.0, graph: known.1 }
    }

    /// The stacks of the cycle.
    pub fn stacks(&self) -> BTreeSet<usize> {
        self.0.iter().map(|edge| edge.parent).collect()
    }
}

struct NamedCycle<'a> {
    edges: &'a [Edge],
    catalogue: &'a Catalogue,
    graph: &'a Graph,
}

impl fmt::Display for NamedCycle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stacks: &[Stack] = self.catalogue.stacks();
        if let Some(first) = self.edges.first() {
            write!(f, "{}", stacks[first.parent].id)?;
        }
        for edge in self.edges {
            let origins = self.graph.origins(*edge);
            let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
            write!(f, " → {} ({})", stacks[edge.child].id, origins.join("; "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
