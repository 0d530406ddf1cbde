//! Reading a delivery again, as this build would: and what it would say differently.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use contracts::{Envelope, Outgoing};
use serde_json::{Map, Value};

use crate::{
    delivery::{About, Signed, Verdict},
    page::Listed,
    source::Source,
    store::read::Content,
};

/// What is read now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Again {
    pub(crate) verdict: &'static str,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) events: Vec<Outgoing>,
}

/// Reads what came once more. Its signature was judged when it came, and is not kept.
pub(crate) fn read(source: &Source, delivery: &Listed, content: &Content) -> Again {
    let headers = headers(&content.headers);
    let Listed { received_at, found, .. } = *delivery;
    let body = content.body.as_slice();
    let reading = Signed { source, headers: &headers, body, received_at, found }.read();
    let scopes = delivery.scopes.iter().flat_map(|scopes| scopes.split(' '));
    let scopes: Vec<_> = scopes.map(str::to_owned).collect();
    let events = reading.verdict.events().iter();
    let objection = events.map(About::of).find_map(|about| source.objection(about, &scopes));
    let read = objection.unwrap_or(reading.verdict);
    let (verdict, code) = (read.as_str(), read.code());
    let (message, events) = match read {
        Verdict::Event(event) => (format!("gives {}", event.kind), vec![event]),
        Verdict::Several(events) => (format!("gives {} events", events.len()), events),
        Verdict::Kept { text, .. } | Verdict::Refused { text, .. } => (text, Vec::new()),
        Verdict::Malformed(malformed) => (malformed.0, Vec::new()),
    };
    Again { verdict, code, message, events }
}

fn headers(kept: &str) -> HeaderMap {
    let kept: Map<String, Value> = serde_json::from_str(kept).unwrap_or_default();
    let header = |(name, value): (&String, &Value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value.as_str()?).ok()?))
    };
    kept.iter().filter_map(header).collect()
}

/// In a line each, what is read differently now; none if nothing is. Of what it told when it came,
/// only the verdict may be known still.
pub(crate) fn difference(
    delivery: &Listed,
    before: Option<&[Envelope]>,
    again: &Again,
) -> Vec<String> {
    let mut lines = Vec::new();
    if (delivery.verdict.as_str(), delivery.code.as_str()) != (again.verdict, again.code) {
        lines.push(format!(
            "{} ({}) became {} ({})",
            delivery.verdict, delivery.code, again.verdict, again.code
        ));
    }
    let Some(before) = before else { return lines };
    for place in 0..before.len().max(again.events.len()) {
        match (before.get(place), again.events.get(place)) {
            (Some(old), Some(new)) if old.kind == new.kind => {
                fields("", &old.body, &new.body, &mut lines);
            }
            (Some(old), Some(new)) => lines.push(format!("{} became {}", old.kind, new.kind)),
            (Some(old), None) => lines.push(format!("{} is not said any more", old.kind)),
            (None, Some(new)) => lines.push(format!("{} is said now", new.kind)),
            (None, None) => {}
        }
    }
    lines
}

fn fields(path: &str, old: &Value, new: &Value, lines: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let side = |side: &Map<String, Value>| side.get(key).cloned().unwrap_or_default();
                fields(&path, &side(old), &side(new), lines);
            }
        }
        _ if old == new => {}
        _ => lines.push(format!("{path}: {old} became {new}")),
    }
}

#[cfg(test)]
mod tests;
