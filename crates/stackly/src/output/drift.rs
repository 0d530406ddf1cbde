//! Where account and code do not say the same.

use contracts::{StackId, phrase::count};
use planner::{
    drift::{Difference, Differences},
    ordered::Begun,
};

use crate::print::{Cell, Look, Table, Tone};

/// What was begun.
pub(crate) fn begun(begun: &Begun, look: &Look) -> String {
    let Begun { action, stacks, chains } = begun;
    let lines = chains.iter().map(|chain| {
        let painted = look.paint(Tone::Strong, &chain.to_string());
        format!("{painted}: `stackly chain {chain}` shows how it goes\n")
    });
    let action = action.as_str().replace('_', " ");
    let head = format!("{action}: {}, through all gates\n", count(stacks.len(), "stack"));
    head + &lines.collect::<String>()
}

/// The differences as a table.
pub(crate) fn render(all: &Differences, look: &Look) -> String {
    let foot = format!("{}, by catalogue {}", count(all.total, "difference"), all.version);
    let foot = look.paint(Tone::Faint, &foot);
    if all.differences.is_empty() {
        return format!("Account and code say the same.\n{foot}\n");
    }
    let mut table = Table::new(&["STACK", "WHAT", "CODE", "HOW"]);
    for Difference { stack, what, code, text, advice } in &all.differences {
        let what = contracts::plain(what);
        table.row([
            Cell::new(Tone::Strong, stack.as_ref().map_or("-", StackId::as_str)),
            what.as_str().unwrap_or_default().replace('_', " ").into(),
            code.into(),
            text.into(),
        ]);
        table.note(Cell::new(Tone::Faint, advice.as_str()));
    }
    format!("{}{foot}\n", table.render(look))
}
