//! What the world knows of waves: which checks were asked and answered, and when each wave ended.

use std::hash::{DefaultHasher, Hash};

use contracts::step::StepState;
use store::Effect;

use super::{Action, Step, World};
use crate::{Input, checks::HealthCall, fixtures::health, input::Checked, waves::Stage};

/// What is known of the waves, seen from outside of the chain.
#[derive(Clone, Default, Hash)]
pub(super) struct Watch {
    /// Checks that have not answered: the name and the look.
    open: Vec<(String, u32)>,
    /// How many waves were through.
    passed: usize,
    /// On which day the wave that is not through began to soak.
    soaks_since: Option<i64>,
    /// The newest look of which every check held.
    sound: u32,
    /// A person let the wave pass.
    let_pass: bool,
}

impl World {
    pub(super) fn is_held(&self) -> bool {
        matches!(self.chain().course.rollout.stage, Some(Stage::Held { .. }))
    }

    pub(super) fn hash_waves(&self, hasher: &mut DefaultHasher) {
        let rollout = &self.chain().course.rollout;
        (rollout.passed, rollout.looks, format!("{:?}", rollout.stage)).hash(hasher);
        rollout.asked.hash(hasher);
        self.waves.hash(hasher);
    }

    pub(super) fn checks_answer(&self) -> impl Iterator<Item = Action> {
        let every = 0..self.waves.open.len();
        every.flat_map(|at| [Action::Checked(at, true), Action::Checked(at, false)])
    }

    /// Checks are asked for: each once in a look.
    pub(super) fn look(&mut self, effects: &[Effect]) -> Step {
        for effect in effects {
            let HealthCall { check, look, .. } = health(effect);
            if look != self.chain().course.rollout.looks {
                return Err(format!("{check} is asked for in an old look"));
            }
            if self.waves.open.contains(&(check.clone(), look)) {
                return Err(format!("{check} is asked for twice in a look"));
            }
            self.waves.open.push((check, look));
        }
        Ok(())
    }

    pub(super) fn check_answers(&mut self, at: usize, holds: bool) -> Step {
        let (check, look) = self.waves.open.remove(at);
        let is_last = !self.waves.open.iter().any(|(_, other)| *other == look);
        if holds && is_last {
            self.waves.sound = look;
        }
        let failed = (!holds).then(|| format!("{check} says no"));
        let chain = self.chain().id;
        self.tell(Input::Checked(Checked { chain, check, look, failed }))
    }

    /// A person's word lets one wave pass.
    pub(super) fn person_lets_pass(&mut self) {
        self.waves.let_pass = true;
    }

    /// A wave that is through ended, soaked, and was sound or let pass.
    pub(super) fn note_waves(&mut self) -> Step {
        let rollout = self.chain().course.rollout.clone();
        let passed = self.waves.passed;
        if rollout.passed > passed {
            self.may_be_through(passed)?;
            self.waves.passed = rollout.passed;
            (self.waves.soaks_since, self.waves.let_pass) = (None, false);
        }
        match (&rollout.stage, self.waves.soaks_since) {
            (Some(Stage::Soaking { .. }), None) => self.waves.soaks_since = Some(self.days),
            (None, _) => self.waves.soaks_since = None,
            _ => {}
        }
        Ok(())
    }

    fn may_be_through(&self, at: usize) -> Step {
        let (chain, rules, watch) = (self.chain(), &self.bounds.rules, &self.waves);
        let wave = chain.waves.at(at);
        let rule = rules.of(wave, &chain.steps);
        let steps = || wave.steps.iter().map(|&at| &chain.steps[at]);
        if steps().any(|step| !step.state.is_terminal()) {
            return Err(format!("{} is through and has not ended", wave.name));
        }
        let bad = steps().filter(|step| step.state != StepState::Finished).count();
        if bad > rule.failures {
            return Err(format!("{} is through with {bad} that ended badly", wave.name));
        }
        let changed = steps().any(|step| self.applied(&step.planned.stack));
        let soaked = watch.soaks_since.is_some_and(|since| self.days > since);
        if changed && !rule.soak.is_zero() && !soaked {
            return Err(format!("{} is through and has not soaked", wave.name));
        }
        let is_sound = watch.sound == chain.course.rollout.looks && watch.sound > 0;
        if changed && !rule.checks.is_empty() && !is_sound && !watch.let_pass {
            return Err(format!("{} is through and not sound", wave.name));
        }
        Ok(())
    }
}
