//! Asking for runs: one, many at once, and those of late.

use std::{collections::HashMap, fmt::Write};

use chrono::{DateTime, Utc};
use contracts::{RunId, StackId};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Client, Error, RunFacts,
    answer::{self, Nature},
    document,
    run::{GetRun, ListRuns, Shown, get_run, list_runs},
    transport::Call,
};

/// How many runs are asked for in one document.
const CHUNK: usize = 40;

/// How many such documents are under way at once.
const CHUNKS_AT_ONCE: usize = 4;

/// If more runs of a document get no answer by themselves either, it may not be they who have brought
/// Spacelift into trouble, and no more of it are asked for.
const IN_TROUBLE_MAX: usize = 2;

/// One entry of a document that asks for many runs.
#[derive(Deserialize)]
struct Entry {
    run: Option<get_run::RunFields>,
}

/// What Spacelift shows of one run among many: none if there is no such run or stack.
pub type Shows = Result<Option<RunFacts>, Error>;

impl Client {
    /// A run as it is now; none if there is no such run or stack.
    pub async fn run(&self, stack: &StackId, run: &RunId) -> Result<Option<RunFacts>, Error> {
        let answer = self.ask::<GetRun>(about(stack, run), Nature::Questions).await;
        self.answered(answer, stack)
    }

    /// Many runs as they are now, in the order asked for, with few requests. One that Spacelift will
    /// not show leaves the others answered; what fails as a whole is about all of them. None for those
    /// that were not asked for after others of their document got no answer.
    pub async fn runs(&self, ids: &[(StackId, RunId)]) -> Result<Vec<Option<Shows>>, Error> {
        // A loop and not a lazy map: over borrowed chunks that makes a future nobody can send.
        let mut chunks = Vec::new();
        for chunk in ids.chunks(CHUNK) {
            chunks.push(self.chunk(chunk).boxed());
        }
        stream::iter(chunks).buffered(CHUNKS_AT_ONCE).try_concat().await
    }

    /// The tracked and the proposed runs of a stack that were made at or after `since`, newest
    /// first: what to look through before a trigger is repeated.
    pub async fn recent_runs(
        &self,
        stack: &StackId,
        since: DateTime<Utc>,
    ) -> Result<Vec<RunFacts>, Error> {
        let (tracked, proposed) = futures::try_join!(
            self.recent_runs_of(stack, since, false),
            self.recent_runs_of(stack, since, true),
        )?;
        let mut runs = tracked;
        runs.extend(proposed);
        // Run ids sort by time, and more finely than the times do.
        runs.sort_by(|a, b| (b.created_at, b.run.as_str()).cmp(&(a.created_at, a.run.as_str())));
        runs.dedup_by(|a, b| a.run == b.run);
        Ok(runs)
    }

    async fn recent_runs_of(
        &self,
        stack: &StackId,
        since: DateTime<Utc>,
        proposed: bool,
    ) -> Result<Vec<RunFacts>, Error> {
        let mut runs = Vec::new();
        let mut before: Option<String> = None;
        loop {
            let variables =
                list_runs::Variables { stack: stack.to_string(), before: before.clone(), proposed };
            let data = self.ask::<ListRuns>(variables, Nature::Question).await?;
            // A stack that cannot be seen must not pass for one without runs.
            let listed = data.stack.ok_or(Error::NotFound)?;
            let page = if proposed { listed.proposed_runs } else { listed.runs };
            let page = page.ok_or_else(|| Nature::Question.garbled("a stack without runs"))?;
            let last = page.last().map(|run| run.id.clone());
            if last.is_none() || last == before {
                return Ok(runs);
            }
            for run in page {
                let facts = self.facts(run, stack)?;
                if facts.created_at.timestamp() < since.timestamp() {
                    return Ok(runs);
                }
                runs.push(facts);
            }
            before = last;
        }
    }

    async fn chunk(&self, ids: &[(StackId, RunId)]) -> Result<Vec<Option<Shows>>, Error> {
        let answer = self.answer(&many(ids)).await.and_then(|data| {
            answer::read::<HashMap<String, Option<Box<RawValue>>>>(&data, Nature::Questions)
        });
        let mut data = match answer {
            Ok(data) => data,
            Err(error) if error.is_about_all() => return Err(error),
            // One of them has taken the others with it, so they are asked for one by one.
            Err(_) => return Ok(self.one_by_one(ids).await),
        };
        let entry = |(index, (stack, _)): (usize, &(StackId, RunId))| {
            let Some(entry) = data.remove(&format!("r{index}")).flatten() else {
                return Ok(None);
            };
            let entry: Entry = answer::read(&entry, Nature::Questions)?;
            self.shown(entry.run, stack)
        };
        Ok(ids.iter().enumerate().map(entry).map(Some).collect())
    }

    /// Asks for each only once: with the others it was asked for often enough, and those in trouble
    /// alone must not look as if the whole account were.
    async fn one_by_one(&self, ids: &[(StackId, RunId)]) -> Vec<Option<Shows>> {
        let mut runs = Vec::with_capacity(ids.len());
        let mut in_trouble = 0;
        for (stack, run) in ids {
            let shows = match self.ask_once::<GetRun>(about(stack, run), Nature::Questions).await {
                Err(error) if error.is_about_all() => break,
                answer => self.answered(answer, stack),
            };
            in_trouble += usize::from(matches!(shows, Err(Error::Unavailable { .. })));
            runs.push(Some(shows));
            if in_trouble > IN_TROUBLE_MAX {
                break;
            }
        }
        runs.resize_with(ids.len(), || None);
        runs
    }

    fn answered(&self, answer: Result<get_run::ResponseData, Error>, stack: &StackId) -> Shows {
        match answer {
            Err(Error::NotFound) => Ok(None),
            answer => self.shown(answer?.stack.and_then(|it| it.run), stack),
        }
    }

    fn shown(&self, run: Option<impl Shown>, stack: &StackId) -> Result<Option<RunFacts>, Error> {
        run.map(|run| self.facts(run, stack)).transpose()
    }

    fn facts(&self, run: impl Shown, stack: &StackId) -> Result<RunFacts, Error> {
        run.facts(&self.inner.base, stack).map_err(|error| Nature::Question.garbled(error))
    }
}

fn about(stack: &StackId, run: &RunId) -> get_run::Variables {
    get_run::Variables { stack: stack.to_string(), run: run.to_string() }
}

/// One document for many runs. It is built by hand because its length is not known beforehand; the
/// ids travel as variables all the same, so that no id is ever read as GraphQL.
fn many(ids: &[(StackId, RunId)]) -> Call {
    let (mut parameters, mut fields) = (String::new(), String::new());
    let mut variables = serde_json::Map::new();
    for (index, (stack, run)) in ids.iter().enumerate() {
        write!(parameters, "$s{index}: ID!, $i{index}: ID!, ").expect("memory takes it");
        write!(
            fields,
            "  r{index}: stack(id: $s{index}) {{\n    run(id: $i{index}) {{\n      \
             ...RunFields\n    }}\n  }}\n"
        )
        .expect("memory takes it");
        variables.insert(format!("s{index}"), stack.as_str().into());
        variables.insert(format!("i{index}"), run.as_str().into());
    }
    let parameters = parameters.trim_end_matches(", ");
    let operation = format!("query GetRuns({parameters}) {{\n{fields}}}");
    Call {
        operation: "GetRuns",
        document: document::with_fragments(get_run::QUERY, &operation),
        variables: variables.into(),
        nature: Nature::Questions,
        mark: None,
        until: None,
    }
}
