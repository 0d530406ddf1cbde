//! Stacks whose code is gone.

use planner::register::State;

use crate::print::{Cell, Look, Table, Tone, count};

/// The stacks as a table.
pub(crate) fn render(states: &[State], look: &Look) -> String {
    let mut table = Table::new(&["STACK", "CODE WAS IN", "COMMIT", "WHY"]);
    for State { stack, code, reason, .. } in states {
        let place = format!("{}@{} {}/", code.repository, code.branch, code.path);
        table.row([
            Cell::new(Tone::Strong, stack.as_str()),
            place.into(),
            code.commit.as_str().chars().take(8).collect::<String>().into(),
            Cell::from(&reason.text),
        ]);
    }
    let foot = format!("{} without code", count(states.len(), "stack"));
    format!("{}{}\n", table.render(look), look.paint(Tone::Faint, &foot))
}
