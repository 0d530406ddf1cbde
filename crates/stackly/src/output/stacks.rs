//! The stacks that are known.

use chrono::{DateTime, Utc};
use planner::catalogue::Stack;
use serde::Deserialize;

use crate::print::{Cell, Look, Table, Tone, age, count};

/// One page of the answer of `stackly.ask.planner.stacks`.
#[derive(Debug, Deserialize)]
pub(crate) struct StackPage {
    pub(crate) version: i64,
    pub(crate) as_of: DateTime<Utc>,
    pub(crate) stacks: Vec<Stack>,
    pub(crate) next: Option<String>,
}

/// The stacks as a table.
pub(crate) fn render(page: &StackPage, now: DateTime<Utc>, look: &Look) -> String {
    let mut table = Table::new(&["STACK", "SPACE", "TRACKS", "AFTER", "LABELS"]).cut(2);
    for stack in &page.stacks {
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
            stack.labels.join(" ").into(),
        ]);
        if stack.disabled {
            table.note(Cell::new(Tone::Waits, "disabled: it cannot run"));
        }
    }
    let foot = format!(
        "{}, catalogue {} read {} ago",
        count(page.stacks.len(), "stack"),
        page.version,
        age(page.as_of, now)
    );
    format!("{}{}\n", table.render(look), look.paint(Tone::Faint, &foot))
}
