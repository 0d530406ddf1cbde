//! Starting runs because a caller asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    engine::{Caller, NewRun},
    record::{Commit, Run},
    run::Refusal,
    stack::Stack,
    states::{ForceApplyMode, RunState, RunType},
    world::World,
};

/// What `runTrigger` is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trigger {
    pub(crate) stack: String,
    pub(crate) commit: Option<String>,
    pub(crate) kind: Option<RunType>,
    pub(crate) force_apply: Option<ForceApplyMode>,
    pub(crate) environment: BTreeMap<String, String>,
}

impl World {
    /// `runTrigger`.
    pub(crate) fn trigger(&mut self, ask: Trigger, caller: &Caller) -> Result<Arc<Run>, Refusal> {
        let kind = ask.kind.unwrap_or(RunType::Tracked);
        match kind {
            RunType::Tracked | RunType::Proposed | RunType::Destroy => {}
            RunType::Task => return Err(Refusal::new("tasks are created with taskCreate")),
            RunType::Testing | RunType::Parse => {
                return Err(Refusal::new(format!("cannot trigger a {} run", kind.as_str())));
            }
        }
        let stack = self.runnable(&ask.stack, caller)?;
        let commit = match &ask.commit {
            Some(hash) => self.commit(&stack, hash)?,
            None => self.usual_commit(&stack)?,
        };
        if kind == RunType::Tracked && stack.tracked.is_none() {
            self.track(&stack.id, &commit, caller)?;
        }
        let mut new = self.plain_run(&stack, kind, commit, caller);
        new.force_apply = ask.force_apply.is_some();
        new.cascade = ask.force_apply == Some(ForceApplyMode::Cascade);
        new.environment = ask.environment;
        if kind == RunType::Tracked {
            let created = self.create_pass(vec![new]);
            return Ok(self.runs[&created[0]].clone());
        }
        Ok(self.create_run(new))
    }

    /// `taskCreate`.
    pub(crate) fn create_task(
        &mut self,
        stack: &str,
        command: String,
        skip_initialization: bool,
        caller: &Caller,
    ) -> Result<Arc<Run>, Refusal> {
        let stack = self.runnable(stack, caller)?;
        if command.trim().is_empty() {
            return Err(Refusal::new("a task needs a command"));
        }
        let commit = self.usual_commit(&stack)?;
        let mut new = self.plain_run(&stack, RunType::Task, commit, caller);
        new.command = Some(command);
        new.skip_initialization = skip_initialization;
        Ok(self.create_run(new))
    }

    /// `runRetry`: the same again. What depends on the stack is not started anew.
    pub(crate) fn retry(
        &mut self,
        stack: &str,
        run: &str,
        caller: &Caller,
    ) -> Result<Arc<Run>, Refusal> {
        let old = self.run_of(stack, run)?;
        if !self.can_retry(&old) {
            let reason = format!("run in state {} cannot be retried", old.state);
            return Err(Refusal::new(reason));
        }
        let stack = self.runnable(stack, caller)?;
        let mut new = self.plain_run(&stack, old.kind, old.commit.clone(), caller);
        new.branch = old.branch.clone();
        new.command.clone_from(&old.command);
        new.skip_initialization = old.skip_initialization;
        Ok(self.create_run(new))
    }

    pub(crate) fn can_retry(&self, run: &Run) -> bool {
        match run.kind {
            RunType::Proposed => run.finished(),
            _ => matches!(run.state, RunState::Failed | RunState::Stopped),
        }
    }

    /// `runPromote`: a proposed run's commit becomes a tracked run.
    pub(crate) fn promote(
        &mut self,
        stack: &str,
        run: &str,
        caller: &Caller,
    ) -> Result<Arc<Run>, Refusal> {
        let old = self.run_of(stack, run)?;
        let stack = self.runnable(stack, caller)?;
        if old.kind != RunType::Proposed {
            return Err(Refusal::new("only proposed runs can be promoted"));
        }
        if !stack.seed.github_action_deploy {
            return Err(Refusal::new("run promotion is not allowed on this stack"));
        }
        let new = self.plain_run(&stack, RunType::Tracked, old.commit.clone(), caller);
        let created = self.create_pass(vec![new]);
        Ok(self.runs[&created[0]].clone())
    }

    /// A stack on which the caller may start something now.
    pub(super) fn runnable(&self, stack: &str, caller: &Caller) -> Result<Arc<Stack>, Refusal> {
        let stack = self.stack(stack)?;
        if stack.disabled {
            return Err(Refusal::new(format!("stack {} is disabled", stack.id)));
        }
        match &stack.lock {
            Some(lock) if lock.by != caller.actor => {
                Err(Refusal::new(format!("stack {} is locked by {}", stack.id, lock.by)))
            }
            _ => Ok(stack),
        }
    }

    fn usual_commit(&self, stack: &Stack) -> Result<Arc<Commit>, Refusal> {
        let commit = stack.tracked.clone().or_else(|| stack.head.clone());
        commit.ok_or_else(|| Refusal::new(format!("stack {} has no commit to run", stack.id)))
    }

    fn track(&mut self, id: &str, commit: &Arc<Commit>, caller: &Caller) -> Result<(), Refusal> {
        let stack = self.stack_mut(id)?;
        stack.tracked = Some(commit.clone());
        stack.tracked_set_by = Some(caller.actor.clone());
        Ok(())
    }

    pub(super) fn plain_run(
        &self,
        stack: &Stack,
        kind: RunType,
        commit: Arc<Commit>,
        caller: &Caller,
    ) -> NewRun {
        NewRun {
            stack: stack.id.clone(),
            kind,
            branch: stack.branch.clone(),
            commit,
            triggered_by: Some(caller.actor.clone()),
            command: None,
            skip_initialization: false,
            force_apply: false,
            cascade: false,
            metadata: caller.metadata.clone(),
            external: BTreeSet::new(),
            environment: BTreeMap::new(),
            pass: None,
            awaits_parents: false,
        }
    }
}
