//! The stacks that people have locked through us.

use executor::LockLine;

use crate::print::{Cell, Look, Table, Tone, moment};

/// How the lock on a stack stands, as a sentence.
pub(crate) fn sentence(line: &LockLine) -> String {
    let LockLine { stack, state, reason, call, .. } = line;
    let what = format!("{stack} is {state}: {}", reason.text);
    match call {
        Some(call) => format!("{what}; Spacelift has not answered yet: {}", call.text),
        None => what,
    }
}

/// The locks that are held, as a table.
pub(crate) fn render(lines: &[LockLine], look: &Look) -> String {
    if lines.is_empty() {
        return "no stack is locked by us".to_owned();
    }
    let mut table = Table::new(&["STACK", "STATE", "SINCE", "BY", "WHY"]);
    for line in lines {
        let LockLine { stack, state, said, call, .. } = line;
        let why = call.as_ref().map(|call| call.text.as_str()).or(said.note.as_deref());
        table.row([
            Cell::new(Tone::Strong, stack.as_str()),
            Cell::from(state.as_str()),
            moment(said.at).into(),
            Cell::from(&said.by),
            Cell::from(why.unwrap_or_default()),
        ]);
    }
    table.render(look)
}
