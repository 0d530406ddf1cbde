//! Waves: when one is through, what it waits for until then, and what becomes of the later ones.

use chrono::TimeDelta;
use contracts::{
    Code, Reason,
    chain::ChainState,
    step::{StepState, StepStuck, StepSummary},
};
use store::Effect;
use uuid::Uuid;

use super::Moves;
use crate::{
    checks::{self, HealthCall},
    input::Checked,
    machine::{ChainEvent, StepEvent},
    waves::{Name, Rules, Stage, Tally, moment},
};

impl Moves<'_> {
    /// Takes the waves as far as they go; at the end of every decision.
    pub(super) fn roll_out(&mut self) {
        while let Some(name) = self.awaited_wave() {
            let wave = self.chain.current_wave().expect("it is awaited");
            let tally = self.chain.tally(wave);
            let rule = self.chain.rules.of(wave, &self.chain.steps);
            if tally.bad > rule.failures {
                return self.stop_later_waves(name, tally, rule.failures);
            }
            if tally.open > 0 {
                return;
            }
            match &self.chain.course.rollout.stage {
                None if tally.changed == 0 => self.pass_wave(name, "changed nothing"),
                None if rule.soak.is_zero() => self.look_at_health(name, rule.checks),
                None => return self.soak(name, rule.soak),
                Some(Stage::Soaking { until }) if *until <= self.now => {
                    self.look_at_health(name, rule.checks);
                }
                Some(_) => return,
            }
            // It was passed, or it waits now.
            if self.chain.course.rollout.stage.is_some() || self.is_paused() {
                return;
            }
        }
    }

    /// The wave that is not through, if a step waits for it still.
    fn awaited_wave(&self) -> Option<Name> {
        let is_open = matches!(self.chain.state, ChainState::Running | ChainState::Paused);
        if self.chain.waves.is_none() || !is_open {
            return None;
        }
        self.waiting_for_wave().next()?;
        self.chain.current_wave().map(|wave| wave.name)
    }

    /// The steps that wait for the wave that is not through.
    fn waiting_for_wave(&self) -> impl Iterator<Item = usize> {
        let waits = |at: &usize| {
            self.chain.steps[*at].state == StepState::Waiting
                && self.chain.wave_before(*at).is_some()
        };
        self.chain.places().filter(waits)
    }

    fn is_paused(&self) -> bool {
        self.chain.state == ChainState::Paused
    }

    /// Why a step waits for a wave, if it does.
    pub(super) fn waits_for_wave(&self, at: usize) -> Option<Reason> {
        let name = self.chain.wave_before(at)?.name;
        let (code, text) = match &self.chain.course.rollout.stage {
            None => (Code::WaitingForWave, format!("waits until {name} is through")),
            Some(Stage::Soaking { until }) => {
                (Code::Soaking, format!("waits for {name}, which soaks until {}", moment(*until)))
            }
            Some(Stage::Checking { .. }) => {
                (Code::CheckingHealth, format!("waits for the health checks after {name}"))
            }
            Some(Stage::Held { reason }) => return Some(reason.clone()),
        };
        Some(Reason::new(code, text))
    }

    fn soak(&mut self, name: Name, soak: std::time::Duration) {
        let until =
            TimeDelta::from_std(soak).ok().and_then(|soak| self.now.checked_add_signed(soak));
        let until = until.unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC);
        self.chain.course.rollout.stage = Some(Stage::Soaking { until });
        let text = format!("{name} soaks until {}{}", moment(until), self.unheeded());
        self.wave_event(ChainEvent::WaveSoaks, Reason::new(Code::Soaking, text));
        self.start_waiting();
    }

    /// The time is over: the checks are made, if there are any. A paused chain begins nothing.
    fn look_at_health(&mut self, name: Name, mut names: Vec<String>) {
        if self.is_paused() {
            return;
        }
        if names.is_empty() {
            return self.pass_wave(name, "has soaked");
        }
        let rollout = &mut self.chain.course.rollout;
        rollout.looks += 1;
        let (look, chain) = (rollout.looks, self.chain.id);
        for check in &names {
            let call = HealthCall { chain, check: check.clone(), look };
            let name = format!("{}/{look}/{check}", checks::KIND);
            self.decision.effect(Effect {
                id: Uuid::new_v5(&chain.0, name.as_bytes()),
                key: chain.0,
                lane: format!("health/{chain}/{look}/{check}"),
                kind: checks::KIND,
                body: serde_json::to_value(&call).expect("a call is plain data"),
                correlation: self.chain.correlation,
                trace: self.chain.trace.clone().filter(|_| self.foreign),
            });
        }
        let text = format!("after {name}, these must hold: {}", names.join(", "));
        names.sort();
        self.chain.course.rollout.stage = Some(Stage::Checking { open: names, failed: Vec::new() });
        self.wave_event(ChainEvent::WaveChecked, Reason::new(Code::CheckingHealth, text));
        self.start_waiting();
    }

    /// A check has answered. Of an earlier look, or after a person let it pass, it is no news.
    pub(super) fn health_answered(&mut self, checked: &Checked) {
        let rollout = &mut self.chain.course.rollout;
        let is_now = checked.look == rollout.looks;
        let Some(Stage::Checking { open, failed }) = rollout.stage.as_mut().filter(|_| is_now)
        else {
            return;
        };
        let Some(place) = open.iter().position(|name| *name == checked.check) else { return };
        open.remove(place);
        failed.extend(checked.failed.clone());
        self.chain.changes.chain = true;
        let (is_last, failed) = (open.is_empty(), failed.join("; "));
        let Some(name) = self.awaited_wave().filter(|_| is_last) else { return };
        match failed.is_empty() {
            true => self.pass_wave(name, "has soaked, and every health check holds"),
            false => self.hold_wave(name, &failed),
        }
    }

    fn hold_wave(&mut self, name: Name, failed: &str) {
        let id = self.chain.id;
        let reason = Reason::new(Code::Unhealthy, format!("after {name}: {failed}"));
        let mend = format!(
            "`stackly retry {id}` looks again, `stackly resume {id}` goes on all the same, \
             `stackly cancel {id}` ends the chain"
        );
        self.chain.course.rollout.stage = Some(Stage::Held { reason: reason.clone() });
        self.wave_event(ChainEvent::WaveHeld, reason.clone());
        self.start_waiting();
        // People are told at once, and once.
        let first = self.waiting_for_wave().next();
        if let Some(at) = first {
            let step = StepSummary { reason, ..self.chain.steps[at].summary() };
            self.send(&StepStuck { chain: id, step, mend: Some(mend) });
        }
    }

    /// Whether the wave waits for a person.
    pub(super) fn wave_is_held(&self) -> bool {
        let stage = &self.chain.course.rollout.stage;
        self.chain.state == ChainState::Running && matches!(stage, Some(Stage::Held { .. }))
    }

    /// A person lets the next wave begin all the same.
    pub(super) fn let_wave_pass(&mut self, reason: Reason) {
        let text = format!("was let pass: {}", reason.text);
        self.chain_enters(ChainEvent::Resumed, reason);
        if let Some(name) = self.awaited_wave() {
            self.pass_wave(name, &text);
        }
    }

    /// A person has the health looked at again.
    pub(super) fn look_again(&mut self) {
        if let Some(name) = self.awaited_wave() {
            let wave = self.chain.current_wave().expect("it is awaited");
            let rule = self.chain.rules.of(wave, &self.chain.steps);
            self.look_at_health(name, rule.checks);
        }
    }

    /// A step begins again: what its wave was waiting for begins anew, when it has ended.
    pub(super) fn unsettle(&mut self, at: usize) {
        let is_of_it = self.chain.current_wave().is_some_and(|wave| wave.steps.contains(&at));
        if is_of_it && self.chain.course.rollout.stage.take().is_some() {
            self.chain.changes.chain = true;
        }
    }

    /// What labels of the wave that is not through are not heeded, to be added to a sentence.
    fn unheeded(&self) -> String {
        let wave = self.chain.current_wave();
        wave.map_or_else(String::new, |wave| Rules::unheeded(wave, &self.chain.steps))
    }

    fn pass_wave(&mut self, name: Name, why: &str) {
        let unheeded = self.unheeded();
        let rollout = &mut self.chain.course.rollout;
        rollout.passed += 1;
        rollout.stage = None;
        let reason = Reason::new(Code::Allowed, format!("{name} {why}{unheeded}"));
        self.wave_event(ChainEvent::WavePassed, reason);
        self.start_waiting();
    }

    /// What waits starts, or says for what it waits now.
    fn start_waiting(&mut self) {
        for at in self.chain.places() {
            if self.start_if_ready(at) {
                self.go_on_below(at);
            }
        }
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
        let later: Vec<usize> = self.waiting_for_wave().collect();
        for &at in &later {
            self.withdraw(at, &reason);
            self.end_step(at, StepEvent::WaveStopped, reason.clone());
        }
        for at in later {
            self.skip_below(at);
        }
    }

    /// Notes what became of a wave. Why a chain is paused, or goes before others, stays said.
    fn wave_event(&mut self, event: ChainEvent, reason: Reason) {
        let before = self.chain.reason.clone();
        self.chain_enters(event, reason);
        if self.is_paused() || before.code == Code::Overridden {
            self.chain.reason = before;
        }
    }
}
