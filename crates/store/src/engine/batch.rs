//! One batch, one transaction: recall, load, decide, save, remember.

use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use anyhow::anyhow;
use bus::{Answers, Failure};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Envelope, envelope::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Engine, TICK,
    arrival::{Arrival, Decided, Origin},
    fault::Trouble,
};
use crate::{
    Claim, Decider, Decision, Effect, Refusal, Remembered, claims,
    remembered::{self, Recalled, as_json},
    wakeups,
};

type Batch<'a, D> = [&'a Arrival<<D as Decider>::Input>];

/// One batch between reading and writing.
struct Work<'a, D: Decider> {
    engine: &'a Engine<D>,
    now: DateTime<Utc>,
    keys: Vec<Option<Uuid>>,
    states: HashMap<Uuid, D::State>,
    recalled: HashMap<Uuid, Recalled>,
    closed: HashSet<(Uuid, i64)>,
    /// The states decided upon, in order, and when each wanted to be woken before.
    touched: Vec<Uuid>,
    wishes_before: HashMap<Uuid, Option<DateTime<Utc>>>,
    effects: Vec<Effect>,
    /// What was decided now.
    fresh: Vec<Remembered>,
    fresh_json: Vec<String>,
}

/// What a decided batch leaves to be done once it is committed.
pub(super) struct Outcome {
    pub(super) decided: Vec<Decided>,
    pub(super) claims: Vec<Claim>,
    /// A wake-up may be due before the next tick.
    pub(super) is_alarming: bool,
}

/// Decides a batch in one transaction.
pub(super) async fn attempt<D: Decider>(
    engine: &Engine<D>,
    batch: &Batch<'_, D>,
) -> Result<Outcome, Trouble> {
    let mut transaction = engine.pool().begin().await?;
    let mut work = Work::read(engine, &mut transaction, batch).await?;
    let decided = work.decide(batch)?;
    let (claims, is_alarming) = work.write(&mut transaction, batch).await?;
    bus::failpoint("engine.before_commit");
    transaction.commit().await?;
    bus::failpoint("engine.after_commit");
    Ok(Outcome { decided, claims, is_alarming })
}

impl<'a, D: Decider> Work<'a, D> {
    async fn read(
        engine: &'a Engine<D>,
        connection: &mut PgConnection,
        batch: &Batch<'_, D>,
    ) -> Result<Self, sqlx::Error> {
        let consumer = engine.consumer();
        let now = Utc::now();
        let inputs: Vec<_> = batch.iter().map(|arrival| &arrival.envelope.body).collect();
        let mut keys = engine.decider().keys(connection, &inputs).await?;
        keys.resize(batch.len(), None);
        for (key, arrival) in keys.iter_mut().zip(batch) {
            if let Origin::Wake(due) = arrival.origin {
                *key = Some(due.key);
            }
        }
        let mut distinct: Vec<Uuid> = keys.iter().copied().flatten().collect();
        distinct.sort_unstable();
        distinct.dedup();
        lock(connection, consumer, &distinct).await?;
        let states = match distinct.is_empty() {
            true => HashMap::new(),
            false => engine.decider().load(connection, &distinct).await?,
        };
        let ids: Vec<_> = batch.iter().map(|arrival| arrival.envelope.id).collect();
        let recalled = remembered::recall(connection, consumer, &ids).await?;
        // The result of an effect that was remembered closed it: it is not open to be closed again.
        let closings = batch.iter().filter_map(|arrival| match arrival.origin {
            Origin::Effect(effect, fence) => Some((effect, fence)),
            _ => None,
        });
        let closed = claims::close(connection, &closings.collect::<Vec<_>>(), now).await?;
        Ok(Self {
            engine,
            now,
            keys,
            states,
            recalled,
            closed,
            touched: Vec::new(),
            wishes_before: HashMap::new(),
            effects: Vec::new(),
            fresh: Vec::with_capacity(batch.len()),
            fresh_json: Vec::with_capacity(batch.len()),
        })
    }

