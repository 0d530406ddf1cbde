//! The fields of spans as JSON, for the lines that are logged within them.
//!
//! Nearly every message has a span and nearly none has a line, so this is the dear part of logging.
//! What is recorded later is appended; the formatter of `tracing-subscriber` reads and writes all
//! that was there again, which took a fifth of the executor's time.

use std::fmt::{self, Write};

use tracing::{
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, FormattedFields, format::Writer},
};

/// What tells the exporter of traces something, or repeats other fields in its words.
const OF_TRACES: [&str; 2] = ["otel.", "messaging."];

/// Writes the fields of a span as one JSON object.
#[derive(Debug, Default)]
pub(super) struct JsonObject;

impl<'writer> FormatFields<'writer> for JsonObject {
    fn format_fields<R: RecordFields>(&self, mut out: Writer<'writer>, fields: R) -> fmt::Result {
        out.write_char('{')?;
        Members::write(&mut out, true, &fields)?;
        out.write_char('}')
    }

    /// A field that is recorded twice stands there twice: whoever reads it takes the last.
    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &span::Record<'_>,
    ) -> fmt::Result {
        let object = &mut current.fields;
        if object.pop().is_none() {
            object.push('{');
        }
        let is_first = object.ends_with('{');
        Members::write(object, is_first, fields)?;
        object.push('}');
        Ok(())
    }
}

struct Members<'a, W> {
    out: &'a mut W,
    is_first: bool,
    done: fmt::Result,
}

impl<'a, W: Write> Members<'a, W> {
    fn write(out: &'a mut W, is_first: bool, fields: &impl RecordFields) -> fmt::Result {
        let mut members = Self { out, is_first, done: Ok(()) };
        fields.record(&mut members);
        members.done
    }

    fn member(&mut self, field: &Field, value: impl FnOnce(&mut W) -> fmt::Result) {
        let name = field.name();
        if self.done.is_err() || OF_TRACES.iter().any(|prefix| name.starts_with(prefix)) {
            return;
        }
        let comma = if std::mem::take(&mut self.is_first) { "" } else { "," };
        // `r#type` is spelled so for Rust alone.
        let name = name.strip_prefix("r#").unwrap_or(name);
        self.done = write!(self.out, "{comma}\"{name}\":").and_then(|()| value(self.out));
    }
}

impl<W: Write> Visit for Members<'_, W> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |out| {
            out.write_char('"')?;
            write!(Escaped(out), "{value:?}")?;
            out.write_char('"')
        });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            true => self.member(field, |out| write!(out, "{value}")),
            false => self.member(field, |out| out.write_str("null")),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |out| write!(out, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |out| write!(out, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |out| write!(out, "{value}"));
    }
}

/// Writes what stands within a JSON string.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let must_be_escaped = |it: char| it == '"' || it == '\\' || it < ' ';
        let mut rest = text;
        while let Some(at) = rest.find(must_be_escaped) {
            let (plain, from) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut chars = from.chars();
            match chars.next() {
                Some(it @ ('"' | '\\')) => write!(self.0, "\\{it}")?,
                Some(it) => write!(self.0, "\\u{:04x}", u32::from(it))?,
                None => {}
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests;
