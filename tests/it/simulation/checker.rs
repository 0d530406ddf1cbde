//! What must hold, whatever happens: after each step, and when nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};

use bus::Answers;
use contracts::{
    ChainId, Code, Envelope, Message, StackId,
    chain::{ChainFinished, ChainIgnored, ChainPlanned, ChainRefused, ChainState, ChainWithdrawn},
    run::RunState,
    step::StepState,
};
use executor::is_void;
use spacelift::RunFacts;
use uuid::Uuid;

use super::{
    node::{Failure, Node},
    outside::Outside,
    rigs::{ExecutorRig, NotifierRig},
    scenario::{Arrival, Due},
    spacelift::{Run, Spacelift},
    violation::Violation,
};

/// A message nobody could handle.
pub struct DeadLetter {
    pub consumer: &'static str,
    pub event: Uuid,
    pub failure: Failure,
}

/// Watches one seed.
#[derive(Default)]
pub struct Checker {
    pub violations: Vec<Violation>,
    pub dead_letters: Vec<DeadLetter>,
    /// Messages that cannot be handled, and by how many.
    pub poison: BTreeMap<Uuid, usize>,
    /// Events that were sent, and how gates were decided.
    pub reached: BTreeSet<String>,
    /// Everything sent: the answers, and the place among them.
    events: BTreeMap<Uuid, (Answers, usize)>,
    planned: BTreeMap<ChainId, (Envelope, ChainPlanned)>,
    finished: BTreeMap<ChainId, ChainFinished>,
    /// Steps that ran after a parent that had no run: chain, parent, what is to be said of it.
    after_none: Vec<(ChainId, StackId, String)>,
    /// By the event answered: what the planner made of a change.
    plans: BTreeMap<Uuid, Vec<&'static str>>,
}

impl Checker {
    /// Looks at what is published, once for each message.
    pub fn published(&mut self, answers: &Answers) {
        for (place, event) in answers.iter().enumerate() {
            match self.events.get(&event.id) {
                Some((known, place)) if known[*place] == *event => {}
                Some(_) => {
                    let what = format!("{} {} differs from before", event.kind, event.id);
                    self.violations.push(Violation::Muddled { what });
                }
                None => {
                    self.events.insert(event.id, (answers.clone(), place));
                    self.first_seen(event);
                }
            }
        }
    }

    fn first_seen(&mut self, event: &Envelope) {
        self.reached.insert(event.kind.clone());
        self.reached
            .extend(event.body["outcome"].as_str().map(|outcome| format!("gate {outcome}")));
        match event.kind.as_str() {
            ChainPlanned::TYPE => {
                let planned = body::<ChainPlanned>(event);
                self.answered(event, ChainPlanned::TYPE);
                self.planned.insert(planned.chain, (event.clone(), planned));
            }
            ChainIgnored::TYPE => self.answered(event, ChainIgnored::TYPE),
            ChainRefused::TYPE => self.answered(event, ChainRefused::TYPE),
            ChainFinished::TYPE => {
                let finished = body::<ChainFinished>(event);
                self.finished.insert(finished.chain, finished);
            }
            _ => {}
        }
        let Some(chain) = event.body["chain"].as_str().and_then(|chain| chain.parse().ok()) else {
            return;
        };
        // Whatever has a chain withdrawn is another story.
        if event.kind == ChainWithdrawn::TYPE {
            return;
        }
        let home =
            self.planned.get(&chain).map(|(planned, _)| (planned.correlation, &planned.trace));
        if home != Some((event.correlation, &event.trace)) {
            let what = format!("{} is not part of the story and trace of {chain}", event.kind);
            self.violations.push(Violation::Muddled { what });
        }
    }

    fn answered(&mut self, event: &Envelope, kind: &'static str) {
        // A change is told by its story: one that waited is answered by the wake-up.
        self.plans.entry(event.correlation).or_default().push(kind);
        if event.body["reason"]["text"].as_str().is_some_and(str::is_empty) {
            self.violations.push(Violation::NoReason { what: kind.to_owned() });
        }
    }

