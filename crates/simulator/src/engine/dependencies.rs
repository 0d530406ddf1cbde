//! Native dependencies at work: who follows a tracked run, and when.

use std::sync::Arc;

use ulid::Ulid;

use crate::{
    account::DependencySeed,
    agenda::Job,
    dependencies::{Edge, Parent, Reference, Verdict, judge},
    engine::{NewRun, Remark},
    run::{Event, Refusal},
    states::{RunState, RunType},
    world::{Pass, World},
};

impl World {
    /// Adds an edge between two stacks.
    pub(crate) fn add_dependency(&mut self, seed: DependencySeed) -> Result<Edge, Refusal> {
        let found = |world: &Self, id: &str| {
            world.stacks.get(id).map(|stack| stack.id.clone()).ok_or_else(|| {
                Refusal::new(format!(
                    "could not create stack dependency: dependency stack {id} not found: stack {id} not found"
                ))
            })
        };
        let (child, parent) = (found(self, &seed.stack)?, found(self, &seed.depends_on)?);
        let id = if seed.id.is_empty() { self.ids.next(self.now).to_string() } else { seed.id };
        let references = seed
            .references
            .into_iter()
            .map(|reference| Reference {
                id: self.ids.next(self.now).to_string(),
                input: reference.input,
                output: reference.output,
                trigger_always: reference.trigger_always,
                fresh: false,
            })
            .collect();
        let trigger_always = seed.trigger_always;
        let edge = Edge { id: id.into(), child, parent, trigger_always, references };
        self.graph.insert(edge.clone())?;
        Ok(edge)
    }

    /// Removes an edge; runs that waited for nothing else are looked at again.
    pub(crate) fn remove_dependency(&mut self, id: &str) -> Result<Edge, Refusal> {
        let missing = || Refusal::new(format!("stack dependency {id} not found"));
        let edge = self.graph.remove(id).ok_or_else(missing)?;
        let waiting = self.lanes.get(&edge.child).map(|lane| lane.waiting.clone());
        for run in waiting.into_iter().flatten() {
            self.agenda.add(self.now, Job::Judge { run });
        }
        Ok(edge)
    }

    /// Creates the runs of one pass: those of `roots`, and one per stack anywhere below them.
    pub(crate) fn create_pass(&mut self, roots: Vec<NewRun>) -> Vec<Ulid> {
        let stacks: Vec<Arc<str>> = roots.iter().map(|root| root.stack.clone()).collect();
        let below =
            if self.settings.native_dependencies { self.graph.cone(&stacks) } else { Vec::new() };
        if below.is_empty() && (roots.len() == 1 || !self.settings.native_dependencies) {
            return roots.into_iter().map(|root| self.create_run(root).id).collect();
        }
        self.passes_made += 1;
        let pass = self.passes_made;
        let cascade = roots.iter().any(|root| root.cascade);
        self.passes.insert(pass, Pass::default());
        let followers: Vec<NewRun> = below
            .into_iter()
            .filter_map(|(child, parent)| self.follower(&child, parent, cascade))
            .collect();
        let mut created = Vec::with_capacity(roots.len());
        let within: std::collections::HashSet<Arc<str>> = stacks.into_iter().collect();
        for mut root in roots {
            root.pass = Some(pass);
            root.awaits_parents = self.graph.above(&root.stack).any(|e| within.contains(&e.parent));
            created.push(self.create_in_pass(pass, root));
        }
        for mut follower in followers {
            follower.pass = Some(pass);
            self.create_in_pass(pass, follower);
        }
        created
    }

    fn create_in_pass(&mut self, pass: u64, new: NewRun) -> Ulid {
        let stack = new.stack.clone();
        let id = self.create_run(new).id;
        if let Some(pass) = self.passes.get_mut(&pass) {
            pass.runs.insert(stack, id);
            pass.open += 1;
        }
        id
    }

    fn follower(&self, child: &str, parent: Arc<str>, cascade: bool) -> Option<NewRun> {
        let stack = self.stacks.get(child).filter(|stack| !stack.disabled)?;
        Some(NewRun {
            stack: stack.id.clone(),
            kind: RunType::Tracked,
            branch: stack.branch.clone(),
            commit: stack.tracked.clone().or_else(|| stack.head.clone()).unwrap_or_default(),
            triggered_by: Some(parent),
            command: None,
            skip_initialization: false,
            force_apply: cascade,
            cascade,
            metadata: None,
            external: std::collections::BTreeSet::new(),
            environment: std::collections::BTreeMap::new(),
            pass: None,
            awaits_parents: true,
        })
    }

    /// A run of a pass has ended: those below it are judged.
    pub(super) fn end_in_pass(&mut self, id: Ulid) {
        let Some(run) = self.runs.get(&id) else { return };
        let Some(pass_id) = run.pass else { return };
        let Some(pass) = self.passes.get_mut(&pass_id) else { return };
        pass.open = pass.open.saturating_sub(1);
        for edge in self.graph.below(&run.stack) {
            if let Some(child) = pass.runs.get(&edge.child) {
                self.agenda.add(self.now, Job::Judge { run: *child });
            }
        }
        if pass.open == 0 {
            self.passes.remove(&pass_id);
        }
    }

    /// Decides whether a waiting run of a pass goes, is skipped, or waits on.
    pub(super) fn judge(&mut self, id: Ulid) {
        let Some(run) = self.runs.get(&id) else { return };
        if run.state != RunState::Queued || !run.awaits_parents {
            return;
        }
        let Some(pass) = run.pass.and_then(|pass| self.passes.get(&pass)) else { return };
        let parents: Vec<Parent<'_>> = self
            .graph
            .above(&run.stack)
            .filter_map(|edge| {
                let parent = self.runs.get(pass.runs.get(&edge.parent)?)?;
                Some(Parent { edge, state: parent.state, changed: &parent.changed_outputs })
            })
            .collect();
        let stack = run.stack.clone();
        match judge(&parents, self.settings.skipped_parent_passes) {
            Verdict::Wait => {}
            Verdict::Skip { note } => self.moved(id, Event::Skip, Remark::note(note)),
            Verdict::Run { lenient } => {
                self.graph.settle_references(&stack);
                if let Some(run) = self.runs.get_mut(&id).map(Arc::make_mut) {
                    run.awaits_parents = false;
                    run.lenient_inputs = lenient;
                }
                self.agenda.add(self.now, Job::Start { stack });
            }
        }
    }
}
