//! The stacks that are known.

use chrono::{DateTime, Utc};
use contracts::phrase::count;
use planner::{question::StackPage, register::Status};

use crate::print::{Cell, Look, Table, Tone, age};

/// The stacks as a table.
pub(crate) fn render(page: &StackPage, now: DateTime<Utc>, look: &Look) -> String {
    let mut table = Table::new(&["STACK", "SPACE", "TRACKS", "AFTER (SPACELIFT)", "LABELS"]).cut(2);
    for line in &page.stacks {
        let stack = &line.stack;
        let root = match stack.project_root.as_str() {
            "" => String::new(),
            root => format!(" {root}/"),
        };
        let parents: Vec<&str> = stack.depends_on.iter().map(|d| d.on.as_str()).collect();
        table.row([
            Cell::new(Tone::Strong, stack.id.as_str()),
            stack.space.as_str().into(),
            format!("{}@{}{root}", stack.repository, stack.branch).into(),
            parents.join(", ").into(),
            [stack.labels.as_slice(), line.code_labels.as_slice()].concat().join(" ").into(),
        ]);
        if stack.disabled {
            table.note(Cell::new(Tone::Waits, "disabled: it cannot run"));
        }
        if line.status == Some(Status::Loose) {
            table.note(Cell::new(Tone::Waits, "loose: its code is gone"));
        }
        if let Some(from) = &line.rewritten_from {
            let note = format!("its history was rewritten; the old head was {from}");
            table.note(Cell::new(Tone::Waits, note));
        }
    }
    let foot = format!(
        "{}, catalogue {} read {} ago",
        count(page.stacks.len(), "stack"),
        page.version,
        age(page.as_of, now)
    );
    let table = match page.stacks.is_empty() {
        true => "no stack is found; without a word, all are listed\n".to_owned(),
        false => table.render(look),
    };
    format!("{table}{}\n", look.paint(Tone::Faint, &foot))
}
