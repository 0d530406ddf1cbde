//! The graph: which stack waits for which, and everybody who says so.
//!
//! Nodes are positions in [`Catalogue::stacks`], which is ordered by id, so "the smaller position"
//! is "the smaller id" and every answer is the same whatever the order of edges and events.
//! It is ours rather than a library's: the few questions asked (who follows, in which order, along
//! which circle) cost what the answer is long, never what the account is large, and an edge costs
//! twelve bytes: who says so is a number that leads back to the catalogue, not a copy of the text.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
};

use contracts::{SpaceId, StackId, chain::EdgeOrigin};
use serde::Serialize;

use crate::{
    catalogue::{Catalogue, Stack},
    query::fits_exactly,
};

mod adjacency;
mod circle;
mod merge;
mod source;

use adjacency::Adjacency;
pub use adjacency::Members;
pub(crate) use adjacency::number;
use source::Source;

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

/// An edge between two spaces; it counts, but outputs may not be shared over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// `sources[first_source[e]..first_source[e + 1]]` are those who say edge `e`.
    first_source: Vec<u32>,
    sources: Vec<Source>,
    /// The edges that count on some branches alone, in order, with those.
    narrow: Vec<(u32, Vec<String>)>,
    loose: Vec<LooseEdge>,
    overruled: Vec<LooseEdge>,
}

/// Some stacks in the order in which they must change.
#[derive(Debug, PartialEq, Eq)]
pub struct Order {
    /// Parents before children; among those that could be next, the smallest id first.
    pub stacks: Vec<usize>,
    /// The edges among them, ordered by parent, then by child.
    pub edges: Vec<Edge>,
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

    /// The graph without the edges that do not count on a branch; nothing if all of them do.
    pub fn on(&self, branch: &str) -> Option<Self> {
        let out: HashSet<usize> = self.elsewhere(branch).map(|(edge, _)| edge.place).collect();
        if out.is_empty() {
            return None;
        }
        let (mut pairs, mut first_source, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        for edge in self.edges().filter(|edge| !out.contains(&edge.place)) {
            pairs.push((number(edge.parent), number(edge.child)));
            first_source.push(number(sources.len()));
            sources.extend_from_slice(self.sources_of(edge));
        }
        first_source.push(number(sources.len()));
        let adjacency = Adjacency::new(self.adjacency.len(), pairs.into_iter());
        Some(Self { adjacency, first_source, sources, ..Self::default() })
    }

    /// The edge that stands at a place.
    fn edge(&self, place: usize) -> Edge {
        let (parent, child) = (self.adjacency.parent(place), self.adjacency.child(place));
        Edge { parent, child, place }
    }

    fn sources_of(&self, edge: Edge) -> &[Source] {
        let (from, to) = (self.first_source[edge.place], self.first_source[edge.place + 1]);
        &self.sources[from as usize..to as usize]
    }

    /// How many edges there are.
    pub fn edge_count(&self) -> usize {
        self.adjacency.edges()
    }

    /// All the places that say an edge.
    pub fn origins(&self, edge: Edge, catalogue: &Catalogue) -> Vec<EdgeOrigin> {
        self.sources_of(edge).iter().map(|source| source.origin(catalogue, edge.child)).collect()
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
    pub fn children(&self, parent: usize) -> impl Iterator<Item = Edge> + '_ {
        let edge = move |place| Edge { parent, child: self.adjacency.child(place), place };
        self.adjacency.places(parent).map(edge)
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
            Ok(stacks) => {
                let inside = |edge: &Edge| members.contains(edge.child);
                let edges = members.iter().flat_map(|parent| self.children(parent)).filter(inside);
                Ok(Order { stacks, edges: edges.collect() })
            }
            Err(stuck) => Err(circle::among(self, &stuck.into_iter().collect())),
        }
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
            let origins = self.graph.origins(*edge, self.catalogue);
            let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
            write!(f, " → {} ({})", stacks[edge.child].id, origins.join("; "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
