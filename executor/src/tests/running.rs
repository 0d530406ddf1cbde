//! One executor, with everything around it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use bus::Bus;
use chrono::Utc;
use contracts::{
    ChainId, Envelope, Message, Outgoing,
    chain::{ChainKind, ChainPlanned, ChainState},
    gate::{GateDecided, GateRequested, Moment, Outcome},
    run::RunReported,
    subject,
};
use futures::StreamExt;
use secrecy::SecretString;
use serde_json::{Value, json};
use simulator::{Account, Control, JournalEvent, MutationRecord, Options, Simulator, StackSeed};
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use uuid::Uuid;

use crate::{ChainPage, Config, StepPage, config::Retention, config::Runs, fixtures, run};

/// Long enough for a loaded machine; nothing waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the test, as the policies, says at a moment about a stack.
type Policies = Arc<Mutex<HashMap<(Moment, String), Outcome>>>;

pub(super) struct Running {
    pub(super) spacelift: Control,
    pub(super) config: Config,
    pub(super) bus: Bus,
    policies: Policies,
    simulator: Simulator,
    service: Option<(CancellationToken, JoinHandle<anyhow::Result<()>>)>,
    _desk: AbortOnDropHandle<()>,
}

/// Stacks whose plans have changes, and which wait to be confirmed.
pub(super) fn account(stacks: &[&str]) -> Account {
    let seed = |stack: &&str| StackSeed {
        tracked_commit: Some(simulator::CommitSeed {
            hash: fixtures::COMMIT.to_owned(),
            ..Default::default()
        }),
        ..StackSeed::new(stack)
    };
    Account { stacks: stacks.iter().map(seed).collect(), ..Account::default() }
}

impl Running {
    /// An executor that hears of runs by polling alone.
    pub(super) async fn start(account: Account) -> Self {
        Self::with(account, |_| {}).await
    }

    pub(super) async fn with(account: Account, change: impl FnOnce(&mut Config)) -> Self {
        let (nats, postgres) = (embedded::shared_nats().await, embedded::shared_postgres().await);
        let name = format!("executor-{}", Uuid::new_v4().simple());
        postgres.create_database(&name).await.unwrap();
        let simulator = Simulator::start(Options::new(account)).await.unwrap();
        let key = simulator.api_key();
        let mut config = Config {
            retries: crate::Retries { read_logs: true, ..crate::Retries::default() },
            limits: crate::limits::Limits::default(),
            waves: crate::waves::Rules::default(),
            checks: crate::checks::Checks {
                timeout: Duration::from_secs(1),
                attempts: 1,
                pause: Duration::ZERO,
                named: BTreeMap::new(),
            },
            roles: crate::roles::Roles::default(),
            bus: bus::Options::at(nats.url(), &name),
            store: ::store::Options {
                lease: Duration::from_secs(4),
                ..::store::Options::at(postgres.url(&name))
            },
            health: service::health::Options { listen: String::new() },
            spacelift: spacelift::Options {
                endpoint: simulator.url(),
                api_key_id: key.id,
                api_key_secret: SecretString::from(key.secret),
                timeout: Duration::from_secs(2),
                requests_per_second: 2_000,
                requests_burst: 2_000,
                breaker_failures: 10,
                breaker_wait: Duration::from_secs(10),
            },
            runs: Runs {
                calls_at_once: 16,
                poll_every: Duration::from_millis(40),
                silence: Duration::from_millis(80),
                settle: Duration::from_millis(200),
                held_retry: Duration::from_millis(200),
            },
            reminders: fixtures::reminders(),
            retention: Retention { chains: Duration::from_secs(395 * 24 * 3600) },
        };
        change(&mut config);
        let bus = Bus::connect(&config.bus, "test").await.unwrap();
        bus.ensure_streams().await.unwrap();
        let policies = Policies::default();
        let desk = AbortOnDropHandle::new(tokio::spawn(decide_gates(
            bus.clone(),
            bus.tail(&subject::events_of(GateRequested::TYPE)).await.unwrap(),
            policies.clone(),
        )));
        bus.flush().await.unwrap();
        let spacelift = simulator.control();
        let mut running =
            Self { spacelift, config, bus, policies, simulator, service: None, _desk: desk };
        running.spawn();
        running
    }

