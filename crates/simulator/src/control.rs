//! The other door: how tests set the scene, break things and read the ground truth.

mod http;
mod view;
mod webhooks;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    account::{Approvals, DependencySeed, OutputSeed, PlanResult, ResourceChange, StackSeed},
    engine::{Caller, Push},
    faults::{Fault, FaultView},
    journal::JournalEntry,
    pace::Pace,
    run::Refusal,
    settings::Settings,
    shared::Shared,
    stack::ConfigElement,
    world::World,
};

pub(crate) use http::routes;
pub use view::{RunView, StackView, TransitionView};

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// It does not exist, or it would contradict what exists.
    #[error("{0}")]
    Refused(String),
    /// What was waited for did not come; the newest line of the journal is given.
    #[error("waited {waited:?} in vain; the journal ends with {last}")]
    TimedOut {
        /// How long.
        waited: Duration,
        /// The newest line of the journal, as JSON.
        last: String,
    },
}

impl From<Refusal> for ControlError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.0)
    }
}

/// What is to change about a stack; what is not given stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StackPatch {
    /// What plans find from now on.
    pub plan: Option<PlanResult>,
    /// What the next tracked runs find, one each, before `plan` counts again.
    pub plan_once: Option<Vec<PlanResult>>,
    /// Whether a plan policy warns.
    pub plan_warning: Option<bool>,
    /// The stack's own pace.
    pub pace: Option<Pace>,
    /// Whether a clean plan is applied without confirmation.
    pub autodeploy: Option<bool>,
    /// How many approvals runs need.
    pub approvals: Option<Approvals>,
    /// What plans change, resource by resource.
    pub changes: Option<Vec<ResourceChange>>,
    /// What the log of a run that fails says.
    pub failure_log: Option<Vec<String>>,
    /// What the next apply publishes.
    pub outputs: Option<BTreeMap<String, OutputSeed>>,
    /// Free labels.
    pub labels: Option<Vec<String>>,
    /// What people read.
    pub name: Option<String>,
    /// The space it belongs to.
    pub space: Option<String>,
    /// The tracked branch.
    pub branch: Option<String>,
}

