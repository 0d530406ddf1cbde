//! The path of one change through all services.

use chrono::{DateTime, Utc};
use serde::Serialize;
use store::Chapter;
use uuid::Uuid;

use crate::print::{Cell, Look, Table, Tone, clean, fine_span, moment};

/// What all services did in one story.
#[derive(Debug, Serialize)]
pub(crate) struct Story {
    /// The story's id.
    pub(crate) correlation: Uuid,
    /// When it began.
    pub(crate) began_at: Option<DateTime<Utc>>,
    /// What was done, in the order of time.
    pub(crate) chapters: Vec<Told>,
    /// Who did not answer.
    pub(crate) missing: Vec<Missing>,
}

/// One thing, and who did it.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    /// The service.
    pub(crate) service: &'static str,
    /// What it did.
    #[serde(flatten)]
    pub(crate) chapter: Chapter,
}

impl Told {
    fn is_call(&self) -> bool {
        self.chapter.who == "effect"
    }
}

/// A service that did not answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Missing {
    /// The service.
    pub(crate) service: &'static str,
    /// Why.
    pub(crate) why: String,
}

impl Story {
    /// Puts together what the services told.
    pub(crate) fn new(correlation: Uuid, mut chapters: Vec<Told>, missing: Vec<Missing>) -> Self {
        // An open call stands where it began; what ended first of what began together came first.
        chapters.sort_by_key(|told| {
            let chapter = &told.chapter;
            (chapter.began_at, chapter.ended_at.unwrap_or(DateTime::<Utc>::MAX_UTC))
        });
        let began_at = chapters.first().map(|told| told.chapter.began_at);
        Self { correlation, began_at, chapters, missing }
    }
}

/// The story as a table.
pub(crate) fn render(story: &Story, look: &Look) -> String {
    let mut text = format!("trace {}", story.correlation);
    if let Some(began_at) = story.began_at {
        let ends = story.chapters.iter().filter_map(|told| told.chapter.ended_at);
        let long = ends.max().map(|end| format!(", {} long", fine_span(end - began_at)));
        text.push_str(&format!(", began {}{}", moment(began_at), long.unwrap_or_default()));
    }
    text.push('\n');
    let mut table =
        Table::new(&["AT", "TOOK", "WHO", "WHAT", "KEY", "ANSWERS"]).right(&[0, 1]).cut(4);
    for told in &story.chapters {
        table.row(row(told, story.began_at.unwrap_or(told.chapter.began_at)));
        // Why an event was answered so is for `stackly why`.
        if let Some(note) = told.chapter.note.as_ref().filter(|_| told.is_call()) {
            table.note(Cell::new(Tone::Waits, note));
        }
    }
    text.push_str(&table.render(look));
    for missing in &story.missing {
        let line = format!("✗ {} did not tell its part: {}", missing.service, missing.why);
        text.push_str(&look.paint(Tone::Bad, &clean(&line)));
        text.push('\n');
    }
    text
}

fn row(told: &Told, began_at: DateTime<Utc>) -> [Cell; 6] {
    let Told { service, chapter } = told;
    let is_call = told.is_call();
    let (who, tone) = match is_call {
        true => (format!("{service} call"), Tone::Busy),
        false => (chapter.who.clone(), Tone::Plain),
    };
    let took = match chapter.ended_at {
        Some(ended_at) => Cell::from(fine_span(ended_at - chapter.began_at)),
        None => Cell::new(Tone::Waits, "open"),
    };
    let answers = match (chapter.answers.is_empty(), is_call) {
        (true, true) => String::new(),
        (true, false) => "–".to_owned(),
        (false, _) => tally(&chapter.answers),
    };
    [
        format!("+{}", fine_span(chapter.began_at - began_at)).into(),
        took,
        Cell::new(tone, who),
        Cell::from(&chapter.what),
        Cell::from(&chapter.key),
        answers.into(),
    ]
}

/// `gate.requested ×3, chain.started`.
pub(crate) fn tally(kinds: &[String]) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for kind in kinds {
        match counted.iter_mut().find(|(known, _)| known == kind) {
            Some((_, count)) => *count += 1,
            None => counted.push((kind, 1)),
        }
    }
    let words = counted.into_iter().map(|(kind, count)| match count {
        1 => kind.to_owned(),
        _ => format!("{kind} ×{count}"),
    });
    words.collect::<Vec<_>>().join(", ")
}
