//! Finding the circle that keeps some stacks from being ordered.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::{Cycle, Edge, Graph};

/// A cycle among `stuck`: stacks that each wait for another one of them. Not all of them need be
/// part of a circle; some merely follow one.
///
/// The same each time: the walk takes the smallest parent, the circle is a shortest one through
/// where the walk closes, and it starts at its smallest stack.
pub(super) fn among(graph: &Graph, stuck: &BTreeSet<usize>) -> Cycle {
    let first = *stuck.first().expect("the order is incomplete, so somebody is stuck");
    let start = on_a_circle(graph, stuck, first);
    beginning_with_the_smallest(way(graph, stuck, (start, start)).unwrap_or_default())
}

/// A cycle among `stuck` with an edge that another graph over the same stacks does not have.
pub(super) fn since(graph: &Graph, old: &Graph, stuck: &BTreeSet<usize>) -> Option<Cycle> {
    let edges = stuck.iter().flat_map(|&parent| graph.children(parent));
    let is_new = |edge: &Edge| {
        stuck.contains(&edge.child) && !old.children(edge.parent).any(|it| it.child == edge.child)
    };
    let mut closed = edges.filter(is_new).filter_map(|edge| {
        let mut circle = vec![edge];
        if edge.child != edge.parent {
            circle.extend(way(graph, stuck, (edge.child, edge.parent))?);
        }
        Some(beginning_with_the_smallest(circle))
    });
    closed.next()
}

fn beginning_with_the_smallest(mut edges: Vec<Edge>) -> Cycle {
    let smallest = (0..edges.len()).min_by_key(|&index| edges[index].parent);
    edges.rotate_left(smallest.unwrap_or(0));
    Cycle(edges)
}

/// Each one stuck has a parent that is stuck, so walking up must come back to where it has been.
fn on_a_circle(graph: &Graph, stuck: &BTreeSet<usize>, first: usize) -> usize {
    let mut smallest_parent: BTreeMap<usize, usize> = BTreeMap::new();
    for &parent in stuck {
        for edge in graph.children(parent).filter(|edge| stuck.contains(&edge.child)) {
            smallest_parent.entry(edge.child).or_insert(parent);
        }
    }
    let mut seen = HashSet::new();
    let mut stack = first;
    while seen.insert(stack) {
        stack = smallest_parent[&stack];
    }
    stack
}

/// The edges of a shortest way from one stack to another, or back to itself.
fn way(graph: &Graph, stuck: &BTreeSet<usize>, (start, end): (usize, usize)) -> Option<Vec<Edge>> {
    let mut came_by: HashMap<usize, Edge> = HashMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(stack) = open.pop_front() {
        for edge in graph.children(stack).filter(|edge| stuck.contains(&edge.child)) {
            if came_by.contains_key(&edge.child) {
                continue;
            }
            came_by.insert(edge.child, edge);
            if edge.child == end {
                return Some(way_back(&came_by, (start, end)));
            }
            open.push_back(edge.child);
        }
    }
    None
}

fn way_back(came_by: &HashMap<usize, Edge>, (start, end): (usize, usize)) -> Vec<Edge> {
    let mut edges = vec![came_by[&end]];
    while let Some(edge) = edges.last()
        && edge.parent != start
    {
        edges.push(came_by[&edge.parent]);
    }
    edges.reverse();
    edges
}
