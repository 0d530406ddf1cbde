//! The body of a run event, as Spacelift sends it.

use serde::Serialize;

use crate::{
    record::{Commit, Delta, Run},
    stack::Stack,
    world::World,
};

#[derive(Serialize)]
struct RunEvent<'a> {
    account: &'a str,
    state: &'a str,
    #[serde(rename = "stateVersion")]
    state_version: i32,
    timestamp: i64,
    timestamp_millis: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    event_source: &'a str,
    event_type: &'a str,
    run: RunPart<'a>,
    stack: StackPart<'a>,
    #[serde(rename = "workerPool", skip_serializing_if = "Option::is_none")]
    worker_pool: Option<PoolPart<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunPart<'a> {
    id: String,
    branch: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    commit: CommitPart<'a>,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<DeltaPart>,
    drift_detection: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    triggered_by: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'a str,
    url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CommitPart<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    author_login: Option<&'a str>,
    author_name: &'a str,
    hash: &'a str,
    message: &'a str,
    timestamp: i64,
    url: &'a str,
}

/// Other keys than in GraphQL, as in reality.
#[derive(Serialize)]
struct DeltaPart {
    added: u32,
    changed: u32,
    deleted: u32,
    resources: u32,
}

#[derive(Serialize)]
struct StackPart<'a> {
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    labels: &'a [String],
    repository: &'a str,
    url: String,
    vcs: &'a str,
}

#[derive(Serialize)]
struct PoolPart<'a> {
    id: &'a str,
    name: &'a str,
}

impl<'a> From<&'a Commit> for CommitPart<'a> {
    fn from(commit: &'a Commit) -> Self {
        Self {
            author_login: commit.author_login.as_deref(),
            author_name: &commit.author_name,
            hash: &commit.hash,
            message: &commit.message,
            timestamp: commit.timestamp,
            url: &commit.url,
        }
    }
}

impl From<Delta> for DeltaPart {
    fn from(delta: Delta) -> Self {
        Self {
            added: delta.add,
            changed: delta.change,
            deleted: delta.delete,
            resources: delta.resources,
        }
    }
}

/// The body that tells of the state the run is in now.
pub(super) fn run_event(world: &World, run: &Run, stack: &Stack, note: Option<&str>) -> Vec<u8> {
    let seed = &stack.seed;
    let pool = seed.worker_pool.as_ref().and_then(|id| world.pools.get(id));
    let stack_url = world.stack_url(&stack.id);
    let event = RunEvent {
        account: &world.account,
        state: run.state.as_str(),
        state_version: run.version,
        timestamp: run.updated_ms / 1_000,
        timestamp_millis: run.updated_ms,
        note,
        event_source: "simulator",
        event_type: "run_state_changed",
        run: RunPart {
            id: run.id.to_string(),
            branch: &run.branch,
            command: run.command.as_deref(),
            commit: CommitPart::from(&*run.commit),
            created_at: run.created_ms / 1_000,
            delta: run.delta.map(DeltaPart::from),
            drift_detection: false,
            triggered_by: run.triggered_by.as_deref(),
            kind: run.kind.as_str(),
            url: format!("{stack_url}/run/{}", run.id),
        },
        stack: StackPart {
            id: &stack.id,
            name: &seed.name,
            description: seed.description.as_deref(),
            labels: &seed.labels,
            repository: &seed.repository,
            url: stack_url,
            vcs: &seed.provider,
        },
        worker_pool: pool.map(|pool| PoolPart { id: &pool.id, name: &pool.name }),
    };
    serde_json::to_vec(&event).expect("the event has string keys and plain values")
}
