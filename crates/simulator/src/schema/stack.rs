//! A stack as GraphQL shows it: its settings and its present state.

use std::sync::Arc;

use async_graphql::{Context, ID, MergedObject, Object, Result};

use super::{
    misc::Commit,
    scope::{caller, read, scope},
    stack_relations::StackRelations,
};
use crate::{stack::Stack, states::RunState, vendor::VendorConfig};

/// A stack as it was when it was asked for.
#[derive(MergedObject, Clone)]
#[graphql(name = "Stack")]
pub(crate) struct StackObject(StackSettings, StackHooks, StackStatus, StackRelations);

impl From<Arc<Stack>> for StackObject {
    fn from(stack: Arc<Stack>) -> Self {
        Self(
            StackSettings(stack.clone()),
            StackHooks(stack.clone()),
            StackStatus(stack.clone()),
            StackRelations(stack),
        )
    }
}

/// What was chosen for the stack.
#[derive(Clone)]
pub(crate) struct StackSettings(Arc<Stack>);

#[Object]
impl StackSettings {
    async fn id(&self) -> ID {
        ID::from(&*self.0.id)
    }

    async fn name(&self) -> &str {
        &self.0.seed.name
    }

    async fn description(&self) -> Option<&str> {
        self.0.seed.description.as_deref()
    }

    /// The id of the space; the space itself is `spaceDetails`.
    async fn space(&self) -> &str {
        &self.0.seed.space
    }

    async fn namespace(&self) -> &str {
        &self.0.seed.namespace
    }

    async fn repository(&self) -> &str {
        &self.0.seed.repository
    }

    #[graphql(name = "repositoryURL")]
    async fn repository_url(&self) -> Option<String> {
        let seed = &self.0.seed;
        Some(format!("https://github.com/{}/{}", seed.namespace, seed.repository))
    }

    async fn branch(&self) -> &str {
        &self.0.seed.branch
    }

    async fn provider(&self) -> &str {
        &self.0.seed.provider
    }

    async fn project_root(&self) -> Option<&str> {
        self.0.seed.project_root.as_deref()
    }

    async fn additional_project_globs(&self) -> &[String] {
        &self.0.seed.additional_project_globs
    }

    async fn labels(&self) -> &[String] {
        &self.0.seed.labels
    }

    async fn administrative(&self) -> bool {
        self.0.seed.administrative
    }

    async fn autodeploy(&self) -> bool {
        self.0.seed.autodeploy
    }

    async fn autoretry(&self) -> bool {
        self.0.seed.autoretry
    }

    async fn github_action_deploy(&self) -> bool {
        self.0.seed.github_action_deploy
    }

    async fn local_preview_enabled(&self) -> bool {
        self.0.seed.local_preview_enabled
    }

    async fn protect_from_deletion(&self) -> bool {
        self.0.seed.protect_from_deletion
    }

    async fn manages_state_file(&self) -> bool {
        self.0.seed.manages_state_file
    }

    async fn enable_sensitive_output_upload(&self) -> bool {
        self.0.seed.enable_sensitive_output_upload
    }

    async fn runner_image(&self) -> Option<&str> {
        self.0.seed.runner_image.as_deref()
    }

    async fn terraform_version(&self) -> Option<String> {
        self.0.seed.vendor.terraform_version()
    }

    async fn effective_terraform_version(&self) -> Option<String> {
        self.0.seed.vendor.terraform_version()
    }

    async fn vendor_config(&self) -> VendorConfig {
        self.0.seed.vendor.clone()
    }

    async fn created_at(&self) -> i64 {
        self.0.created_ms / 1_000
    }
}

/// The commands around the phases.
#[derive(Clone)]
pub(crate) struct StackHooks(Arc<Stack>);

