//! The history of one chain: every transition, in order.

use executor::OperationLine;

use crate::print::{Cell, Look, Table, Tone, moment};

/// The transitions as a table.
pub(crate) fn render(lines: &[OperationLine], look: &Look) -> String {
    if lines.is_empty() {
        return "nothing has happened to it yet".to_owned();
    }
    let mut table = Table::new(&["AT", "STEP", "FROM", "EVENT", "TO", "BY", "WHY"]);
    for line in lines {
        let step = line.stack.as_ref().map_or("(chain)", |stack| stack.as_str());
        table.row([
            moment(line.at).into(),
            Cell::new(Tone::Strong, step),
            Cell::new(Tone::Faint, &line.from),
            Cell::from(&line.event),
            Cell::from(&line.to),
            Cell::from(&line.actor),
            Cell::from(&line.reason.text),
        ]);
    }
    table.render(look)
}
