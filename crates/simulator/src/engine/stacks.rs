//! What callers do to stacks.

use std::sync::Arc;

use ulid::Ulid;

use crate::{
    account::StackSeed,
    engine::Caller,
    run::Refusal,
    stack::{ConfigElement, Lock, Stack},
    states::RunType,
    world::World,
};

impl World {
    /// `stackLock`.
    pub(crate) fn lock(
        &mut self,
        id: &str,
        note: Option<String>,
        caller: &Caller,
    ) -> Result<Arc<Stack>, Refusal> {
        let at_ms = self.now;
        let stack = self.stack_mut(id)?;
        if let Some(lock) = &stack.lock {
            return Err(Refusal::new(format!("stack {id} is already locked by {}", lock.by)));
        }
        stack.lock = Some(Lock { by: caller.actor.clone(), at_ms, note });
        self.stack(id)
    }

    /// `stackUnlock`.
    pub(crate) fn unlock(&mut self, id: &str, caller: &Caller) -> Result<Arc<Stack>, Refusal> {
        let stack = self.stack_mut(id)?;
        match &stack.lock {
            None => Err(Refusal::new(format!("stack {id} is not locked"))),
            Some(lock) if lock.by != caller.actor => {
                Err(Refusal::new(format!("stack {id} is locked by {}", lock.by)))
            }
            Some(_) => {
                stack.lock = None;
                self.stack(id)
            }
        }
    }

    /// `stackEnable` and `stackDisable`.
    pub(crate) fn set_disabled(&mut self, id: &str, to: bool) -> Result<Arc<Stack>, Refusal> {
        self.stack_mut(id)?.disabled = to;
        self.stack(id)
    }

    /// `stackSyncCommit`: track the head of the branch.
    pub(crate) fn sync_commit(&mut self, id: &str, caller: &Caller) -> Result<Arc<Stack>, Refusal> {
        let stack = self.stack_mut(id)?;
        stack.tracked = stack.head.clone();
        stack.tracked_set_by = Some(caller.actor.clone());
        self.stack(id)
    }

    /// `stackSetCurrentCommit`.
    pub(crate) fn set_commit(
        &mut self,
        id: &str,
        hash: &str,
        caller: &Caller,
    ) -> Result<Arc<Stack>, Refusal> {
        let stack = self.stack(id)?;
        let commit = self.commit(&stack, hash)?;
        let stack = self.stack_mut(id)?;
        stack.tracked = Some(commit);
        stack.tracked_set_by = Some(caller.actor.clone());
        self.stack(id)
    }

    /// `stackConfigAdd`.
    pub(crate) fn add_config(
        &mut self,
        id: &str,
        element: ConfigElement,
    ) -> Result<ConfigElement, Refusal> {
        let stack = self.stack_mut(id)?;
        Arc::make_mut(&mut stack.config).insert(element.id.clone(), element.clone());
        Ok(element)
    }

    /// `stackConfigDelete`.
    pub(crate) fn delete_config(
        &mut self,
        id: &str,
        element: &str,
    ) -> Result<Option<ConfigElement>, Refusal> {
        Ok(Arc::make_mut(&mut self.stack_mut(id)?.config).remove(element))
    }

    /// `starSet`.
    pub(crate) fn star(
        &mut self,
        id: &str,
        star: bool,
        caller: &Caller,
    ) -> Result<Arc<Stack>, Refusal> {
        let stack = self.stack(id)?;
        let key = (stack.id.clone(), caller.actor.clone());
        if star {
            self.stars.insert(key);
        } else {
            self.stars.remove(&key);
        }
        Ok(stack)
    }

    /// `stackDelete`: at once, or after a run that destroys what the stack manages.
    pub(crate) fn delete_stack(
        &mut self,
        id: &str,
        destroy: bool,
        caller: &Caller,
    ) -> Result<Arc<Stack>, Refusal> {
        let stack = self.stack(id)?;
        if stack.seed.protect_from_deletion {
            return Err(Refusal::new("stack is protected from deletion"));
        }
        if !destroy {
            return self.remove_stack(id);
        }
        self.refuse_if_depended_on(id)?;
        let stack = self.runnable(id, caller)?;
        let commit = stack.tracked.clone().or_else(|| stack.head.clone()).unwrap_or_default();
        let new = self.plain_run(&stack, RunType::Destroy, commit, caller);
        self.create_run(new);
        self.stack_mut(id)?.deleting = true;
        self.stack(id)
    }

    fn refuse_if_depended_on(&self, id: &str) -> Result<(), Refusal> {
        if self.graph.below(id).next().is_some() {
            return Err(Refusal::new(
                "can't delete stack when it has dependencies; please delete them first",
            ));
        }
        Ok(())
    }

    /// Removes a stack with its runs and the edges above it.
    pub(crate) fn remove_stack(&mut self, id: &str) -> Result<Arc<Stack>, Refusal> {
        let stack = self.stack(id)?;
        self.refuse_if_depended_on(id)?;
        let edges: Vec<Arc<str>> = self.graph.above(id).map(|edge| edge.id.clone()).collect();
        for edge in edges {
            self.graph.remove(&edge);
        }
        let lane = self.lanes.get(id).cloned().unwrap_or_default();
        let runs: Vec<Ulid> =
            lane.runs.into_iter().chain(lane.proposed).chain(lane.tasks).collect();
        for run in runs {
            self.delete_run(&run.to_string())?;
        }
        self.lanes.remove(id);
        self.stacks.remove(id);
        Ok(stack)
    }

    /// `blueprintCreateStack`: a stack from a template, named by one of the inputs.
    pub(crate) fn create_from_blueprint(
        &mut self,
        blueprint: &str,
        inputs: &[(String, String)],
    ) -> Result<Arc<Stack>, Refusal> {
        let found = self.blueprints.get(blueprint).cloned();
        let blueprint =
            found.ok_or_else(|| Refusal::new(format!("blueprint {blueprint} not found")))?;
        let name = inputs.iter().find(|(id, _)| *id == blueprint.name_input).map(|(_, v)| v);
        let name = name.filter(|name| !name.trim().is_empty()).ok_or_else(|| {
            Refusal::new(format!("template input {} is missing", blueprint.name_input))
        })?;
        let id = name.trim().to_lowercase().replace([' ', '/', '_'], "-");
        self.add_stack(StackSeed { id, name: name.clone(), ..blueprint.stack })
    }

    /// `runProposeLocalWorkspace`: plans what was uploaded from a desk.
    pub(crate) fn propose_workspace(
        &mut self,
        stack: &str,
        workspace: &str,
        environment: std::collections::BTreeMap<String, String>,
        caller: &Caller,
    ) -> Result<Arc<crate::record::Run>, Refusal> {
        let stack = self.runnable(stack, caller)?;
        if !stack.seed.local_preview_enabled {
            return Err(Refusal::new("local preview is not enabled on this stack"));
        }
        let known = self.workspaces.get(workspace).is_some_and(|owner| *owner == stack.id);
        if !known {
            return Err(Refusal::new(format!("workspace {workspace} not found")));
        }
        if !self.blobs.contains_key(workspace) {
            return Err(Refusal::new(format!("workspace {workspace} has not been uploaded")));
        }
        let commit = stack.tracked.clone().or_else(|| stack.head.clone()).unwrap_or_default();
        let mut new = self.plain_run(&stack, RunType::Proposed, commit, caller);
        new.environment = environment;
        Ok(self.create_run(new))
    }
}