    /// Looks at a run that was just triggered by us, or adopted.
    pub fn has_run(&mut self, spacelift: &Spacelift, place: usize) {
        let run = &spacelift.runs[place];
        let Some(mark) = &run.mark else { return };
        let stack = &run.facts.stack;
        let what = || format!("{stack} of {mark}");
        let runs_of = |stack: &StackId| {
            let of = spacelift.runs.iter().filter(|it| it.mark.as_ref() == Some(mark));
            of.filter(|it| it.facts.stack == *stack).collect::<Vec<_>>()
        };
        // One of Spacelift's own that it skipped is as good as none.
        let is_skipped = |it: &&Run| it.facts.state == RunState::Skipped;
        let others = runs_of(stack).into_iter().filter(|it| it.facts.run != run.facts.run);
        let mut left = others.filter(|it| !is_skipped(it));
        if !left.all(Run::may_be_repeated) {
            self.violations.push(Violation::TwoRuns { what: what() });
        }
        let chain: ChainId = mark.parse().expect("marks are chains");
        let Some((_, planned)) = self.planned.get(&chain) else {
            return self.violations.push(Violation::Wrong { what: format!("no plan: {}", what()) });
        };
        let step = planned.steps.iter().find(|step| step.stack == *stack);
        let is_touched = step.is_some_and(|step| step.why.code == Code::Touched);
        let parents = planned.edges.iter().filter(|edge| edge.child == stack);
        let ended = parents.flat_map(|edge| runs_of(edge.parent)).filter(|it| !it.is_open());
        let turn = ended.map(|it| it.facts.entered_at.timestamp()).max();
        let is_early = |it: &RunFacts| {
            it.began_at.zip(turn).is_some_and(|(began, turn)| began.timestamp() < turn)
        };
        if run.pass != place && is_early(&run.facts) {
            self.violations.push(Violation::TooEarly { what: what() });
        }
        // Spacelift made one that brings the same with the newest run of ours that is above it.
        let newest = spacelift.runs[..place].iter().rev().find(|it| it.facts.stack == *stack);
        let stands = newest.filter(|it| {
            let root = &spacelift.runs[it.pass];
            it.mark.is_none()
                && root.mark.as_ref() == Some(mark)
                && !is_void(&it.facts.state)
                && !is_early(&it.facts)
                && (!is_touched || it.facts.commit == run.facts.commit)
        });
        if run.pass == place && stands.is_some() {
            self.violations.push(Violation::TwoRuns { what: what() });
        }
        for edge in planned.edges.iter().filter(|edge| edge.child == stack) {
            let done = |it: &&Run| it.facts.state == RunState::Finished;
            match runs_of(edge.parent).as_slice() {
                // It was not needed, or this is too early: it shows when the chain has ended.
                runs if runs.iter().all(is_skipped) => {
                    self.after_none.push((chain, edge.parent.clone(), what()));
                }
                runs if runs.iter().any(done) => {}
                _ => self.violations.push(Violation::TooEarly { what: what() }),
            }
        }
    }

    /// When nothing is left to do: what became of every change.
    pub fn check_changes(&mut self, arrivals: &[Arrival]) {
        let mut planned_once = BTreeSet::new();
        for arrival in arrivals {
            let got = self.plans.get(&arrival.id).cloned().unwrap_or_default();
            let planned = got == [ChainPlanned::TYPE];
            let again = planned_once.contains(&arrival.same());
            let first_of_two = arrivals.iter().filter(|it| it.same() == arrival.same()).count() > 1;
            let right = match &arrival.due {
                Due::Ignored => got == [ChainIgnored::TYPE],
                Due::Refused => got == [ChainRefused::TYPE],
                Due::Planned(_) if planned => !again,
                // The same change was planned already, or is, by the other delivery of it.
                Due::Planned(_) => got == [ChainIgnored::TYPE] && first_of_two,
            };
            if planned {
                planned_once.insert(arrival.same());
                self.check_members(arrival);
            }
            if !right {
                let what = format!("{got:?} came of {arrival:?}");
                self.violations.push(match got.is_empty() {
                    true => Violation::Forgotten { what },
                    false => Violation::Wrong { what },
                });
            }
        }
        for arrival in arrivals {
            if matches!(arrival.due, Due::Planned(_)) && !planned_once.contains(&arrival.same()) {
                let what = format!("never planned: {arrival:?}");
                self.violations.push(Violation::Forgotten { what });
            }
        }
    }

