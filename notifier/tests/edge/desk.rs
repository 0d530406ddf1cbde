//! A notifier on a real nats-server and a real Postgres, with a database and a prefix of its own.

use std::{collections::BTreeMap, time::Duration};

use bus::Bus;
use chrono::Utc;
use contracts::{
    ChainId, Code, CommitSha, GateId, List, Message, Outgoing, Reason,
    chain::{
        ChainFinished, ChainKind, ChainPlanned, ChainStarted, ChainState, PlannedEdges, PlannedStep,
    },
    change::Change,
    gate::{GateOverridden, Moment},
    step::{StepFinished, StepState, StepSummary},
};
use embedded::{shared_nats, shared_postgres};
use notifier::Config;
use serde_json::{Value, json};
use service::{ExposeSecret, config::Layers};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A notifier that runs, and a connection to tell it things.
pub(crate) struct Desk {
    pub(crate) bus: Bus,
    config: Config,
    running: Option<(CancellationToken, JoinHandle<anyhow::Result<()>>)>,
}

impl Desk {
    /// Starts a notifier with this configuration over the defaults.
    pub(crate) async fn start(toml: &str) -> Self {
        let name = format!("t{}", Uuid::new_v4().simple());
        let postgres = shared_postgres().await;
        let mut connection = PgConnection::connect(&postgres.url("postgres")).await.unwrap();
        let create = AssertSqlSafe(format!("create database {name}"));
        connection.execute(create).await.unwrap();
        let folder = std::env::temp_dir().join(format!("{name}.toml"));
        std::fs::write(&folder, toml).unwrap();
        let layers =
            Layers::merge("notifier", notifier::DEFAULTS, Some(&folder), &BTreeMap::new()).unwrap();
        std::fs::remove_file(&folder).unwrap();
        let mut config: Config = layers.read().unwrap();
        config.bus = bus::Options::at(shared_nats().await.url(), name.clone());
        config.store = store::Options::at(postgres.url(&name));
        config.health.listen = String::new();
        let bus = Bus::connect(&config.bus, "desk").await.unwrap();
        bus.ensure_streams().await.unwrap();
        let mut desk = Self { bus, config, running: None };
        desk.go_on().await;
        desk
    }

    /// Starts the notifier again, where it left off.
    pub(crate) async fn go_on(&mut self) {
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(notifier::run(self.config.clone(), shutdown.clone()));
        self.running = Some((shutdown, running));
        until("the notifier answers", async || {
            let asked = json!({ "repository": "acme/infra", "commit": "0" });
            self.ask(&asked).await.map(|_| ())
        })
        .await;
    }

    /// Stops the notifier in order.
    pub(crate) async fn stop(&mut self) {
        let (shutdown, running) = self.running.take().unwrap();
        shutdown.cancel();
        running.await.unwrap().unwrap();
    }

    /// Starts it again with something configured otherwise.
    pub(crate) async fn reconfigure(&mut self, change: impl FnOnce(&mut Config)) {
        self.stop().await;
        change(&mut self.config);
        self.go_on().await;
    }

    /// Announces an event.
    pub(crate) async fn announce<M: Message>(&self, correlation: Uuid, event: &M) {
        self.announce_all(correlation, std::slice::from_ref(event)).await;
    }

    /// Announces several at once.
    pub(crate) async fn announce_all<M: Message>(&self, correlation: Uuid, events: &[M]) {
        let envelope = |event| {
            let outgoing = Outgoing::new(event).within(correlation, None);
            outgoing.first("test", Uuid::now_v7(), Utc::now())
        };
        let envelopes: Vec<_> = events.iter().map(envelope).collect();
        let sent = self.bus.send(&envelopes).await;
        self.bus.stored(sent).await.unwrap();
    }

    /// A connection to its database.
    pub(crate) async fn database(&self) -> PgConnection {
        let url = self.config.store.url.expose_secret();
        PgConnection::connect(url).await.unwrap()
    }

    /// Has what waits for its next attempt tried now.
    pub(crate) async fn hurry(&self) {
        let mut connection = self.database().await;
        let due = "update notifier.effects set due_at = now() where open and not claimed";
        connection.execute(due).await.unwrap();
    }

