//! What callers do to runs that exist.

use std::sync::Arc;

use ulid::Ulid;

use crate::{
    agenda::Job,
    engine::{Caller, Remark},
    record::{Comment, Review, Run, RunReviewDecision},
    run::{Event, Refusal},
    states::{RunState, RunType},
    world::World,
};

/// What a caller says about a run: which, and why.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) stack: String,
    /// The stack's blocker if not given.
    pub(crate) run: Option<String>,
    pub(crate) note: Option<String>,
}

impl World {
    /// The run that is meant: the named one, or the one that holds the stack.
    fn target(&self, target: &Target) -> Result<Arc<Run>, Refusal> {
        let stack = self.stack(&target.stack)?;
        if let Some(run) = &target.run {
            return self.run_of(&stack.id, run);
        }
        let blocker = self.lane(&stack.id).and_then(|lane| lane.blocker);
        blocker
            .and_then(|id| self.runs.get(&id).cloned())
            .ok_or_else(|| Refusal::new(format!("stack {} has no blocking run", stack.id)))
    }

    fn act(&mut self, target: Target, event: Event, caller: &Caller) -> Result<Arc<Run>, Refusal> {
        let id = self.target(&target)?.id;
        self.happen(id, event, Remark::by(caller, target.note))
    }

    /// `runConfirm`.
    pub(crate) fn confirm(&mut self, target: Target, caller: &Caller) -> Result<Arc<Run>, Refusal> {
        let id = self.target(&target)?.id;
        self.with_metadata(id, caller);
        self.happen(id, Event::Confirm, Remark::by(caller, target.note))
    }

    fn with_metadata(&mut self, id: Ulid, caller: &Caller) {
        if let Some(metadata) = &caller.metadata
            && let Some(run) = self.runs.get_mut(&id).map(Arc::make_mut)
        {
            run.metadata.push(metadata.clone());
        }
    }

    /// `runDiscard`.
    pub(crate) fn discard(&mut self, target: Target, caller: &Caller) -> Result<Arc<Run>, Refusal> {
        self.act(target, Event::Discard, caller)
    }

    /// `runDiscardAll`: every run that can be discarded, and the ids of those that could not.
    pub(crate) fn discard_all(
        &mut self,
        target: Target,
        caller: &Caller,
    ) -> Result<(Vec<Arc<Run>>, Vec<String>), Refusal> {
        let stack = self.stack(&target.stack)?;
        let Some(lane) = self.lane(&stack.id) else { return Ok(Default::default()) };
        let mut ids: Vec<Ulid> =
            lane.waiting.iter().chain(&lane.waiting_proposed).copied().collect();
        ids.extend(lane.blocker.filter(|id| {
            let state = self.runs.get(id).map(|run| run.state);
            matches!(state, Some(RunState::Ready | RunState::Unconfirmed))
        }));
        let (mut discarded, mut failed) = (Vec::new(), Vec::new());
        for id in ids {
            match self.happen(id, Event::Discard, Remark::by(caller, target.note.clone())) {
                Ok(run) => discarded.push(run),
                Err(_) => failed.push(id.to_string()),
            }
        }
        Ok((discarded, failed))
    }

    /// `runCancel`.
    pub(crate) fn cancel(&mut self, target: Target, caller: &Caller) -> Result<Arc<Run>, Refusal> {
        self.act(target, Event::Cancel, caller)
    }

    /// `runStop`.
    pub(crate) fn stop(&mut self, target: Target, caller: &Caller) -> Result<Arc<Run>, Refusal> {
        let id = self.target(&target)?.id;
        if let Some(run) = self.runs.get_mut(&id).map(Arc::make_mut) {
            run.stop_asked = true;
        }
        self.happen(id, Event::Stop, Remark::by(caller, target.note))
    }

    /// `runKill`: what is left when a worker ignores a stop.
    pub(crate) fn kill(&mut self, target: Target, caller: &Caller) -> Result<Arc<Run>, Refusal> {
        let run = self.target(&target)?;
        if run.state.working() && !run.stop_asked {
            return Err(Refusal::new("run cannot be killed before it was asked to stop"));
        }
        self.happen(run.id, Event::Kill, Remark::by(caller, target.note))
    }

    /// `runTargetedReplan`.
    pub(crate) fn replan(
        &mut self,
        target: Target,
        targets: Vec<String>,
        caller: &Caller,
    ) -> Result<Arc<Run>, Refusal> {
        if targets.is_empty() {
            return Err(Refusal::new("a targeted replan needs targets"));
        }
        let id = self.target(&target)?.id;
        self.happen(id, Event::Replan, Remark::by(caller, target.note))?;
        if let Some(run) = self.runs.get_mut(&id).map(Arc::make_mut) {
            run.targets = targets;
        }
        Ok(self.runs[&id].clone())
    }