    /// When nothing is left to do: no push took its branch back to what it was before another one.
    pub fn check_order(&mut self, arrivals: &[Arrival]) {
        let chain =
            |of: &Arrival| self.planned.values().find(|(event, _)| event.correlation == of.id);
        let pairs = arrivals.iter().flat_map(|one| arrivals.iter().map(move |other| (one, other)));
        let back =
            pairs.filter(|(newer, older)| newer.is_on_top_of(older)).filter(|(newer, older)| {
                let (Some((newer, _)), Some((event, late))) = (chain(newer), chain(older)) else {
                    return false;
                };
                newer.time < event.time && late.change.commit == older.change.commit
            });
        let what = |(newer, older): (&Arrival, &Arrival)| {
            format!("{} ran after {}", older.change.commit, newer.change.commit)
        };
        let back: Vec<_> = back.map(|pair| Violation::Wrong { what: what(pair) }).collect();
        self.violations.extend(back);
    }

    fn check_members(&mut self, arrival: &Arrival) {
        let Due::Planned(members) = &arrival.due else { return };
        let chain = self.planned.values().find(|(event, _)| event.correlation == arrival.id);
        let Some((_, planned)) = chain else { return };
        let steps: BTreeSet<_> = planned.steps.iter().map(|step| step.stack.clone()).collect();
        if steps != *members {
            let what = format!("{steps:?} instead of {members:?}");
            self.violations.push(Violation::Wrong { what });
        }
    }

    /// When nothing is left to do: how every chain ended, in truth and as told.
    pub fn check_chains(
        &mut self,
        executor: &Node<ExecutorRig>,
        notifier: &Node<NotifierRig>,
        spacelift: &Spacelift,
        outside: &Outside,
    ) {
        for id in self.planned.keys().copied().collect::<Vec<_>>() {
            let ended = executor.states.get(&id.0).and_then(Option::as_ref);
            let Some(chain) = ended.filter(|chain| chain.state.is_terminal()) else {
                let what = match ended {
                    Some(chain) => format!("{chain:#?}"),
                    None => format!("{id} was never taken up"),
                };
                self.violations.push(Violation::Forgotten { what });
                continue;
            };
            self.check_truth(chain, spacelift);
            self.check_news(chain, notifier, outside);
        }
    }

    fn check_truth(&mut self, chain: &executor::Chain, spacelift: &Spacelift) {
        let mark = chain.id.to_string();
        for step in &chain.steps {
            let what = || format!("{} of {mark} is {}", step.planned.stack, step.state);
            if !step.state.is_terminal() || step.reason.text.is_empty() {
                self.violations.push(Violation::Forgotten { what: what() });
            }
            let runs = spacelift.runs.iter().filter(|run| {
                run.mark.as_ref() == Some(&mark) && run.facts.stack == step.planned.stack
            });
            for run in runs {
                let followed = step.run.as_ref().is_some_and(|it| it.id == run.facts.run)
                    || step.course.past_runs.contains(&run.facts.run);
                // Where Spacelift skipped its own run, one of ours takes its place.
                let was_skipped = run.facts.state == RunState::Skipped;
                if run.is_open() || !(followed || was_skipped) {
                    let what = format!("{}, its run {}", what(), run.facts.state);
                    self.violations.push(Violation::LeftOpen { what });
                }
            }
            let truth = step.run.as_ref().and_then(|run| spacelift.run(&run.id));
            let truth = truth.map(|run| &run.facts.state);
            self.reached.insert(step.reason.code.as_str().to_owned());
            let unneeded = step.reason.code == Code::InputsUnchanged;
            let is_shared = step.reason.code == Code::RunShared;
            let after = self.after_none.iter().filter(|(of, parent, _)| {
                *of == chain.id && *parent == step.planned.stack && !unneeded && !is_shared
            });
            let early = after.map(|(_, _, what)| Violation::TooEarly { what: what.clone() });
            self.violations.extend(early.collect::<Vec<_>>());
            let right = match step.state {
                // Spacelift itself judges what its own dependencies hand on.
                StepState::Finished if unneeded && truth == Some(&RunState::Skipped) => true,
                StepState::Finished if unneeded => {
                    truth.is_none() && nothing_changed(step, &mark, spacelift)
                }
                StepState::Finished if is_shared => {
                    truth.is_none() && spacelift.through(step, chain).is_some()
                }
                StepState::Finished => truth == Some(&RunState::Finished),
                StepState::Failed => truth.is_some_and(|it| *it != RunState::Finished),
                StepState::Skipped => truth.is_none(),
                StepState::Canceled => truth.is_none_or(|it| *it != RunState::Finished),
                StepState::Denied => truth.is_none_or(|it| *it == RunState::Discarded),
                _ => false,
            };
            if !right {
                let what = format!("{}, in truth {truth:?}", what());
                self.violations.push(Violation::Wrong { what });
            }
        }
        let all_well = chain.steps.iter().all(|step| step.state == StepState::Finished);
        let said = self.finished.get(&chain.id).map(|finished| finished.state);
        if (chain.state == ChainState::Finished) != all_well || said != Some(chain.state) {
            let what = format!("{mark} is {}, and {said:?} was said", chain.state);
            self.violations.push(Violation::Wrong { what });
        }
    }

