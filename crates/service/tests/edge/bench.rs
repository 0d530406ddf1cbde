//! A service as small as can be: it notes what it is told, and calls somebody if asked to.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use contracts::{Card, Code, Envelope, Message, Outgoing, inbound};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{Frame, Parts};
use sqlx::{PgConnection, migrate::Migrator};
use store::{Claim, Decider, Decision, Effect, Performed, Performer, Refusal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const CARD: Card = Card {
    service: "parrot",
    consumer: "parrot-words",
    takes: &[Said::TYPE],
    gives: &[],
    commands: &[],
    fails_by: &["cycle"],
};

/// Something was said.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Said {
    pub(crate) word: String,
}

impl Message for Said {
    const TYPE: &'static str = "word.said";
    const MEANING: &'static str = "Something was said.";

    fn key(&self) -> String {
        self.word.clone()
    }
}

inbound! {
    #[derive(Debug, Clone)]
    pub(crate) enum Input {
        Said(Said)
        ; also Called(String)
    }
}

/// Counts what it heard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parrot {
    pub(crate) heard: Arc<AtomicUsize>,
    pub(crate) called: Arc<AtomicUsize>,
}

impl Decider for Parrot {
    type Input = Input;
    type State = ();

    async fn keys(
        &self,
        _: &mut PgConnection,
        inputs: &[&Input],
    ) -> Result<Vec<Option<Uuid>>, sqlx::Error> {
        Ok(inputs.iter().map(|_| Some(Uuid::nil())).collect())
    }

    async fn load(
        &self,
        _: &mut PgConnection,
        _: &[Uuid],
        _: DateTime<Utc>,
    ) -> Result<HashMap<Uuid, ()>, sqlx::Error> {
        Ok(HashMap::new())
    }

    fn decide(
        &self,
        (): &mut (),
        input: &Envelope<Input>,
        _: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        let mut decision = Decision::none();
        match &input.body {
            Input::Said(said) if said.word == "rude" => {
                return Err(Refusal::Never { code: Code::Cycle, text: "not in here".into() });
            }
            Input::Said(said) => {
                self.heard.fetch_add(1, Ordering::SeqCst);
                if said.word == "call" {
                    decision.effect(Effect {
                        id: input.id,
                        key: Uuid::nil(),
                        lane: "the telephone".into(),
                        kind: "parrot.call",
                        body: serde_json::Value::Null,
                        correlation: input.correlation,
                        trace: None,
                    });
                }
            }
            Input::Called(_) => {
                self.called.fetch_add(1, Ordering::SeqCst);
            }
        }
        Ok(decision)
    }

    async fn save(
        &self,
        _: &mut PgConnection,
        _: &[(Uuid, &())],
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        Ok(Vec::new())
    }
}

/// Answers the telephone once it is let.
#[derive(Debug, Clone)]
pub(crate) struct Telephone {
    pub(crate) rings: Arc<AtomicUsize>,
    pub(crate) let_go: Arc<Semaphore>,
}

impl Telephone {
    pub(crate) fn new() -> Self {
        Self { rings: Arc::default(), let_go: Arc::new(Semaphore::new(0)) }
    }
}

impl Performer for Telephone {
    type Decider = Parrot;

    async fn perform(&self, _: &Claim) -> Performed<Input> {
        self.rings.fetch_add(1, Ordering::SeqCst);
        self.let_go.acquire().await.unwrap().forget();
        Performed::Done(Input::Called("hello".into()))
    }
}

/// Where a service finds its servers.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) bus: bus::Options,
    pub(crate) store: store::Options,
    pub(crate) health: service::health::Options,
}

impl Place {
    pub(crate) async fn shared() -> Self {
        let postgres = embedded::shared_postgres().await;
        let name = format!("service_{}", Uuid::new_v4().simple());
        postgres.create_database(&name).await.unwrap();
        Self::at(&embedded::shared_nats().await.url(), &postgres.url(&name))
    }

    pub(crate) fn at(nats: &str, postgres: &str) -> Self {
        let prefix = format!("t{}", Uuid::new_v4().simple());
        Self {
            bus: bus::Options::at(nats, prefix),
            store: store::Options::at(postgres),
            health: service::health::Options { listen: String::new() },
        }
    }

    pub(crate) async fn frame(&self, shutdown: &CancellationToken) -> Frame {
        self.frame_of(&CARD, shutdown).await
    }

    pub(crate) async fn frame_of(
        &self,
        card: &'static Card,
        shutdown: &CancellationToken,
    ) -> Frame {
        let parts = Parts { bus: &self.bus, store: &self.store, health: &self.health };
        let migrations = Migrator::with_migrations(Vec::new());
        Frame::start(card, parts, &migrations, shutdown.clone()).await.unwrap()
    }
}

pub(crate) async fn say(bus: &bus::Bus, word: &str) {
    let said = Said { word: word.to_owned() };
    let outgoing = Outgoing::new(&said).within(Uuid::new_v4(), None);
    let event = outgoing.first("test", Uuid::new_v4(), Utc::now());
    let sent = bus.send(&[event]).await;
    bus.stored(sent).await.unwrap();
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
