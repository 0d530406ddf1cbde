//! The line, as people stop it by hand: a stop is a row that all replicas read, and counts as the
//! block `stop` of a file that nobody wrote.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{document::File, pattern::Pattern};

/// What the file is called, for people; no file of a folder can be called so.
pub const FILE: &str = "(stackly stop)";

/// The line is stopped, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Which.
    pub id: Uuid,
    /// Patterns of labels, in their order; none: everything.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Why.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// How it ended, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<End>,
}

/// Somebody let the line go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Who.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Why, if they said.
    pub reason: Option<String>,
}

impl Stop {
    /// What happened last, for everyone.
    pub fn sentence(&self) -> String {
        let what = about(&self.labels);
        match &self.ended {
            None => format!("{} stopped the line for {what}: {}", self.by, self.reason),
            Some(End { by, reason, .. }) => {
                let why = reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                format!(
                    "{by} let the line go on for {what}{why}; {} had stopped it ({})",
                    self.by, self.reason
                )
            }
        }
    }

    /// The command that ends it.
    pub fn ended_by(&self) -> String {
        let labels = self.labels.iter().map(|label| format!(" --label {}", typed(label)));
        format!("stackly go{}", labels.collect::<String>())
    }

    /// Whether it is about a stack with these labels.
    pub fn is_about<'a>(&self, labels: impl IntoIterator<Item = &'a str>) -> bool {
        let patterns: Vec<Pattern> = self.labels.iter().map(Pattern::new).collect();
        let is_meant = |label| patterns.iter().any(|pattern| pattern.matches(label));
        patterns.is_empty() || labels.into_iter().any(is_meant)
    }

    fn happened_at(&self) -> DateTime<Utc> {
        self.ended.as_ref().map_or(self.at, |end| end.at)
    }
}

/// What labels mean, for people.
pub fn about(labels: &[String]) -> String {
    if labels.is_empty() {
        return "everything".to_owned();
    }
    format!("what is labelled {}", labels.join(" or "))
}

/// Labels as they are kept: each once, in order.
pub fn settled(mut labels: Vec<String>) -> Vec<String> {
    labels.iter_mut().for_each(|label| *label = label.trim().to_owned());
    labels.retain(|label| !label.is_empty());
    labels.sort();
    labels.dedup();
    labels
}

/// The files of a set with that of what people stopped by hand.
pub fn beside(mut files: Vec<File>, line: Option<&File>) -> Vec<File> {
    files.extend(line.cloned());
    files
}

/// What holds now, as a file of policies; none if nothing does.
pub fn file(stops: &[Stop]) -> Option<File> {
    let open = stops.iter().filter(|stop| stop.ended.is_none());
    let text: String = open.map(block).collect();
    (!text.is_empty()).then(|| File { name: FILE.to_owned(), text })
}

/// What happened last.
pub fn news(stops: &[Stop]) -> Option<String> {
    stops.iter().max_by_key(|stop| stop.happened_at()).map(Stop::sentence)
}

fn block(stop: &Stop) -> String {
    let since = stop.at.format("%Y-%m-%d %H:%M UTC");
    let ended_by = stop.ended_by();
    let reason = format!("{} ({}, since {since}; `{ended_by}` ends it)", stop.reason, stop.by);
    let labels: Vec<String> = stop.labels.iter().map(|label| quoted(label)).collect();
    let scope = match labels.is_empty() {
        true => String::new(),
        false => format!("  match {{ labels = [{}] }}\n", labels.join(", ")),
    };
    let name = stop.id.simple();
    format!("stop \"line-{name}\" {{\n  reason = {}\n{scope}}}\n", quoted(&reason))
}

/// A word as a shell takes it for one.
fn typed(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@=+,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A text of HCL that means these characters and nothing else.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let escaped = plain.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace("${", "$${").replace("%{", "%%{"))
}

#[cfg(test)]
mod tests;