    pub(super) fn spawn(&mut self) {
        let shutdown = CancellationToken::new();
        let service = tokio::spawn(run(self.config.clone(), shutdown.clone()));
        self.service = Some((shutdown, service));
    }

    pub(super) async fn stop_service(&mut self) {
        if let Some((shutdown, service)) = self.service.take() {
            shutdown.cancel();
            service.await.unwrap().unwrap();
        }
    }

    pub(super) async fn stop(mut self) {
        self.stop_service().await;
        self.simulator.stop().await;
    }

    /// From now on the policies say this at a moment about a stack; otherwise they let pass.
    pub(super) fn policies_say(&self, moment: Moment, stack: &str, outcome: Outcome) {
        self.policies.lock().unwrap().insert((moment, stack.to_owned()), outcome);
    }

    /// Plans a chain over these stacks with their parents.
    pub(super) async fn plan(&self, stacks: &[(&str, &[&str])]) -> ChainId {
        let planned = fixtures::planned(Uuid::new_v4().as_u128(), stacks);
        self.planned(planned).await
    }

    pub(super) async fn planned(&self, planned: ChainPlanned) -> ChainId {
        let chain = planned.chain;
        publish(&self.bus, &planned, chain.0).await;
        chain
    }

    pub(super) async fn preview(&self, stacks: &[(&str, &[&str])]) -> ChainId {
        let mut planned = fixtures::planned(Uuid::new_v4().as_u128(), stacks);
        planned.kind = ChainKind::Preview;
        self.planned(planned).await
    }

    pub(super) async fn ended(&self, chain: ChainId) -> ChainPage {
        self.until(chain, "it ends", |page| page.line.state.is_terminal()).await
    }

    pub(super) async fn finished(&self, chain: ChainId) -> ChainPage {
        let page = self.ended(chain).await;
        assert_eq!(page.line.state, ChainState::Finished, "{page:#?}");
        page
    }

    /// The chain, once it is as described.
    pub(super) async fn until(
        &self,
        chain: ChainId,
        what: &str,
        holds: impl Fn(&ChainPage) -> bool,
    ) -> ChainPage {
        let mut last = None;
        let mut ticks = tokio::time::interval(Duration::from_millis(15));
        let look = async {
            loop {
                ticks.tick().await;
                last = self.page(chain).await;
                if last.as_ref().is_some_and(|page| holds(page) || page.line.state.is_terminal()) {
                    return;
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, look).await.is_ok();
        let holds = last.as_ref().is_some_and(&holds);
        assert!(in_time && holds, "not so, or not in time: {what}; last seen: {last:#?}");
        last.unwrap()
    }

    pub(super) async fn page(&self, chain: ChainId) -> Option<ChainPage> {
        let answer = self.ask("chain", json!({ "chain": chain })).await?.ok()?;
        Some(serde_json::from_value(answer).unwrap())
    }

    pub(super) async fn ask(
        &self,
        question: &str,
        body: Value,
    ) -> Option<Result<Value, bus::Problem>> {
        self.bus.request(&subject::question("executor", question), &body).await.ok()
    }

    /// Says something to Spacelift that the executor never says, as a person would.
    pub(super) async fn graphql(&self, document: &str) {
        let url = format!("{}/graphql", self.config.spacelift.endpoint);
        let client = reqwest::Client::new();
        let key = self.simulator.api_key();
        let exchange = json!({
            "query": "mutation T($id: ID!, $secret: String!) {
                apiKeyUser(id: $id, secret: $secret) { jwt } }",
            "variables": { "id": key.id, "secret": key.secret },
        });
        let token = client.post(&url).json(&exchange).send().await.unwrap();
        let token: Value = token.json().await.unwrap();
        let jwt = token["data"]["apiKeyUser"]["jwt"].as_str().unwrap();
        let request = client.post(&url).bearer_auth(jwt).json(&json!({ "query": document }));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer["errors"].is_null(), "{answer:#}");
    }

