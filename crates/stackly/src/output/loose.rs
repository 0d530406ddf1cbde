//! Stacks whose code is gone.

use contracts::phrase::count;
use planner::register::State;

use crate::print::{Cell, Look, Table, Tone, clean};

/// The stacks as a table.
pub(crate) fn render(states: &[State], look: &Look) -> String {
    if states.is_empty() {
        return "no stack is loose: the code of each is there, as far as it was known".to_owned();
    }
    let mut table = Table::new(&["STACK", "CODE WAS IN", "COMMIT", "WHY"]);
    for State { stack, code, reason, .. } in states {
        let place = format!("{}@{} {}/", code.repository, code.branch, code.path);
        table.row([
            Cell::new(Tone::Strong, stack.as_str()),
            place.into(),
            code.commit.short().into(),
            Cell::from(&reason.text),
        ]);
    }
    let foot = format!("{} without code", count(states.len(), "stack"));
    format!("{}{}\n", table.render(look), look.paint(Tone::Faint, &foot))
}

/// What became of a stack that was given code.
pub(crate) fn adopted(state: &State, look: &Look) -> String {
    let text = format!("✓ {} is loose no more: {}", state.stack, clean(&state.reason.text));
    format!("{}\n", look.paint(Tone::Good, &text))
}
