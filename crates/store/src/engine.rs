//! The engine: a batch of inputs, one transaction, the answers.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::anyhow;
use bus::{Answers, Bus, Failure, Handler, Incoming, Receipt};
use chrono::{DateTime, Utc};
use contracts::{Code, Envelope, Inbound, envelope::Cause};
use futures::StreamExt;
use sqlx::{PgConnection, PgPool};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{Span, info_span, warn};
use uuid::Uuid;

use crate::{
    Decider, Decision, Refusal, Remembered, Store,
    effects::{self, Born, Claim},
    remembered, wakeups,
};

/// The most inputs taken from this process itself in one batch.
const LOCAL_BATCH_MAX: usize = 256;
/// How often wake-ups are looked for, if nothing tells earlier.
const TICK: Duration = Duration::from_millis(250);

/// An input with what is needed to settle it.
struct Arrival<I> {
    envelope: Envelope<I>,
    span: Span,
    origin: Origin,
}

/// Where an input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The bus, or this process.
    Message,
    /// A wake-up that was due at a time.
    Wake(Uuid, DateTime<Utc>),
    /// The result of an effect, valid under a fence.
    Effect(Uuid, i64),
}

/// Why an input of this process itself was not decided.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
    /// It was refused or cannot be decided now.
    #[error(transparent)]
    Failed(#[from] Failure),
}

type Submission<I> = (Arrival<I>, oneshot::Sender<Result<Answers, Failure>>);

/// Runs one decider. Cheap to clone.
pub struct Engine<D: Decider>(Arc<Inner<D>>);

struct Inner<D: Decider> {
    consumer: &'static str,
    decider: D,
    store: Store,
    bus: Bus,
    inbox: mpsc::Sender<Submission<D::Input>>,
    inbox_end: Mutex<Option<mpsc::Receiver<Submission<D::Input>>>>,
    born: mpsc::UnboundedSender<Claim>,
    born_end: Mutex<Option<Born>>,
    /// Rung when a wake-up may be due earlier than the next tick.
    alarm: Notify,
}

impl<D: Decider> Clone for Engine<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Why a batch could not be decided as a whole.
enum Trouble {
    /// One input is to blame: decide the others without it.
    Poison(usize, Failure),
    /// The database is: nothing was changed.
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl<D: Decider> Engine<D> {
    /// An engine whose answers are remembered under `consumer`.
    pub fn new(consumer: &'static str, decider: D, store: Store, bus: Bus) -> Self {
        let (inbox, inbox_end) = mpsc::channel(4096);
        let (born, born_end) = mpsc::unbounded_channel();
        Self(Arc::new(Inner {
            consumer,
            decider,
            store,
            bus,
            inbox,
            inbox_end: Mutex::new(Some(inbox_end)),
            born,
            born_end: Mutex::new(Some(born_end)),
            alarm: Notify::new(),
        }))
    }

    /// The durable consumer's name.
    pub fn consumer(&self) -> &'static str {
        self.0.consumer
    }

    /// The decider.
    pub fn decider(&self) -> &D {
        &self.0.decider
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.0.store.pool()
    }

    pub(crate) fn lease(&self) -> Duration {
        self.0.store.lease()
    }

    pub(crate) fn take_born(&self) -> Option<Born> {
        self.0.born_end.lock().expect("no holder panics").take()
    }

    /// Decides an input that does not come over the bus, as if it had.
    pub async fn submit(&self, envelope: Envelope<D::Input>) -> Result<Answers, SubmitError> {
        self.enqueue(envelope, Origin::Message).await
    }

    pub(crate) async fn conclude(
        &self,
        envelope: Envelope<D::Input>,
        effect: Uuid,
        fence: i64,
    ) -> Result<(), SubmitError> {
        self.enqueue(envelope, Origin::Effect(effect, fence)).await.map(drop)
    }

