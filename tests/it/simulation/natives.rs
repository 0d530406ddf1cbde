//! Spacelift's own dependencies: with each tracked run come runs of everything below it, which wait
//! for what they depend on, and are skipped where that ended badly or changed nothing they read. And
//! how the executor takes them over, as `executor/src/perform/trigger.rs` and `withdraw.rs` do it.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    RunId, StackId,
    run::{RunState, RunType},
    step::StepState,
};
use executor::{Call, CallResult, Native, Seen, Weighed, came_with, is_void, weigh};
use planner::catalogue::Stack;
use spacelift::RunFacts;

use super::{
    calls::{Desk, Weather},
    dice::Dice,
    spacelift::{Run, Spacelift, Trigger},
};

/// How far Spacelift's clock and ours may be apart.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(5);

/// One of Spacelift's own dependencies.
pub struct Edge {
    parent: StackId,
    child: StackId,
    /// It hands outputs on, and matters only if they changed.
    hands_on: bool,
}

/// Those of an account.
pub fn edges(stacks: &[Stack]) -> Vec<Edge> {
    let of = |stack: &Stack| {
        let child = stack.id.clone();
        let edge = move |it: &planner::catalogue::Dependency| Edge {
            parent: it.on.clone(),
            child: child.clone(),
            hands_on: !it.references.is_empty(),
        };
        stack.depends_on.iter().map(edge).collect::<Vec<_>>()
    };
    stacks.iter().flat_map(of).collect()
}

impl Spacelift {
    /// The runs that come with one, of every stack below its own.
    pub(super) fn make_natives(&mut self, pass: usize, dice: &mut Dice, now: DateTime<Utc>) {
        let facts = self.runs[pass].facts.clone();
        let mut found: Vec<(StackId, StackId)> = Vec::new();
        let mut open = vec![facts.stack.clone()];
        while let Some(parent) = open.pop() {
            for edge in self.edges.iter().filter(|edge| edge.parent == parent) {
                let child = &edge.child;
                if *child != facts.stack && found.iter().all(|(known, _)| known != child) {
                    found.push((child.clone(), parent.clone()));
                    open.push(child.clone());
                }
            }
        }
        for (stack, parent) in found {
            let place = self.runs.len();
            let wanted = Trigger {
                stack: &stack,
                commit: facts.commit.clone(),
                run_type: RunType::Tracked,
                by: parent.as_str(),
                mark: None,
            };
            self.make(wanted, dice, now).expect("it is a stack of the account");
            let run = &mut self.runs[place];
            // Long before what it waits for has ended, lists show it.
            (run.pass, run.awaits, run.visible_at) = (pass, true, now);
        }
    }

    /// What becomes of runs that wait for others, now that one has ended.
    pub(super) fn judge(&mut self, now: DateTime<Utc>) {
        let waits = |run: &Run| run.awaits && run.facts.state == RunState::Queued;
        for place in 0..self.runs.len() {
            if !waits(&self.runs[place]) {
                continue;
            }
            let (stack, pass) = (&self.runs[place].facts.stack, self.runs[place].pass);
            let parents: Vec<(&Edge, &Run)> = self
                .edges
                .iter()
                .filter(|edge| edge.child == *stack)
                .filter_map(|edge| {
                    let of = |run: &&Run| run.pass == pass && run.facts.stack == edge.parent;
                    Some((edge, self.runs.iter().find(of)?))
                })
                .collect();
            if parents.iter().any(|(_, run)| run.is_open()) {
                continue;
            }
            let lets_go_on =
                |state: &RunState| matches!(state, RunState::Finished | RunState::Skipped);
            let matters = |(edge, run): &(&Edge, &Run)| {
                !edge.hands_on || (run.facts.applied && run.changes_outputs)
            };
            let note = match parents.iter().find(|(_, run)| !lets_go_on(&run.facts.state)) {
                Some((edge, run)) => {
                    Some(format!("dependency {} ended as {}", edge.parent, run.facts.state))
                }
                None if parents.iter().any(matters) => None,
                None => Some("dependency references which have not changed".to_owned()),
            };
            self.runs[place].awaits = false;
            if note.is_some() {
                self.runs[place].facts.note = note;
                self.enter(place, RunState::Skipped, now);
            }
        }
    }
}

/// What came of looking for runs that Spacelift made.
#[expect(clippy::large_enum_variant, reason = "one is made per look and taken apart at once")]
pub(super) enum Adopted {
    /// There is none to be followed.
    None,
    /// This is told.
    Told(CallResult),
    /// One applies that is in the way.
    Waits,
}

impl Desk<'_> {
    /// The runs that Spacelift made by itself for this step, the newest first, without those that are
    /// accounted for; and of these, those that came with the runs of its parents.
    fn natives(&self, call: &Call) -> (Vec<RunFacts>, Vec<RunFacts>) {
        let since = call.since - CLOCK_SKEW;
        let known = self.known(call);
        let is_native = |run: &RunFacts| {
            let by = run.triggered_by.as_deref();
            run.run_type == RunType::Tracked
                && call.native_parents.iter().any(|parent| by == Some(parent.as_str()))
        };
        let mut all = self.spacelift.recent(&call.stack, since, self.now);
        all.retain(is_native);
        all.reverse();
        let mut own = came_with(&all, call);
        all.retain(|run| !known.contains(&run.run));
        own.retain(|run| !known.contains(&run.run));
        (all, own)
    }

    /// Takes over the run that Spacelift made for this step; what is in its way is ended.
    pub(super) fn adopt(&mut self, call: &Call) -> Adopted {
        let Weighed { ends, then } = weigh(self.natives(call).1, call);
        for facts in ends {
            self.spacelift.end_run(&facts.run, false, self.now);
        }
        match then {
            Native::Ours => Adopted::None,
            Native::Theirs(facts) => Adopted::Told(CallResult::Run(Seen::from(facts))),
            Native::TooEarly(facts) => Adopted::Told(CallResult::TooEarly(Seen::from(facts))),
            Native::Awaits(_) => Adopted::Waits,
        }
    }

    /// Ends the runs of a step that must not run, or not yet. `None`: no answer came.
    pub(super) fn withdraw(&mut self, call: &Call) -> Option<CallResult> {
        if matches!(self.weather, Weather::RequestLost | Weather::TurnedAway) {
            return None;
        }
        let (mut runs, _) = self.natives(call);
        runs.retain(|run| !is_void(&run.state));
        let chain = self.chains.get(&call.chain.0).and_then(Option::as_ref);
        let step = chain.and_then(|chain| Some(&chain.steps[chain.place(&call.stack)?]));
        let spared = step.is_some_and(|step| step.state == StepState::Triggering);
        let is_meant = |run: &RunFacts| {
            call.before.as_ref().is_none_or(|it| run.run.as_str() < it.as_str())
                && call.after.as_ref().is_none_or(|it| run.run.as_str() > it.as_str())
                && call.until.is_none_or(|until| run.created_at <= until + CLOCK_SKEW)
        };
        let meant: Vec<RunId> = runs
            .into_iter()
            .skip(usize::from(spared))
            .filter(is_meant)
            .map(|run| run.run)
            .rev()
            .collect();
        for run in &meant {
            self.spacelift.end_run(run, false, self.now);
        }
        let newest = meant.last().and_then(|run| self.spacelift.run(run));
        let told = newest.map(|run| CallResult::Run(Seen::from(run.facts.clone())));
        (self.weather == Weather::Fine).then(|| told.unwrap_or(CallResult::Nothing))
    }
}
