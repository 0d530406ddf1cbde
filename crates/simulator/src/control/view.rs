//! Runs and stacks with what GraphQL does not show.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::{
    account::{Behaviour, OutputSeed},
    record::Run,
    stack::Stack,
    states::{RunState, RunType},
    world::World,
};

/// One entry into a state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TransitionView {
    /// The state.
    pub state: RunState,
    /// Its version.
    pub state_version: i32,
    /// When, in unix milliseconds.
    pub at_ms: i64,
    /// Why, where there is something to say.
    pub note: Option<String>,
    /// Who, if somebody did.
    pub username: Option<String>,
}

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunView {
    /// ULID.
    pub id: String,
    /// Its stack.
    pub stack: String,
    /// Its type.
    pub run_type: RunType,
    /// Where it is.
    pub state: RunState,
    /// The version of that state.
    pub state_version: i32,
    /// Who started it; nobody means a push.
    pub triggered_by: Option<String>,
    /// The commit's hash.
    pub commit: String,
    /// What callers gave it to be known by, oldest first.
    pub metadata: Vec<String>,
    /// The environment it got from its parents' outputs and its caller.
    pub inputs: BTreeMap<String, String>,
    /// External dependencies it still waits for.
    pub external_dependencies: Vec<String>,
    /// Oldest first.
    pub history: Vec<TransitionView>,
}

impl From<&Run> for RunView {
    fn from(run: &Run) -> Self {
        let history = run.history.iter().map(|transition| TransitionView {
            state: transition.state,
            state_version: transition.version,
            at_ms: transition.at_ms,
            note: transition.note.as_deref().map(Into::into),
            username: transition.username.as_deref().map(Into::into),
        });
        Self {
            id: run.id.to_string(),
            stack: run.stack.to_string(),
            run_type: run.kind,
            state: run.state,
            state_version: run.version,
            triggered_by: run.triggered_by.as_deref().map(Into::into),
            commit: run.commit.hash.clone(),
            metadata: run.metadata.iter().map(ToString::to_string).collect(),
            inputs: run.inputs.clone(),
            external_dependencies: run.external.iter().cloned().collect(),
            history: history.collect(),
        }
    }
}

pub(super) fn runs_of(world: &World, stack: &str) -> Vec<RunView> {
    let Some(lane) = world.lane(stack) else { return Vec::new() };
    let mut ids: Vec<Ulid> =
        lane.runs.iter().chain(&lane.proposed).chain(&lane.tasks).copied().collect();
    ids.sort_unstable();
    ids.iter().filter_map(|id| world.runs.get(id)).map(|run| RunView::from(&**run)).collect()
}

/// A stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StackView {
    /// The slug.
    pub id: String,
    /// The state of its most recent tracked run.
    pub state: RunState,
    /// The run that holds it.
    pub blocker: Option<String>,
    /// Whether a clean plan is applied without confirmation.
    pub autodeploy: bool,
    /// How its runs go.
    pub behaviour: Behaviour,
    /// What the next apply publishes.
    pub outputs: BTreeMap<String, OutputSeed>,
    /// The commit it tracks.
    pub tracked_commit: Option<String>,
    /// How many resources it manages.
    pub resources: usize,
}

impl StackView {
    pub(super) fn new(world: &World, stack: &Stack) -> Self {
        let blocker = world.lane(&stack.id).and_then(|lane| lane.blocker);
        Self {
            id: stack.id.to_string(),
            state: stack.state,
            blocker: blocker.map(|run| run.to_string()),
            autodeploy: stack.seed.autodeploy,
            behaviour: stack.seed.behaviour.clone(),
            outputs: stack.seed.outputs.clone(),
            tracked_commit: stack.tracked.as_ref().map(|commit| commit.hash.clone()),
            resources: stack.entities.len(),
        }
    }
}
