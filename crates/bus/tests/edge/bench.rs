//! What the tests share: a bus under a prefix of its own, and a handler that does as it is told.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bus::{Answers, Bus, Failure, Handler, Incoming, Options, Receipt};
use chrono::Utc;
use contracts::Envelope;
use serde_json::json;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const KIND: &str = "change.pushed";

/// Options for a server, under a prefix nobody else has.
pub(crate) fn options(url: &str) -> Options {
    Options::at(url, format!("t{}", Uuid::new_v4().simple()))
}

pub(crate) async fn bus() -> Bus {
    bus_with(|_| {}).await
}

pub(crate) async fn bus_with(change: impl FnOnce(&mut Options)) -> Bus {
    let mut options = options(&embedded::shared_nats().await.url());
    change(&mut options);
    let bus = Bus::connect(&options, "test").await.unwrap();
    bus.ensure_streams().await.unwrap();
    bus
}

pub(crate) fn event(key: &str) -> Envelope {
    event_of(KIND, key)
}

pub(crate) fn event_of(kind: &str, key: &str) -> Envelope {
    Envelope::first("test", Uuid::new_v4(), (kind, key), Utc::now(), json!({ "key": key }))
        .within(Uuid::new_v4(), None)
}

pub(crate) async fn publish(bus: &Bus, keys: &[&str]) -> Vec<Uuid> {
    let events: Vec<_> = keys.iter().map(|key| event(key)).collect();
    let sent = bus.send(&events).await;
    bus.stored(sent).await.unwrap();
    events.iter().map(|event| event.id).collect()
}

/// Publishes until it is stored, however often the broker is away.
pub(crate) async fn publish_somehow(bus: &Bus, event: &Envelope) {
    eventually("the event to be stored", async || {
        let sent = bus.send(std::slice::from_ref(event)).await;
        bus.stored(sent).await.is_ok()
    })
    .await;
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while !condition().await {
            ticks.tick().await;
        }
    });
    assert!(waited.await.is_ok(), "still waiting for {what}");
}

type Decide = Box<dyn Fn(&Envelope, usize) -> Result<Answers, Failure> + Send + Sync>;

/// Notes what comes and decides by a function of the message and of how often it came.
pub(crate) struct Script {
    consumer: &'static str,
    /// When a message came to the handler, each time.
    seen: Mutex<Vec<Instant>>,
    /// How often each came.
    times: Mutex<HashMap<Uuid, usize>>,
    decide: Decide,
    /// The types it takes.
    kinds: &'static [&'static str],
    /// How long each batch takes.
    pub(crate) takes: Duration,
    receipts: Mutex<Vec<Receipt>>,
}

impl Script {
    pub(crate) fn new(
        decide: impl Fn(&Envelope, usize) -> Result<Answers, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self {
            consumer: "test-changes",
            seen: Mutex::default(),
            times: Mutex::default(),
            decide: Box::new(decide),
            kinds: &[KIND],
            takes: Duration::ZERO,
            receipts: Mutex::default(),
        }
    }

    /// Answers everything with nothing.
    pub(crate) fn silent() -> Self {
        Self::new(|_, _| Ok(Answers::default()))
    }

    /// Takes these types instead.
    pub(crate) fn taking(self, kinds: &'static [&'static str]) -> Self {
        Self { kinds, ..self }
    }

    /// Has a place of its own in the stream.
    pub(crate) fn called(self, consumer: &'static str) -> Self {
        Self { consumer, ..self }
    }

    pub(crate) fn seen(&self) -> Vec<Instant> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn times(&self, id: Uuid) -> usize {
        self.times.lock().unwrap().get(&id).copied().unwrap_or_default()
    }

    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        self.receipts.lock().unwrap().clone()
    }

    /// Consumes with this handler until the token is cancelled.
    pub(crate) fn consume(self, bus: &Bus) -> (Arc<Self>, CancellationToken, JoinHandle<()>) {
        let (script, stop) = (Arc::new(self), CancellationToken::new());
        let consuming = bus::consume(bus.clone(), script.clone(), stop.clone());
        (script, stop, tokio::spawn(consuming))
    }
}

impl Handler for Script {
    fn consumer(&self) -> &'static str {
        self.consumer
    }

    fn takes(&self) -> &'static [&'static str] {
        self.kinds
    }

    async fn handle(&self, batch: Vec<Incoming>) -> Vec<Result<Answers, Failure>> {
        if !self.takes.is_zero() {
            // Work that takes its time, not a wait for something.
            tokio::time::interval_at(Instant::now() + self.takes, self.takes).tick().await;
        }
        let decide = |incoming: Incoming| {
            let id = incoming.envelope.id;
            self.seen.lock().unwrap().push(Instant::now());
            *self.times.lock().unwrap().entry(id).or_default() += 1;
            (self.decide)(&incoming.envelope, self.times(id))
        };
        batch.into_iter().map(decide).collect()
    }

    async fn published(&self, receipts: Vec<Receipt>) {
        self.receipts.lock().unwrap().extend(receipts);
    }
}
