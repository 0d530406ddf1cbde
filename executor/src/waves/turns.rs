//! In which order the steps of a chain would begin that nobody has started.

use contracts::chain::ChainPlanned;

use super::{Name, Waves};
use crate::shape::Shape;

/// A step whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Its place in the chain.
    pub step: usize,
    /// The wave it is of, where one waits for another.
    pub wave: Option<Name>,
}

/// The steps of a chain as their turn comes: by waves, and within them parents before children.
pub fn turns(planned: &ChainPlanned) -> Vec<Turn> {
    let ChainPlanned { kind, steps, edges, .. } = planned;
    let shape = Shape::new(steps.iter().map(|step| &step.stack), edges.iter());
    let waves = Waves::of_planned(*kind, steps.iter(), &shape);
    let mut begins = vec![0; steps.len()];
    let mut turns: Vec<Turn> = Vec::with_capacity(steps.len());
    for step in 0..steps.len() {
        // Who is of no wave waits for that of its parents.
        let above = shape.parents(step).iter().map(|&parent| begins[parent]);
        begins[step] = above.chain(waves.after.get(step).copied()).max().unwrap_or_default();
        let wave = waves.list.iter().find(|wave| wave.steps.contains(&step));
        turns.push(Turn { step, wave: wave.map(|wave| wave.name) });
    }
    turns.sort_by_key(|turn| begins[turn.step]);
    turns
}
