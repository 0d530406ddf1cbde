//! Questions about what is known: `stacks`, `graph`, `loose`, `status`; [`crate::what_if`] has `plan`.
//!
//! Answers come page by page, because a message has a size: `{"after": "<id>", "limit": 500}` goes
//! on behind `after`, and `next` in an answer is the `after` of the page that follows.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bus::{Problem, ProblemKind, read_as};
use chrono::{DateTime, Utc};
use contracts::{List, Reason, StackId, Text, chain::PlannedEdge, plain};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;

use crate::{
    catalogue::{Catalogue, Fault, Stack},
    graph::{CrossingEdge, Graph, LooseEdge},
    known::{Shelf, Snapshot},
    query::{Facts, Query},
    register,
    store::{self as tables, WaitingRepository},
};

/// A page has at most this many entries; a graph's page may have more, so as not to tear the
/// children of one stack apart.
const LIMIT: usize = 500;
/// How many things that do not fit are listed; the rest is counted.
const LISTED: usize = 100;

/// How a stack with code stands, and the head it was rewritten from.
type Standing = (register::Status, Option<String>);
type Standings = HashMap<StackId, Standing>;

/// Which page is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Page {
    /// Goes on behind this stack.
    after: Option<StackId>,
    /// The most entries wanted.
    limit: Option<usize>,
    /// Of stacks, those wanted, as [`crate::query`] reads it.
    query: Option<String>,
}

/// A stack with what its code says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StackLine {
    /// What the account says.
    #[serde(flatten)]
    pub stack: Stack,
    /// Labels its code adds.
    #[serde(default)]
    pub code_labels: List<Text>,
    /// Who answers for it.
    #[serde(default)]
    pub owners: Vec<String>,
    /// How its code stands, if it is known to have any.
    #[serde(default)]
    pub status: Option<register::Status>,
    /// The head its code was rewritten from, until it is planned anew.
    #[serde(default)]
    pub rewritten_from: Option<String>,
}

/// One page of the stacks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StackPage {
    /// The version of the catalogue.
    pub version: i64,
    /// Of which time the catalogue is.
    pub as_of: DateTime<Utc>,
    /// The stacks, ordered by id.
    pub stacks: Vec<StackLine>,
    /// Where the next page begins, if there is one.
    pub next: Option<StackId>,
}

/// One page of the edges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphPage {
    /// The version of the catalogue.
    pub version: i64,
    /// Of which time the catalogue is.
    pub as_of: DateTime<Utc>,
    /// The edges, ordered by parent, then by child.
    pub edges: Vec<PlannedEdge>,
    /// Stacks of the page that no edge leads to or from.
    #[serde(default)]
    pub alone: Vec<StackId>,
    /// Where the next page begins, if there is one.
    pub next: Option<StackId>,
}

/// How the catalogue stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the catalogue; zero before the account was ever read.
    pub version: i64,
    /// The account was read no earlier than this.
    pub as_of: Option<DateTime<Utc>>,
    /// How many seconds ago that was, or since the audit trail said that nothing else has changed.
    pub age_seconds: Option<i64>,
    /// What the last reading failed with, until one succeeds.
    pub trouble: Option<String>,
    /// How many stacks there are.
    pub stacks: usize,
    /// How many edges there are.
    pub edges: usize,
    /// How many dependencies lead nowhere.
    pub loose_edges: usize,
    /// The first of them.
    #[serde(default)]
    pub loose: Vec<LooseEdge>,
    /// How many edges lead from one space to another.
    #[serde(default)]
    pub crossing_edges: usize,
    /// The first of them.
    #[serde(default)]
    pub crossing: Vec<CrossingEdge>,
    /// Edges read from code that somebody's word stands against.
    #[serde(default)]
    pub overruled: Vec<LooseEdge>,
    /// A circle of dependencies anywhere, in words.
    #[serde(default)]
    pub circle: Option<String>,
    /// How many stacks have code that is known.
    #[serde(default)]
    pub with_code: usize,
    /// Code that says of a stack the account does not have: where, and its name.
    #[serde(default)]
    pub unmade: Vec<String>,
    /// What is wrong with the code of repositories.
    #[serde(default)]
    pub code_faults: Vec<String>,
    /// How many stacks have something that does not fit.
    pub faults: usize,
    /// The first of them.
    #[serde(default)]
    pub faulty: Vec<Fault>,
    /// Repositories of which changes wait for the account to be read.
    #[serde(default)]
    pub waiting: Vec<WaitingRepository>,
    /// Where repositories are mirrored; absent if they are not.
    pub mirrors: Option<String>,
    /// Repositories whose mirrors cannot be read, and why.
    #[serde(default)]
    pub away: BTreeMap<String, Reason>,
}