/// A handle on a running simulator.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Control").finish_non_exhaustive()
    }
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn act<T>(
        &self,
        change: impl FnOnce(&mut World) -> Result<T, Refusal>,
    ) -> Result<T, ControlError> {
        Ok(self.shared.act(change)?)
    }

    /// Every line of the journal after `number`, oldest first.
    pub fn journal(&self, number: u64) -> Vec<JournalEntry> {
        self.shared.read(|world| world.journal.after(number).to_vec())
    }

    /// How many requests came over GraphQL, by the first field each asked for; those that were
    /// refused or cut off count as well.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.shared.read(|world| world.calls.clone())
    }

    /// Forgets the journal; numbers go on rising.
    pub fn reset_journal(&self) {
        self.shared.act(|world| world.journal.reset());
    }

    /// Waits for the first line after `number` that `wanted` accepts.
    pub async fn wait_for_entry(
        &self,
        number: u64,
        patience: Duration,
        mut wanted: impl FnMut(&JournalEntry) -> bool,
    ) -> Result<JournalEntry, ControlError> {
        let mut numbers = self.shared.journal_numbers();
        let mut seen = number;
        let search = async {
            loop {
                numbers.mark_unchanged();
                for entry in self.journal(seen) {
                    seen = entry.number;
                    if wanted(&entry) {
                        return entry;
                    }
                }
                if numbers.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(patience, search).await.map_err(|_| {
            let last = self.shared.read(|world| world.journal.backwards().next().cloned());
            let last = serde_json::to_string(&last).unwrap_or_default();
            ControlError::TimedOut { waited: patience, last }
        })
    }

    /// Changes a stack.
    pub fn patch_stack(&self, stack: &str, patch: StackPatch) -> Result<(), ControlError> {
        self.act(|world| {
            let id = world.stack(stack)?.id.clone();
            let stack = world.stack_mut(stack)?;
            stack.plan_once.extend(patch.plan_once.into_iter().flatten());
            let seed = Arc::make_mut(&mut stack.seed);
            let behaviour = &mut seed.behaviour;
            replace(&mut behaviour.plan, patch.plan);
            replace(&mut behaviour.plan_warning, patch.plan_warning);
            replace(&mut behaviour.approvals, patch.approvals);
            replace(&mut behaviour.changes, patch.changes);
            replace(&mut behaviour.failure_log, patch.failure_log);
            behaviour.pace = patch.pace.or(behaviour.pace);
            replace(&mut seed.autodeploy, patch.autodeploy);
            replace(&mut seed.outputs, patch.outputs);
            replace(&mut seed.labels, patch.labels);
            replace(&mut seed.name, patch.name);
            replace(&mut seed.space, patch.space);
            replace(&mut seed.branch, patch.branch);
            world.agenda.add(world.now, crate::agenda::Job::Start { stack: id });
            Ok(())
        })
    }

    /// What plans of this stack find from now on.
    pub fn set_plan(&self, stack: &str, plan: PlanResult) -> Result<(), ControlError> {
        self.patch_stack(stack, StackPatch { plan: Some(plan), ..StackPatch::default() })
    }

    /// What the next tracked run of this stack finds.
    pub fn plan_once(&self, stack: &str, plan: PlanResult) -> Result<(), ControlError> {
        self.patch_stack(stack, StackPatch { plan_once: Some(vec![plan]), ..StackPatch::default() })
    }

    /// What plans of this stack change from now on, resource by resource; the counts stay those of
    /// [`Control::set_plan`].
    pub fn set_changes(
        &self,
        stack: &str,
        changes: Vec<ResourceChange>,
    ) -> Result<(), ControlError> {
        self.patch_stack(stack, StackPatch { changes: Some(changes), ..StackPatch::default() })
    }

    /// What the log of a run of this stack that fails says, line by line.
    pub fn set_failure_log(&self, stack: &str, lines: &[&str]) -> Result<(), ControlError> {
        let lines = lines.iter().map(|&line| line.to_owned()).collect();
        self.patch_stack(stack, StackPatch { failure_log: Some(lines), ..StackPatch::default() })
    }

    /// A person locks a stack.
    pub fn lock(&self, stack: &str, by: &str, note: &str) -> Result<(), ControlError> {
        self.act(|world| world.lock(stack, Some(note.to_owned()), &person(by)).map(drop))
    }

    /// The person who locked a stack takes the lock off again.
    pub fn unlock(&self, stack: &str, by: &str) -> Result<(), ControlError> {
        self.act(|world| world.unlock(stack, &person(by)).map(drop))
    }

    /// The stack's own pace.
    pub fn set_pace(&self, stack: &str, pace: Pace) -> Result<(), ControlError> {
        self.patch_stack(stack, StackPatch { pace: Some(pace), ..StackPatch::default() })
    }

    /// The pace of all stacks that have none of their own.
    pub fn set_account_pace(&self, pace: Pace) {
        self.shared.act(|world| world.pace = pace);
    }

    /// Whether a clean plan of this stack is applied without confirmation.
    pub fn set_autodeploy(&self, stack: &str, autodeploy: bool) -> Result<(), ControlError> {
        let autodeploy = Some(autodeploy);
        self.patch_stack(stack, StackPatch { autodeploy, ..StackPatch::default() })
    }

    /// How many approvals runs of this stack need.
    pub fn set_approvals(&self, stack: &str, approvals: Approvals) -> Result<(), ControlError> {
        let approvals = Some(approvals);
        self.patch_stack(stack, StackPatch { approvals, ..StackPatch::default() })
    }

    /// What the next apply of this stack publishes.
    pub fn set_outputs(
        &self,
        stack: &str,
        outputs: BTreeMap<String, OutputSeed>,
    ) -> Result<(), ControlError> {
        let outputs = Some(outputs);
        self.patch_stack(stack, StackPatch { outputs, ..StackPatch::default() })
    }

    /// Adds a stack.
    pub fn add_stack(&self, seed: StackSeed) -> Result<(), ControlError> {
        self.act(|world| world.add_stack(seed).map(drop))
    }

    /// Removes a stack with its runs.
    pub fn remove_stack(&self, stack: &str) -> Result<(), ControlError> {
        self.act(|world| world.remove_stack(stack).map(drop))
    }

    /// Gives the runs of a stack a variable in their environment.
    pub fn set_variable(
        &self,
        stack: &str,
        (name, value): (&str, &str),
        write_only: bool,
    ) -> Result<(), ControlError> {
        let element = ConfigElement { write_only, ..ConfigElement::variable(name, value) };
        self.act(|world| world.add_config(stack, element).map(drop))
    }

    /// Adds a native dependency and gives its id.
    pub fn add_dependency(&self, seed: DependencySeed) -> Result<String, ControlError> {
        self.act(|world| world.add_dependency(seed).map(|edge| edge.id.to_string()))
    }

    /// Removes a native dependency.
    pub fn remove_dependency(&self, id: &str) -> Result<(), ControlError> {
        self.act(|world| world.remove_dependency(id).map(drop))
    }

    /// Takes a run out of the account as if it had never been.
    pub fn delete_run(&self, run: &str) -> Result<(), ControlError> {
        self.act(|world| world.delete_run(run))
    }

    /// A run, with what GraphQL does not show.
    pub fn run(&self, run: &str) -> Option<RunView> {
        self.shared.read(|world| world.run(run).map(|run| RunView::from(&*run)))
    }

    /// The runs of a stack of all types, oldest first.
    pub fn runs(&self, stack: &str) -> Vec<RunView> {
        self.shared.read(|world| view::runs_of(world, stack))
    }

    /// A stack, with how its runs will go.
    pub fn stack(&self, stack: &str) -> Option<StackView> {
        self.shared.read(|world| world.stack(stack).ok().map(|found| StackView::new(world, &found)))
    }

    /// Moves a branch as a push would.
    pub fn push(&self, push: Push) -> Result<Vec<String>, ControlError> {
        let created = self.act(|world| world.push(push))?;
        Ok(created.into_iter().map(|run| run.to_string()).collect())
    }

    /// Lets something go wrong, and gives the id to take it back by.
    pub fn add_fault(&self, fault: Fault) -> u64 {
        self.shared.act(|world| world.faults.add(fault))
    }

    /// Takes a fault back; false if it was spent or never there.
    pub fn remove_fault(&self, id: u64) -> bool {
        self.shared.act(|world| world.faults.remove(id))
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.shared.act(|world| world.faults.clear());
    }

    /// The faults that are not spent.
    pub fn faults(&self) -> Vec<FaultView> {
        self.shared.read(|world| world.faults.list())
    }

    /// Makes every token worthless that was issued until now.
    pub fn expire_tokens(&self) {
        self.shared.auth.revoke_all();
    }

    /// Stops time: no run moves by itself.
    pub fn pause(&self) {
        self.shared.act(|world| world.clock.pause());
        self.shared.clock_changed();
    }

    /// Lets time run again.
    pub fn resume(&self) {
        self.shared.act(|world| world.clock.resume());
        self.shared.clock_changed();
    }

    /// Pushes time on and does what has become due, also while time is stopped.
    pub fn advance(&self, milliseconds: u64) {
        self.shared.act(|world| {
            world.clock.advance(milliseconds);
            world.work_off();
        });
        self.shared.clock_changed();
    }

    /// The switches of the account.
    pub fn settings(&self) -> Settings {
        self.shared.read(|world| world.settings)
    }

    /// Turns the switches of the account.
    pub fn set_settings(&self, settings: Settings) {
        self.shared.act(|world| world.settings = settings);
    }
}

fn replace<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn person(login: &str) -> Caller {
    Caller { actor: login.into(), metadata: None }
}
