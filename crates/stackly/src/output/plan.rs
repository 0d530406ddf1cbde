//! What would follow from a commit.

use std::collections::BTreeMap;

use contracts::chain::{ChainPlanned, PlannedEdge};
use planner::what_if::{Outcome, because};

use crate::print::{Cell, Look, Table, Tone, count};

/// The outcome as text.
pub(crate) fn render(outcome: &Outcome, look: &Look) -> String {
    match outcome {
        Outcome::Planned(chain) => chain_of(chain, look),
        Outcome::Ignored { reason } => format!("Nothing would follow: {}\n", reason.text),
        Outcome::Refused { reason } => format!("It would be refused: {}\n", reason.text),
    }
}

fn chain_of(chain: &ChainPlanned, look: &Look) -> String {
    let mut parents: BTreeMap<&str, Vec<&PlannedEdge>> = BTreeMap::new();
    for edge in &chain.edges {
        parents.entry(edge.child.as_str()).or_default().push(edge);
    }
    let mut table = Table::new(&["#", "STACK", "SPACE", "GATES", "WHY"]).right(&[0]);
    for (number, step) in chain.steps.iter().enumerate() {
        let gates = if step.autodeploy { "before plan" } else { "before plan, before apply" };
        table.row([
            Cell::from((number + 1).to_string()),
            Cell::new(Tone::Strong, step.stack.as_str()),
            step.space.as_str().into(),
            gates.into(),
            Cell::from(&step.why.text),
        ]);
        for edge in parents.get(step.stack.as_str()).map_or(&[][..], Vec::as_slice) {
            let note = format!("after {}: {}", edge.parent, because(&edge.origins));
            table.note(Cell::new(Tone::Faint, note));
        }
    }
    let foot = format!(
        "{} after the gate before the chain, by graph {}; nothing was started",
        count(chain.steps.len(), "run"),
        chain.graph_version
    );
    format!("{}{}\n", table.render(look), look.paint(Tone::Faint, &foot))
}
