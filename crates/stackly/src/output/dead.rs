//! Messages that no service could handle.

use bus::DeadLetter;
use chrono::{DateTime, Utc};

use crate::print::{Cell, Look, Table, Tone, age, clean, moment};

/// The letters as a table.
pub(crate) fn render(letters: &[DeadLetter], now: DateTime<Utc>, look: &Look) -> String {
    if letters.is_empty() {
        return "no dead letters".to_owned();
    }
    let mut table = Table::new(&["SEQ", "CONSUMER", "TYPE", "AGE", "REASON"]).right(&[0, 3]);
    for letter in letters {
        table.row([
            Cell::new(Tone::Strong, letter.sequence.to_string()),
            Cell::from(&letter.consumer),
            kind(letter).into(),
            age(letter.at, now).into(),
            Cell::new(Tone::Bad, &letter.reason),
        ]);
    }
    table.render(look)
}

/// One letter in full.
pub(crate) fn render_one(letter: &DeadLetter, look: &Look) -> String {
    let mut table = Table::new(&["SEQ", "CONSUMER", "TYPE", "OF", "REASON"]);
    table.row([
        Cell::new(Tone::Strong, letter.sequence.to_string()),
        Cell::from(&letter.consumer),
        kind(letter).into(),
        moment(letter.at).into(),
        Cell::new(Tone::Bad, &letter.reason),
    ]);
    table.note(Cell::new(Tone::Faint, format!("came on {}", letter.subject)));
    let body = match &letter.body {
        serde_json::Value::String(text) => clean(text),
        body => serde_json::to_string_pretty(body).expect("a JSON value is JSON"),
    };
    let again = format!("`stackly dead requeue {}` gives it back", letter.sequence);
    format!("{}\n{body}\n\n{}\n", table.render(look), look.paint(Tone::Faint, &again))
}

fn kind(letter: &DeadLetter) -> &str {
    let kind = letter.kind.as_deref().unwrap_or("?");
    kind.strip_prefix("stackly.").unwrap_or(kind)
}
