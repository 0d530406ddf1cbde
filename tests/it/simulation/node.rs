//! What `crates/store` does with a decider, in memory: one transaction for a batch, remembered
//! answers, effects claimed under a fence, wake-ups. What is committed survives a crash, what the
//! process holds does not.

use std::collections::BTreeMap;

use bus::Answers;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Code, Envelope, Inbound, envelope::Cause};
use store::{Claim, Decision, Effect, Performed, Refusal};
use uuid::Uuid;

use super::{effects::Call, violation::Violation};

/// The least time between two wake-ups of one state.
const TICK: TimeDelta = TimeDelta::milliseconds(250);

/// A decider with its tables.
pub trait Rig {
    type Input: Inbound;
    type State: Clone + Default;

    const CONSUMER: &'static str;

    /// Which state an input belongs to.
    fn key(&self, states: &BTreeMap<Uuid, Self::State>, input: &Self::Input) -> Option<Uuid>;
    /// Reads a state; `lane` says whose call is open in a lane.
    fn load(
        &self,
        states: &BTreeMap<Uuid, Self::State>,
        key: Uuid,
        _lane: &dyn Fn(&str) -> Option<Uuid>,
    ) -> Self::State {
        states.get(&key).cloned().unwrap_or_default()
    }
    fn decide(
        &self,
        state: &mut Self::State,
        input: &Envelope<Self::Input>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal>;
    /// Whether the constraints of the tables let these states be written.
    fn fits(
        &self,
        _states: &BTreeMap<Uuid, Self::State>,
        _changed: &BTreeMap<Uuid, Self::State>,
    ) -> bool {
        true
    }
    /// Told what was written; gives the keys of other states to wake.
    fn saved(
        &mut self,
        _states: &BTreeMap<Uuid, Self::State>,
        _changed: &BTreeMap<Uuid, Self::State>,
    ) -> Vec<Uuid> {
        Vec::new()
    }
    fn wake_at(&self, _state: &Self::State) -> Option<DateTime<Utc>> {
        None
    }
    fn wake(&self, _key: Uuid) -> Option<Self::Input> {
        None
    }
    /// The process died and was started again.
    fn restarted(&mut self) {}
    /// What must hold for every state that is written.
    fn wrong(&self, _state: &Self::State) -> Option<Violation> {
        None
    }
}

/// Where an input comes from.
#[derive(Clone, Copy)]
pub enum Origin {
    Message,
    Wake(Uuid, DateTime<Utc>),
    Effect(Uuid, i64),
}

/// Why an input was not decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    Retry,
    Reject { code: Code, text: String },
}

/// The answers to one event.
pub struct Row {
    pub answers: Answers,
    pub published: bool,
}

/// One service: a decider, its tables, and what its process holds.
pub struct Node<R: Rig> {
    pub rig: R,
    pub states: BTreeMap<Uuid, R::State>,
    pub rows: BTreeMap<Uuid, Row>,
    /// The rows in the order in which they were written.
    pub order: Vec<Uuid>,
    pub calls: BTreeMap<Uuid, Call>,
    pub wakeups: BTreeMap<Uuid, DateTime<Utc>>,
    /// Claims on their way to the performer: gone with the process.
    pub claims: Vec<Claim>,
    /// Results on their way to the decider: gone with the process.
    pub results: Vec<(Claim, Performed<R::Input>)>,
    /// Negative control: nothing is remembered.
    pub amnesia: bool,
    pub violations: Vec<Violation>,
}

type Arrival<I> = (Envelope<I>, Origin);
/// One result for each arrival.
pub type Settled = Vec<Result<Answers, Failure>>;

/// One transaction before it is committed.
struct Work<R: Rig> {
    states: BTreeMap<Uuid, R::State>,
    touched: Vec<Uuid>,
    wakes_before: BTreeMap<Uuid, Option<DateTime<Utc>>>,
    decided: Vec<Answers>,
    fresh: BTreeMap<Uuid, Answers>,
    effects: Vec<Effect>,
    closed: Vec<Uuid>,
}

enum Trouble {
    Poison(usize, Failure),
    Constraint,
}

impl<R: Rig> Node<R> {
    pub fn new(rig: R, amnesia: bool) -> Self {
        Self {
            rig,
            states: BTreeMap::new(),
            rows: BTreeMap::new(),
            order: Vec::new(),
            calls: BTreeMap::new(),
            wakeups: BTreeMap::new(),
            claims: Vec::new(),
            results: Vec::new(),
            amnesia,
            violations: Vec::new(),
        }
    }

