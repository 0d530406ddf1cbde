//! Claims become calls, and what came of calls is decided upon.

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
        };
        let performed = desk.perform(&claim);
        if self.spacelift.runs.len() > before {
            self.checker.triggered(&self.spacelift);
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
            Some((cause, answers)) => self.publish(2, cause, &answers),
            None if claim.expires_at > self.now => {
                self.executor.results.push((claim, Performed::Done(input)));
            }
            None => {}
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