    async fn enqueue(
        &self,
        envelope: Envelope<D::Input>,
        origin: Origin,
    ) -> Result<Answers, SubmitError> {
        let (reply, answer) = oneshot::channel();
        let span = info_span!(
            "handle",
            consumer = self.0.consumer,
            event.id = %envelope.id,
            event.r#type = envelope.kind,
            correlation.id = %envelope.correlation,
        );
        bus::trace::continue_from(&span, envelope.trace.as_ref());
        let submission = (Arrival { envelope, span, origin }, reply);
        self.0.inbox.send(submission).await.map_err(|_| SubmitError::Stopping)?;
        Ok(answer.await.map_err(|_| SubmitError::Stopping)??)
    }

    /// Wakes states now.
    pub async fn nudge(&self, keys: &[Uuid]) -> Result<(), sqlx::Error> {
        let mut connection = self.pool().acquire().await?;
        wakeups::nudge(&mut connection, self.0.consumer, keys, Utc::now()).await?;
        self.0.alarm.notify_one();
        Ok(())
    }

    /// Decides what this process itself submits, until every clone of the inbox is gone.
    pub async fn run_inbox(&self, shutdown: CancellationToken) {
        let taken = self.0.inbox_end.lock().expect("no holder panics").take();
        let inbox = taken.expect("an inbox has one reader");
        let mut batches = futures::stream::unfold(inbox, |mut inbox| async {
            Some((inbox.recv().await?, inbox))
        })
        .boxed()
        .ready_chunks(LOCAL_BATCH_MAX);
        loop {
            let batch = tokio::select! {
                biased;
                batch = batches.next() => batch,
                () = shutdown.cancelled() => break,
            };
            let Some(batch) = batch else { break };
            let (arrivals, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            let results = self.decide_and_publish(arrivals).await;
            for (reply, result) in replies.into_iter().zip(results) {
                // Whoever asked may have gone; what was decided stays decided.
                let _ = reply.send(result);
            }
        }
    }

    /// Wakes what is due, until `shutdown`.
    pub async fn run_wakeups(&self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = self.0.alarm.notified() => {}
                _ = ticks.tick() => {}
            }
            match wakeups::due(self.pool(), self.0.consumer, Utc::now(), 256).await {
                Ok(due) if due.is_empty() => {}
                Ok(due) => {
                    let arrivals = due.into_iter().filter_map(|(key, at)| self.waken(key, at));
                    self.decide_and_publish(arrivals.collect()).await;
                }
                Err(error) => warn!(%error, "cannot look for wake-ups"),
            }
        }
    }

    fn waken(&self, key: Uuid, due_at: DateTime<Utc>) -> Option<Arrival<D::Input>> {
        let input = self.0.decider.wake(key)?;
        let id = Uuid::new_v5(&key, format!("{}/{due_at}", self.0.consumer).as_bytes());
        let envelope = Envelope {
            id,
            kind: "wakeup".to_owned(),
            version: 1,
            key: key.to_string(),
            source: self.0.consumer.to_owned(),
            time: Utc::now(),
            correlation: key,
            causation: None,
            trace: None,
            body: input,
        };
        let span = info_span!("wake", consumer = self.0.consumer, key = %key);
        Some(Arrival { envelope, span, origin: Origin::Wake(key, due_at) })
    }

    /// Decides and publishes; storage in the stream is awaited beside what comes next.
    async fn decide_and_publish(
        &self,
        arrivals: Vec<Arrival<D::Input>>,
    ) -> Vec<Result<Answers, Failure>> {
        let causes: Vec<_> = arrivals.iter().map(|arrival| arrival.envelope.id).collect();
        let results = self.settle(arrivals).await;
        bus::failpoint("engine.before_publish");
        let mut sent = Vec::new();
        for (cause, result) in causes.into_iter().zip(&results) {
            match result {
                Ok(answers) if !answers.is_empty() => {
                    sent.push((cause, self.0.bus.send(answers).await));
                }
                _ => {}
            }
        }
        if !sent.is_empty() {
            let engine = self.clone();
            tokio::spawn(async move {
                let mut receipts = Vec::new();
                for (cause, sent) in sent {
                    match engine.0.bus.stored(sent).await {
                        Ok(sequences) => receipts.push(Receipt { cause, sequences }),
                        Err(error) => warn!(%error, "not published; the sweeper will do it"),
                    }
                }
                engine.published(receipts).await;
            });
        }
        results
    }

    /// One result for each arrival, whatever happens.
    async fn settle(&self, arrivals: Vec<Arrival<D::Input>>) -> Vec<Result<Answers, Failure>> {
        let mut results: Vec<Option<Result<Answers, Failure>>> =
            arrivals.iter().map(|_| None).collect();
        let mut left: Vec<(usize, Arrival<D::Input>)> = arrivals.into_iter().enumerate().collect();
        while !left.is_empty() {
            match self.attempt(&left).await {
                Ok(answers) => {
                    for ((place, _), answer) in left.drain(..).zip(answers) {
                        results[place] = Some(Ok(answer));
                    }
                }
                Err(Trouble::Poison(index, failure)) => {
                    let (place, _) = left.remove(index);
                    results[place] = Some(Err(failure));
                }
                Err(Trouble::Database(error)) if left.len() == 1 => {
                    let (place, _) = left.remove(0);
                    results[place] = Some(Err(Failure::retry(error)));
                }
                // One of them may be to blame: each alone, in order.
                Err(Trouble::Database(error)) => {
                    warn!(%error, size = left.len(), "a batch failed; each alone");
                    for (place, arrival) in left.drain(..) {
                        results[place] = Some(self.alone(arrival).await);
                    }
                }
            }
        }
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(|| Err(Failure::retry(anyhow!("not decided")))))
            .collect()
    }

    async fn alone(&self, arrival: Arrival<D::Input>) -> Result<Answers, Failure> {
        match self.attempt(&[(0, arrival)]).await {
            Ok(mut answers) => Ok(answers.remove(0)),
            Err(Trouble::Poison(_, failure)) => Err(failure),
            Err(Trouble::Database(error)) => Err(Failure::retry(error)),
        }
    }

    /// Decides a batch in one transaction.
    async fn attempt(&self, batch: &[(usize, Arrival<D::Input>)]) -> Result<Vec<Answers>, Trouble> {
        let now = Utc::now();
        let inputs: Vec<_> = batch.iter().map(|(_, arrival)| &arrival.envelope.body).collect();
        let mut transaction = self.pool().begin().await?;
        let keys = self.0.decider.keys(&mut transaction, &inputs).await?;
        let mut work = self.read(&mut transaction, batch, keys).await?;
        let decided = work.decide(self, batch, now)?;
        let claims = self.write(&mut transaction, batch, work, &decided, now).await?;
        bus::failpoint("engine.before_commit");
        transaction.commit().await?;
        bus::failpoint("engine.after_commit");
        for claim in claims {
            // Without a performer in this process, the claim expires and another takes over.
            let _ = self.0.born.send(claim);
        }
        Ok(decided)
    }

    async fn read(
        &self,
        connection: &mut PgConnection,
        batch: &[(usize, Arrival<D::Input>)],
        keys: Vec<Option<Uuid>>,
    ) -> Result<Work<D>, Trouble> {
        let mut distinct: Vec<Uuid> = keys.iter().copied().flatten().collect();
        distinct.sort_unstable();
        distinct.dedup();
        lock(connection, self.0.consumer, &distinct).await?;
        let states = self.0.decider.load(connection, &distinct).await?;
        let ids: Vec<_> = batch.iter().map(|(_, arrival)| arrival.envelope.id).collect();
        let recalled = remembered::recall(connection, self.0.consumer, &ids).await?;
        let closings: Vec<_> = batch
            .iter()
            .filter(|(_, arrival)| !recalled.contains_key(&arrival.envelope.id))
            .filter_map(|(_, arrival)| match arrival.origin {
                Origin::Effect(effect, fence) => Some((effect, fence)),
                _ => None,
            })
            .collect();
        let closed = effects::close(connection, &closings, Utc::now()).await?;
        Ok(Work {
            keys,
            states,
            recalled,
            closed,
            touched: Vec::new(),
            wakes_before: HashMap::new(),
            effects: Vec::new(),
            fresh: Vec::new(),
        })
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        batch: &[(usize, Arrival<D::Input>)],
        mut work: Work<D>,
        decided: &[Answers],
        now: DateTime<Utc>,
    ) -> Result<Vec<Claim>, Trouble> {
        let touched: Vec<_> = work
            .touched
            .iter()
            .filter_map(|key| work.states.get(key).map(|state| (*key, state)))
            .collect();
        let woken = match touched.is_empty() {
            true => Vec::new(),
            false => self.0.decider.save(connection, &touched).await?,
        };
        let mut wakes = Vec::new();
        for (key, state) in &touched {
            let wanted = self.0.decider.wake_at(state);
            if work.wakes_before.get(key) != Some(&wanted) {
                wakes.push((*key, wanted));
            }
        }
        let mut ring = wakes.iter().any(|(_, at)| at.is_some_and(|at| at <= now + TICK));
        for (_, arrival) in batch {
            if let Origin::Wake(key, due_at) = arrival.origin {
                wakeups::clear(connection, self.0.consumer, key, due_at).await?;
                if let Some(state) = work.states.get(&key) {
                    // A state that wants to be woken in the past would be woken without end.
                    let soon = now + TICK;
                    wakes.retain(|(other, _)| *other != key);
                    let again = self.0.decider.wake_at(state).map(|at| at.max(soon));
                    wakes.push((key, again));
                }
            }
        }
        wakeups::set(connection, self.0.consumer, &wakes).await?;
        if !woken.is_empty() {
            wakeups::nudge(connection, self.0.consumer, &woken, now).await?;
            ring = true;
        }
        let claims =
            effects::insert(connection, std::mem::take(&mut work.effects), now, self.lease())
                .await?;
        let rows: Vec<_> = work
            .fresh
            .iter()
            .map(|&index| self.row(&batch[index].1.envelope, decided[index].clone(), now))
            .collect();
        remembered::remember(connection, &rows).await?;
        if ring {
            self.0.alarm.notify_one();
        }
        Ok(claims)
    }

    fn row(&self, event: &Envelope<D::Input>, answers: Answers, now: DateTime<Utc>) -> Remembered {
        Remembered {
            consumer: self.0.consumer,
            event_id: event.id,
            event_type: event.kind.clone(),
            event_key: event.key.clone(),
            // An event that began a story of its own may be answered within another.
            correlation: answers.first().map_or(event.correlation, |answer| answer.correlation),
            event_at: event.time,
            answered_at: now,
            answers,
        }
    }
}