    /// Decides and commits; one result for each arrival.
    pub fn settle(&mut self, arrivals: Vec<Arrival<R::Input>>, now: DateTime<Utc>) -> Settled {
        let mut results: Vec<Option<Result<Answers, Failure>>> = vec![None; arrivals.len()];
        let mut left: Vec<(usize, Arrival<R::Input>)> = arrivals.into_iter().enumerate().collect();
        while !left.is_empty() {
            match self.attempt(&left, now) {
                Ok(work) => {
                    for ((place, _), answers) in left.iter().zip(&work.decided) {
                        results[*place] = Some(Ok(answers.clone()));
                    }
                    self.commit(&left, work, now);
                    left.clear();
                }
                Err(Trouble::Poison(index, failure)) => {
                    results[left.remove(index).0] = Some(Err(failure));
                }
                Err(Trouble::Constraint) if left.len() == 1 => {
                    results[left.remove(0).0] = Some(Err(Failure::Retry));
                }
                // One of them may be to blame: each alone, in order.
                Err(Trouble::Constraint) => {
                    for (place, arrival) in left.drain(..) {
                        results[place] = self.settle(vec![arrival], now).pop();
                    }
                }
            }
        }
        results.into_iter().map(|result| result.expect("each was settled")).collect()
    }

    fn attempt(
        &self,
        batch: &[(usize, Arrival<R::Input>)],
        now: DateTime<Utc>,
    ) -> Result<Work<R>, Trouble> {
        let mut work = Work {
            states: BTreeMap::new(),
            touched: Vec::new(),
            wakes_before: BTreeMap::new(),
            decided: Vec::new(),
            fresh: BTreeMap::new(),
            effects: Vec::new(),
            closed: Vec::new(),
        };
        // Keys and states are read before anything is decided, as in one transaction.
        let keys: Vec<_> = batch
            .iter()
            .map(|(_, (envelope, _))| self.rig.key(&self.states, &envelope.body))
            .collect();
        for key in keys.iter().flatten() {
            let load = || self.rig.load(&self.states, *key, &|lane| self.open_lane(lane));
            work.states.entry(*key).or_insert_with(load);
        }
        for (index, (_, (envelope, origin))) in batch.iter().enumerate() {
            let known = self.rows.get(&envelope.id).map(|row| &row.answers);
            let known = known.or_else(|| work.fresh.get(&envelope.id)).cloned();
            let answers = match known {
                Some(answers) => answers,
                None => self
                    .decide(&mut work, (envelope, *origin), keys[index], now)
                    .map_err(|failure| Trouble::Poison(index, failure))?,
            };
            work.decided.push(answers);
        }
        work.states.retain(|key, _| work.touched.contains(key));
        let fits = self.rig.fits(&self.states, &work.states) && self.lanes_are_free(&work);
        if fits { Ok(work) } else { Err(Trouble::Constraint) }
    }

    fn decide(
        &self,
        work: &mut Work<R>,
        (envelope, origin): (&Envelope<R::Input>, Origin),
        key: Option<Uuid>,
        now: DateTime<Utc>,
    ) -> Result<Answers, Failure> {
        if let Origin::Effect(effect, fence) = origin {
            let ours = self.calls.get(&effect).is_some_and(|it| it.open && it.fence == fence);
            if !ours {
                // Another claim took over: this result comes from a zombie.
                work.fresh.insert(envelope.id, Answers::default());
                return Ok(Answers::default());
            }
            work.closed.push(effect);
        }
        let Some(key) = key else { return Ok(Answers::default()) };
        let state = work.states.get_mut(&key).expect("it was loaded");
        work.wakes_before.entry(key).or_insert_with(|| self.rig.wake_at(state));
        let decision = self.rig.decide(state, envelope, now).map_err(|refusal| match refusal {
            Refusal::Never { code, text } => Failure::Reject { code, text },
            Refusal::Later { .. } | Refusal::Full { .. } => Failure::Retry,
        })?;
        if decision.is_no_news() {
            return Ok(Answers::default());
        }
        let is_idempotent = decision.is_idempotent();
        let Decision { answers: outgoing, effects, .. } = decision;
        if !work.touched.contains(&key) {
            work.touched.push(key);
        }
        work.effects.extend(effects.into_iter().map(|mut effect| {
            effect.trace = effect.trace.or_else(|| envelope.trace.clone());
            effect
        }));
        let cause = Cause {
            id: envelope.id,
            correlation: envelope.correlation,
            trace: envelope.trace.clone(),
            consumer: R::CONSUMER,
            now,
        };
        let outgoing = outgoing.into_iter().enumerate();
        let answers = Answers::new(
            outgoing.map(|(ordinal, answer)| answer.answer(&cause, ordinal)).collect(),
        );
        if !is_idempotent {
            work.fresh.insert(envelope.id, answers.clone());
        }
        Ok(answers)
    }