    /// `runReview`.
    pub(crate) fn review(
        &mut self,
        target: Target,
        decision: RunReviewDecision,
        caller: &Caller,
    ) -> Result<Review, Refusal> {
        let run = self.target(&target)?;
        if !matches!(run.state, RunState::Queued | RunState::Unconfirmed | RunState::PendingReview)
        {
            return Err(Refusal::new(format!(
                "run in state {} cannot be reviewed: only QUEUED, UNCONFIRMED and PENDING_REVIEW runs can be",
                run.state
            )));
        }
        let review = Review {
            id: self.ids.next(self.now),
            author: caller.actor.clone(),
            decision,
            note: target.note.clone(),
            state: run.state,
            version: run.version,
            at_ms: self.now,
        };
        let (id, state, stack) = (run.id, run.state, run.stack.clone());
        drop(run);
        if let Some(run) = self.runs.get_mut(&id).map(Arc::make_mut) {
            run.reviews.push(review.clone());
        }
        if decision == RunReviewDecision::Reject {
            self.happen(id, Event::Reject, Remark::by(caller, target.note))?;
        } else if state == RunState::PendingReview && !self.undecided(&self.runs[&id]) {
            self.happen(id, Event::Approved, Remark::by(caller, target.note))?;
        } else if state == RunState::Queued {
            self.agenda.add(self.now, Job::Start { stack });
        }
        Ok(review)
    }

    /// `runComment`.
    pub(crate) fn comment(
        &mut self,
        target: Target,
        body: String,
        caller: &Caller,
    ) -> Result<Comment, Refusal> {
        let id = self.target(&target)?.id;
        let comment = Comment { body, at_ms: self.now, username: caller.actor.clone() };
        if let Some(run) = self.runs.get_mut(&id).map(Arc::make_mut) {
            run.comments.push(comment.clone());
        }
        Ok(comment)
    }

    /// `runPrioritizeSet`.
    pub(crate) fn prioritize(
        &mut self,
        target: Target,
        prioritized: bool,
    ) -> Result<Arc<Run>, Refusal> {
        let run = self.target(&target)?;
        let private = self.stack(&run.stack)?.seed.worker_pool.is_some();
        if !private {
            return Err(Refusal::new("only runs on private worker pools can be prioritized"));
        }
        if run.finished() {
            return Err(Refusal::new("run has ended and cannot be prioritized"));
        }
        let (id, stack) = (run.id, run.stack.clone());
        drop(run);
        if let Some(lane) = self.lanes.get_mut(&stack) {
            if prioritized && lane.waiting.contains(&id) {
                lane.prioritized.insert(id);
            } else {
                lane.prioritized.remove(&id);
            }
        }
        Ok(self.runs[&id].clone())
    }

    /// `runExternalDependencyMarkAsCompleted`: runs that carry the name go on, or fail.
    pub(crate) fn mark_external(&mut self, name: &str, failed: bool) -> Result<bool, Refusal> {
        let Some(runs) = self.external.remove(name) else { return Ok(true) };
        for id in runs {
            let Some(run) = self.runs.get_mut(&id).map(Arc::make_mut) else { continue };
            run.external.remove(name);
            let (queued, stack) = (run.state == RunState::Queued, run.stack.clone());
            if queued && failed {
                let note = format!("external dependency {name} failed");
                self.moved(id, Event::ExternalFailed, Remark::note(note));
            } else if queued {
                self.agenda.add(self.now, Job::Start { stack });
            }
        }
        Ok(false)
    }

    /// Takes a run out of the account as if it had never been; its stack is free afterwards.
    pub(crate) fn delete_run(&mut self, id: &str) -> Result<(), Refusal> {
        let run = self.run(id).ok_or_else(|| Refusal::new(format!("run {id} not found")))?;
        self.runs.remove(&run.id);
        if let Some(ids) = self.by_state.get_mut(&run.state) {
            ids.remove(&run.id);
        }
        if let Some(lane) = self.lanes.get_mut(&run.stack) {
            lane.list_of(run.kind).retain(|other| *other != run.id);
            lane.waiting_of(run.kind).remove(&run.id);
            lane.prioritized.remove(&run.id);
            if lane.blocker == Some(run.id) {
                lane.blocker = None;
            }
        }
        self.leave_pass(&run);
        self.agenda.add(self.now, Job::Start { stack: run.stack.clone() });
        Ok(())
    }

    fn leave_pass(&mut self, run: &Run) {
        let Some(pass) = run.pass.and_then(|pass| self.passes.get_mut(&pass)) else { return };
        pass.runs.remove(&run.stack);
        if !run.finished() {
            pass.open = pass.open.saturating_sub(1);
        }
        for edge in self.graph.below(&run.stack) {
            if let Some(child) = pass.runs.get(&edge.child) {
                self.agenda.add(self.now, Job::Judge { run: *child });
            }
        }
    }

    /// Whether the caller could confirm the run now.
    pub(crate) fn can_confirm(&self, run: &Run) -> bool {
        run.state == RunState::Unconfirmed
            && matches!(run.kind, RunType::Tracked)
            && !self.undecided(run)
    }
}