/// One batch between reading and writing.
struct Work<D: Decider> {
    keys: Vec<Option<Uuid>>,
    states: HashMap<Uuid, D::State>,
    recalled: HashMap<Uuid, Answers>,
    closed: Vec<Uuid>,
    touched: Vec<Uuid>,
    wakes_before: HashMap<Uuid, Option<DateTime<Utc>>>,
    effects: Vec<crate::Effect>,
    /// The inputs that were decided now, by their place in the batch.
    fresh: Vec<usize>,
}

impl<D: Decider> Work<D> {
    /// Decides each input in order, by its place in the batch.
    fn decide(
        &mut self,
        engine: &Engine<D>,
        batch: &[(usize, Arrival<D::Input>)],
        now: DateTime<Utc>,
    ) -> Result<Vec<Answers>, Trouble> {
        let mut decided = Vec::with_capacity(batch.len());
        for (index, (_, arrival)) in batch.iter().enumerate() {
            let id = arrival.envelope.id;
            if let Some(answers) = self.recalled.get(&id) {
                decided.push(answers.clone());
                continue;
            }
            let answers = self
                .decide_one(engine, arrival, self.keys[index], now)
                .map_err(|failure| Trouble::Poison(index, failure))?;
            self.recalled.insert(id, answers.clone());
            self.fresh.push(index);
            decided.push(answers);
        }
        Ok(decided)
    }

