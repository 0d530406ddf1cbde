//! What changes something at Spacelift. Nothing here is ever repeated by the client.

use contracts::{CommitSha, RunId, StackId, run::RunType};
use graphql_client::GraphQLQuery;
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret;

use crate::{
    Client, Error, Override, RunFacts,
    answer::Nature,
    run::{
        CancelRun, ConfirmRun, DiscardRun, KillRun, Shown, StopRun, TriggerRun, cancel_run,
        confirm_run, discard_run, kill_run, stop_run, trigger_run,
    },
};

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/runs.graphql")]
struct LockStack;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/runs.graphql")]
struct UnlockStack;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "graphql/schema.graphql", query_path = "graphql/runs.graphql")]
struct RejectRun;

/// A run to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// On which stack.
    pub stack: StackId,
    /// For which commit; none for the one the stack tracks.
    pub commit: Option<CommitSha>,
    /// What kind of run.
    pub run_type: RunType,
    /// What Spacelift's policies see as the run's metadata, so that they can know our runs.
    pub mark: String,
}

impl Client {
    /// Starts a run. Spacelift has no key by which it would know a repetition: after
    /// [`Error::Uncertain`], look with [`Client::recent_runs`] and [`crate::look_for`].
    pub async fn trigger(&self, request: &Trigger) -> Result<RunFacts, Error> {
        self.trigger_with(request, &[]).await
    }

    /// The same, with variables for this run alone.
    pub async fn trigger_with(
        &self,
        request: &Trigger,
        overrides: &[Override],
    ) -> Result<RunFacts, Error> {
        let environment = overrides.iter().map(|it| trigger_run::EnvironmentVariable {
            key: it.name.clone(),
            value: it.value.expose_secret().to_owned(),
        });
        let environment = Some(environment.collect());
        let mark = mark(&request.mark)?;
        let variables = trigger_run::Variables {
            stack: request.stack.to_string(),
            commit_sha: request.commit.as_ref().map(ToString::to_string),
            run_type: Some(request.run_type.clone()),
            runtime_config: (!overrides.is_empty())
                .then_some(trigger_run::RuntimeConfigInput { environment }),
        };
        let data = self.change::<TriggerRun>(variables, Some(mark)).await?;
        self.outcome(data.run, &request.stack)
    }

    /// Lets an unconfirmed run apply.
    pub async fn confirm(
        &self,
        stack: &StackId,
        run: &RunId,
        note: &str,
        mark: &str,
    ) -> Result<RunFacts, Error> {
        let mark = self::mark(mark)?;
        let (stack_id, run, note) = words(stack, run, note);
        let variables = confirm_run::Variables { stack: stack_id, run, note };
        let data = self.change::<ConfirmRun>(variables, Some(mark)).await?;
        self.outcome(data.run, stack)
    }

    /// Ends a run that is queued, ready or unconfirmed.
    pub async fn discard(
        &self,
        stack: &StackId,
        run: &RunId,
        note: &str,
    ) -> Result<RunFacts, Error> {
        let (stack_id, run, note) = words(stack, run, note);
        let variables = discard_run::Variables { stack: stack_id, run, note };
        let data = self.change::<DiscardRun>(variables, None).await?;
        self.outcome(data.run, stack)
    }

    /// Ends a run that has not started.
    pub async fn cancel(
        &self,
        stack: &StackId,
        run: &RunId,
        note: &str,
    ) -> Result<RunFacts, Error> {
        let (stack_id, run, note) = words(stack, run, note);
        let variables = cancel_run::Variables { stack: stack_id, run, note };
        let data = self.change::<CancelRun>(variables, None).await?;
        self.outcome(data.run, stack)
    }

    /// Asks the worker to end a run that is at work; it may not heed.
    pub async fn stop(&self, stack: &StackId, run: &RunId, note: &str) -> Result<RunFacts, Error> {
        let (stack_id, run, note) = words(stack, run, note);
        let variables = stop_run::Variables { stack: stack_id, run, note };
        let data = self.change::<StopRun>(variables, None).await?;
        self.outcome(data.run, stack)
    }

    /// Ends a run whose worker did not heed a stop, without asking it.
    pub async fn kill(&self, stack: &StackId, run: &RunId, note: &str) -> Result<RunFacts, Error> {
        let (stack_id, run, note) = words(stack, run, note);
        let variables = kill_run::Variables { stack: stack_id, run, note };
        let data = self.change::<KillRun>(variables, None).await?;
        self.outcome(data.run, stack)
    }

    /// Rejects a run that waits for a review, which ends it unless its policies say otherwise.
    pub async fn reject(&self, stack: &StackId, run: &RunId, note: &str) -> Result<(), Error> {
        let (stack, run, note) = words(stack, run, note);
        let variables = reject_run::Variables { stack, run, note };
        let data = self.change::<RejectRun>(variables, None).await?;
        data.review.map(drop).ok_or_else(nothing)
    }

    /// Locks a stack: nobody else may start runs there. Whose lock it is afterwards tells
    /// [`Client::hold`], by the note.
    pub async fn lock(&self, stack: &StackId, note: &str) -> Result<(), Error> {
        let variables = lock_stack::Variables { stack: stack.to_string(), note: Some(note.into()) };
        let data = self.change::<LockStack>(variables, None).await?;
        data.stack.map(drop).ok_or_else(nothing)
    }

    /// Takes the lock off a stack, and as an administrator, whoever has taken it: look first.
    pub async fn unlock(&self, stack: &StackId) -> Result<(), Error> {
        let variables = unlock_stack::Variables { stack: stack.to_string() };
        let data = self.change::<UnlockStack>(variables, None).await?;
        data.stack.map(drop).ok_or_else(nothing)
    }

    fn outcome(&self, run: Option<impl Shown>, stack: &StackId) -> Result<RunFacts, Error> {
        let run = run.ok_or_else(nothing)?;
        run.facts(&self.inner.base, stack).map_err(|error| Nature::Change.garbled(error))
    }
}

fn nothing() -> Error {
    Nature::Change.garbled("neither what was changed nor an error")
}

fn words(stack: &StackId, run: &RunId, note: &str) -> (String, String, Option<String>) {
    (stack.to_string(), run.to_string(), (!note.is_empty()).then(|| note.to_owned()))
}

fn mark(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| Error::Refused {
        reason: format!("the mark {text:?} cannot be sent: it is not plain text of one line"),
    })
}