/// A page of the catalogue.
pub async fn stacks(pool: PgPool, shelf: Arc<Shelf>, body: Value) -> Result<Value, Problem> {
    let standings = tables::standings(&pool).await.map_err(unavailable)?;
    stacks_among(&standings, &shelf, body)
}

fn stacks_among(standings: &Standings, shelf: &Shelf, body: Value) -> Result<Value, Problem> {
    let (page, snapshot) = (page(body)?, known(shelf)?);
    let query = Query::parse(page.query.as_deref().unwrap_or_default());
    let query = query.map_err(|error| Problem::malformed(error.to_string()))?;
    let catalogue = &snapshot.known.catalogue;
    let from = page.begin(catalogue.stacks());
    let mut stacks = Vec::new();
    let mut more = false;
    for position in from..catalogue.stacks().len() {
        let standing = standings.get(&catalogue.stacks()[position].id);
        if !query.finds(&facts(catalogue, position, standing)) {
            continue;
        }
        if stacks.len() == page.limit() {
            more = true;
            break;
        }
        stacks.push(line(catalogue, position, standing));
    }
    let next = stacks.last().filter(|_| more).map(|line| line.stack.id.clone());
    let (version, as_of) = (catalogue.version(), snapshot.as_of);
    Ok(plain(&StackPage { version, as_of, stacks, next }))
}

fn line(catalogue: &Catalogue, position: usize, standing: Option<&Standing>) -> StackLine {
    let blueprint = catalogue.blueprint(position);
    let labels = blueprint.iter().flat_map(|blueprint| &blueprint.labels);
    StackLine {
        stack: catalogue.stacks()[position].clone(),
        code_labels: labels.map(|label| Text::from(label.as_str())).collect(),
        owners: blueprint.map_or_else(Vec::new, |blueprint| blueprint.owners.clone()),
        status: standing.map(|(status, _)| *status),
        rewritten_from: standing.and_then(|(_, from)| from.clone()),
    }
}

fn facts<'a>(
    catalogue: &'a Catalogue,
    position: usize,
    standing: Option<&'a Standing>,
) -> Facts<'a> {
    let (stack, blueprint) = (&catalogue.stacks()[position], catalogue.blueprint(position));
    let in_code = blueprint.map(|blueprint| blueprint.name.as_str());
    let owners = blueprint.iter().flat_map(|blueprint| &blueprint.owners);
    Facts {
        names: [stack.id.as_str(), &stack.name].into_iter().chain(in_code).collect(),
        labels: catalogue.labels_of(position).collect(),
        space: stack.space.as_str(),
        repository: &stack.repository,
        branch: &stack.branch,
        path: &stack.project_root,
        owners: owners.map(String::as_str).collect(),
        status: standing.map(|(status, _)| *status),
        is_disabled: stack.disabled,
        is_rewritten: standing.is_some_and(|(_, from)| from.is_some()),
    }
}

/// Stacks whose code is gone.
pub async fn loose(pool: PgPool, body: Value) -> Result<Value, Problem> {
    let page = page(body)?;
    let limit = i64::try_from(page.limit()).unwrap_or(i64::MAX);
    let states = tables::states_of(&pool, register::Status::Loose, page.after.as_ref(), limit);
    Ok(plain(&states.await.map_err(unavailable)?))
}

/// A page of the graph: edges whose parents follow each other.
pub fn graph(shelf: &Shelf, body: Value) -> Result<Value, Problem> {
    let (page, snapshot) = (page(body)?, known(shelf)?);
    let (catalogue, graph) = (&snapshot.known.catalogue, &snapshot.known.graph);
    let stacks = catalogue.stacks();
    let limit = page.limit();
    let (mut edges, mut alone) = (Vec::new(), Vec::new());
    let mut position = page.begin(stacks);
    while position < stacks.len() && edges.len() + alone.len() < limit {
        if graph.children(position).next().is_none() && graph.parents(position).next().is_none() {
            alone.push(stacks[position].id.clone());
        }
        edges.extend(graph.children(position).map(|edge| PlannedEdge {
            parent: stacks[edge.parent].id.clone(),
            child: stacks[edge.child].id.clone(),
            origins: graph.origins(edge).clone(),
        }));
        position += 1;
    }
    let next = if position < stacks.len() { position.checked_sub(1) } else { None };
    let (version, as_of) = (catalogue.version(), snapshot.as_of);
    let next = next.map(|last| stacks[last].id.clone());
    Ok(plain(&GraphPage { version, as_of, edges, alone, next }))
}

