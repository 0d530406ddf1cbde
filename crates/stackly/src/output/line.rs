//! For what the line is stopped, and was.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::print::{Cell, Look, Table, Tone, moment};

/// The answer of `stackly.ask.policy.line`.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    stopped: Vec<Stop>,
    ended: Vec<Stop>,
}

#[derive(Debug, Deserialize)]
struct Stop {
    #[serde(default)]
    labels: Vec<String>,
    reason: String,
    by: String,
    at: DateTime<Utc>,
    ended: Option<End>,
}

#[derive(Debug, Deserialize)]
struct End {
    by: String,
    at: DateTime<Utc>,
    reason: Option<String>,
}

pub(crate) fn line(line: &Line, look: &Look) -> String {
    let mut text = match line.stopped.as_slice() {
        [] => "nothing is stopped by hand\n".to_owned(),
        stopped => {
            let mut table = Table::new(&["STOPPED", "SINCE", "BY", "WHY"]);
            for stop in stopped {
                table.row([
                    Cell::new(Tone::Strong, about(stop)),
                    moment(stop.at).into(),
                    stop.by.clone().into(),
                    stop.reason.clone().into(),
                ]);
            }
            table.render(look)
        }
    };
    if !line.ended.is_empty() {
        let mut table = Table::new(&["WAS STOPPED", "FROM", "BY", "WHY", "UNTIL", "BY", "WHY"]);
        for stop in &line.ended {
            let Some(end) = &stop.ended else { continue };
            table.row([
                about(stop).into(),
                moment(stop.at).into(),
                stop.by.clone().into(),
                stop.reason.clone().into(),
                moment(end.at).into(),
                end.by.clone().into(),
                end.reason.clone().unwrap_or_default().into(),
            ]);
        }
        text.push('\n');
        text.push_str(&table.render(look));
    }
    text
}

fn about(stop: &Stop) -> String {
    if stop.labels.is_empty() { "everything".to_owned() } else { stop.labels.join(", ") }
}