impl StackHooks {
    fn of(&self, name: &str) -> &[String] {
        self.0.seed.hooks.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

#[Object]
impl StackHooks {
    async fn after_apply(&self) -> &[String] {
        self.of("afterApply")
    }

    async fn before_apply(&self) -> &[String] {
        self.of("beforeApply")
    }

    async fn after_init(&self) -> &[String] {
        self.of("afterInit")
    }

    async fn before_init(&self) -> &[String] {
        self.of("beforeInit")
    }

    async fn after_plan(&self) -> &[String] {
        self.of("afterPlan")
    }

    async fn before_plan(&self) -> &[String] {
        self.of("beforePlan")
    }

    async fn after_perform(&self) -> &[String] {
        self.of("afterPerform")
    }

    async fn before_perform(&self) -> &[String] {
        self.of("beforePerform")
    }

    async fn after_destroy(&self) -> &[String] {
        self.of("afterDestroy")
    }

    async fn before_destroy(&self) -> &[String] {
        self.of("beforeDestroy")
    }

    async fn after_run(&self) -> &[String] {
        self.of("afterRun")
    }
}

/// How the stack is now.
#[derive(Clone)]
pub(crate) struct StackStatus(Arc<Stack>);

#[Object]
impl StackStatus {
    /// The state of the most recent tracked run.
    async fn state(&self, context: &Context<'_>) -> Result<RunState> {
        if scope(context).visitor.machine {
            return Err("not available for machine sessions".into());
        }
        Ok(self.0.state)
    }

    async fn state_is_terminal(&self) -> bool {
        self.0.state.terminal()
    }

    async fn state_set_at(&self) -> i64 {
        self.0.state_set_ms / 1_000
    }

    async fn state_set_by(&self) -> Option<&str> {
        self.0.state_set_by.as_deref()
    }

    async fn last_apply_at(&self) -> Option<i64> {
        self.0.last_apply_ms.map(|at_ms| at_ms / 1_000)
    }

    async fn blocked(&self, context: &Context<'_>) -> Result<bool> {
        read(context, |world| world.lane(&self.0.id).is_some_and(|lane| lane.blocker.is_some()))
    }

    async fn entity_count(&self) -> usize {
        self.0.entities.len()
    }

    async fn needs_approval(&self, context: &Context<'_>) -> Result<bool> {
        read(context, |world| {
            let blocker = world.lane(&self.0.id).and_then(|lane| lane.blocker);
            blocker.and_then(|id| world.runs.get(&id)).is_some_and(|run| world.undecided(run))
        })
    }

    /// Drift detection needs schedules, which the simulator has none of.
    async fn is_drifted(&self) -> bool {
        false
    }

    async fn is_disabled(&self) -> bool {
        self.0.disabled
    }

    async fn deleted(&self, context: &Context<'_>) -> Result<bool> {
        read(context, |world| !world.stacks.contains_key(&self.0.id))
    }

    async fn deleting(&self) -> bool {
        self.0.deleting
    }

    async fn locked_at(&self) -> Option<i64> {
        self.0.lock.as_ref().map(|lock| lock.at_ms / 1_000)
    }

    async fn locked_by(&self) -> Option<&str> {
        self.0.lock.as_ref().map(|lock| &*lock.by)
    }

    async fn lock_note(&self) -> Option<&str> {
        self.0.lock.as_ref().and_then(|lock| lock.note.as_deref())
    }

    async fn starred(&self, context: &Context<'_>) -> Result<bool> {
        let actor = caller(context)?.actor.clone();
        read(context, |world| world.stars.contains(&(self.0.id.clone(), actor)))
    }

    /// Every caller here holds an administrative key.
    async fn can_write(&self) -> bool {
        true
    }

    async fn tracked_commit(&self) -> Option<Commit> {
        self.0.tracked.as_deref().map(Commit::from)
    }

    async fn tracked_commit_set_by(&self) -> Option<&str> {
        self.0.tracked_set_by.as_deref()
    }

    async fn tracked_branch_head(&self) -> Option<Commit> {
        self.0.head.as_deref().map(Commit::from)
    }
}
