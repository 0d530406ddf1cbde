//! Starting runs, and deciding about them.

use std::collections::BTreeMap;

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};

use super::{
    run::{RunComment, RunObject},
    scope::mutate,
};
use crate::{
    engine::{Target, Trigger},
    record::{self, RunReviewDecision},
    states::{ForceApplyMode, RunState, RunType},
};

/// What a run is given besides its stack's configuration.
#[derive(InputObject, Default)]
pub(crate) struct RuntimeConfigInput {
    yaml: Option<String>,
    environment: Option<Vec<EnvironmentVariable>>,
    project_root: Option<String>,
    runner_image: Option<String>,
    after_apply: Option<Vec<String>>,
    before_apply: Option<Vec<String>>,
    after_init: Option<Vec<String>>,
    before_init: Option<Vec<String>>,
    after_plan: Option<Vec<String>>,
    before_plan: Option<Vec<String>>,
    after_perform: Option<Vec<String>>,
    before_perform: Option<Vec<String>>,
    after_destroy: Option<Vec<String>>,
    before_destroy: Option<Vec<String>>,
    after_run: Option<Vec<String>>,
}

/// A variable for one run.
#[derive(InputObject)]
pub(crate) struct EnvironmentVariable {
    pub(super) key: String,
    pub(super) value: String,
}

pub(super) fn environment_of(
    variables: Option<Vec<EnvironmentVariable>>,
) -> BTreeMap<String, String> {
    variables.into_iter().flatten().map(|variable| (variable.key, variable.value)).collect()
}

fn target(stack: &ID, run: Option<ID>, note: Option<String>) -> Target {
    Target { stack: stack.to_string(), run: run.map(|run| run.to_string()), note }
}

/// What `runDiscardAll` did.
#[derive(SimpleObject)]
pub(crate) struct RunDiscardAll {
    discarded_runs: Vec<RunObject>,
    failed_discarding: Vec<String>,
}

/// What a reviewer said.
#[derive(SimpleObject)]
pub(crate) struct RunReview {
    id: ID,
    author: String,
    decision: RunReviewDecision,
    note: Option<String>,
    state: RunState,
    timestamp: i64,
}

impl From<record::Review> for RunReview {
    fn from(review: record::Review) -> Self {
        Self {
            id: ID::from(review.id.to_string()),
            author: review.author.to_string(),
            decision: review.decision,
            note: review.note,
            state: review.state,
            timestamp: review.at_ms / 1_000,
        }
    }
}

/// What became of an external dependency.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(rename_items = "SCREAMING_SNAKE_CASE")]
pub(crate) enum RunExternalDependencyStatus {
    Finished,
    Failed,
    Skipped,
}

/// Whether any run carried the name, and what it was marked as.
#[derive(SimpleObject)]
pub(crate) struct RunExternalDependencyResult {
    /// True if no run carried it.
    phantom: bool,
    status: RunExternalDependencyStatus,
}

#[derive(Default)]
pub(crate) struct RunMutation;

#[Object]
impl RunMutation {
    #[expect(clippy::too_many_arguments, reason = "the arguments are those of the GraphQL field")]
    async fn run_trigger(
        &self,
        context: &Context<'_>,
        stack: ID,
        commit_sha: Option<String>,
        run_type: Option<RunType>,
        runtime_config: Option<RuntimeConfigInput>,
        force_apply: Option<ForceApplyMode>,
    ) -> Result<RunObject> {
        let trigger = Trigger {
            stack: stack.to_string(),
            commit: commit_sha,
            kind: run_type,
            force_apply,
            environment: environment_of(runtime_config.and_then(|config| config.environment)),
        };
        mutate(context, |world, caller| world.trigger(trigger, caller)).map(RunObject)
    }

    async fn propose_with_overrides(
        &self,
        context: &Context<'_>,
        stack: ID,
        commit_sha: Option<String>,
        environment_vars_overrides: Option<Vec<EnvironmentVariable>>,
    ) -> Result<RunObject> {
        let trigger = Trigger {
            stack: stack.to_string(),
            commit: commit_sha,
            kind: Some(RunType::Proposed),
            force_apply: None,
            environment: environment_of(environment_vars_overrides),
        };
        mutate(context, |world, caller| world.trigger(trigger, caller)).map(RunObject)
    }

    async fn run_confirm(
        &self,
        context: &Context<'_>,
        stack: ID,
        run: Option<ID>,
        note: Option<String>,
    ) -> Result<RunObject> {
        let target = target(&stack, run, note);
        mutate(context, |world, caller| world.confirm(target, caller)).map(RunObject)
    }

