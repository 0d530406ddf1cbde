//! What entering a state does besides: the plan's result, resources, outputs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ulid::Ulid;

use crate::{
    account::{PlanResult, StackSeed},
    agenda::Job,
    record::Delta,
    run::Refusal,
    stack::Published,
    states::{RunState, RunType},
    world::World,
};

/// The kernel's limit for one environment variable.
const INPUT_BYTES_MAX: usize = 128 * 1024;

impl World {
    /// The result becomes known when the work that finds it ends, so that it can be changed until
    /// then.
    pub(super) fn bind_outcome(&mut self, id: Ulid) {
        let Some(run) = self.runs.get(&id) else { return };
        if run.outcome.is_some() && run.targets.is_empty() {
            return;
        }
        let (stack, kind) = (run.stack.clone(), run.kind);
        let Some(stack) = self.stacks.get_mut(&stack) else { return };
        let once = (kind == RunType::Tracked && !stack.plan_once.is_empty())
            .then(|| Arc::make_mut(stack).plan_once.pop_front())
            .flatten();
        let outcome = once.unwrap_or_else(|| stack.seed.behaviour.plan.clone());
        let changes = stack.seed.behaviour.changes.clone();
        let failure_log = stack.seed.behaviour.failure_log.clone();
        let before = u32::try_from(stack.entities.len()).unwrap_or(u32::MAX);
        if let Some(run) = self.runs.get_mut(&id).map(Arc::make_mut) {
            if matches!(kind, RunType::Tracked | RunType::Proposed) {
                run.changes = changes;
                run.delta = outcome.counts().map(|counts| delta(counts, before));
            }
            run.failure_log = failure_log;
            run.outcome = Some(outcome);
        }
    }

    pub(super) fn apply_effects(&mut self, id: Ulid, from: Option<RunState>, to: RunState) {
        match (from, to) {
            (Some(RunState::Applying), RunState::Finished) => self.applied(id),
            (Some(RunState::Destroying), RunState::Finished) => self.destroyed(id),
            _ => {}
        }
    }

    fn applied(&mut self, id: Ulid) {
        let Some(run) = self.runs.get(&id).cloned() else { return };
        let counts = run.outcome.as_ref().and_then(PlanResult::counts).unwrap_or_default();
        let Some(stack) = self.stacks.get(&run.stack).cloned() else { return };
        let mut entities = (*stack.entities).clone();
        for entity in entities.iter_mut().take(counts.1 as usize) {
            entity.updater = Some(id);
        }
        entities.truncate(entities.len().saturating_sub(counts.2 as usize));
        let existing = u32::try_from(entities.len()).unwrap_or(u32::MAX);
        for number in existing..existing.saturating_add(counts.0) {
            entities.push(self.new_entity(number, Some(id)));
        }
        let outputs = published(&stack.seed, &id.to_string(), &run.commit.hash);
        let changed: BTreeSet<String> = outputs
            .iter()
            .filter(|(name, output)| stack.outputs.get(*name) != Some(output))
            .map(|(name, _)| name.clone())
            .collect();
        let now = self.now;
        if let Some(stack) = self.stacks.get_mut(&run.stack).map(Arc::make_mut) {
            stack.entities = Arc::new(entities);
            stack.outputs = Arc::new(outputs);
            stack.last_apply_ms = Some(now);
        }
        drop(run);
        if let Some(run) = self.runs.get_mut(&id).map(Arc::make_mut) {
            run.changed_outputs = changed;
        }
    }

    fn destroyed(&mut self, id: Ulid) {
        let Some(stack) = self.runs.get(&id).map(|run| run.stack.clone()) else { return };
        if let Some(stack) = self.stacks.get_mut(&stack).map(Arc::make_mut) {
            stack.entities = Arc::default();
            stack.outputs = Arc::default();
            if stack.deleting {
                self.agenda.add(self.now, Job::Remove { stack: stack.id.clone() });
            }
        }
    }

    /// Hands the run to a worker: collects its inputs from the parents' outputs.
    pub(super) fn assign(&mut self, id: Ulid) -> Result<(), Refusal> {
        let Some(run) = self.runs.get(&id).cloned() else { return Ok(()) };
        let mut inputs = BTreeMap::new();
        let mut missing = Vec::new();
        for edge in self.graph.above(&run.stack) {
            let Some(parent) = self.stacks.get(&edge.parent) else { continue };
            for reference in &edge.references {
                let output = parent.outputs.get(&reference.output);
                let travels =
                    |o: &&Published| !o.sensitive || parent.seed.enable_sensitive_output_upload;
                match output.filter(travels) {
                    Some(output) => {
                        inputs.insert(reference.input.clone(), output.value.clone());
                    }
                    None => missing.push(format!(
                        "{}.{} => {}",
                        parent.seed.name, reference.output, reference.input
                    )),
                }
            }
        }
        let lenient = run.lenient_inputs || run.kind != RunType::Tracked;
        if !missing.is_empty() && !lenient {
            let missing = missing.join(", ");
            return Err(Refusal::new(format!(
                "job assignment failed: the following inputs are missing: {missing}"
            )));
        }
        if let Some((name, _)) = inputs.iter().find(|(_, value)| value.len() > INPUT_BYTES_MAX) {
            return Err(Refusal::new(format!(
                "job assignment failed: environment variable {name} is larger than 128 kB"
            )));
        }
        drop(run);
        if !inputs.is_empty()
            && let Some(run) = self.runs.get_mut(&id).map(Arc::make_mut)
        {
            inputs.append(&mut run.inputs);
            run.inputs = inputs;
        }
        Ok(())
    }
}

fn delta((add, change, delete): (u32, u32, u32), before: u32) -> Delta {
    Delta { add, change, delete, resources: before.saturating_add(add).saturating_sub(delete) }
}

/// What an apply publishes, with the placeholders filled in.
pub(crate) fn published(seed: &StackSeed, run: &str, commit: &str) -> BTreeMap<String, Published> {
    let fill = |value: &str| value.replace("{run}", run).replace("{commit}", commit);
    let outputs = seed.outputs.iter().filter(|_| seed.vendor.has_outputs());
    outputs
        .map(|(name, output)| {
            let value = fill(&output.value);
            let description = output.description.clone();
            (name.clone(), Published { value, sensitive: output.sensitive, description })
        })
        .collect()
}
