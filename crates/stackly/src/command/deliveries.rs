//! `stackly deliveries list|show|replay|sources`.

pub(super) mod decisions;

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use contracts::hook::ReplayDeliveries;
use ingest::page::{Listed, Sources, Told};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    desk::{Desk, read},
    names::Who,
    value::{delivery, in_order, limit, when},
    why::became::followed,
};
use crate::{
    failure::Failure,
    output::{
        deliveries::{self, Replayed},
        why::became,
    },
    print::Terminal,
};

/// What is done about deliveries; listed, if nothing else is said.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: List,
}

/// What can be done about deliveries.
#[derive(Debug, Subcommand)]
enum Action {
    /// List deliveries, newest first
    List(List),
    /// Show a delivery: what was received, and what became of it
    Show {
        /// Its id, that of its event, or the one its sender gave it
        id: String,
    },
    /// Read deliveries again with the running build, and publish the result
    Replay(Replay),
    /// Show who may send, the scope of each secret, and when it was last used
    Sources,
}

/// Which deliveries are listed.
#[derive(Debug, Args)]
struct List {
    /// Only from this source (github, gitlab, …, standard/NAME, custom/NAME)
    #[arg(long, value_parser = source)]
    source: Option<String>,
    /// Only with this verdict
    #[arg(long, value_enum)]
    verdict: Option<Verdict>,
    /// Only received since: a time, or how long ago (90s, 15m, 2h, 3d)
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<DateTime<Utc>>,
    /// Only received before
    #[arg(long, value_name = "WHEN", value_parser = when)]
    until: Option<DateTime<Utc>>,
    /// Maximum number of results
    #[arg(long, default_value_t = 20, value_parser = limit::<1000>)]
    limit: u64,
}

/// Which deliveries are read again.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group(ArgGroup::new("which").required(true).args(["ids", "since"])))]
struct Replay {
    /// Their ids
    #[arg(value_parser = delivery)]
    ids: Vec<Uuid>,
    /// All received since: a time, or how long ago (90s, 15m, 2h, 3d)
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<DateTime<Utc>>,
    /// Of these, only those received before
    #[arg(long, value_name = "WHEN", value_parser = when, requires = "since")]
    until: Option<DateTime<Utc>>,
    /// Of these, only those from this source
    #[arg(long, value_parser = source, requires = "since")]
    source: Option<String>,
    /// Only show what would be read and decided differently; publish nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    who: Who,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Verdict {
    /// An event followed
    Accepted,
    /// Nothing followed
    Kept,
    /// It was signed, but not by somebody who may say this
    Refused,
    /// It could not be read
    Malformed,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Kept => "kept",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
        }
    }
}

const KINDS: [&str; 7] =
    ["github", "gitlab", "bitbucket", "bitbucket-server", "azure-devops", "spacelift", "slack"];

/// The name of a source.
fn source(text: &str) -> Result<String, String> {
    let named = |kind: &str| text.strip_prefix(kind).is_some_and(|name| !name.is_empty());
    if KINDS.contains(&text) || named("standard/") || named("custom/") {
        return Ok(text.to_owned());
    }
    Err(format!("there are {}, standard/NAME and custom/NAME", KINDS.join(", ")))
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    match &options.action {
        None => list(&options.list, desk, terminal).await,
        Some(Action::List(options)) => list(options, desk, terminal).await,
        Some(Action::Show { id }) => {
            let mut answer = desk.ask("ingest", "delivery", json!({ "about": id })).await?;
            let told: Told = read("ingest", answer.clone())?;
            let mut chains = Vec::new();
            for event in &told.events {
                chains.extend(became::chains(&followed(desk, event.id).await));
            }
            answer["chains"] = json!(chains);
            terminal.answer(&answer, |look| deliveries::show((&told, &chains), Utc::now(), look))
        }
        Some(Action::Replay(options)) => replay(options, desk, terminal).await,
        Some(Action::Sources) => {
            let answer = desk.ask("ingest", "sources", Value::Null).await?;
            let found: Sources = read("ingest", answer.clone())?;
            terminal.answer(&answer, |look| deliveries::sources(&found, Utc::now(), look))
        }
    }
}

/// A question with those of its words that were given.
fn question<const N: usize>(words: [(&str, Option<Value>); N]) -> Value {
    let given = words.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}

