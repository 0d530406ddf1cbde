//! Webhooks that came in.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::print::{Cell, Look, Table, Tone, age};

/// One entry of the answer of `stackly.ask.ingest.deliveries`.
#[derive(Debug, Deserialize)]
pub(crate) struct Delivery {
    id: Uuid,
    source: String,
    kind: String,
    received_at: DateTime<Utc>,
    verdict: String,
    code: String,
    message: String,
    bytes: i64,
    event: Option<Uuid>,
}

/// The deliveries as a table.
pub(crate) fn render(found: &[Delivery], now: DateTime<Utc>, look: &Look) -> String {
    if found.is_empty() {
        return "no webhooks yet; deliver them to /webhooks/github and /webhooks/spacelift"
            .to_owned();
    }
    let mut table =
        Table::new(&["AGE", "SOURCE", "KIND", "BYTES", "VERDICT", "WHY"]).right(&[0, 3]);
    for delivery in found {
        let (symbol, tone) = match delivery.verdict.as_str() {
            "accepted" => ("✓", Tone::Good),
            "kept" => ("–", Tone::Faint),
            _ => ("✗", Tone::Bad),
        };
        table.row([
            age(delivery.received_at, now).into(),
            Cell::from(&delivery.source),
            Cell::from(&delivery.kind),
            delivery.bytes.to_string().into(),
            Cell::new(tone, format!("{symbol} {}", delivery.verdict)),
            format!("{}: {}", delivery.code, delivery.message).into(),
        ]);
        let event = delivery.event.map(|event| format!(", event {event}")).unwrap_or_default();
        table.note(Cell::new(Tone::Faint, format!("delivery {}{event}", delivery.id)));
    }
    table.render(look)
}
