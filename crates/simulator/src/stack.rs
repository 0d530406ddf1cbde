//! What is kept of one stack, and of the runs on it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use ulid::Ulid;

use crate::{
    account::{PlanResult, StackSeed},
    record::Commit,
    states::{RunState, RunType},
};

/// Who keeps others from running the stack.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    pub(crate) by: Arc<str>,
    pub(crate) at_ms: i64,
    pub(crate) note: Option<String>,
}

/// An output as the last apply published it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) value: String,
    pub(crate) sensitive: bool,
    pub(crate) description: Option<String>,
}

/// A resource the stack manages.
#[derive(Clone, Debug)]
pub(crate) struct Entity {
    pub(crate) id: Ulid,
    pub(crate) name: String,
    pub(crate) creator: Option<Ulid>,
    pub(crate) updater: Option<Ulid>,
}

/// An environment variable or a mounted file.
#[derive(Clone, Debug)]
pub(crate) struct ConfigElement {
    pub(crate) id: String,
    pub(crate) kind: ConfigType,
    pub(crate) value: String,
    pub(crate) write_only: bool,
    pub(crate) description: Option<String>,
    pub(crate) created_ms: i64,
}

impl ConfigElement {
    /// A variable that everybody may read.
    pub(crate) fn variable(name: &str, value: &str) -> Self {
        Self {
            id: name.into(),
            kind: ConfigType::EnvironmentVariable,
            value: value.into(),
            write_only: false,
            description: None,
            created_ms: 0,
        }
    }
}

/// What a configuration element becomes in a run.
#[derive(async_graphql::Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(rename_items = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ConfigType {
    EnvironmentVariable,
    FileMount,
}

/// One stack.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    pub(crate) id: Arc<str>,
    pub(crate) branch: Arc<str>,
    pub(crate) seed: Arc<StackSeed>,
    pub(crate) created_ms: i64,
    pub(crate) state: RunState,
    pub(crate) state_set_ms: i64,
    pub(crate) state_set_by: Option<Arc<str>>,
    pub(crate) tracked: Option<Arc<Commit>>,
    pub(crate) tracked_set_by: Option<Arc<str>>,
    pub(crate) head: Option<Arc<Commit>>,
    pub(crate) lock: Option<Lock>,
    pub(crate) disabled: bool,
    /// Waits for a destroy run to end, and then goes.
    pub(crate) deleting: bool,
    pub(crate) last_apply_ms: Option<i64>,
    pub(crate) outputs: Arc<BTreeMap<String, Published>>,
    pub(crate) entities: Arc<Vec<Entity>>,
    pub(crate) config: Arc<BTreeMap<String, ConfigElement>>,
    /// What the next tracked runs find, one each, before the stack's usual result counts again.
    pub(crate) plan_once: VecDeque<PlanResult>,
}

impl Stack {
    pub(crate) fn autodeploys(&self) -> bool {
        self.seed.autodeploy && self.lock.is_none()
    }
}

/// The runs of one stack, by the list they are shown in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane {
    /// Tracked and destroy runs, oldest first.
    pub(crate) runs: Vec<Ulid>,
    pub(crate) proposed: Vec<Ulid>,
    pub(crate) tasks: Vec<Ulid>,
    /// Blocking runs that are `QUEUED`.
    pub(crate) waiting: BTreeSet<Ulid>,
    /// Proposed runs that are `QUEUED`.
    pub(crate) waiting_proposed: BTreeSet<Ulid>,
    /// Those of the waiting blocking runs that go first.
    pub(crate) prioritized: BTreeSet<Ulid>,
    /// The run that holds the stack.
    pub(crate) blocker: Option<Ulid>,
}

impl Lane {
    pub(crate) fn list_of(&mut self, kind: RunType) -> &mut Vec<Ulid> {
        match kind {
            RunType::Proposed => &mut self.proposed,
            RunType::Task => &mut self.tasks,
            _ => &mut self.runs,
        }
    }

    pub(crate) fn waiting_of(&mut self, kind: RunType) -> &mut BTreeSet<Ulid> {
        if kind.blocking() { &mut self.waiting } else { &mut self.waiting_proposed }
    }
}

/// A page of at most fifty runs older than `before`, newest first.
pub(crate) fn page_before(list: &[Ulid], before: Option<Ulid>) -> impl Iterator<Item = Ulid> + '_ {
    let end = before.map_or(list.len(), |before| list.partition_point(|id| *id < before));
    list[..end].iter().rev().take(crate::PAGE).copied()
}
