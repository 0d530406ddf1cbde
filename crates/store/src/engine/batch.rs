//! One batch, one transaction: load, decide, remember, save.
//!
//! Round trips are what a batch of one costs, so there are as few as can be: the locks come with the
//! statement that begins the transaction, what was answered before is recalled only once a batch has
//! met something that was, and answers and calls are written by one statement.

use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use anyhow::anyhow;
use bus::{Answers, Failure};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use contracts::{Code, Envelope, envelope::Cause};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::{
    Engine,
    arrival::{Arrival, Decided, Origin},
    fault::Trouble,
    keys::{begin_with_locks, distinct, keys},
};
use crate::{
    Claim, Decider, Decision, Effect, Refusal, Remembered, claims,
    remembered::{self, Recalled, as_json},
    wakeups::{self, Due},
    write::{Calls, born, write},
};

/// How soon a state is woken again that wants to be woken in the past.
const AGAIN: TimeDelta = TimeDelta::milliseconds(250);
/// When what there is no room for comes back.
const UNTIL_ROOM: Duration = Duration::from_secs(30);

pub(super) type Batch<'a, D> = [&'a Arrival<<D as Decider>::Input>];

/// One batch between reading and writing.
struct Work<'a, D: Decider> {
    engine: &'a Engine<D>,
    now: DateTime<Utc>,
    keys: Vec<Option<Uuid>>,
    states: HashMap<Uuid, D::State>,
    recalled: HashMap<Uuid, Recalled>,
    /// Something was answered by an earlier batch.
    has_recalled: bool,
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
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) decided: Vec<Decided>,
    /// The rows of the answers, by what they answer.
    pub(super) answered: Vec<(Uuid, i64)>,
    pub(super) claims: Vec<Claim>,
    /// When the first of the states that asked for it is to be woken.
    pub(super) wakes_at: Option<DateTime<Utc>>,
    /// The states that are to be woken because of what was decided.
    pub(super) woken: Vec<Due>,
    /// Something was answered by an earlier batch.
    pub(super) has_recalled: bool,
}

/// Decides a batch in one transaction. With `recalls` it looks first for what was answered before;
/// without, it finds out when it writes, and fails as [`Trouble::Raced`].
pub(super) async fn attempt<D: Decider>(
    engine: &Engine<D>,
    batch: &Batch<'_, D>,
    recalls: bool,
) -> Result<Outcome, Trouble> {
    let mut connection = engine.lender().lend().await?;
    let keys = keys(engine, &mut connection, batch).await?;
    for (arrival, _) in batch.iter().zip(&keys).filter(|(_, key)| key.is_none()) {
        engine.decider().notice(&arrival.envelope.body, Utc::now());
    }
    let is_result = |arrival: &&Arrival<D::Input>| matches!(arrival.origin, Origin::Effect(..));
    if keys.iter().all(Option::is_none) && !batch.iter().any(is_result) {
        connection.keep();
        let decided = keys.iter().map(|_| Decided::nothing()).collect();
        return Ok(Outcome { decided, ..Outcome::default() });
    }
    let begin = begin_with_locks(engine.consumer(), &keys);
    let mut transaction = connection.begin_with(AssertSqlSafe(begin)).await?;
    let mut work = Work::read(engine, &mut transaction, batch, keys, recalls).await?;
    let decided = work.decide(batch)?;
    let left = work.write(&mut transaction, batch).await?;
    bus::failpoint("engine.before_commit");
    transaction.commit().await?;
    connection.keep();
    bus::failpoint("engine.after_commit");
    work.give_back();
    Ok(Outcome { decided, ..left })
}

