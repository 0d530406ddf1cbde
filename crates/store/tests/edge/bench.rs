//! What the tests share: a small service around the counter, whole or in parts.

use std::{sync::Arc, time::Duration};

use bus::{Bus, Failure};
use chrono::Utc;
use contracts::{Envelope, Outgoing};
use sqlx::{Row, migrate::Migrator};
use store::{Engine, Performer, Store, SubmitError};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::counter::{Added, Also, Counter, Counting, Input, read};

static MIGRATIONS: Migrator = sqlx::migrate!("tests/edge/migrations");

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where a service finds its servers.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) bus: bus::Options,
    pub(crate) store: store::Options,
    pub(crate) schema: &'static str,
}

impl Place {
    /// On the shared servers, under a prefix and in a database of its own.
    pub(crate) async fn shared() -> Self {
        let postgres = embedded::shared_postgres().await;
        let name = format!("store_{}", Uuid::new_v4().simple());
        postgres.create_database(&name).await.unwrap();
        Self::at(&embedded::shared_nats().await.url(), &postgres.url(&name))
    }

    /// On the shared Postgres and another broker.
    pub(crate) async fn on(nats: &embedded::Nats) -> Self {
        let mut place = Self::shared().await;
        place.bus.url = nats.url();
        place
    }

    pub(crate) fn at(nats: &str, postgres: &str) -> Self {
        let prefix = format!("t{}", Uuid::new_v4().simple());
        let mut store = store::Options::at(postgres);
        store.lease = Duration::from_secs(5);
        Self { bus: bus::Options::at(nats, prefix), store, schema: "counting" }
    }
}

/// A service that counts, or a replica of it.
pub(crate) struct Service {
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    pub(crate) engine: Engine<Counting>,
    taking: (CancellationToken, TaskTracker),
    settling: (CancellationToken, TaskTracker),
}

impl Service {
    /// Its engine alone.
    pub(crate) async fn engine(place: &Place) -> Self {
        let store = Store::connect(&place.store, place.schema).await.unwrap();
        store.migrate(&MIGRATIONS).await.unwrap();
        let bus = Bus::connect(&place.bus, place.schema).await.unwrap();
        store::take_stock(&store, &bus).await.unwrap();
        let consumer = if place.schema == "counting" { "counting-sums" } else { "other-sums" };
        let engine = Engine::new(consumer, Counting, store.clone(), bus.clone());
        let service =
            Self { bus, store, engine, taking: Default::default(), settling: Default::default() };
        let (engine, end) = (service.engine.clone(), service.settling.0.clone());
        service.settling.1.spawn(async move { engine.run_inbox(end).await });
        service
    }

    /// All of it but the calls.
    pub(crate) async fn whole(place: &Place) -> Self {
        let service = Self::engine(place).await;
        service.consume();
        service.wake();
        service.relay();
        service
    }

    pub(crate) fn consume(&self) {
        let handler = Arc::new(self.engine.clone());
        let end = self.taking.0.clone();
        self.taking.1.spawn(bus::consume(self.bus.clone(), handler, end));
    }

    pub(crate) fn wake(&self) {
        let (engine, end) = (self.engine.clone(), self.taking.0.clone());
        self.taking.1.spawn(async move { engine.run_wakeups(end).await });
    }

    pub(crate) fn relay(&self) {
        let end = self.settling.0.clone();
        self.settling.1.spawn(store::relay(self.store.clone(), self.bus.clone(), end));
    }

    pub(crate) fn perform<P: Performer<Decider = Counting>>(&self, performer: P, at_once: usize) {
        let (engine, end) = (self.engine.clone(), self.taking.0.clone());
        self.taking.1.spawn(store::perform(engine, Arc::new(performer), at_once, end));
    }

    /// Says that it is to take no more work.
    pub(crate) fn say_stop(&self) {
        self.taking.0.cancel();
    }

    /// Ends in order, as the frame does.
    pub(crate) async fn stop(&self) {
        for (end, tasks) in [&self.taking, &self.settling] {
            end.cancel();
            tasks.close();
            tokio::time::timeout(PATIENCE, tasks.wait()).await.expect("it ends in time");
        }
        self.store.pool().close().await;
    }

    pub(crate) async fn submit(&self, added: Added) -> Result<bus::Answers, Failure> {
        self.submit_as(Uuid::new_v4(), added).await
    }

    pub(crate) async fn submit_as(&self, id: Uuid, added: Added) -> Result<bus::Answers, Failure> {
        let envelope = event(&added);
        let envelope = Envelope { id, ..envelope }.map(|_| Input::Added(added));
        self.engine.submit(envelope).await.map_err(|error| match error {
            SubmitError::Failed(failure) => failure,
            SubmitError::Stopping => panic!("the engine stopped"),
        })
    }

    pub(crate) async fn counter(&self, id: Uuid) -> Counter {
        let row = sqlx::query("select * from counters where id = $1")
            .bind(id)
            .fetch_optional(self.store.pool())
            .await
            .unwrap();
        row.map(|row| read(&row).unwrap()).unwrap_or_default()
    }

    pub(crate) async fn count(&self, what: &'static str) -> i64 {
        let text = sqlx::AssertSqlSafe(format!("select count(*) from {what}"));
        sqlx::query(text).fetch_one(self.store.pool()).await.unwrap().get(0)
    }

    pub(crate) async fn execute(&self, statement: &'static str) {
        sqlx::query(statement).execute(self.store.pool()).await.unwrap();
    }

    /// Rows whose answers stand nowhere.
    pub(crate) async fn unpublished(&self) -> i64 {
        self.count(
            "remembered where has_answers and not exists (
                select from published_blocks where position = any(positions))",
        )
        .await
    }

    /// The dead letters, oldest first.
    pub(crate) async fn letters(&self) -> Vec<bus::DeadLetter> {
        self.bus.dead_letters(10).await.unwrap_or_default()
    }

    /// The ids of all events in the stream, in order.
    pub(crate) async fn stream(&self) -> Vec<Uuid> {
        let sight = self.bus.sight().await.unwrap();
        let mut ids = Vec::new();
        for sequence in 1..=sight.last_sequence {
            ids.extend(self.bus.event_at(sequence).await.unwrap());
        }
        ids
    }

    /// Whether everything answered stands in the stream.
    pub(crate) async fn is_all_there(&self, answers: &[Uuid]) -> bool {
        let Ok(sight) = self.bus.sight().await else { return false };
        if sight.last_sequence < answers.len() as u64 || self.unpublished().await > 0 {
            return false;
        }
        let stream = self.stream().await;
        answers.iter().all(|answer| stream.contains(answer))
    }
}

pub(crate) fn added(counter: Uuid, amount: i64) -> Added {
    Added { counter, amount, also: Also::Nothing }
}

pub(crate) fn also(counter: Uuid, also: Also) -> Added {
    Added { counter, amount: 1, also }
}

pub(crate) fn event(added: &Added) -> Envelope {
    let outgoing = Outgoing::new(added).within(Uuid::new_v4(), None);
    outgoing.first("test", Uuid::new_v4(), Utc::now())
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !condition().await {
            ticks.tick().await;
        }
    });
    assert!(waited.await.is_ok(), "still waiting for {what}");
}
