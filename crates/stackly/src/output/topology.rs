//! The streams in JetStream: as they are, and as this build needs them.

use bus::StreamStatus;
use contracts::{phrase::count, topology::Consumer};
use serde_json::{Value, json};

use crate::print::{Cell, Look, Table, Tone};

/// The streams with their consumers.
pub(crate) fn render(streams: &[StreamStatus], wanted: &[Consumer], look: &Look) -> String {
    let mut table = Table::new(&["STREAM", "STATE", "MESSAGES", "BYTES", "FOR"]).right(&[2, 3]);
    for stream in streams {
        table.row([
            Cell::new(Tone::Strong, &stream.name),
            standing(stream),
            stream.messages.to_string().into(),
            stream.bytes.to_string().into(),
            stream.purpose.into(),
        ]);
        differences(stream).into_iter().for_each(|line| table.note(Cell::new(Tone::Bad, line)));
    }
    let mut consumers =
        Table::new(&["CONSUMER", "STREAM", "TO DELIVER", "UNACKNOWLEDGED"]).right(&[2, 3]);
    for stream in streams {
        for (name, pending, unacknowledged) in &stream.consumers {
            consumers.row([
                Cell::from(name),
                Cell::from(&stream.name),
                pending.to_string().into(),
                unacknowledged.to_string().into(),
            ]);
        }
    }
    let mut text = format!("{}\n{}", table.render(look), consumers.render(look));
    for consumer in missing(streams, wanted) {
        let line = format!("… {consumer} is not there: its service has not run here yet");
        text.push_str(&look.paint(Tone::Waits, &line));
        text.push('\n');
    }
    text
}

/// What would be changed, or nothing.
pub(crate) fn render_changes(streams: &[StreamStatus], look: &Look) -> String {
    let mut table = Table::new(&["STREAM", "STATE"]);
    for stream in streams.iter().filter(|stream| differs(stream)) {
        table.row([Cell::new(Tone::Strong, &stream.name), standing(stream)]);
        differences(stream).into_iter().for_each(|line| table.note(Cell::new(Tone::Bad, line)));
    }
    table.render(look)
}

/// Whether a stream is not as this build needs it.
pub(crate) fn differs(stream: &StreamStatus) -> bool {
    !stream.exists || !stream.differences.is_empty()
}

/// The streams as JSON, consumers by name.
pub(crate) fn document(streams: &[StreamStatus]) -> Value {
    streams
        .iter()
        .map(|stream| {
            let consumers: Vec<Value> = stream
                .consumers
                .iter()
                .map(|(name, pending, unacknowledged)| {
                    json!({
                        "name": name,
                        "pending": pending,
                        "unacknowledged": unacknowledged,
                    })
                })
                .collect();
            json!({
                "name": stream.name,
                "purpose": stream.purpose,
                "exists": stream.exists,
                "messages": stream.messages,
                "bytes": stream.bytes,
                "differences": stream.differences,
                "consumers": consumers,
            })
        })
        .collect()
}

fn missing<'a>(streams: &[StreamStatus], wanted: &'a [Consumer]) -> Vec<&'a str> {
    let is_there = |name: &str| {
        streams.iter().any(|stream| stream.consumers.iter().any(|(there, ..)| there == name))
    };
    wanted.iter().map(|consumer| consumer.name).filter(|name| !is_there(name)).collect()
}

fn standing(stream: &StreamStatus) -> Cell {
    match (stream.exists, stream.differences.len()) {
        (false, _) => Cell::new(Tone::Bad, "✗ missing"),
        (true, 0) => Cell::new(Tone::Good, "✓ as needed"),
        (true, number) => Cell::new(Tone::Bad, format!("✗ {}", count(number, "difference"))),
    }
}

fn differences(stream: &StreamStatus) -> Vec<String> {
    let line = |difference: &bus::Difference| {
        format!("{}: is {}, needed {}", difference.setting, difference.is, difference.wanted)
    };
    stream.differences.iter().map(line).collect()
}
