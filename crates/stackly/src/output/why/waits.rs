//! Why something waits: one line for each step that has not ended.

use chrono::{DateTime, Utc};
use executor::WaitLine;

use crate::output::state;
use crate::print::{Cell, Look, Table, Tone, age};

/// The waits as a table, each with what can be done about it.
pub(crate) fn render(what: &str, lines: &[WaitLine], now: DateTime<Utc>, look: &Look) -> String {
    if lines.is_empty() {
        return format!("nothing of {what} waits: every step of it has ended, or it has none");
    }
    let mut table = Table::new(&["CHAIN", "STEP", "STATE", "FOR", "WAITS FOR"]).right(&[3]);
    for line in lines {
        let wait = &line.wait;
        let tone = if wait.stuck { Tone::Bad } else { Tone::Plain };
        table.row([
            line.chain.to_string().into(),
            Cell::new(Tone::Strong, line.stack.as_str()),
            state::step(line.state),
            age(wait.since, now).into(),
            Cell::new(tone, &wait.reason.text),
        ]);
        match &wait.mend {
            Some(mend) => table.note(Cell::new(Tone::Waits, format!("to do: {mend}"))),
            None => table.note(Cell::new(Tone::Faint, "it goes on by itself")),
        }
    }
    table.render(look)
}
