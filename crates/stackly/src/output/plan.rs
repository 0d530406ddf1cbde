//! What would follow from a commit.

pub(crate) mod check;

use std::collections::BTreeMap;

use contracts::{
    StackId,
    chain::{BorrowedEdge, ChainPlanned},
    gate::{Moment, Outcome as Answer},
    phrase::count,
};
use executor::{WaveName, turns};
use planner::what_if::{Outcome, because};
use policy::foresee::Foreseen;
use serde::Serialize;

use super::state;
use crate::print::{Cell, Look, Table, Tone};

/// The columns where all runs may begin at once, as far as they do not depend on each other.
const AT_ONCE: [&str; 6] = ["#", "STACK", "SPACE", "PLAN", "APPLY", "WHY"];
/// Those where one wave goes before another.
const IN_WAVES: [&str; 7] = ["#", "WAVE", "STACK", "SPACE", "PLAN", "APPLY", "WHY"];

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

impl WhatIf {
    /// A gate about one stack, or about all of them.
    fn gate(&self, moment: Moment, stack: Option<&StackId>) -> Option<&Foreseen> {
        self.gates.iter().find(|gate| gate.moment == moment && gate.stack.as_ref() == stack)
    }
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
    let for_all = what_if.gate(Moment::BeforeApply, None);
    let mut parents: BTreeMap<&str, Vec<BorrowedEdge<'_>>> = BTreeMap::new();
    for edge in chain.edges.iter() {
        parents.entry(edge.child.as_str()).or_default().push(edge);
    }
    let turns = turns(chain);
    let has_waves = turns.iter().any(|turn| turn.wave.is_some());
    let mut table = Table::new(if has_waves { &IN_WAVES[..] } else { &AT_ONCE }).right(&[0]);
    for (number, turn) in (1..).zip(&turns) {
        let step = &chain.steps[turn.step];
        let (plan, apply) = (
            what_if.gate(Moment::BeforePlan, Some(&step.stack)),
            what_if.gate(Moment::BeforeApply, Some(&step.stack)),
        );
        let apply_cell = match apply {
            None if step.autodeploy => Cell::new(Tone::Faint, "by itself"),
            None if for_all.is_some() => Cell::new(Tone::Faint, "with all"),
            gate => answer(gate),
        };
        let cells = [
            Cell::from(number.to_string()),
            Cell::new(Tone::Strong, step.stack.as_str()),
            step.space.as_str().into(),
            answer(plan),
            apply_cell,
            Cell::from(&step.why.text),
        ];
        let (first, rest) = cells.split_at(1);
        let wave = has_waves.then(|| wave(turn.wave));
        table.row(first.iter().cloned().chain(wave).chain(rest.iter().cloned()));
        for edge in parents.get(step.stack.as_str()).map_or(&[][..], Vec::as_slice) {
            let note = format!("after {}: {}", edge.parent, because(edge.origins));
            table.note(Cell::new(Tone::Faint, note));
        }
        for gate in [plan, apply].into_iter().flatten().filter(|gate| says_something(gate)) {
            table.note(Cell::new(Tone::Waits, said(gate)));
        }
    }
    let mut text = table.render(look);
    let before = match (what_if.gate(Moment::BeforeChain, None), &what_if.gates_unknown) {
        (Some(gate), _) => said(gate),
        (None, Some(why)) => format!("nobody knows what the policies would say: {why}"),
        (None, None) => "before the chain: nothing".to_owned(),
    };
    text.push_str(&before);
    text.push('\n');
    if let Some(gate) = for_all {
        text.push_str(&format!("{}, about the plans of all runs together\n", said(gate)));
    }
    let foot = format!(
        "{}, by graph {} and by the policies of now; nothing was started",
        count(chain.steps.len(), "run"),
        chain.graph_version
    );
    format!("{text}{}\n", look.paint(Tone::Faint, &foot))
}

fn wave(name: Option<WaveName>) -> Cell {
    match name {
        None => Cell::new(Tone::Faint, "–"),
        Some(WaveName::Canary) => "canary".into(),
        Some(WaveName::Number(number)) => number.to_string().into(),
        Some(WaveName::Last) => "last".into(),
    }
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