impl<'a, D: Decider> Work<'a, D> {
    async fn read(
        engine: &'a Engine<D>,
        connection: &mut PgConnection,
        batch: &Batch<'_, D>,
        keys: Vec<Option<Uuid>>,
        recalls: bool,
    ) -> Result<Self, sqlx::Error> {
        let consumer = engine.consumer();
        // As precise as Postgres keeps it: what is decided upon is what would be read.
        let now = Utc::now().trunc_subsecs(6);
        let distinct = distinct(&keys);
        let states = match distinct.is_empty() {
            true => HashMap::new(),
            false => engine.decider().load(connection, &distinct, now).await?,
        };
        let recalled = match recalls {
            true => {
                let ids: Vec<_> = batch.iter().map(|arrival| arrival.envelope.id).collect();
                remembered::recall(connection, consumer, &ids).await?
            }
            false => HashMap::new(),
        };
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
            has_recalled: !recalled.is_empty(),
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
                // Nobody's, or no news to its state: if it comes again, it is so again. Or it will be
                // no news then.
                Ok(None) => decided.push(Decided::nothing()),
                Ok(Some(answers)) => {
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

    /// Gives the answers, if the input is to be remembered.
    fn decide_one(
        &mut self,
        arrival: &Arrival<D::Input>,
        key: Option<Uuid>,
    ) -> Result<Option<Answers>, Failure> {
        let is_zombie = match arrival.origin {
            // Another claim of this effect took over.
            Origin::Effect(effect, fence) => !self.closed.contains(&(effect, fence)),
            _ => false,
        };
        let decided = match key {
            None => None,
            Some(_) if is_zombie => Some((Answers::default(), "[]".to_owned())),
            Some(key) => self.decide_upon(arrival, key)?,
        };
        let Some((answers, json)) = decided else { return Ok(None) };
        self.fresh.push(remembered_row(
            self.engine.consumer(),
            &arrival.envelope,
            &answers,
            self.now,
        ));
        self.fresh_json.push(json);
        Ok(Some(answers))
    }

    fn decide_upon(
        &mut self,
        arrival: &Arrival<D::Input>,
        key: Uuid,
    ) -> Result<Option<(Answers, String)>, Failure> {
        let decider = self.engine.decider();
        let state = self.states.entry(key).or_default();
        let wish = decider.wake_at(state);
        let trace = bus::trace::of(&arrival.span);
        let decision = arrival.span.in_scope(|| {
            catch_unwind(AssertUnwindSafe(|| decider.decide(state, &arrival.envelope, self.now)))
        });
        let decision = match decision {
            Ok(Ok(decision)) if decision.is_no_news() => return Ok(None),
            Ok(Ok(decision)) => decision,
            Ok(Err(Refusal::Never { code, text })) => {
                return Err(Failure::reject(code, anyhow!(text)));
            }
            Ok(Err(Refusal::Later { text })) => return Err(Failure::retry(anyhow!(text))),
            Ok(Err(Refusal::Full { text })) => {
                return Err(Failure::Full { after: UNTIL_ROOM, source: anyhow!(text) });
            }
            Err(_) => return Err(Failure::retry(anyhow!("the decision panicked"))),
        };
        let is_idempotent = decision.is_idempotent();
        let Decision { answers, effects, .. } = decision;
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
        Ok((!is_idempotent).then(|| (Arc::new(answers), json)))
    }

    /// Writes what was decided; gives what is left to be done about it.
    async fn write(
        &mut self,
        connection: &mut PgConnection,
        batch: &Batch<'_, D>,
    ) -> Result<Outcome, Trouble> {
        let consumer = self.engine.consumer();
        // First, because it tells whether the same was decided before, or by others meanwhile.
        let effects = std::mem::take(&mut self.effects);
        let (lease, holder) = (self.engine.lease(), self.engine.presence().number());
        let calls = Calls { effects: &effects, now: self.now, lease, holder };
        let written = write(connection, &self.fresh, &self.fresh_json, calls).await?;
        if written.answered.len() != self.fresh.len() {
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
        let woken = match woken.is_empty() {
            true => Vec::new(),
            false => wakeups::nudge(&mut *connection, consumer, &woken).await?,
        };
        Ok(Outcome {
            decided: Vec::new(),
            claims: born(calls, &written),
            answered: self.with_answers(written.answered),
            wakes_at: wishes.iter().filter_map(|(_, at)| *at).min(),
            woken,
            has_recalled: self.has_recalled,
        })
    }

    /// Of the rows written, those with answers: only they are marked one day.
    fn with_answers(&self, mut rows: Vec<(Uuid, i64)>) -> Vec<(Uuid, i64)> {
        let with_answers = self.fresh.iter().filter(|row| !row.answers.is_empty());
        let causes: HashSet<Uuid> = with_answers.map(|row| row.event_id).collect();
        rows.retain(|(cause, _)| causes.contains(cause));
        rows
    }

    /// Gives the states back to whoever may want to keep them.
    fn give_back(&mut self) {
        let written: HashSet<Uuid> = self.touched.iter().copied().collect();
        let states = std::mem::take(&mut self.states).into_iter();
        let states = states.map(|(key, state)| (key, state, written.contains(&key)));
        self.engine.decider().committed(states.collect());
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
                wishes.insert(due.key, wish(&due.key).map(|at| at.max(self.now + AGAIN)));
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
        Err(Failure::reject(Code::AnswerTooLarge, source))
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
