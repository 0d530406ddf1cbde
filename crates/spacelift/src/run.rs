//! A run as Spacelift shows it.

use chrono::{DateTime, Utc};
use contracts::{
    CommitSha, RunId, StackId,
    run::{Delta, RunReported, RunState, RunType},
};
use graphql_client::GraphQLQuery;

use crate::error::Source;

/// A run as Spacelift shows it now.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFacts {
    /// The stack it belongs to.
    pub stack: StackId,
    /// Its id.
    pub run: RunId,
    /// What kind of run.
    pub run_type: RunType,
    /// The state it entered last.
    pub state: RunState,
    /// Numbers the states of one run, rising.
    pub state_version: i64,
    /// Whether it has ended, also in states this build does not know.
    pub finished: bool,
    /// Whether it has begun to apply, now or earlier.
    pub applied: bool,
    /// The commit it runs.
    pub commit: CommitSha,
    /// Our actor, a person's login, a policy or the parent stack; none for a push.
    pub triggered_by: Option<String>,
    /// When it was made, by Spacelift's clock, in whole seconds.
    pub created_at: DateTime<Utc>,
    /// When it went to work, by Spacelift's clock, in whole seconds; none as long as it queues for its
    /// stack, for what it depends on, or for a worker.
    pub began_at: Option<DateTime<Utc>>,
    /// When it entered its state, by Spacelift's clock, in whole seconds.
    pub entered_at: DateTime<Utc>,
    /// When it last changed, by Spacelift's clock, in whole seconds.
    pub updated_at: DateTime<Utc>,
    /// What its plan or apply touches; known after planning.
    pub delta: Option<Delta>,
    /// What Spacelift says about the state it entered last.
    pub note: Option<String>,
    /// Where a person can see it.
    pub url: String,
}

/// What a webhook would tell of it.
impl From<RunFacts> for RunReported {
    fn from(facts: RunFacts) -> Self {
        Self {
            stack: facts.stack,
            run: facts.run,
            run_type: facts.run_type,
            state: facts.state,
            state_version: facts.state_version,
            at: facts.entered_at,
            commit: facts.commit,
            triggered_by: facts.triggered_by,
            delta: facts.delta,
            note: facts.note,
            url: Some(facts.url),
        }
    }
}

/// A run in one of the derive's shapes: every document has its own, all of them alike.
pub(crate) trait Shown {
    fn facts(self, base: &str, stack: &StackId) -> Result<RunFacts, Source>;
}

macro_rules! run_documents {
    ($($document:ident in $module:ident,)*) => {$(
        #[derive(GraphQLQuery)]
        #[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/runs.graphql")]
        pub(crate) struct $document;

        impl Shown for $module::RunFields {
            fn facts(self, base: &str, stack: &StackId) -> Result<RunFacts, Source> {
                let applied = self.history.iter().any(|it| it.state.is_applying());
                let works = self.history.iter().filter(|it| !waits_to_begin(&it.state));
                let began_at = works.map(|it| it.timestamp).min();
                // The order of the history is Spacelift's habit; its numbers are the promise.
                let newest = self.history.into_iter().max_by_key(|it| it.state_version);
                let entered_at = newest.as_ref().map_or(self.created_at, |it| it.timestamp);
                let updated_at = self.updated_at.unwrap_or(self.created_at).max(entered_at);
                let (state, state_version, note) = match newest {
                    // State and number must be of one moment, so both are of the history.
                    Some(newest) => (newest.state, newest.state_version, newest.note),
                    None => (self.state, 0, None),
                };
                Ok(RunFacts {
                    url: format!("{base}/stack/{stack}/run/{}", self.id),
                    stack: stack.clone(),
                    run: self.id.into(),
                    run_type: self.type_,
                    state,
                    state_version,
                    finished: self.finished,
                    applied,
                    commit: self.commit.hash.into(),
                    triggered_by: self.triggered_by.filter(|by| !by.is_empty()),
                    created_at: time(self.created_at)?,
                    began_at: began_at.map(time).transpose()?,
                    entered_at: time(entered_at)?,
                    updated_at: time(updated_at)?,
                    delta: self.delta.map(|delta| Delta {
                        added: delta.add_count.unwrap_or(0),
                        changed: delta.change_count.unwrap_or(0),
                        deleted: delta.delete_count.unwrap_or(0),
                    }),
                    note: note.filter(|note| !note.is_empty()),
                })
            }
        }
    )*};
}

run_documents! {
    GetRun in get_run,
    GetPlan in get_plan,
    ListRuns in list_runs,
    TriggerRun in trigger_run,
    ConfirmRun in confirm_run,
    DiscardRun in discard_run,
    CancelRun in cancel_run,
    StopRun in stop_run,
    KillRun in kill_run,
}

/// Whether a run in this state has read nothing yet of what others left.
fn waits_to_begin(state: &RunState) -> bool {
    matches!(state, RunState::Queued | RunState::Ready)
}

fn time(seconds: i64) -> Result<DateTime<Utc>, Source> {
    DateTime::from_timestamp(seconds, 0).ok_or_else(|| format!("{seconds} is not a time").into())
}
