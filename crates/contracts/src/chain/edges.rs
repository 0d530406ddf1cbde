//! The edges of a chain, in little: a chain of a hundred thousand steps has half a million, which
//! name the same stacks over and over. Each stack is kept once, and so is what is said of many
//! edges; an edge is three numbers. In JSON they are a list of edges like any other.

use std::{borrow::Cow, collections::HashMap, fmt, hash::Hash};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::EdgeOrigin;
use crate::{List, StackId};

/// `child` may start when `parent` is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedEdge {
    /// What must be done first.
    pub parent: StackId,
    /// What waits for it.
    pub child: StackId,
    /// Why: all the places that say so.
    pub origins: List<EdgeOrigin>,
}

/// The same, of an edge that is kept elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BorrowedEdge<'a> {
    /// What must be done first.
    pub parent: &'a StackId,
    /// What waits for it.
    pub child: &'a StackId,
    /// Why: all the places that say so.
    pub origins: &'a List<EdgeOrigin>,
}

impl BorrowedEdge<'_> {
    /// An edge of its own.
    pub fn to_planned(self) -> PlannedEdge {
        let Self { parent, child, origins } = self;
        PlannedEdge { parent: parent.clone(), child: child.clone(), origins: origins.clone() }
    }
}

impl<'a> From<&'a PlannedEdge> for BorrowedEdge<'a> {
    fn from(PlannedEdge { parent, child, origins }: &'a PlannedEdge) -> Self {
        Self { parent, child, origins }
    }
}

/// Edges in an order. Stacks and origins are numbered as they come up first, so that what is equal
/// is kept equally, whoever made it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PlannedEdges {
    stacks: Vec<StackId>,
    origins: Vec<List<EdgeOrigin>>,
    edges: Vec<Numbers>,
}

/// The numbers of parent, child and origins.
type Numbers = [u32; 3];

impl PlannedEdges {
    /// Edges whose `[parent, child, origins]` have numbers already, at most `most` of them; `stacks`
    /// and `origins` say how many have numbers, and which stack, or origins, that of a number are.
    pub fn numbered(
        edges: impl Iterator<Item = [usize; 3]>,
        most: usize,
        stacks: (usize, impl Fn(usize) -> StackId),
        origins: (usize, impl Fn(usize) -> List<EdgeOrigin>),
    ) -> Self {
        let (mut stacks, mut origins) = (Renumbered::new(stacks), Renumbered::new(origins));
        let mut numbers = Vec::with_capacity(most);
        numbers.extend(edges.map(|[parent, child, said]| {
            [stacks.number(parent), stacks.number(child), origins.number(said)]
        }));
        Self { stacks: stacks.kept, origins: origins.kept, edges: numbers }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = BorrowedEdge<'_>> {
        self.edges.iter().map(|&[parent, child, origins]| BorrowedEdge {
            parent: &self.stacks[parent as usize],
            child: &self.stacks[child as usize],
            origins: &self.origins[origins as usize],
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.edges.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// Each as an edge of its own.
    pub fn to_vec(&self) -> Vec<PlannedEdge> {
        self.iter().map(BorrowedEdge::to_planned).collect()
    }
}

/// Numbers for what has others already: those of a whole account, say, of which a chain has a part.
struct Renumbered<T, F> {
    /// By the number it has; one more than the new one, and nothing for what has not come up.
    new: Vec<u32>,
    kept: Vec<T>,
    thing: F,
}

impl<T, F: Fn(usize) -> T> Renumbered<T, F> {
    fn new((count, thing): (usize, F)) -> Self {
        Self { new: vec![0; count], kept: Vec::new(), thing }
    }

    fn number(&mut self, old: usize) -> u32 {
        let new = &mut self.new[old];
        if *new == 0 {
            self.kept.push((self.thing)(old));
            *new = number(self.kept.len());
        }
        *new - 1
    }
}

/// Numbers for what has none: what is equal has the same.
struct Numbered<T> {
    known: HashMap<T, u32>,
    kept: Vec<T>,
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    fn number(&mut self, thing: T) -> u32 {
        *self.known.entry(thing).or_insert_with_key(|thing| {
            self.kept.push(thing.clone());
            number(self.kept.len() - 1)
        })
    }
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { known: HashMap::new(), kept: Vec::new() }
    }
}

/// A chain has far fewer stacks than `u32` can count.
fn number(count: usize) -> u32 {
    u32::try_from(count).expect("a chain has fewer stacks than u32 can count")
}

impl FromIterator<PlannedEdge> for PlannedEdges {
    fn from_iter<I: IntoIterator<Item = PlannedEdge>>(edges: I) -> Self {
        let (mut stacks, mut all) = (Numbered::default(), Numbered::default());
        let numbers = edges.into_iter().map(|PlannedEdge { parent, child, origins }| {
            [stacks.number(parent), stacks.number(child), all.number(origins)]
        });
        let edges = numbers.collect();
        Self { stacks: stacks.kept, origins: all.kept, edges }
    }
}

impl From<Vec<PlannedEdge>> for PlannedEdges {
    fn from(edges: Vec<PlannedEdge>) -> Self {
        edges.into_iter().collect()
    }
}

impl fmt::Debug for PlannedEdges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for PlannedEdges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for PlannedEdges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<PlannedEdge>::deserialize(deserializer).map(Self::from)
    }
}

impl JsonSchema for PlannedEdges {
    fn inline_schema() -> bool {
        Vec::<PlannedEdge>::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        Vec::<PlannedEdge>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<PlannedEdge>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::{PlannedEdge, PlannedEdges};
    use crate::{List, StackId, chain::EdgeOrigin};

    fn said(label: &str) -> List<EdgeOrigin> {
        [EdgeOrigin::Label { label: label.to_owned() }].into_iter().collect()
    }

    fn edges() -> Vec<PlannedEdge> {
        [("a", "b", "x"), ("a", "c", "y"), ("b", "c", "x")]
            .map(|(parent, child, label)| PlannedEdge {
                parent: parent.into(),
                child: child.into(),
                origins: said(label),
            })
            .into()
    }

    #[test]
    fn in_json_they_are_a_list_of_edges() {
        let kept = PlannedEdges::from(edges());
        let json = serde_json::to_value(&kept).unwrap();
        assert_eq!(json, serde_json::to_value(edges()).unwrap());
        assert_eq!(serde_json::from_value::<PlannedEdges>(json).unwrap(), kept);
        assert_eq!((kept.to_vec(), kept.len()), (edges(), 3));
    }

    #[test]
    fn a_stack_and_what_is_said_are_kept_once() {
        let kept = PlannedEdges::from(edges());
        assert_eq!((kept.stacks.len(), kept.origins.len()), (3, 2));
        let [first, second, _] = &kept.iter().collect::<Vec<_>>()[..] else { panic!("{kept:?}") };
        assert!(std::ptr::eq(first.parent, second.parent));
    }

    #[test]
    fn edges_that_were_numbered_otherwise_are_the_same() {
        let (stacks, labels) = (["c", "unused", "b", "a"], ["y", "x"]);
        let numbers = [[3, 2, 1], [3, 0, 0], [2, 0, 1]].into_iter();
        let kept = PlannedEdges::numbered(
            numbers,
            3,
            (4, |number| StackId::from(stacks[number])),
            (2, |number| said(labels[number])),
        );
        assert_eq!(kept, PlannedEdges::from(edges()));
    }
}
