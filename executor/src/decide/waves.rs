//! Waves: when one is through, what it waits for until then, and what becomes of the later ones.

use contracts::{Code, Reason, chain::ChainState, step::StepState};

use super::Moves;
use crate::{
    machine::{ChainEvent, StepEvent},
    waves::{Name, Rule, Rules, Stage, Tally, moment},
};

impl Moves<'_> {
    /// Takes the waves as far as they go; at the end of every decision.
    pub(super) fn roll_out(&mut self) {
        if !self.is_paused() {
            self.hear_silence();
        }
        while let Some(name) = self.awaited_wave() {
            let wave = self.chain.current_wave().expect("it is awaited");
            let tally = self.chain.tally(wave);
            let rule = self.chain.rules.of(wave, &self.chain.steps);
            if tally.bad > rule.failures {
                self.stop_later_waves(name, tally, rule.failures);
                break;
            }
            if tally.open > 0 {
                return;
            }
            match &self.chain.course.rollout.stage {
                None if tally.changed == 0 => self.pass_wave(name, "changed nothing"),
                None if rule.soak.is_zero() => self.look_at_health(name, rule.checks),
                None => return self.soak(name, &rule),
                Some(Stage::Soaking { until, .. }) if *until <= self.now => {
                    self.look_at_health(name, rule.checks);
                }
                Some(Stage::Soaking { .. }) => return self.look_while_it_soaks(name, rule.checks),
                Some(_) => return,
            }
            // It was passed, or it waits now.
            if self.chain.course.rollout.stage.is_some() || self.is_paused() {
                return;
            }
        }
        if self.awaited_wave().is_none() {
            self.stop_waiting();
        }
    }

    /// A wave waits for nothing any more: whoever waits for it later has all of it begin anew, since
    /// what was asked meanwhile has said nothing to anybody.
    fn stop_waiting(&mut self) {
        let rollout = &mut self.chain.course.rollout;
        if rollout.stage.take().is_some() {
            rollout.asked.clear();
            self.chain.changes.chain = true;
        }
    }

    /// The wave that is not through, if a step waits for it still.
    pub(super) fn awaited_wave(&self) -> Option<Name> {
        let is_open = matches!(self.chain.state, ChainState::Running | ChainState::Paused);
        if self.chain.waves.is_none() || !is_open {
            return None;
        }
        self.waiting_for_wave().next()?;
        self.chain.current_wave().map(|wave| wave.name)
    }

    /// The steps that wait for the wave that is not through.
    pub(super) fn waiting_for_wave(&self) -> impl Iterator<Item = usize> {
        let waits = |at: &usize| {
            self.chain.steps[*at].state == StepState::Waiting
                && self.chain.wave_before(*at).is_some()
        };
        self.chain.places().filter(waits)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.chain.state == ChainState::Paused
    }

    /// Why a step waits for a wave, if it does.
    pub(super) fn waits_for_wave(&self, at: usize) -> Option<Reason> {
        let name = self.chain.wave_before(at)?.name;
        let (code, text) = match &self.chain.course.rollout.stage {
            None => (Code::WaitingForWave, format!("waits until {name} is through")),
            Some(Stage::Soaking { until, .. }) => {
                (Code::Soaking, format!("waits for {name}, which soaks until {}", moment(*until)))
            }
            Some(Stage::Checking { .. }) => {
                let asked = self.asked_outside();
                (Code::CheckingHealth, format!("waits for the health checks after {name}{asked}"))
            }
            Some(Stage::Held { reason, .. }) => return Some(reason.clone()),
        };
        Some(Reason::new(code, text))
    }

    fn soak(&mut self, name: Name, rule: &Rule) {
        let until = self.after(rule.soak);
        let next = (!rule.checks.is_empty()).then(|| self.next_look()).flatten();
        self.chain.course.rollout.stage = Some(Stage::Soaking { until, next, open: Vec::new() });
        let text = format!("{name} soaks until {}{}", moment(until), self.unheeded());
        self.wave_event(ChainEvent::WaveSoaks, Reason::new(Code::Soaking, text));
        self.start_everything();
    }

    /// Whether steps wait for a wave, and the wave for a person.
    pub(super) fn wave_is_held(&self) -> bool {
        let stage = &self.chain.course.rollout.stage;
        self.chain.state == ChainState::Running
            && matches!(stage, Some(Stage::Held { .. }))
            && self.awaited_wave().is_some()
    }

    /// A person lets the next wave begin all the same.
    pub(super) fn let_wave_pass(&mut self, reason: Reason) {
        let text = format!("was let pass: {}", reason.text);
        self.chain_enters(ChainEvent::Resumed, reason);
        if let Some(name) = self.awaited_wave() {
            self.pass_wave(name, &text);
        }
    }

    /// A step begins again: what its wave was waiting for begins anew, when it has ended.
    pub(super) fn unsettle(&mut self, at: usize) {
        let wave = self.chain.current_wave();
        if wave.is_some_and(|wave| wave.steps.contains(&at)) {
            self.stop_waiting();
        }
    }

    /// What labels of the wave that is not through are not heeded, to be added to a sentence.
    fn unheeded(&self) -> String {
        let wave = self.chain.current_wave();
        wave.map_or_else(String::new, |wave| Rules::unheeded(wave, &self.chain.steps))
    }

    pub(super) fn pass_wave(&mut self, name: Name, why: &str) {
        let unheeded = self.unheeded();
        let rollout = &mut self.chain.course.rollout;
        rollout.passed += 1;
        rollout.stage = None;
        rollout.asked.clear();
        let reason = Reason::new(Code::Allowed, format!("{name} {why}{unheeded}"));
        self.wave_event(ChainEvent::WavePassed, reason);
        self.start_everything();
    }

    /// Whether more steps of the wave that is not through ended badly than may.
    pub(super) fn has_failed_wave(&self) -> bool {
        self.chain.current_wave().is_some_and(|wave| {
            let rule = self.chain.rules.of(wave, &self.chain.steps);
            self.chain.tally(wave).bad > rule.failures
        })
    }

    /// Too much of a wave ended badly: nothing after it runs.
    fn stop_later_waves(&mut self, name: Name, tally: Tally, most: usize) {
        let Tally { steps, bad, .. } = tally;
        let text = format!(
            "{bad} of {steps} steps of {name} did not end well, and at most {most} may; what comes \
             after it does not run"
        );
        let reason = Reason::new(Code::WaveFailed, text);
        // Of what may yet go wrong, it is not known what is there for it.
        let later: Vec<usize> =
            self.waiting_for_wave().filter(|&at| !self.chain.may_be_called_for(at)).collect();
        for &at in &later {
            self.withdraw(at, &reason);
            self.end_step(at, StepEvent::WaveStopped, reason.clone());
        }
        for at in later {
            self.skip_below(at);
        }
    }

    /// Notes what became of a wave. Why a chain is paused, or goes before others, stays said.
    pub(super) fn wave_event(&mut self, event: ChainEvent, reason: Reason) {
        let before = self.chain.reason.clone();
        self.chain_enters(event, reason);
        if self.is_paused() || before.code == Code::Overridden {
            self.chain.reason = before;
        }
    }
}