/// How the catalogue stands.
pub async fn status(
    pool: PgPool,
    shelf: Arc<Shelf>,
    mirrors: Option<String>,
) -> Result<Value, Problem> {
    let head = tables::head(&pool).await.map_err(unavailable)?;
    let waiting = tables::waiting(&pool).await.map_err(unavailable)?;
    let known = shelf.snapshot().map(|snapshot| snapshot.known);
    let (catalogue, graph) =
        (known.as_ref().map(|known| &known.catalogue), known.as_ref().map(|known| &known.graph));
    let crossing: Vec<CrossingEdge> = known
        .as_ref()
        .map_or_else(Vec::new, |known| known.graph.crossing(&known.catalogue).collect());
    let circle = known.as_ref().and_then(|known| {
        let cycle = known.graph.cycle()?;
        Some(cycle.named((&known.catalogue, &known.graph)).to_string())
    });
    let told = |(repository, branch, faults): (String, String, Vec<String>)| {
        faults.into_iter().map(move |fault| format!("{repository} {branch}: {fault}"))
    };
    let code_faults = tables::faults(&pool).await.map_err(unavailable)?;
    let code_faults = code_faults.into_iter().flat_map(told).take(LISTED).collect();
    let loose = known.as_ref().map_or(&[][..], |known| known.graph.loose());
    let faults = known.as_ref().map_or(&[][..], |known| known.catalogue.faults());
    // The audit trail says that nothing else has changed since.
    let looked_at = head.trail.as_ref().and(head.trail_at).max(head.as_of);
    let status = Status {
        version: head.version,
        as_of: head.as_of,
        age_seconds: looked_at.map(|at| (Utc::now() - at).num_seconds()),
        trouble: head.trouble,
        stacks: known.as_ref().map_or(0, |known| known.catalogue.stacks().len()),
        edges: known.as_ref().map_or(0, |known| known.graph.edge_count()),
        loose_edges: loose.len(),
        loose: loose.iter().take(LISTED).cloned().collect(),
        crossing_edges: crossing.len(),
        crossing: crossing.into_iter().take(LISTED).collect(),
        overruled: graph.map_or(&[][..], Graph::overruled).iter().take(LISTED).cloned().collect(),
        circle,
        with_code: catalogue.map_or(0, Catalogue::made),
        unmade: catalogue.map_or_else(Vec::new, unmade),
        code_faults,
        faults: faults.len(),
        faulty: faults.iter().take(LISTED).cloned().collect(),
        waiting,
        mirrors,
        away: shelf.away(),
    };
    Ok(plain(&status))
}

fn unmade(catalogue: &Catalogue) -> Vec<String> {
    let told = |blueprint: &crate::blueprint::Blueprint| {
        let crate::blueprint::Blueprint { repository, branch, path, name, .. } = blueprint;
        format!("{name} ({repository} {branch} {path})")
    };
    catalogue.unmade().take(LISTED).map(told).collect()
}

impl Page {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT).clamp(1, LIMIT)
    }

    /// Where it begins.
    fn begin(&self, stacks: &[Stack]) -> usize {
        match &self.after {
            Some(after) => stacks.partition_point(|stack| stack.id <= *after),
            None => 0,
        }
    }
}

fn page(body: Value) -> Result<Page, Problem> {
    read_as("the question has `after`, `limit` and `query`", body)
}

/// What somebody asks for a stack that is not there is told.
pub(crate) fn no_stack(stack: &StackId) -> String {
    format!("the account has no stack {stack}, or our API key may not see it")
}

pub(crate) fn unavailable(error: sqlx::Error) -> Problem {
    Problem::unavailable(format!("the planner's database did not answer: {error}"))
}

pub(crate) fn known(shelf: &Shelf) -> Result<Snapshot, Problem> {
    shelf.snapshot().ok_or_else(|| {
        let text = "the Spacelift account was not read yet; `status` says why if it cannot be";
        Problem::new(ProblemKind::Unavailable, "not_known_yet", text)
    })
}

#[cfg(test)]
mod tests;