    /// Decides each input in order. All that are refused are found in one go; what follows them
    /// on the same state is left for the next, because a refusal may leave the state half changed.
    fn decide(&mut self, batch: &Batch<'_, D>) -> Result<Vec<Decided>, Trouble> {
        let mut decided = Vec::with_capacity(batch.len());
        let mut poison = Vec::new();
        let mut spoiled = HashSet::new();
        for (index, arrival) in batch.iter().enumerate() {
            if let Some(Recalled { answers, is_published }) =
                self.recalled.get(&arrival.envelope.id)
            {
                let (answers, is_published) = (answers.clone(), *is_published);
                decided.push(Decided { answers, is_published });
                continue;
            }
            let key = self.keys[index];
            if key.is_some_and(|key| spoiled.contains(&key)) {
                continue;
            }
            match self.decide_one(arrival, key) {
                Ok(answers) => {
                    // The same event further on in this batch: sent once is enough.
                    let again = Recalled { answers: answers.clone(), is_published: true };
                    self.recalled.insert(arrival.envelope.id, again);
                    decided.push(Decided { answers, is_published: false });
                }
                Err(failure) => {
                    spoiled.extend(key);
                    poison.push((index, failure));
                }
            }
        }
        if poison.is_empty() { Ok(decided) } else { Err(Trouble::Poison(poison)) }
    }

    fn decide_one(
        &mut self,
        arrival: &Arrival<D::Input>,
        key: Option<Uuid>,
    ) -> Result<Answers, Failure> {
        let is_zombie = match arrival.origin {
            // Another claim of this effect took over.
            Origin::Effect(effect, fence) => !self.closed.contains(&(effect, fence)),
            _ => false,
        };
        let (answers, json) = match key {
            Some(key) if !is_zombie => self.decide_upon(arrival, key)?,
            _ => (Answers::default(), "[]".to_owned()),
        };
        self.fresh.push(remembered_row(
            self.engine.consumer(),
            &arrival.envelope,
            &answers,
            self.now,
        ));
        self.fresh_json.push(json);
        Ok(answers)
    }

    fn decide_upon(
        &mut self,
        arrival: &Arrival<D::Input>,
        key: Uuid,
    ) -> Result<(Answers, String), Failure> {
        let decider = self.engine.decider();
        let state = self.states.entry(key).or_default();
        let wish = decider.wake_at(state);
        let trace = bus::trace::of(&arrival.span);
        let decision = arrival.span.in_scope(|| {
            catch_unwind(AssertUnwindSafe(|| decider.decide(state, &arrival.envelope, self.now)))
        });
        let Decision { answers, effects } = match decision {
            Ok(Ok(decision)) => decision,
            Ok(Err(Refusal::Never { code, text })) => {
                return Err(Failure::reject(code, anyhow!(text)));
            }
            Ok(Err(Refusal::Later { text })) => return Err(Failure::retry(anyhow!(text))),
            Err(_) => return Err(Failure::retry(anyhow!("the decision panicked"))),
        };
        let cause = Cause {
            id: arrival.envelope.id,
            correlation: arrival.envelope.correlation,
            trace: trace.clone(),
            consumer: self.engine.consumer(),
            now: self.now,
        };
        let answers = answers.into_iter().enumerate();
        let answers: Vec<_> =
            answers.map(|(ordinal, answer)| answer.answer(&cause, ordinal)).collect();
        let json = as_json(&answers);
        refuse_too_large(&answers, json.len(), self.engine.body_max())?;
        if let std::collections::hash_map::Entry::Vacant(first) = self.wishes_before.entry(key) {
            first.insert(wish);
            self.touched.push(key);
        }
        self.effects.extend(effects.into_iter().map(|mut effect| {
            effect.trace = effect.trace.or_else(|| trace.clone());
            effect
        }));
        Ok((Arc::new(answers), json))
    }

