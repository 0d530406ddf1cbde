//! Questions about what is known: `stacks`, `graph`, `status`.
//!
//! Answers come page by page, because a message has a size: `{"after": "<id>", "limit": 500}` goes
//! on behind `after`, and `next` in an answer is the `after` of the page that follows.

use std::sync::Arc;

use bus::Problem;
use chrono::{DateTime, Utc};
use contracts::{StackId, chain::EdgeOrigin};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;

use crate::{
    catalogue::{Fault, Stack},
    graph::LooseEdge,
    known::{Shelf, Snapshot},
    store::{self as tables, WaitingRepository},
};

/// A page has at most this many entries; a graph's page may have more, so as not to tear the
/// children of one stack apart.
const LIMIT: usize = 500;
/// How many things that do not fit are listed; the rest is counted.
const LISTED: usize = 100;

/// Which page is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Page {
    /// Goes on behind this stack.
    after: Option<StackId>,
    /// The most entries wanted.
    limit: Option<usize>,
}

/// One page of the stacks.
#[derive(Debug, Serialize)]
pub struct StackPage<'a> {
    /// The version of the catalogue.
    version: i64,
    /// Of which time the catalogue is.
    as_of: DateTime<Utc>,
    /// The stacks, ordered by id.
    stacks: &'a [Stack],
    /// Where the next page begins, if there is one.
    next: Option<&'a StackId>,
}

/// One page of the edges.
#[derive(Debug, Serialize)]
pub struct GraphPage<'a> {
    /// The version of the catalogue.
    version: i64,
    /// Of which time the catalogue is.
    as_of: DateTime<Utc>,
    /// The edges, ordered by parent, then by child.
    edges: Vec<NamedEdge<'a>>,
    /// Where the next page begins, if there is one.
    next: Option<&'a StackId>,
}

/// An edge between ids.
#[derive(Debug, Serialize)]
struct NamedEdge<'a> {
    parent: &'a StackId,
    child: &'a StackId,
    origins: Vec<EdgeOrigin>,
}

/// How the catalogue stands.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The version of the catalogue; zero before the account was ever read.
    version: i64,
    /// The account was read no earlier than this.
    as_of: Option<DateTime<Utc>>,
    /// How many seconds ago that was.
    age_seconds: Option<i64>,
    /// What the last reading failed with, until one succeeds.
    trouble: Option<String>,
    /// How many stacks there are.
    stacks: usize,
    /// How many edges there are.
    edges: usize,
    /// How many dependencies lead nowhere.
    loose_edges: usize,
    /// The first of them.
    loose: Vec<LooseEdge>,
    /// How many stacks have something that does not fit.
    faults: usize,
    /// The first of them.
    faulty: Vec<Fault>,
    /// Repositories of which changes wait for the account to be read.
    waiting: Vec<WaitingRepository>,
}

/// A page of the catalogue.
pub fn stacks(shelf: &Shelf, body: Value) -> Result<Value, Problem> {
    let (page, snapshot) = (page(body)?, known(shelf)?);
    let catalogue = &snapshot.known.catalogue;
    let (from, to) = page.bounds(catalogue.stacks());
    let stacks = &catalogue.stacks()[from..to];
    let more = to < catalogue.stacks().len();
    value(&StackPage {
        version: catalogue.version(),
        as_of: snapshot.as_of,
        stacks,
        next: stacks.last().filter(|_| more).map(|stack| &stack.id),
    })
}

/// A page of the graph: edges whose parents follow each other.
pub fn graph(shelf: &Shelf, body: Value) -> Result<Value, Problem> {
    let (page, snapshot) = (page(body)?, known(shelf)?);
    let (catalogue, graph) = (&snapshot.known.catalogue, &snapshot.known.graph);
    let stacks = catalogue.stacks();
    let limit = page.limit();
    let mut edges = Vec::new();
    let (mut position, _) = page.bounds(stacks);
    while position < stacks.len() && edges.len() < limit {
        edges.extend(graph.children(position).map(|edge| NamedEdge {
            parent: &stacks[edge.parent].id,
            child: &stacks[edge.child].id,
            origins: graph.origins(edge, catalogue),
        }));
        position += 1;
    }
    let next = if position < stacks.len() { position.checked_sub(1) } else { None };
    value(&GraphPage {
        version: catalogue.version(),
        as_of: snapshot.as_of,
        edges,
        next: next.map(|last| &stacks[last].id),
    })
}

/// How the catalogue stands.
pub async fn status(pool: PgPool, shelf: Arc<Shelf>) -> Result<Value, Problem> {
    let unavailable = |error: sqlx::Error| Problem::new("unavailable", error.to_string());
    let head = tables::head(&pool).await.map_err(unavailable)?;
    let waiting = tables::waiting(&pool).await.map_err(unavailable)?;
    let known = shelf.snapshot().map(|snapshot| snapshot.known);
    let loose = known.as_ref().map_or(&[][..], |known| known.graph.loose());
    let faults = known.as_ref().map_or(&[][..], |known| known.catalogue.faults());
    value(&Status {
        version: head.version,
        as_of: head.as_of,
        age_seconds: head.as_of.map(|as_of| (Utc::now() - as_of).num_seconds()),
        trouble: head.trouble,
        stacks: known.as_ref().map_or(0, |known| known.catalogue.stacks().len()),
        edges: known.as_ref().map_or(0, |known| known.graph.edge_count()),
        loose_edges: loose.len(),
        loose: loose.iter().take(LISTED).cloned().collect(),
        faults: faults.len(),
        faulty: faults.iter().take(LISTED).cloned().collect(),
        waiting,
    })
}

impl Page {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT).clamp(1, LIMIT)
    }

    fn bounds(&self, stacks: &[Stack]) -> (usize, usize) {
        let from = match &self.after {
            Some(after) => stacks.partition_point(|stack| stack.id <= *after),
            None => 0,
        };
        (from, (from + self.limit()).min(stacks.len()))
    }
}

fn page(body: Value) -> Result<Page, Problem> {
    if body.is_null() {
        return Ok(Page::default());
    }
    serde_json::from_value(body).map_err(|error| {
        Problem::new("malformed", format!("the question has `after` and `limit`: {error}"))
    })
}

fn known(shelf: &Shelf) -> Result<Snapshot, Problem> {
    shelf.snapshot().ok_or_else(|| {
        let text = "the Spacelift account was not read yet; `status` says why if it cannot be";
        Problem::new("not_known_yet", text)
    })
}

fn value(answer: &impl Serialize) -> Result<Value, Problem> {
    Ok(serde_json::to_value(answer).expect("answers are plain data"))
}

#[cfg(test)]
mod tests;