    fn decide_one(
        &mut self,
        engine: &Engine<D>,
        arrival: &Arrival<D::Input>,
        key: Option<Uuid>,
        now: DateTime<Utc>,
    ) -> Result<Answers, Failure> {
        let Some(key) = key else { return Ok(Answers::default()) };
        if let Origin::Effect(effect, _) = arrival.origin
            && !self.closed.contains(&effect)
        {
            // Another claim of this effect took over: this result comes from a zombie.
            return Ok(Answers::default());
        }
        let decider = &engine.0.decider;
        let state = self.states.entry(key).or_default();
        self.wakes_before.entry(key).or_insert_with(|| decider.wake_at(state));
        let trace = bus::trace::of(&arrival.span);
        let decision = arrival.span.in_scope(|| {
            catch_unwind(AssertUnwindSafe(|| decider.decide(state, &arrival.envelope, now)))
        });
        let Decision { answers, effects } = match decision {
            Ok(Ok(decision)) => decision,
            Ok(Err(Refusal::Never { code, text })) => {
                return Err(Failure::reject(code, anyhow!(text)));
            }
            Ok(Err(Refusal::Later { text })) => return Err(Failure::retry(anyhow!(text))),
            Err(_) => return Err(Failure::retry(anyhow!("the decision panicked"))),
        };
        if !self.touched.contains(&key) {
            self.touched.push(key);
        }
        self.effects.extend(effects.into_iter().map(|mut effect| {
            effect.trace = effect.trace.or_else(|| trace.clone());
            effect
        }));
        let cause = Cause {
            id: arrival.envelope.id,
            correlation: arrival.envelope.correlation,
            trace,
            consumer: engine.0.consumer,
            now,
        };
        let answers = answers.into_iter().enumerate();
        Ok(Arc::new(answers.map(|(ordinal, answer)| answer.answer(&cause, ordinal)).collect()))
    }
}

