//! Spacelift's own dependencies: with each run of ours come runs of everything below, and where one
//! was skipped, the next but one goes on all the same.

use contracts::{StackId, run::RunState, step::StepState};

use super::{Open, Run, Step, World};

impl Run {
    fn is_live(&self) -> bool {
        !self.states.last().is_some_and(RunState::is_terminal)
    }

    /// Ended without having come to anything.
    fn is_void(&self) -> bool {
        let ended = [RunState::Skipped, RunState::Discarded, RunState::Stopped];
        self.states.last().is_some_and(|state| ended.contains(state))
    }

    /// Whether what waits for it goes on, in Spacelift's eyes.
    fn lets_go_on(&self) -> bool {
        matches!(self.states.last(), Some(RunState::Finished | RunState::Skipped))
    }
}

impl World {
    fn native_parents(&self, stack: &StackId) -> Vec<StackId> {
        let at = self.chain().place(stack).expect("it is a step of ours");
        self.chain().native_parents(at)
    }

    /// The runs that come with a run of ours.
    pub(super) fn make_natives(&mut self, root: &StackId, pass: usize) {
        let at = self.chain().place(root).expect("it is a step of ours");
        for below in self.chain().shape.native_cone_below(at) {
            let stack = self.chain().stack(below).clone();
            let by = self.native_parents(&stack).first().cloned();
            let id = format!("native-{stack}-{}", self.runs.len()).into();
            let states = vec![RunState::Queued];
            let (mark, proposed, awaits) = (None, false, true);
            self.runs.push(Run { id, stack, states, mark, proposed, pass, by, awaits });
        }
    }

    /// Where all parents of a run that came with another have ended, it goes on or is skipped.
    pub(super) fn judge(&mut self) {
        // Parents come first, so that one round sees all.
        for at in 0..self.runs.len() {
            if !self.runs[at].awaits || !self.runs[at].is_live() {
                continue;
            }
            let parents = self.parents_in_pass(&self.runs[at]);
            if parents.iter().any(|run| run.is_live()) {
                continue;
            }
            match parents.iter().all(|run| run.lets_go_on()) {
                true => self.runs[at].awaits = false,
                false => self.runs[at].states.push(RunState::Skipped),
            }
        }
    }

    fn parents_in_pass(&self, run: &Run) -> Vec<&Run> {
        let parents = self.native_parents(&run.stack);
        let of = |it: &&Run| it.pass == run.pass && parents.contains(&it.stack);
        self.runs.iter().filter(of).collect()
    }

    /// Takes over the newest run that Spacelift made for a step, if there is one.
    pub(super) fn adopt(&mut self, open: &Open) -> bool {
        let fits =
            |run: &&mut Run| run.stack == open.call.stack && run.mark.is_none() && !run.is_void();
        let natives = !open.call.preview && !open.call.native_parents.is_empty();
        let found = self.runs.iter_mut().rev().find(fits).filter(|_| natives);
        let Some(run) = found else { return false };
        if self.bounds.gives_way && open.call.stack.as_str() == "b" {
            run.states.push(RunState::Discarded);
            return false;
        }
        run.mark = Some(open.effect);
        true
    }

    /// Ends what Spacelift made for a step that must not run, or not yet.
    pub(super) fn withdraw(&mut self, open: &Open) {
        if self.bounds.careless {
            return;
        }
        let Open { call, runs, .. } = open;
        let at = self.chain().place(&call.stack).expect("it is a step of ours");
        let step = &self.chain().steps[at];
        let is_triggering = step.state == StepState::Triggering;
        let is_known = |run: &Run| {
            step.run.as_ref().is_some_and(|it| it.id == run.id)
                || step.course.past_runs.contains(&run.id)
        };
        let before = call.before.as_ref();
        let before = before.and_then(|id| self.runs.iter().position(|it| it.id == *id));
        let meant = before.unwrap_or(*runs);
        let is_native = |run: &Run| run.stack == call.stack && run.by.is_some();
        let left = |run: &Run| is_native(run) && !is_known(run) && !run.is_void();
        let all = (0..self.runs.len()).rev().filter(|&at| left(&self.runs[at]));
        // The newest may be the one that is adopted just now.
        let ended = all.skip(usize::from(is_triggering)).filter(|&at| at < meant);
        for at in ended.collect::<Vec<_>>() {
            let states = &mut self.runs[at].states;
            let planning = states.last() == Some(&RunState::Planning);
            if !states.last().is_some_and(RunState::is_terminal) {
                states.push(if planning { RunState::Stopped } else { RunState::Discarded });
            }
        }
    }

    /// Once everything was heard and every call is made, no run goes on that Spacelift made below
    /// one that did not end well.
    pub(super) fn check_natives(&self) -> Step {
        let is_heard = |run: &Run| {
            let newest = i64::try_from(run.states.len() - 1).expect("it is small");
            let steps = &self.chain().steps;
            let step =
                steps.iter().find(|step| step.run.as_ref().is_some_and(|it| it.id == run.id));
            step.is_none_or(|step| step.run.as_ref().is_some_and(|it| it.version == newest))
        };
        if !self.open.is_empty() || !self.runs.iter().all(is_heard) {
            return Ok(());
        }
        let left = self.runs.iter().find(|run| {
            let ended_badly =
                |it: &&Run| !it.is_live() && it.states.last() != Some(&RunState::Finished);
            let goes_on = run.mark.is_none() && !run.awaits && run.is_live();
            goes_on && self.parents_in_pass(run).iter().any(ended_badly)
        });
        match left {
            Some(run) => Err(format!("{} of {} goes on below a failure", run.id, run.stack)),
            None => Ok(()),
        }
    }
}