    /// At most one open call per lane.
    fn lanes_are_free(&self, work: &Work<R>) -> bool {
        let new: Vec<_> =
            work.effects.iter().filter(|effect| !self.calls.contains_key(&effect.id)).collect();
        new.iter().enumerate().all(|(place, effect)| {
            let taken = self.calls.iter().any(|(id, call)| {
                call.open && !work.closed.contains(id) && call.effect.lane == effect.lane
            });
            let doubled =
                new[..place].iter().any(|it| it.lane == effect.lane && it.id != effect.id);
            !taken && !doubled
        })
    }

    fn commit(&mut self, batch: &[(usize, Arrival<R::Input>)], work: Work<R>, now: DateTime<Utc>) {
        for (key, state) in &work.states {
            self.violations.extend(self.rig.wrong(state));
            let wanted = self.rig.wake_at(state);
            if work.wakes_before.get(key) != Some(&wanted) {
                self.set_wakeup(*key, wanted);
            }
        }
        let woken = self.rig.saved(&self.states, &work.states);
        for (_, (_, origin)) in batch {
            let Origin::Wake(key, due_at) = origin else { continue };
            if self.wakeups.get(key).is_some_and(|at| at <= due_at) {
                self.wakeups.remove(key);
            }
            if let Some(state) = work.states.get(key) {
                let again = self.rig.wake_at(state).map(|at| at.max(now + TICK));
                self.set_wakeup(*key, again);
            }
        }
        self.states.extend(work.states);
        self.nudge(&woken, now);
        for id in &work.closed {
            let call = self.calls.get_mut(id).expect("it was open");
            (call.open, call.claimed) = (false, false);
        }
        for effect in work.effects {
            self.write_call(effect, now);
        }
        if self.amnesia {
            return;
        }
        for (_, (envelope, _)) in batch {
            let Some(answers) = work.fresh.get(&envelope.id) else { continue };
            let published = answers.is_empty();
            let row = Row { answers: answers.clone(), published };
            if self.rows.insert(envelope.id, row).is_none() {
                self.order.push(envelope.id);
            }
        }
    }

    fn set_wakeup(&mut self, key: Uuid, at: Option<DateTime<Utc>>) {
        match at {
            Some(at) => self.wakeups.insert(key, at),
            None => self.wakeups.remove(&key),
        };
    }

    /// Wakes states now, unless they are to be woken earlier anyway.
    pub fn nudge(&mut self, keys: &[Uuid], now: DateTime<Utc>) {
        for key in keys {
            let at = self.wakeups.get(key).map_or(now, |at| *at.min(&now));
            self.wakeups.insert(*key, at);
        }
    }

    /// Takes a result to its decision. `None`: it could not be decided and is kept.
    pub fn conclude(
        &mut self,
        claim: &Claim,
        input: R::Input,
        now: DateTime<Utc>,
    ) -> Option<(Uuid, Answers)> {
        let id = Uuid::new_v5(&claim.id, format!("concluded/{}", claim.fence).as_bytes());
        let kind = format!("{}.concluded", claim.kind);
        let named = (kind.as_str(), claim.lane.as_str());
        let concluded = Envelope::first(R::CONSUMER, id, named, now, input)
            .within(claim.correlation, claim.trace.clone());
        let envelope = Envelope { causation: Some(claim.id), ..concluded };
        let cause = envelope.id;
        let origin = Origin::Effect(claim.id, claim.fence);
        Some((cause, self.settle(vec![(envelope, origin)], now).pop()?.ok()?))
    }

    /// Wakes everything that is due; gives the causes and answers.
    pub fn wake(&mut self, now: DateTime<Utc>) -> Vec<(Uuid, Answers)> {
        let due: Vec<_> = self
            .wakeups
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(key, at)| (*key, *at))
            .collect();
        let arrivals = due.into_iter().filter_map(|(key, due_at)| {
            let body = self.rig.wake(key)?;
            let name = format!("{}/{due_at}", R::CONSUMER);
            let id = Uuid::new_v5(&key, name.as_bytes());
            let envelope =
                Envelope::first(R::CONSUMER, id, ("wakeup", key), now, body).within(key, None);
            Some((envelope, Origin::Wake(key, due_at)))
        });
        let arrivals: Vec<_> = arrivals.collect();
        let causes: Vec<_> = arrivals.iter().map(|(envelope, _)| envelope.id).collect();
        let settled = self.settle(arrivals, now);
        causes.into_iter().zip(settled).filter_map(|(id, it)| Some((id, it.ok()?))).collect()
    }
}