    async fn run_discard(
        &self,
        context: &Context<'_>,
        stack: ID,
        run: Option<ID>,
        note: Option<String>,
    ) -> Result<RunObject> {
        let target = target(&stack, run, note);
        mutate(context, |world, caller| world.discard(target, caller)).map(RunObject)
    }

    async fn run_discard_all(
        &self,
        context: &Context<'_>,
        stack: ID,
        note: Option<String>,
    ) -> Result<RunDiscardAll> {
        let target = target(&stack, None, note);
        let (discarded, failed_discarding) =
            mutate(context, |world, caller| world.discard_all(target, caller))?;
        let discarded_runs = discarded.into_iter().map(RunObject).collect();
        Ok(RunDiscardAll { discarded_runs, failed_discarding })
    }

    async fn run_cancel(
        &self,
        context: &Context<'_>,
        stack: ID,
        run: ID,
        note: Option<String>,
    ) -> Result<RunObject> {
        let target = target(&stack, Some(run), note);
        mutate(context, |world, caller| world.cancel(target, caller)).map(RunObject)
    }

    async fn run_stop(
        &self,
        context: &Context<'_>,
        stack: ID,
        run: ID,
        note: Option<String>,
    ) -> Result<RunObject> {
        let target = target(&stack, Some(run), note);
        mutate(context, |world, caller| world.stop(target, caller)).map(RunObject)
    }

    async fn run_kill(
        &self,
        context: &Context<'_>,
        stack: ID,
        run: ID,
        note: Option<String>,
    ) -> Result<RunObject> {
        let target = target(&stack, Some(run), note);
        mutate(context, |world, caller| world.kill(target, caller)).map(RunObject)
    }

    async fn run_retry(&self, context: &Context<'_>, stack: ID, run: ID) -> Result<RunObject> {
        mutate(context, |world, caller| world.retry(&stack, &run, caller)).map(RunObject)
    }

    async fn run_promote(&self, context: &Context<'_>, stack: ID, run: ID) -> Result<RunObject> {
        mutate(context, |world, caller| world.promote(&stack, &run, caller)).map(RunObject)
    }

    async fn task_create(
        &self,
        context: &Context<'_>,
        stack: ID,
        command: String,
        skip_initialization: Option<bool>,
    ) -> Result<RunObject> {
        let skip = skip_initialization.unwrap_or(false);
        mutate(context, |world, caller| world.create_task(&stack, command, skip, caller))
            .map(RunObject)
    }
}

#[derive(Default)]
pub(crate) struct RunReviewMutation;

#[Object]
impl RunReviewMutation {
    #[expect(clippy::too_many_arguments, reason = "the arguments are those of the GraphQL field")]
    async fn run_review(
        &self,
        context: &Context<'_>,
        stack: ID,
        run: Option<ID>,
        decision: RunReviewDecision,
        note: Option<String>,
    ) -> Result<RunReview> {
        let target = target(&stack, run, note);
        mutate(context, |world, caller| world.review(target, decision, caller)).map(Into::into)
    }

    async fn run_comment(
        &self,
        context: &Context<'_>,
        stack: ID,
        run: ID,
        body: String,
    ) -> Result<RunComment> {
        let target = target(&stack, Some(run), None);
        let comment = mutate(context, |world, caller| world.comment(target, body, caller))?;
        Ok(RunComment::from(&comment))
    }

    async fn run_prioritize_set(
        &self,
        context: &Context<'_>,
        stack: ID,
        run: ID,
        prioritize: bool,
    ) -> Result<RunObject> {
        let target = target(&stack, Some(run), None);
        mutate(context, |world, _| world.prioritize(target, prioritize)).map(RunObject)
    }

    async fn run_targeted_replan(
        &self,
        context: &Context<'_>,
        stack: ID,
        run: ID,
        targets: Vec<String>,
    ) -> Result<RunObject> {
        let target = target(&stack, Some(run), None);
        mutate(context, |world, caller| world.replan(target, targets, caller)).map(RunObject)
    }

    async fn run_external_dependency_mark_as_completed(
        &self,
        context: &Context<'_>,
        dependency: ID,
        status: RunExternalDependencyStatus,
    ) -> Result<RunExternalDependencyResult> {
        let failed = status == RunExternalDependencyStatus::Failed;
        let phantom = mutate(context, |world, _| world.mark_external(&dependency, failed))?;
        Ok(RunExternalDependencyResult { phantom, status })
    }
}
