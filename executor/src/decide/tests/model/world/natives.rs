//! Spacelift's own dependencies: with each run of ours come runs of everything below, and where one
//! was skipped, the next but one goes on all the same.

use contracts::{StackId, run::RunState, step::StepState};
use spacelift::RunFacts;

use super::{Open, Run, Step, World};
use crate::{
    Native, Weighed,
    call::Call,
    fixtures::{at, run_facts},
    weigh,
};

impl Run {
    fn is_live(&self) -> bool {
        !self.states.last().is_some_and(RunState::is_terminal)
    }

    /// Ended without having come to anything.
    fn is_void(&self) -> bool {
        let ended = [RunState::Skipped, RunState::Discarded, RunState::Stopped];
        self.states.last().is_some_and(|state| ended.contains(state))
    }

    fn has_begun(&self) -> bool {
        self.states.iter().any(|state| !matches!(state, RunState::Queued | RunState::Skipped))
            && !self.is_void()
    }

    fn end(&mut self) {
        match self.states.last() {
            Some(RunState::Planning) => self.states.push(RunState::Stopped),
            Some(RunState::Queued | RunState::Unconfirmed) => {
                self.states.push(RunState::Discarded);
            }
            _ => {}
        }
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
            let made = |parent: &StackId| {
                let is_of = |run: &Run| run.pass == pass && run.stack == *parent;
                self.runs.iter().any(is_of)
            };
            let by = self.native_parents(&stack).into_iter().find(made);
            let id = format!("native-{stack}-{}", self.runs.len()).into();
            let states = vec![RunState::Queued];
            let (mark, proposed, awaits) = (None, false, true);
            let early = false;
            self.runs.push(Run { id, stack, states, mark, proposed, pass, by, awaits, early });
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

    /// Only one run of a stack is at work at a time.
    pub(super) fn is_blocked(&self, run: &Run) -> bool {
        let is_at_work = |it: &&Run| it.is_live() && it.states.last() != Some(&RunState::Queued);
        let mut others = self.runs.iter().filter(is_at_work);
        !run.proposed && others.any(|it| it.stack == run.stack && !it.proposed)
    }

    /// Notes what had begun when something ended that the chain has before it.
    pub(super) fn note_early(&mut self) {
        for at in 0..self.runs.len() {
            let run = &self.runs[at];
            let chain = self.chain();
            let parents = chain.shape.parents(chain.place(&run.stack).expect("it is a step"));
            let is_open = |it: &Run| it.is_live() && (it.mark.is_some() || it.by.is_some());
            let is_parent = |it: &Run| parents.iter().any(|&at| *chain.stack(at) == it.stack);
            let is_early = run.by.is_some()
                && run.has_begun()
                && self.runs.iter().any(|it| is_open(it) && is_parent(it));
            self.runs[at].early |= is_early;
        }
    }

    /// Takes over a run that Spacelift made for a step, if one is to be.
    pub(super) fn adopt(&mut self, open: &Open) -> bool {
        let Call { stack, native_parents, parent_runs, .. } = &open.call;
        if open.call.preview {
            return false;
        }
        // What came with the run of a parent is the first that names it since.
        let with = |parent: &StackId| {
            let run = parent_runs.get(parent)?;
            let since = self.runs.iter().position(|it| it.id == *run)?;
            let names = |it: &Run| it.stack == *stack && it.by.as_ref() == Some(parent);
            (since..self.runs.len()).find(|&at| names(&self.runs[at]))
        };
        let mut own: Vec<usize> = native_parents.iter().filter_map(with).collect();
        own.retain(|&at| self.runs[at].mark.is_none());
        own.sort_unstable_by(|a, b| b.cmp(a));
        let own: Vec<RunFacts> = own.into_iter().map(|at| self.facts(at)).collect();
        let gives_way = self.bounds.gives_way && stack.as_str() == "b";
        let call = Call {
            touched: gives_way,
            commit: gives_way.then(|| "another".into()),
            not_before: (!self.bounds.hasty).then(|| at(1)),
            ..open.call.clone()
        };
        let Weighed { ends, then } = weigh(own, &call);
        for run in ends {
            let run = self.runs.iter_mut().find(|it| it.id == run.run).expect("it is there");
            run.end();
        }
        let theirs = match then {
            Native::Theirs(run) => run,
            Native::Ours => return false,
            Native::Awaits(_) | Native::TooEarly(_) => panic!("nothing applies by itself"),
        };
        let run = self.runs.iter_mut().find(|it| it.id == theirs.run).expect("it is there");
        run.mark = Some(open.effect);
        true
    }

    fn facts(&self, place: usize) -> RunFacts {
        let run = &self.runs[place];
        let state = run.states.last().expect("it was made in a state").clone();
        RunFacts {
            applied: run.states.iter().any(RunState::is_applying),
            began_at: run.has_begun().then(|| at(if run.early { 0 } else { 1 })),
            ..run_facts(run.id.as_str(), state)
        }
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
        let after = call.after.as_ref();
        let after = after.and_then(|id| self.runs.iter().position(|it| it.id == *id));
        let is_native = |run: &Run| run.stack == call.stack && run.by.is_some();
        let left = |run: &Run| is_native(run) && !is_known(run) && !run.is_void();
        let all = (0..self.runs.len()).rev().filter(|&at| left(&self.runs[at]));
        // The newest may be the one that is adopted just now.
        let is_meant = |at: &usize| *at < meant && after.is_none_or(|after| *at > after);
        let ended = all.skip(usize::from(is_triggering)).filter(is_meant);
        for at in ended.collect::<Vec<_>>() {
            self.runs[at].end();
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
