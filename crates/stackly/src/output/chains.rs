//! The list of chains.

use chrono::{DateTime, Utc};
use contracts::{chain::ChainState, phrase::count};
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
            state::kind(line).into(),
            format!("{}/{}", line.ended, line.steps).into(),
            age(line.began_at, now).into(),
            state::change(&line.change).into(),
        ]);
        let why = state::why(line);
        if line.state != ChainState::Finished && !why.is_empty() {
            table.note(Cell::new(Tone::Faint, why));
        }
        // Before a chain has begun, its own reason says what it waits for.
        if let Some(step) = line.first_open.as_ref().filter(|_| line.state != ChainState::Gating) {
            let others = usize::try_from(line.steps - line.ended - 1).unwrap_or_default();
            let more = match others {
                0 => String::new(),
                others => format!(", and {} not ended", count(others, "other step")),
            };
            let note = format!("{}: {}{more}", step.stack, step.reason.text);
            table.note(Cell::new(Tone::Waits, note));
        }
    }
    table.render(look)
}