    fn check_news(
        &mut self,
        chain: &executor::Chain,
        notifier: &Node<NotifierRig>,
        outside: &Outside,
    ) {
        let truth: BTreeMap<_, _> =
            chain.steps.iter().map(|step| (step.planned.stack.clone(), step.state)).collect();
        let told = notifier.states.get(&chain.id.0).and_then(|story| story.standing());
        let messages: Vec<_> =
            outside.slack.iter().filter(|message| message.story == chain.id.0).collect();
        let statuses = outside.statuses.get(chain.change.commit.as_str());
        let statuses: Vec<_> = statuses.into_iter().flat_map(BTreeMap::values).collect();
        // Nobody asks any more for a preview whose pull request goes to another branch.
        let is_well = chain.state == ChainState::Finished || chain.reason.code == Code::Retargeted;
        let status = if is_well { "success" } else { "failure" };
        // A late push is planned on the commit of another one, and both tell of it.
        let is_of_it =
            |(_, planned): &&(Envelope, ChainPlanned)| planned.change.commit == chain.change.commit;
        let is_shared = self.planned.values().filter(is_of_it).count() > 1;
        // People read it with two l, as everywhere else in Slack.
        let state = match chain.state {
            ChainState::Canceled => "cancelled",
            state => state.as_str(),
        };
        let right = told == Some((chain.state, truth))
            && matches!(&messages[..], [one] if one.text.contains(state))
            && statuses.iter().any(|last| is_shared || *last == status);
        if !right {
            let texts: Vec<_> = messages.iter().map(|message| &message.text).collect();
            let what = format!("{} is {}: {told:?} {texts:?} {statuses:?}", chain.id, chain.state);
            self.violations.push(Violation::WrongNews { what });
        }
    }

    /// When nothing is left to do: everybody who wanted to hear of chains did, and every message
    /// that could not be handled is kept with its reason.
    pub fn check_deliveries(&mut self, outside: &Outside) {
        for event in self.events.values().map(|(answers, place)| &answers[*place]) {
            // Of a withdrawal is told what it leads to.
            let is_told = event.kind.starts_with("chain.") && event.kind != ChainWithdrawn::TYPE;
            if is_told && !outside.hooks.contains_key(&event.id) {
                let what = format!("no webhook about {} {}", event.kind, event.id);
                self.violations.push(Violation::WrongNews { what });
            }
        }
        let mut buried: BTreeMap<Uuid, BTreeSet<&str>> = BTreeMap::new();
        for letter in &self.dead_letters {
            buried.entry(letter.event).or_default().insert(letter.consumer);
            let reason =
                matches!(&letter.failure, Failure::Reject { text, .. } if !text.is_empty());
            if !reason || !self.poison.contains_key(&letter.event) {
                let what = format!("dead letter of {}: {:?}", letter.consumer, letter.failure);
                self.violations.push(Violation::NoReason { what });
            }
        }
        for (event, readers) in &self.poison {
            let graves = buried.get(event).map_or(0, BTreeSet::len);
            if graves != *readers {
                let what = format!("{graves} of {readers} dead letters about {event}");
                self.violations.push(Violation::Forgotten { what });
            }
        }
    }
}

fn body<M: Message>(event: &Envelope) -> M {
    M::upgrade(event.version, event.body.clone()).expect("it was written here")
}

/// Whether no parent of a step applied anything in its chain.
fn nothing_changed(step: &executor::Step, mark: &String, spacelift: &Spacelift) -> bool {
    let of_parents = spacelift
        .runs
        .iter()
        .filter(|run| run.mark.as_ref() == Some(mark) && step.parents.contains(&run.facts.stack));
    let mut ran = of_parents.filter(|run| run.facts.state != RunState::Skipped);
    ran.all(|run| run.facts.delta.is_some_and(|delta| delta.is_empty()))
}
