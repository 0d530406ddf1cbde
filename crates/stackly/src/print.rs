//! How things look: colours, symbols, times, and where the text goes.

use std::io::{BufRead, Write};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;

use crate::failure::Failure;

mod table;

pub use table::{Cell, Table};

/// How text is to look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// One JSON document instead of text for people.
    pub json: bool,
    /// Whether colours are understood.
    pub colour: bool,
    /// How many columns there are; absent for a file or a pipe.
    pub width: Option<usize>,
}

/// What a text says about what it stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// Neither good nor bad.
    #[default]
    Plain,
    /// Ended well.
    Good,
    /// Ended badly.
    Bad,
    /// At work.
    Busy,
    /// Waits for something.
    Waits,
    /// Of less importance.
    Faint,
    /// What the eye should find first.
    Strong,
}

impl Look {
    /// The text in the colour of its tone, if colours are understood.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Busy => "36",
            Tone::Waits => "33",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Where a command reads and writes.
pub struct Terminal<'a> {
    /// How text is to look.
    pub look: Look,
    /// Whether a person is there who can be asked.
    pub is_interactive: bool,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard input.
    pub input: &'a mut dyn BufRead,
}

impl Terminal<'_> {
    /// Writes text.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            self.out.write_all(b"\n")?;
        }
        Ok(self.out.flush()?)
    }

    /// Writes a JSON document.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).expect("answers are plain data");
        self.text(&text)
    }

    /// Writes an answer, as JSON or for people.
    pub fn answer(
        &mut self,
        value: &impl Serialize,
        render: impl FnOnce(&Look) -> String,
    ) -> Result<(), Failure> {
        if self.look.json {
            return self.json(value);
        }
        let look = self.look;
        self.text(&render(&look))
    }
}

/// Text of others, made harmless: a commit message must not move the cursor.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A point in time.
pub fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true).replace('T', " ")
}

/// How long: two units at most.
pub fn span(long: TimeDelta) -> String {
    let seconds = long.num_seconds().max(0);
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m {rest:02}s"),
        (0, _, _) => format!("{hours}h {minutes:02}m"),
        _ => format!("{days}d {hours:02}h"),
    }
}

/// How long, where milliseconds matter.
pub fn fine_span(long: TimeDelta) -> String {
    let milliseconds = long.num_milliseconds().max(0);
    match milliseconds {
        0..1_000 => format!("{milliseconds}ms"),
        1_000..60_000 => {
            format!("{}.{:03}s", milliseconds / 1_000, milliseconds % 1_000)
        }
        _ => span(long),
    }
}

/// How long ago.
pub fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    span(now - at)
}

#[cfg(test)]
mod tests;