    async fn write(
        &mut self,
        connection: &mut PgConnection,
        batch: &Batch<'_, D>,
    ) -> Result<(Vec<Claim>, bool), Trouble> {
        let consumer = self.engine.consumer();
        // First, because it tells whether somebody else decided the same meanwhile.
        let new = remembered::insert(connection, &self.fresh, &self.fresh_json).await?;
        if new != self.fresh.len() {
            return Err(Trouble::Raced);
        }
        let touched: Vec<_> = self
            .touched
            .iter()
            .filter_map(|key| self.states.get(key).map(|state| (*key, state)))
            .collect();
        let woken = match touched.is_empty() {
            true => Vec::new(),
            false => self.engine.decider().save(connection, &touched).await?,
        };
        let wishes = self.wishes(batch);
        wakeups::set(connection, consumer, &wishes).await?;
        let nudges: Vec<_> = batch
            .iter()
            .filter_map(|arrival| match arrival.origin {
                Origin::Wake(due) => Some((due.key, due.nudge?)),
                _ => None,
            })
            .collect();
        if !nudges.is_empty() {
            wakeups::answered(&mut *connection, consumer, &nudges).await?;
        }
        if !woken.is_empty() {
            wakeups::nudge(&mut *connection, consumer, &woken).await?;
        }
        let soon = self.now + TICK;
        let is_alarming =
            !woken.is_empty() || wishes.iter().any(|(_, at)| at.is_some_and(|at| at <= soon));
        let effects = std::mem::take(&mut self.effects);
        let claims = claims::insert(connection, effects, self.now, self.engine.lease()).await?;
        Ok((claims, is_alarming))
    }

    /// The wake-ups that change: those of states whose wish changed, and of those that were woken,
    /// whose row is used up.
    fn wishes(&self, batch: &Batch<'_, D>) -> Vec<(Uuid, Option<DateTime<Utc>>)> {
        let decider = self.engine.decider();
        let wish = |key: &Uuid| self.states.get(key).and_then(|state| decider.wake_at(state));
        let mut wishes: HashMap<Uuid, Option<DateTime<Utc>>> = self
            .touched
            .iter()
            .map(|key| (*key, wish(key)))
            .filter(|(key, wish)| self.wishes_before.get(key) != Some(wish))
            .collect();
        for arrival in batch {
            if let Origin::Wake(due) = arrival.origin
                && due.at.is_some()
            {
                // A state that wants to be woken in the past would be woken without end.
                let earliest = self.now + TimeDelta::from_std(TICK).unwrap_or(TimeDelta::MAX);
                wishes.insert(due.key, wish(&due.key).map(|at| at.max(earliest)));
            }
        }
        wishes.into_iter().collect()
    }
}

/// An answer the broker would never take is no answer: the input is a dead letter people can see.
fn refuse_too_large(answers: &[Envelope], json: usize, body_max: usize) -> Result<(), Failure> {
    if json <= body_max {
        return Ok(());
    }
    let large = answers.iter().find(|answer| as_json(&answer.body).len() > body_max);
    large.map_or(Ok(()), |answer| {
        let source = anyhow!("the answer {} is larger than nats-server takes", answer.kind);
        Err(Failure::Reject { code: "answer_too_large", source })
    })
}

fn remembered_row<I>(
    consumer: &'static str,
    event: &Envelope<I>,
    answers: &Answers,
    now: DateTime<Utc>,
) -> Remembered {
    Remembered {
        consumer,
        event_id: event.id,
        event_type: event.kind.clone(),
        event_key: event.key.clone(),
        // An event that began a story of its own may be answered within another.
        correlation: answers.first().map_or(event.correlation, |answer| answer.correlation),
        event_at: event.time,
        answered_at: now,
        answers: answers.clone(),
    }
}

/// Locks the states of a batch until the transaction ends, in one order for everybody.
///
/// Advisory, so that states that do not exist yet are locked too.
async fn lock(
    connection: &mut PgConnection,
    consumer: &str,
    keys: &[Uuid],
) -> Result<(), sqlx::Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let salt = Uuid::new_v5(&contracts::id::NAMESPACE, consumer.as_bytes()).as_u64_pair().0;
    let mut numbers: Vec<i64> = keys
        .iter()
        .map(|key| {
            let (high, low) = key.as_u64_pair();
            (high ^ low ^ salt).cast_signed()
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    sqlx::query("select pg_advisory_xact_lock(number) from unnest($1::bigint[]) as number")
        .bind(numbers)
        .execute(connection)
        .await?;
    Ok(())
}