impl<D: Decider> Handler for Engine<D> {
    fn consumer(&self) -> &'static str {
        self.0.consumer
    }

    fn takes(&self) -> &'static [&'static str] {
        D::Input::TAKES
    }

    async fn handle(&self, batch: Vec<Incoming>) -> Vec<Result<Answers, Failure>> {
        let mut results: Vec<Option<Failure>> = Vec::with_capacity(batch.len());
        let mut arrivals = Vec::with_capacity(batch.len());
        for Incoming { envelope, span } in batch {
            match envelope.read() {
                Ok(envelope) => {
                    arrivals.push(Arrival { envelope, span, origin: Origin::Message });
                    results.push(None);
                }
                Err(error) => results.push(Some(Failure::reject(Code::Unreadable, error))),
            }
        }
        let mut decided = self.settle(arrivals).await.into_iter();
        results
            .into_iter()
            .map(|unreadable| match unreadable {
                Some(failure) => Err(failure),
                None => decided.next().expect("one result for each arrival"),
            })
            .collect()
    }

    async fn published(&self, receipts: Vec<Receipt>) {
        if receipts.is_empty() {
            return;
        }
        bus::failpoint("engine.before_mark");
        if let Err(error) = remembered::mark(self.pool(), self.0.consumer, &receipts).await {
            warn!(%error, "published, but not noted; the sweeper will publish it again");
        }
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