async fn list(options: &List, desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    in_order(options.since, options.until)?;
    let is_narrowed = options.source.is_some()
        || options.verdict.is_some()
        || options.since.or(options.until).is_some();
    let asked = question([
        ("limit", Some(json!(options.limit))),
        ("source", options.source.as_ref().map(|source| json!(source))),
        ("verdict", options.verdict.map(|verdict| json!(verdict.as_str()))),
        ("since", options.since.map(|since| json!(since))),
        ("until", options.until.map(|until| json!(until))),
    ]);
    let answer = desk.ask("ingest", "deliveries", asked).await?;
    let found: Vec<Listed> = read("ingest", answer.clone())?;
    let document = json!({ "deliveries": answer });
    terminal.answer(&document, |look| deliveries::render(&found, is_narrowed, Utc::now(), look))
}

/// The most that ingest lists at one time.
const PAGE: usize = 1_000;
/// How many are read again at one time, so that no answer is too large for a message.
const REPLAY: usize = 250;

async fn replay(options: &Replay, desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let by = options.who.name()?;
    in_order(options.since, options.until)?;
    let ids = match options.since {
        None => options.ids.clone(),
        Some(since) => {
            let which = question([
                ("source", options.source.as_ref().map(|source| json!(source))),
                ("since", Some(json!(since))),
                ("until", options.until.map(|until| json!(until))),
            ]);
            let found = that_came(which, desk).await?;
            found.into_iter().map(|delivery| delivery.id).collect()
        }
    };
    if ids.is_empty() {
        return Err(Failure::NotFound("no delivery came in that time".to_owned()));
    }
    let mut told = Vec::with_capacity(ids.len());
    for some in ids.chunks(REPLAY) {
        let (deliveries, by) = (some.to_vec(), by.clone());
        let order = ReplayDeliveries { deliveries, dry_run: options.dry_run, by };
        let answer = desk.order(&order).await;
        let mut answer = answer.map_err(|failure| match options.dry_run {
            // Nothing came of it that would come again.
            true => failure,
            false => stopped(failure, told.len(), some),
        })?;
        if let Value::Array(some) = answer["deliveries"].take() {
            told.extend(some);
        }
    }
    if options.dry_run {
        decisions::add(desk, &mut told).await;
    }
    let answer = json!({ "dry_run": options.dry_run, "deliveries": told });
    let replayed: Replayed = read("ingest", answer.clone())?;
    terminal.answer(&answer, |look| deliveries::replayed(&replayed, look))
}

/// All that came in a time, as they came, page by page: a listing begins with the newest.
pub(super) async fn that_came(mut which: Value, desk: &Desk) -> Result<Vec<Listed>, Failure> {
    let mut all: Vec<Listed> = Vec::new();
    which["limit"] = json!(PAGE);
    loop {
        if let Some(last) = all.last() {
            which["before"] = json!(last.id);
        }
        let answer = desk.ask("ingest", "deliveries", which.clone()).await?;
        let page: Vec<Listed> = read("ingest", answer)?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            all.reverse();
            return Ok(all);
        }
    }
}

/// What to do where some were read again and the next perhaps: the service may have done it and been
/// unable to say so.
fn stopped(failure: Failure, done: usize, next: &[Uuid]) -> Failure {
    match (done, next.first()) {
        (1.., Some(first)) => Failure::Problem {
            code: failure.code().to_owned(),
            message: format!(
                "{done} were read again, and of the next {}, from {first} on, either all or none: {}; \
                 if `stackly why {first}` tells of no event that came of it, go on from when that came",
                next.len(),
                failure.text()
            ),
        },
        // It was on its way, and perhaps it was the answer that was lost.
        (0, Some(first)) if matches!(failure, Failure::Unavailable { source: Some(_), .. }) => {
            Failure::Problem {
                code: failure.code().to_owned(),
                message: format!(
                    "of {}, from {first} on, either all were read again or none: {}; if \
                     `stackly why {first}` tells of no event that came of it, say it again",
                    next.len(),
                    failure.text()
                ),
            }
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_answer_to_the_first_part_was_lost_it_is_said_that_it_may_have_been_read() {
        let next = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let source = Some(anyhow::anyhow!("no answer in time"));
        let lost = Failure::Unavailable { message: "ingest does not answer".to_owned(), source };
        let told = stopped(lost, 0, &next);
        assert_eq!((told.status(), told.code()), (1, "unavailable"), "nobody is to try again");
        let text = told.text();
        let says = format!("of 2, from {} on, either all were read again or none", next[0]);
        assert!(text.contains(&says) && text.contains("no answer in time"), "{text}");
        let refused = stopped(Failure::unavailable("ingest is not running"), 0, &next);
        assert_eq!((refused.status(), refused.text().as_str()), (5, "ingest is not running"));
    }
}
