//! Who stands above and below whom, by place, so that no question about order searches.

use std::collections::HashMap;

use contracts::{
    StackId,
    chain::{BorrowedEdge, EdgeOrigin, PlannedEdges, PlannedStep},
};

/// The order among the steps of one chain.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shape {
    places: HashMap<StackId, usize>,
    parents: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
    /// The parents over Spacelift's own dependencies.
    native_parents: Vec<Vec<usize>>,
}

impl Shape {
    /// The shape of these stacks. Edges to other stacks are none of it.
    pub fn new<'a>(
        stacks: impl Iterator<Item = &'a StackId>,
        edges: impl Iterator<Item = impl Into<BorrowedEdge<'a>>>,
    ) -> Self {
        let places: HashMap<StackId, usize> =
            stacks.enumerate().map(|(at, stack)| (stack.clone(), at)).collect();
        let none = vec![Vec::new(); places.len()];
        let mut shape =
            Self { places, parents: none.clone(), children: none.clone(), native_parents: none };
        for edge in edges.map(Into::into) {
            let (Some(parent), Some(child)) = (shape.place(edge.parent), shape.place(edge.child))
            else {
                continue;
            };
            shape.parents[child].push(parent);
            shape.children[parent].push(child);
            let native = |origin: &EdgeOrigin| matches!(origin, EdgeOrigin::Native { .. });
            if edge.origins.iter().any(native) {
                shape.native_parents[child].push(parent);
            }
        }
        shape
    }

    /// The place of a stack.
    pub fn place(&self, stack: &StackId) -> Option<usize> {
        self.places.get(stack).copied()
    }

    /// What must be done before a step.
    pub fn parents(&self, at: usize) -> &[usize] {
        &self.parents[at]
    }

    /// What waits for a step.
    pub fn children(&self, at: usize) -> &[usize] {
        &self.children[at]
    }

    /// The parents over Spacelift's own dependencies.
    pub fn native_parents(&self, at: usize) -> &[usize] {
        &self.native_parents[at]
    }

    /// Every step below one, over any number of edges, parents before children.
    pub fn cone_below(&self, at: usize) -> Vec<usize> {
        let mut found = vec![false; self.children.len()];
        let mut open = vec![at];
        while let Some(next) = open.pop() {
            for &child in &self.children[next] {
                if !std::mem::replace(&mut found[child], true) {
                    open.push(child);
                }
            }
        }
        // The places themselves are in order: parents come first.
        (0..found.len()).filter(|&below| found[below]).collect()
    }

    /// The same over Spacelift's own dependencies alone.
    pub fn native_cone_below(&self, at: usize) -> Vec<usize> {
        let mut found = vec![false; self.children.len()];
        found[at] = true;
        for below in at + 1..found.len() {
            found[below] = self.native_parents[below].iter().any(|&parent| found[parent]);
        }
        (at + 1..found.len()).filter(|&below| found[below]).collect()
    }
}

/// Why steps and edges are no order that could be followed to its end: everything downstream of
/// the fault would wait for ever.
pub(crate) fn fault(steps: &[PlannedStep], edges: &PlannedEdges) -> Option<String> {
    if steps.is_empty() {
        return Some("it has no steps".to_owned());
    }
    let mut places = HashMap::with_capacity(steps.len());
    for (at, step) in steps.iter().enumerate() {
        if places.insert(&step.stack, at).is_some() {
            return Some(format!("{} is in it twice", step.stack));
        }
    }
    edges.iter().find_map(|BorrowedEdge { parent, child, .. }| {
        match (places.get(parent), places.get(child)) {
            (Some(above), Some(below)) if above < below => None,
            (Some(_), Some(_)) => Some(format!("{child} comes before its parent {parent}")),
            (None, _) => Some(format!("{child} waits for {parent}, which is not in it")),
            (_, None) => Some(format!("{parent} has a child {child}, which is not in it")),
        }
    })
}

#[cfg(test)]
mod tests;