    /// Mutations of this name, as Spacelift's journal has them.
    pub(super) fn mutations(&self, name: &str) -> Vec<MutationRecord> {
        let journal = self.spacelift.journal(0).into_iter();
        journal
            .filter_map(|entry| match entry.event {
                JournalEvent::Mutation(mutation) if mutation.name == name => Some(mutation),
                _ => None,
            })
            .collect()
    }

    /// How many runs were made on a stack.
    pub(super) fn runs(&self, stack: &str) -> usize {
        self.spacelift.runs(stack).len()
    }

    /// Waits until a mutation of this name was accepted.
    pub(super) async fn accepted(&self, name: &str) {
        let wanted = |event: &JournalEvent| matches!(event, JournalEvent::Mutation(it) if it.name == name && it.accepted);
        self.spacelift.wait_for_entry(0, PATIENCE, |entry| wanted(&entry.event)).await.unwrap();
    }

    /// Tells of every step of every run on the bus, as ingest would, and at least once.
    pub(super) fn tell_of_runs(&self) -> AbortOnDropHandle<()> {
        let (bus, control) = (self.bus.clone(), self.spacelift.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            let mut number = 0;
            loop {
                let Ok(entry) = control.wait_for_entry(number, PATIENCE, |_| true).await else {
                    return;
                };
                number = entry.number;
                let JournalEvent::Transition(step) = entry.event else { continue };
                let mut report = fixtures::report(
                    &step.stack,
                    contracts::run::RunState::from(step.to.to_string()),
                    i64::from(step.state_version),
                );
                report.run = step.run.clone().into();
                report.run_type = contracts::run::RunType::from(step.run_type.as_str().to_owned());
                report.triggered_by = step.triggered_by.as_deref().map(Into::into);
                report.commit = step.commit.to_string().into();
                publish::<RunReported>(&bus, &report, Uuid::new_v4()).await;
            }
        }))
    }
}

pub(super) fn step<'a>(page: &'a ChainPage, stack: &str) -> &'a StepPage {
    page.steps_in_order.iter().find(|step| step.summary.stack.as_str() == stack).unwrap()
}

/// `a finished, b skipped`
pub(super) fn states(page: &ChainPage) -> String {
    let said = |step: &StepPage| format!("{} {}", step.summary.stack, step.summary.state);
    page.steps_in_order.iter().map(said).collect::<Vec<_>>().join(", ")
}

pub(super) async fn publish<M: Message>(bus: &Bus, message: &M, correlation: Uuid) {
    let outgoing = Outgoing::new(message).within(correlation, None);
    let envelope = outgoing.first("test", Uuid::new_v4(), Utc::now());
    let sent = bus.send(std::slice::from_ref(&envelope)).await;
    bus.stored(sent).await.unwrap();
}

/// Answers every gate: what is held is answered again until the test has changed its mind.
async fn decide_gates(
    bus: Bus,
    mut asked: impl futures::Stream<Item = Envelope> + Unpin,
    policies: Policies,
) {
    let mut held: Vec<(GateRequested, i64)> = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(30));
    loop {
        tokio::select! {
            envelope = asked.next() => match envelope {
                Some(envelope) => held.push((serde_json::from_value(envelope.body).unwrap(), 1)),
                None => return,
            },
            _ = ticks.tick() => {}
        }
        for (asked, revision) in std::mem::take(&mut held) {
            let stack = asked.stacks[0].stack.clone();
            let key = (asked.moment, stack.to_string());
            let said = policies.lock().unwrap().get(&key).cloned();
            let outcome = said.unwrap_or(Outcome::Pass);
            let decided = GateDecided {
                gate: asked.gate,
                chain: asked.chain,
                moment: asked.moment,
                stack: (asked.moment != Moment::BeforeChain).then_some(stack),
                revision,
                outcome: outcome.clone(),
                reasons: vec![contracts::Reason::new(
                    contracts::Code::PolicyDenied,
                    format!("the test says so {}", asked.moment),
                )],
                policy_digest: "test".to_owned(),
                policy_commit: None,
                clearance: None,
            };
            publish(&bus, &decided, asked.chain.0).await;
            if !outcome.is_final() {
                held.push((asked, revision + 1));
            }
        }
    }
}
