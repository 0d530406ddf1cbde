//! The list of chains.

use chrono::{DateTime, Utc};
use executor::ChainLine;

use super::state;
use crate::print::{Cell, Look, Table, Tone, age};

/// The chains as a table; why they are as they are, unless all is well.
pub(crate) fn render(lines: &[ChainLine], now: DateTime<Utc>, look: &Look) -> String {
    if lines.is_empty() {
        return "no chains; a push to a branch that a stack tracks makes one".to_owned();
    }
    let mut table =
        Table::new(&["CHAIN", "STATE", "KIND", "STEPS", "AGE", "CHANGE"]).right(&[3, 4]);
    for line in lines {
        table.row([
            Cell::new(Tone::Strong, line.chain.to_string()),
            state::chain(line.state),
            line.kind.as_str().into(),
            format!("{}/{}", line.ended, line.steps).into(),
            age(line.began_at, now).into(),
            state::change(&line.change).into(),
        ]);
        if line.state != contracts::chain::ChainState::Finished {
            table.note(Cell::new(Tone::Faint, &line.reason.text));
        }
    }
    table.render(look)
}
