use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tracing::{Level, Subscriber, info, info_span};

use super::JsonObject;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn subscriber(&self) -> impl Subscriber + use<> {
        let lines = self.clone();
        tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .fmt_fields(JsonObject)
            .with_max_level(Level::INFO)
            .with_writer(move || lines.clone())
            .finish()
    }

    fn span_of_last(&self) -> Value {
        let lines = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let line: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        line["span"].clone()
    }
}

#[test]
fn fields_known_from_the_start_and_later_ones_stand_in_one_object() {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.subscriber(), || {
        let span = info_span!(
            "handle",
            otel.name = "not for people",
            messaging.system = "nats",
            consumer = "executor",
            event.r#type = "run.reported",
            attempt = 2_u64,
            left = -1_i64,
            share = 0.5,
            unknown = f64::NAN,
            is_new = true,
            outcome = tracing::field::Empty,
            code = tracing::field::Empty,
        );
        span.record("outcome", "pending");
        span.record("outcome", "done");
        span.record("code", tracing::field::display(7));
        span.in_scope(|| info!("said"));
    });
    let wanted = json!({
        "name": "handle", "consumer": "executor", "event.type": "run.reported", "attempt": 2,
        "left": -1, "share": 0.5, "unknown": null, "is_new": true, "outcome": "done", "code": "7",
    });
    assert_eq!(lines.span_of_last(), wanted);
}

#[test]
fn a_span_whose_fields_are_all_told_later_is_an_object_too() {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.subscriber(), || {
        let span = info_span!("later", one = tracing::field::Empty, two = tracing::field::Empty);
        span.in_scope(|| info!("before"));
        assert_eq!(lines.span_of_last(), json!({ "name": "later" }));
        span.record("two", 2);
        span.in_scope(|| info!("after"));
    });
    assert_eq!(lines.span_of_last(), json!({ "name": "later", "two": 2 }));
}

#[test]
fn what_would_break_a_string_is_escaped() {
    let lines = Lines::default();
    let text = "\"quoted\" \\ back\nnew\ttab \u{1}\u{7f} größer 🦀";
    tracing::subscriber::with_default(lines.subscriber(), || {
        info_span!("odd", text, shown = %text, debug = ?text).in_scope(|| info!("said"));
    });
    let span = lines.span_of_last();
    assert_eq!(span["text"], text);
    assert_eq!(span["shown"], text);
    assert_eq!(span["debug"], format!("{text:?}"));
}
