//! What people were told about a chain.

use chrono::{DateTime, Utc};
use contracts::phrase::count;
use notifier::page::{Deliveries, Delivery};

use crate::print::{Cell, Look, Table, Tone, age};

/// The calls as a table.
pub(crate) fn render(found: &Deliveries, now: DateTime<Utc>, look: &Look) -> String {
    if found.deliveries.is_empty() {
        return "nobody was told anything yet; channels are set in the notifier's configuration"
            .to_owned();
    }
    let mut table =
        Table::new(&["AGE", "CHANNEL", "KIND", "STANDING", "TO", "ABOUT"]).right(&[0]).cut(4);
    for notice in &found.deliveries {
        let (symbol, tone) = match notice.standing.as_str() {
            "delivered" => ("✓", Tone::Good),
            "waiting" => ("…", Tone::Waits),
            _ => ("✗", Tone::Bad),
        };
        table.row([
            age(notice.last_attempt_at, now).into(),
            Cell::from(&notice.channel),
            Cell::from(&notice.kind),
            Cell::new(tone, format!("{symbol} {}", notice.standing)),
            Cell::from(&notice.target),
            Cell::from(&notice.about),
        ]);
        if let Some(note) = trouble(notice, now) {
            table.note(Cell::new(Tone::Waits, note));
        }
    }
    table.render(look)
}

fn trouble(notice: &Delivery, now: DateTime<Utc>) -> Option<String> {
    let attempts = usize::try_from(notice.attempts).unwrap_or_default();
    let error = notice.error.as_ref()?;
    let next = notice.next_attempt_at.map(|at| format!("; again in {}", age(now, at)));
    Some(format!("{}: {error}{}", count(attempts, "attempt"), next.unwrap_or_default()))
}
