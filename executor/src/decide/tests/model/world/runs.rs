//! Runs: how they move on, and what is told and shown of them.

use contracts::{
    RunId, StackId,
    gate::Moment,
    run::{Delta, RunReported, RunState, RunType},
};

use super::{Asked, Open, Run, Step, World, world_time};
use crate::{
    fixtures::report,
    input::{Found, Input, Polled, Seen},
};

impl World {
    pub(super) fn moves(&self, run: &Run) -> Vec<RunState> {
        let plain = self.bounds.plain;
        match run.states.last().expect("it was made in a state") {
            RunState::Queued if run.awaits || self.is_blocked(run) => Vec::new(),
            RunState::Queued => vec![RunState::Planning],
            RunState::Planning if self.bounds.gives_way => vec![RunState::Unconfirmed],
            RunState::Planning if self.bounds.native && run.stack.as_str() == "a" => {
                vec![RunState::Unconfirmed, RunState::Failed]
            }
            RunState::Planning if run.proposed && plain => vec![RunState::Finished],
            RunState::Planning if run.proposed => vec![RunState::Finished, RunState::Failed],
            RunState::Planning if plain => vec![RunState::Unconfirmed],
            RunState::Planning => {
                vec![RunState::Unconfirmed, RunState::Finished, RunState::Failed]
            }
            RunState::Applying if plain => vec![RunState::Finished],
            RunState::Applying => vec![RunState::Finished, RunState::Failed],
            _ => Vec::new(),
        }
    }

    /// Whether all plans of the chain together were allowed.
    pub(super) fn is_allowed_as_a_whole(&self) -> bool {
        let whole = |gate: &Asked| gate.moment == Moment::BeforeApply && gate.plan.is_none();
        self.gates.iter().any(|gate| whole(gate) && gate.passed)
    }

    pub(super) fn enter(&mut self, at: usize, to: RunState, by: &str) -> Step {
        let run = &self.runs[at];
        if to == RunState::Applying {
            let plan = (run.id.clone(), i64::try_from(run.states.len() - 1).expect("it is small"));
            let plans_all = self.chain().course.options.plan_all;
            if plans_all && !self.is_allowed_as_a_whole() {
                return Err(format!("{} applies before all plans were allowed, {by}", run.stack));
            }
            let allowed =
                |gate: &Asked| gate.plan.as_ref() == Some(&plan) && gate.says == Some(true);
            let same = plans_all && self.same.contains(&plan);
            if !self.bounds.cleared && !same && !self.gates.iter().any(allowed) {
                return Err(format!("{} applies a plan that nobody allowed, {by}", run.stack));
            }
            if run.early {
                return Err(format!("{} applies a plan made before its turn, {by}", run.stack));
            }
        }
        self.runs[at].states.push(to);
        Ok(())
    }

    pub(super) fn poll(&mut self, at: usize) -> Step {
        let newest = self.runs[at].states.len() - 1;
        let seen = self.asked(at, newest);
        let (stack, run) = (seen.report.stack.clone(), seen.report.run.clone());
        let chain = self.chain().id;
        let (asked_at, found) = (world_time(self.days), Found::Run(seen));
        self.tell(Input::Polled(Polled { chain, stack, run, asked_at, found }))
    }

    /// Spacelift was asked.
    pub(super) fn asked(&self, at: usize, version: usize) -> Seen {
        let report = self.report(at, version);
        let entered = &self.runs[at].states[..=version];
        let applied = Some(entered.iter().any(RunState::is_applying));
        Seen { finished: report.state.is_terminal(), asked: true, applied, report }
    }

    pub(super) fn report(&self, at: usize, version: usize) -> RunReported {
        let run = &self.runs[at];
        let state = run.states[version].clone();
        let number = i64::try_from(version).expect("it is small");
        let flaky = self.bounds.flaky && state == RunState::Failed;
        // Outputs alone may have changed, which no count of resources shows.
        let counts_nothing = self.bounds.settled || !run.states.contains(&RunState::Applying);
        let empty = state == RunState::Finished && counts_nothing && !run.proposed;
        let mut report = report(run.stack.as_str(), state, number);
        report.run = run.id.clone();
        report.run_type = if run.proposed { RunType::Proposed } else { RunType::Tracked };
        report.triggered_by = run.by.as_ref().map(StackId::to_string).or(report.triggered_by);
        report.note = flaky.then(|| "connection reset".to_owned());
        if empty {
            report.delta = Some(Delta::default());
        }
        report
    }

    pub(super) fn trigger(&mut self, open: &Open) -> Step {
        let stack = &open.call.stack;
        if self.adopt(open) {
            return Ok(());
        }
        let ended = |run: &Run| run.states.last().is_some_and(RunState::is_terminal);
        let proposed = open.call.preview;
        let is_rival = |run: &Run| run.stack == *stack && run.proposed == proposed && !ended(run);
        if self.runs.iter().any(is_rival) {
            return Err(format!("two runs of {stack} at once"));
        }
        let id = RunId(format!("run-{stack}-{}", self.runs.len()));
        let (pass, stack) = (self.runs.len(), stack.clone());
        self.runs.push(Run {
            id,
            stack: stack.clone(),
            states: vec![RunState::Queued],
            mark: Some(open.effect),
            proposed,
            pass,
            by: None,
            awaits: false,
            early: false,
        });
        if !proposed {
            self.make_natives(&stack, pass);
        }
        Ok(())
    }

    pub(super) fn end_run(&mut self, open: &Open) -> Step {
        let run = open.call.run.as_ref().expect("it is about a run");
        let place = self.runs.iter().position(|it| it.id == *run).expect("it is there");
        let to = match self.runs[place].states.last().expect("it was made in a state") {
            RunState::Queued | RunState::Unconfirmed => RunState::Discarded,
            RunState::Planning => RunState::Stopped,
            RunState::Applying if open.call.force => RunState::Failed,
            _ => return Ok(()),
        };
        self.runs[place].states.push(to);
        Ok(())
    }

    /// Whether any run of a stack applied.
    pub(super) fn applied(&self, stack: &StackId) -> bool {
        let of = |run: &&Run| run.stack == *stack;
        self.runs.iter().filter(of).any(|run| run.states.contains(&RunState::Applying))
    }
}