    /// Has it forget all stories as too old, while the calls for them are remembered still.
    pub(crate) async fn forget_stories(&mut self) {
        let mut connection = self.database().await;
        let settled = "select count(*) from notifier.effects where open";
        let count = async |connection: &mut PgConnection, query: &'static str| {
            let count = sqlx::query_scalar::<_, i64>(query).fetch_one(connection).await.unwrap();
            seen(count, |count| *count == 0)
        };
        until("no call is open", async || count(&mut connection, settled).await).await;
        self.stop().await;
        let old = "update notifier.stories set changed_at = now() - interval '91 days'";
        connection.execute(old).await.unwrap();
        self.go_on().await;
        let kept = "select count(*) from notifier.stories";
        until("they are forgotten", async || count(&mut connection, kept).await).await;
    }

    /// The code of the reason for which the one call that is open waits.
    pub(crate) async fn waits_because(&self) -> String {
        let mut connection = self.database().await;
        let open = "select coalesce(reason->>'code', '') from notifier.effects
             where open and not claimed";
        until("a call waits", async || {
            let codes: Vec<String> =
                sqlx::query_scalar(open).fetch_all(&mut connection).await.unwrap();
            seen(codes, |codes| codes.len() == 1)
        })
        .await
        .remove(0)
    }

    /// Tells of a new chain, and gives the one record of that.
    pub(crate) async fn recorded(&self, change: &Change) -> Value {
        let chain = new_chain();
        self.announce(chain.0, &planned(chain, change, &["a"])).await;
        let one = async || seen(self.deliveries(chain).await, |all| all.len() == 1);
        until("it is recorded", one).await.remove(0)
    }

    /// The delivery records of a chain.
    pub(crate) async fn deliveries(&self, chain: ChainId) -> Vec<Value> {
        let answer = self.ask(&json!({ "chain": chain })).await.unwrap();
        answer["deliveries"].as_array().unwrap().clone()
    }

    pub(crate) async fn ask(&self, question: &Value) -> Result<Value, String> {
        let answer = self.bus.request("stackly.ask.notifier.deliveries", question).await;
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(problem)) => Err(problem.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Waits until something holds; if it never does, says what was seen last.
pub(crate) async fn until<T>(what: &str, mut holds: impl AsyncFnMut() -> Result<T, String>) -> T {
    let mut last = String::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let waiting = async {
        loop {
            ticks.tick().await;
            match holds().await {
                Ok(value) => return value,
                Err(seen) => last = seen,
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, waiting).await;
    ended.unwrap_or_else(|_| panic!("never: {what}; seen last: {last}"))
}

/// Fails with what was seen, unless it is as it should be.
pub(crate) fn seen<T: std::fmt::Debug>(value: T, right: impl Fn(&T) -> bool) -> Result<T, String> {
    if right(&value) { Ok(value) } else { Err(format!("{value:?}")) }
}

// === events ===

pub(crate) fn new_chain() -> ChainId {
    ChainId(Uuid::now_v7())
}

pub(crate) fn change() -> Change {
    Change {
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        commit: CommitSha(format!("{:0>40x}", Uuid::new_v4().as_u128())),
        previous: None,
        author: "ada".to_owned(),
        authors: Vec::new(),
        title: "Widen the network".to_owned(),
        url: Some("https://github.com/acme/infra/commit/0".to_owned()),
        pull_request: None,
    }
}

pub(crate) fn planned(chain: ChainId, change: &Change, stacks: &[&str]) -> ChainPlanned {
    let step = |stack: &&str| PlannedStep {
        stack: (*stack).into(),
        name: (*stack).into(),
        space: "root".into(),
        labels: contracts::List::default(),
        by_code: contracts::chain::CodeLabels::default(),
        autodeploy: true,
        on_commit: true,
        why: Reason::new(Code::Touched, "its files changed"),
        path: None,
        uses: contracts::chain::Uses::default(),
        limits: List::default(),
        owners: List::default(),
    };
    ChainPlanned {
        chain,
        kind: ChainKind::Deploy,
        change: change.clone(),
        steps: stacks.iter().map(step).collect(),
        edges: PlannedEdges::default(),
        graph_version: 1,
        options: contracts::chain::ChainOptions::default(),
        action: contracts::Action::default(),
        files: None,
    }
}

pub(crate) fn started(chain: ChainId, change: &Change, steps: usize) -> ChainStarted {
    ChainStarted { chain, change: change.clone(), steps }
}

pub(crate) fn summary(stack: &str, state: StepState) -> StepSummary {
    StepSummary {
        stack: stack.into(),
        state,
        reason: Reason::new(Code::RunFinished, "the run ended"),
        run: Some("01RUN".into()),
        run_url: Some(format!("https://acme.app.spacelift.io/stack/{stack}/run/01RUN")),
        delta: None,
        attempt: 1,
    }
}

pub(crate) fn overridden(chain: ChainId, by: &str) -> GateOverridden {
    GateOverridden {
        gate: GateId(Uuid::nil()),
        chain,
        moment: Moment::BeforeChain,
        stack: None,
        by: by.to_owned(),
        reason: "the shop is down".to_owned(),
        until: Utc::now(),
        whole_chain: true,
        wants_second: false,
        over: Vec::new(),
    }
}

pub(crate) fn step_finished(chain: ChainId, stack: &str) -> StepFinished {
    StepFinished { chain, step: summary(stack, StepState::Finished) }
}

pub(crate) fn finished(chain: ChainId, change: &Change, stacks: &[&str]) -> ChainFinished {
    ChainFinished {
        chain,
        change: change.clone(),
        state: ChainState::Finished,
        reason: Reason::new(Code::Done, "every step ended well"),
        steps: stacks.iter().map(|stack| summary(stack, StepState::Finished)).collect(),
        began_at: Utc::now(),
        ended_at: Utc::now(),
    }
}
