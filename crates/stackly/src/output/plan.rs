//! What would follow from a commit.

pub(crate) mod check;

use std::collections::BTreeMap;

use contracts::{
    chain::{ChainPlanned, PlannedEdge},
    gate::{Moment, Outcome as Answer},
    phrase::count,
};
use planner::what_if::{Outcome, because};
use policy::foresee::Foreseen;
use serde::Serialize;

use super::state;
use crate::print::{Cell, Look, Table, Tone};

/// What would follow, and what the policies would say of it.
#[derive(Debug, Serialize)]
pub(crate) struct WhatIf {
    /// What the planner says.
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    /// What would become of stacks whose code it takes away.
    pub(crate) also: Vec<Outcome>,
    /// What the policies would say now, gate by gate; nothing where nothing would follow.
    pub(crate) gates: Vec<Foreseen>,
    /// Why nobody knows what the policies would say.
    pub(crate) gates_unknown: Option<String>,
    /// What could not be seen of a working tree.
    pub(crate) unseen: Vec<String>,
}

/// What would follow, as text.
pub(crate) fn render(what_if: &WhatIf, look: &Look) -> String {
    let mut text = match &what_if.outcome {
        Outcome::Planned(chain) => chain_of(chain, what_if, look),
        Outcome::Ignored { reason } => format!("Nothing would follow: {}\n", reason.text),
        Outcome::Refused { reason } => format!("It would be refused: {}\n", reason.text),
    };
    what_if.also.iter().for_each(|also| text.push_str(&besides(also)));
    if !what_if.unseen.is_empty() {
        let unseen = format!("not seen: {}", what_if.unseen.join("; "));
        text.push_str(&format!("{}\n", look.paint(Tone::Faint, &unseen)));
    }
    text
}

/// What would become of stacks whose code is gone.
fn besides(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Planned(chain) => {
            let names: Vec<&str> = chain.steps.iter().map(|step| step.stack.as_str()).collect();
            format!(
                "Besides, a chain with the action {} would ask the policies whether what {} made is \
                 destroyed, in this order\n",
                chain.action,
                names.join(", ")
            )
        }
        Outcome::Ignored { reason } | Outcome::Refused { reason } => {
            format!("Besides, code would be gone: {}\n", reason.text)
        }
    }
}

fn chain_of(chain: &ChainPlanned, what_if: &WhatIf, look: &Look) -> String {
    let mut parents: BTreeMap<&str, Vec<&PlannedEdge>> = BTreeMap::new();
    for edge in &chain.edges {
        parents.entry(edge.child.as_str()).or_default().push(edge);
    }
    let mut table = Table::new(&["#", "STACK", "SPACE", "PLAN", "APPLY", "WHY"]).right(&[0]);
    for (number, step) in chain.steps.iter().enumerate() {
        let gate = |moment: Moment| {
            let is_it = |gate: &&Foreseen| {
                gate.moment == moment && gate.stack.as_ref() == Some(&step.stack)
            };
            what_if.gates.iter().find(is_it)
        };
        let (plan, apply) = (gate(Moment::BeforePlan), gate(Moment::BeforeApply));
        let apply_cell = match apply {
            None if step.autodeploy => Cell::new(Tone::Faint, "by itself"),
            gate => answer(gate),
        };
        table.row([
            Cell::from((number + 1).to_string()),
            Cell::new(Tone::Strong, step.stack.as_str()),
            step.space.as_str().into(),
            answer(plan),
            apply_cell,
            Cell::from(&step.why.text),
        ]);
        for edge in parents.get(step.stack.as_str()).map_or(&[][..], Vec::as_slice) {
            let note = format!("after {}: {}", edge.parent, because(&edge.origins));
            table.note(Cell::new(Tone::Faint, note));
        }
        for gate in [plan, apply].into_iter().flatten().filter(|gate| says_something(gate)) {
            table.note(Cell::new(Tone::Waits, said(gate)));
        }
    }
    let mut text = table.render(look);
    let before = what_if.gates.iter().find(|gate| gate.moment == Moment::BeforeChain);
    let before = match (before, &what_if.gates_unknown) {
        (Some(gate), _) => said(gate),
        (None, Some(why)) => format!("nobody knows what the policies would say: {why}"),
        (None, None) => "before the chain: nothing".to_owned(),
    };
    text.push_str(&before);
    text.push('\n');
    let foot = format!(
        "{}, by graph {} and by the policies of now; nothing was started",
        count(chain.steps.len(), "run"),
        chain.graph_version
    );
    format!("{text}{}\n", look.paint(Tone::Faint, &foot))
}

fn answer(gate: Option<&Foreseen>) -> Cell {
    gate.map_or_else(|| Cell::new(Tone::Faint, "?"), |gate| state::outcome(&gate.outcome))
}

/// Whether there is more to say than that it passes.
fn says_something(gate: &Foreseen) -> bool {
    gate.outcome != Answer::Pass || gate.depends_on_plan
}

/// `before apply: needs two approvals of @sre; other plans may be answered otherwise`.
fn said(gate: &Foreseen) -> String {
    let texts: Vec<&str> = gate.reasons.iter().map(|reason| reason.text.as_str()).collect();
    let more = match gate.depends_on_plan {
        true => "; that is for a plan that changes nothing, policies look at what it changes",
        false => "",
    };
    format!("{}: {}{more}", gate.moment.as_str().replace('_', " "), texts.join("; "))
}
