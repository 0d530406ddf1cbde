//! Health: when it is looked at after a wave, who is asked, and what the answers lead to.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Code, Reason,
    check::CheckAsked,
    step::{StepStuck, StepSummary},
};
use store::{Effect, Refusal};
use uuid::Uuid;

use super::Moves;
use crate::{
    checks::{self, HealthCall, Hook},
    input::{Answered, Checked},
    machine::ChainEvent,
    waves::{Name, Stage, moment},
};

/// Nobody knows the chain an answer is about.
pub(super) fn unknown(answered: &Answered) -> Refusal {
    refused(format!("there is no {}", answered.chain))
}

fn refused(text: String) -> Refusal {
    Refusal::Never { code: Code::OrderRefused, text }
}

impl Moves<'_> {
    /// The time is over: the checks are made, if there are any. A paused chain begins nothing.
    pub(super) fn look_at_health(&mut self, name: Name, names: Vec<String>) {
        if self.is_paused() {
            return;
        }
        if names.is_empty() {
            return self.pass_wave(name, "has soaked");
        }
        let text = format!("after {name}, these must hold: {}", names.join(", "));
        let open = self.look(name, names);
        self.chain.course.rollout.stage = Some(Stage::Checking { open, failed: Vec::new() });
        self.wave_event(ChainEvent::WaveChecked, Reason::new(Code::CheckingHealth, text));
        self.start_everything();
    }

    /// The checks are made also while the wave soaks, each look after the answers to the one before.
    /// It is no transition: there may be thousands of them.
    pub(super) fn look_while_it_soaks(&mut self, name: Name, names: Vec<String>) {
        let Some(Stage::Soaking { next: Some(next), .. }) = self.chain.course.rollout.stage else {
            return;
        };
        if next > self.now || self.is_paused() {
            return;
        }
        // There may be none any more; then nothing is looked at again.
        let looked = if names.is_empty() { names } else { self.look(name, names) };
        if let Some(Stage::Soaking { next, open, .. }) = &mut self.chain.course.rollout.stage {
            (*next, *open) = (None, looked);
        }
        self.chain.changes.chain = true;
    }

    /// When health is looked at next while a wave soaks.
    pub(super) fn next_look(&self) -> Option<DateTime<Utc>> {
        let every = self.chain.rules.look_every;
        (!every.is_zero()).then(|| self.after(every))
    }

    pub(super) fn after(&self, duration: Duration) -> DateTime<Utc> {
        let delta = TimeDelta::from_std(duration).ok();
        delta.and_then(|it| self.now.checked_add_signed(it)).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Has all checks made; gives them in order. What earlier looks come to counts no more.
    fn look(&mut self, wave: Name, mut names: Vec<String>) -> Vec<String> {
        let rollout = &mut self.chain.course.rollout;
        rollout.looks += 1;
        rollout.asked.clear();
        let look = rollout.looks;
        for check in &names {
            match self.chain.rules.hooks.get(check).cloned() {
                Some(hook) => self.ask_outside(check, hook, (wave, look)),
                None => self.call_check(check, look),
            }
        }
        names.sort();
        names
    }

    fn call_check(&mut self, check: &str, look: u32) {
        let chain = self.chain.id;
        let call = HealthCall { chain, check: check.to_owned(), look };
        let name = format!("{}/{look}/{check}", checks::KIND);
        self.decision.effect(Effect {
            id: Uuid::new_v5(&chain.0, name.as_bytes()),
            key: chain.0,
            lane: format!("health/{chain}/{look}/{check}"),
            kind: checks::KIND,
            body: contracts::plain(&call),
            correlation: self.chain.correlation,
            trace: self.chain.trace.clone().filter(|_| self.foreign),
        });
    }

    fn ask_outside(&mut self, check: &str, hook: Hook, (wave, look): (Name, u32)) {
        let deadline = self.after(hook.within);
        self.chain.course.rollout.asked.insert(check.to_owned(), deadline);
        let steps = self.chain.current_wave().map_or(&[][..], |wave| &wave.steps);
        let asked = CheckAsked {
            hook: hook.name,
            check: check.to_owned(),
            chain: self.chain.id,
            look,
            wave: wave.to_string(),
            stacks: steps.iter().map(|&at| self.chain.stack(at).clone()).collect(),
            change: self.chain.change.clone(),
            deadline,
        };
        self.send(&asked);
    }

    /// Who outside is to answer, to be added to a sentence.
    pub(super) fn asked_outside(&self) -> String {
        let asked = self.chain.course.rollout.asked.iter();
        let told = asked.map(|(check, until)| {
            format!("; {check} is to be answered from outside until {}", moment(*until))
        });
        told.collect()
    }

    /// Somebody outside answers. The first answer to a look counts.
    pub(super) fn hook_answered(&mut self, answered: &Answered) -> Result<(), Refusal> {
        let Answered { chain, check, look, pass, by, text } = answered;
        let rollout = &self.chain.course.rollout;
        let look = look.unwrap_or(rollout.looks);
        if look != rollout.looks || !rollout.asked.contains_key(check) {
            let named = answered.look.map(|look| format!(" in look {look}")).unwrap_or_default();
            let text = format!(
                "{chain} does not wait for an answer to the check {check}{named}: it was not asked, \
                 was answered already, or its time is over"
            );
            return Err(refused(text));
        }
        let why = text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        let failed = (!pass).then(|| format!("{check} says no{why} (by {by})"));
        let (chain, check) = (*chain, check.clone());
        self.health_answered(&Checked { chain, check, look, failed });
        Ok(())
    }

    /// Who was asked and has not answered in time says that all is not well.
    pub(super) fn hear_silence(&mut self) {
        let rollout = &self.chain.course.rollout;
        let (chain, look) = (self.chain.id, rollout.looks);
        let late = rollout.asked.iter().find(|(_, until)| **until <= self.now);
        let Some((check, until)) = late.map(|(check, until)| (check.clone(), *until)) else {
            return;
        };
        let failed = Some(format!("{check} was not answered until {}", moment(until)));
        self.health_answered(&Checked { chain, check, look, failed });
        self.hear_silence();
    }

    /// A check has answered. Of an earlier look, or after a person let it pass, it is no news.
    pub(super) fn health_answered(&mut self, checked: &Checked) {
        let next = self.next_look();
        let rollout = &mut self.chain.course.rollout;
        if checked.look != rollout.looks {
            return;
        }
        rollout.asked.remove(&checked.check);
        let place = |open: &[String]| open.iter().position(|name| *name == checked.check);
        match &mut rollout.stage {
            Some(Stage::Soaking { until, next: then, open }) => {
                let Some(place) = place(open) else { return };
                open.remove(place);
                if open.is_empty() {
                    *then = next;
                }
                let until = *until;
                self.chain.changes.chain = true;
                if let (Some(failed), Some(name)) = (&checked.failed, self.awaited_wave()) {
                    self.hold_wave(&format!("while {name} soaks: {failed}"), Some(until));
                }
            }
            Some(Stage::Checking { open, failed }) => {
                let Some(place) = place(open) else { return };
                open.remove(place);
                failed.extend(checked.failed.clone());
                self.chain.changes.chain = true;
                let (is_last, failed) = (open.is_empty(), failed.join("; "));
                let Some(name) = self.awaited_wave().filter(|_| is_last) else { return };
                match failed.is_empty() {
                    true => self.pass_wave(name, "has soaked, and every health check holds"),
                    false => self.hold_wave(&format!("after {name}: {failed}"), None),
                }
            }
            _ => {}
        }
    }

    fn hold_wave(&mut self, text: &str, soaks_until: Option<DateTime<Utc>>) {
        let id = self.chain.id;
        let reason = Reason::new(Code::Unhealthy, text);
        let mend = format!(
            "`stackly retry {id}` looks again, `stackly resume {id}` goes on all the same, \
             `stackly cancel {id}` ends the chain"
        );
        let rollout = &mut self.chain.course.rollout;
        rollout.stage = Some(Stage::Held { reason: reason.clone(), soaks_until });
        rollout.asked.clear();
        self.wave_event(ChainEvent::WaveHeld, reason.clone());
        self.start_everything();
        // People are told at once, and once.
        let first = self.waiting_for_wave().next();
        if let Some(at) = first {
            let step = StepSummary { reason, ..self.chain.steps[at].summary() };
            self.send(&StepStuck { chain: id, step, mend: Some(mend) });
        }
    }

    /// A person has the health looked at again. What was to soak still soaks to its end.
    pub(super) fn look_again(&mut self) {
        let Some(name) = self.awaited_wave() else { return };
        let wave = self.chain.current_wave().expect("it is awaited");
        let rule = self.chain.rules.of(wave, &self.chain.steps);
        let soaks_until = match self.chain.course.rollout.stage {
            Some(Stage::Held { soaks_until, .. }) => soaks_until,
            _ => None,
        };
        let Some(until) = soaks_until.filter(|until| *until > self.now) else {
            return self.look_at_health(name, rule.checks);
        };
        let next = Some(self.now);
        self.chain.course.rollout.stage = Some(Stage::Soaking { until, next, open: Vec::new() });
        let text = format!("{name} is looked at again, and soaks until {}", moment(until));
        self.wave_event(ChainEvent::WaveSoaks, Reason::new(Code::Soaking, text));
        self.start_everything();
    }
}
