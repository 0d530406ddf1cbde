//! Claims become calls, and what came of calls is decided upon.

use executor::CallResult;
use store::Performed;

use super::{
    calls::{Desk, Weather, in_time, tell},
    world::{CHAOS, World},
};

impl World {
    pub(super) fn call_spacelift(&mut self) {
        let place = self.dice.below(self.executor.claims.len());
        let claim = self.executor.claims.swap_remove(place);
        if !in_time(&claim, self.now) {
            return;
        }
        let bad = if self.steps < CHAOS { 25 } else { 0 };
        let weather = Weather::of(&mut self.dice, bad);
        let before = self.spacelift.runs.len();
        let mut desk = Desk {
            spacelift: &mut self.spacelift,
            chains: &self.executor.states,
            dice: &mut self.dice,
            now: self.now,
            weather,
            blind: self.switches.blind,
            heedless: self.switches.heedless,
        };
        let performed = desk.perform(&claim);
        if self.spacelift.runs.len() > before {
            self.checker.has_run(&self.spacelift, before);
        }
        self.executor.results.push((claim, performed));
    }

    pub(super) fn call_people(&mut self) {
        let place = self.dice.below(self.notifier.claims.len());
        let claim = self.notifier.claims.swap_remove(place);
        if !in_time(&claim, self.now) {
            return;
        }
        let bad = if self.steps < CHAOS { 25 } else { 0 };
        let weather = Weather::of(&mut self.dice, bad);
        let performed = tell(&mut self.outside, &self.notifier.rig, &claim, weather);
        self.notifier.results.push((claim, performed));
    }

    pub(super) fn conclude_executor(&mut self) {
        let place = self.dice.below(self.executor.results.len());
        let (claim, performed) = self.executor.results.swap_remove(place);
        let Performed::Done(input) = performed else {
            return self.executor.postpone(&claim, performed, self.now);
        };
        match self.executor.conclude(&claim, input.clone(), self.now) {
            Some((cause, answers)) => {
                self.adopted(&input);
                self.publish(2, cause, &answers);
            }
            None if claim.expires_at > self.now => {
                self.executor.results.push((claim, Performed::Done(input)));
            }
            None => {}
        }
    }

    /// A run that Spacelift made by itself belongs to the chain whose step follows it now.
    fn adopted(&mut self, input: &executor::Input) {
        let executor::Input::Concluded(concluded) = input else { return };
        let (CallResult::Run(seen) | CallResult::TooEarly(seen)) = &concluded.result else {
            return;
        };
        let id = &seen.report.run;
        let chain = self.executor.states.get(&concluded.chain.0).and_then(Option::as_ref);
        let step = chain.and_then(|chain| Some(&chain.steps[chain.place(&concluded.stack)?]));
        let follows = step.and_then(|step| step.run.as_ref()).is_some_and(|run| run.id == *id);
        let place = self.spacelift.runs.iter().position(|run| run.facts.run == *id);
        let Some(place) = place.filter(|_| follows) else { return };
        let run = &mut self.spacelift.runs[place];
        if run.mark.is_none() {
            run.mark = Some(concluded.chain.to_string());
            self.checker.reached.insert("adopted".to_owned());
            match concluded.result {
                CallResult::TooEarly(_) => {
                    self.checker.reached.insert("too_early".to_owned());
                }
                _ => self.checker.has_run(&self.spacelift, place),
            }
        }
    }

    pub(super) fn conclude_notifier(&mut self) {
        let place = self.dice.below(self.notifier.results.len());
        let (claim, performed) = self.notifier.results.swap_remove(place);
        let Performed::Done(input) = performed else {
            return self.notifier.postpone(&claim, performed, self.now);
        };
        match self.notifier.conclude(&claim, input.clone(), self.now) {
            Some((cause, answers)) => self.publish(3, cause, &answers),
            None if claim.expires_at > self.now => {
                self.notifier.results.push((claim, Performed::Done(input)));
            }
            None => {}
        }
    }
}
