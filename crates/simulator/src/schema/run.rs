//! A run as GraphQL shows it.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};

use super::{misc::Commit, scope::read};
use crate::{
    logs,
    record::{self, Run},
    states::{RunState, RunType},
};

/// A run as it was when it was asked for.
#[derive(Clone)]
pub(crate) struct RunObject(pub(crate) Arc<Run>);

#[Object(name = "Run")]
impl RunObject {
    async fn id(&self) -> ID {
        ID::from(self.0.id.to_string())
    }

    #[graphql(name = "type")]
    async fn kind(&self) -> RunType {
        self.0.kind
    }

    async fn state(&self) -> RunState {
        self.0.state
    }

    async fn title(&self) -> String {
        self.0.title()
    }

    async fn branch(&self) -> Option<&str> {
        Some(&self.0.branch)
    }

    async fn command(&self) -> Option<&str> {
        self.0.command.as_deref()
    }

    async fn created_at(&self) -> i64 {
        self.0.created_ms / 1_000
    }

    async fn updated_at(&self) -> i64 {
        self.0.updated_ms / 1_000
    }

    /// Who started it; a push if nobody, the parent stack if a dependency did.
    async fn triggered_by(&self) -> Option<&str> {
        self.0.triggered_by.as_deref()
    }

    /// Whether its logs are gone; the simulator keeps them.
    async fn expired(&self) -> bool {
        false
    }

    async fn finished(&self) -> bool {
        self.0.finished()
    }

    async fn is_most_recent(&self, context: &Context<'_>) -> Result<bool> {
        read(context, |world| {
            world.lane(&self.0.stack).is_some_and(|lane| lane.runs.last() == Some(&self.0.id))
        })
    }

    async fn needs_approval(&self, context: &Context<'_>) -> Result<bool> {
        read(context, |world| world.undecided(&self.0))
    }

    async fn drift_detection(&self) -> bool {
        false
    }

    async fn can_retry(&self, context: &Context<'_>) -> Result<bool> {
        read(context, |world| world.can_retry(&self.0))
    }

    async fn can_confirm(&self, context: &Context<'_>) -> Result<bool> {
        read(context, |world| world.can_confirm(&self.0))
    }

    async fn commit(&self) -> Commit {
        Commit::from(&*self.0.commit)
    }

    /// Known once planning has ended.
    async fn delta(&self) -> Option<RunDelta> {
        self.0.delta.map(RunDelta::from)
    }

    async fn comments(&self) -> Vec<RunComment> {
        self.0.comments.iter().map(RunComment::from).collect()
    }

    /// Newest first.
    async fn history(&self) -> Vec<RunStateTransition> {
        self.0.history.iter().rev().map(RunStateTransition::from).collect()
    }

    async fn logs(
        &self,
        state: RunState,
        token: Option<String>,
        state_version: Option<i32>,
    ) -> Result<Option<RunLogs>> {
        let from = match token.as_deref().filter(|token| !token.is_empty()) {
            Some(token) => token.parse().map_err(|_| "invalid log token")?,
            None => 0,
        };
        Ok(Some(RunLogs::from(logs::page(&self.0, state, state_version, from))))
    }

    /// What the plan would do, by resource.
    #[graphql(name = "changesV3")]
    async fn changes(
        &self,
        #[graphql(name = "input")] _input: Option<RunChangesInput>,
    ) -> Vec<RunChanges> {
        vec![RunChanges { resources: changes_of(&self.0) }]
    }
}

/// There is nothing to choose yet; an input object must have a field, and Spacelift's are unknown.
#[derive(InputObject, Clone, Debug, Default)]
pub(crate) struct RunChangesInput {
    phase: Option<RunChangesPhase>,
}

/// Which changes are meant.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(rename_items = "SCREAMING_SNAKE_CASE")]
pub(crate) enum RunChangesPhase {
    Plan,
    Apply,
}

/// Changes of one kind of source.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct RunChanges {
    resources: Vec<RunChangesResource>,
}

/// One resource that changes.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct RunChangesResource {
    address: String,
    previous_address: String,
    metadata: RunChangesMetadata,
}

/// How it changes.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct RunChangesMetadata {
    #[graphql(name = "type")]
    kind: String,
}

fn changes_of(run: &Run) -> Vec<RunChangesResource> {
    let Some(delta) = run.delta else { return Vec::new() };
    if !run.changes.is_empty() {
        let shown = run.changes.iter().map(|change| RunChangesResource {
            address: change.address.clone(),
            previous_address: String::new(),
            metadata: RunChangesMetadata { kind: change.kind.clone() },
        });
        return shown.collect();
    }
    let kinds = [("add", delta.add), ("change", delta.change), ("delete", delta.delete)];
    kinds
        .into_iter()
        .flat_map(|(kind, count)| {
            (0..count).map(move |number| RunChangesResource {
                address: format!("terraform_data.{kind}-{number}"),
                previous_address: String::new(),
                metadata: RunChangesMetadata { kind: kind.into() },
            })
        })
        .collect()
}

/// One entry into a state.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct RunStateTransition {
    has_logs: bool,
    note: Option<String>,
    state: RunState,
    state_version: i32,
    terminal: bool,
    timestamp: i64,
    username: Option<String>,
}

impl From<&record::Transition> for RunStateTransition {
    fn from(transition: &record::Transition) -> Self {
        Self {
            has_logs: transition.state.has_logs(),
            note: transition.note.as_deref().map(Into::into),
            state: transition.state,
            state_version: transition.version,
            terminal: transition.state.terminal(),
            timestamp: transition.at_ms / 1_000,
            username: transition.username.as_deref().map(Into::into),
        }
    }
}

/// One page of the log of one phase.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct RunLogs {
    exists: bool,
    expired: bool,
    finished: bool,
    has_more: bool,
    messages: Vec<RunLogMessage>,
    next_token: Option<String>,
}

/// One line.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct RunLogMessage {
    message: String,
    timestamp: i64,
}

impl From<logs::Page> for RunLogs {
    fn from(page: logs::Page) -> Self {
        let messages = page.lines.into_iter();
        Self {
            exists: page.exists,
            expired: false,
            finished: page.finished,
            has_more: page.has_more,
            messages: messages
                .map(|line| RunLogMessage { message: line.text, timestamp: line.at_ms / 1_000 })
                .collect(),
            next_token: page.next.map(|next| next.to_string()),
        }
    }
}

/// What a plan adds, changes and deletes.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct RunDelta {
    add_count: u32,
    change_count: u32,
    delete_count: u32,
    import_count: Option<u32>,
    move_count: Option<u32>,
    forget_count: Option<u32>,
    resources: u32,
}

impl From<record::Delta> for RunDelta {
    fn from(delta: record::Delta) -> Self {
        Self {
            add_count: delta.add,
            change_count: delta.change,
            delete_count: delta.delete,
            import_count: Some(0),
            move_count: Some(0),
            forget_count: Some(0),
            resources: delta.resources,
        }
    }
}

/// What somebody wrote under a run.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct RunComment {
    body: String,
    created_at: i64,
    username: String,
}

impl From<&record::Comment> for RunComment {
    fn from(comment: &record::Comment) -> Self {
        Self {
            body: comment.body.clone(),
            created_at: comment.at_ms / 1_000,
            username: comment.username.to_string(),
        }
    }
}
