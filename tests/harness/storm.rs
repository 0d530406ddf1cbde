//! Random graphs of stacks, some of whose runs fail, while requests and webhooks go wrong and
//! services, the broker (with all it had) and the database go away and come back.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use executor::ChainPage;
use rand::{Rng, SeedableRng, rngs::StdRng};
use simulator::{Fault, FaultKind, Pace, PlanResult};
use stackly::system::SERVICES;

use crate::{
    Pipeline, Setup, accounts,
    checker::{self, Violation},
    moments::Moments,
};

/// How many stacks a graph has.
const STACKS: RangeInclusive<usize> = 2..=200;
/// How long a phase of a run takes: long enough that something is always under way.
const PHASE_MS: u64 = 10;
/// How many lines the journal grows between two disasters; a run writes about ten.
const LINES: RangeInclusive<u64> = 60..=400;

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// How many graphs.
    pub graphs: usize,
    /// How many stacks the largest may have.
    pub stacks_max: usize,
    /// What everything random is drawn from.
    pub seed: u64,
    /// How long all chains may take, disasters included.
    pub patience: Duration,
}

/// What was done, and what came of it.
#[derive(Debug)]
pub struct Weathered {
    /// How often each disaster struck.
    pub disasters: BTreeMap<&'static str, usize>,
    /// Every chain, ended.
    pub chains: Vec<ChainPage>,
    /// What must not be.
    pub violations: Vec<Violation>,
}

/// What can strike.
#[derive(Debug, Clone, Copy)]
enum Disaster {
    Service,
    Broker,
    BrokerStore,
    Database,
    DatabaseInOrder,
}

const DISASTERS: [Disaster; 5] = [
    Disaster::Service,
    Disaster::Broker,
    Disaster::BrokerStore,
    Disaster::Database,
    Disaster::DatabaseInOrder,
];

/// A system for this.
pub fn setup(program: std::path::PathBuf, weather: &Weather) -> Setup {
    let mut rng = StdRng::seed_from_u64(weather.seed);
    let most = weather.stacks_max.min(*STACKS.end());
    let mut sizes: Vec<usize> =
        (0..weather.graphs).map(|_| rng.random_range(*STACKS.start()..=most)).collect();
    // The largest and the smallest are always there.
    for (place, size) in sizes.iter_mut().zip([most, *STACKS.start()]) {
        *place = size;
    }
    let mut account = accounts::graphs(&sizes, &mut rng);
    for stack in &mut account.stacks {
        stack.behaviour.plan = match rng.random_range(0..100) {
            0..2 => PlanResult::FailPlanning,
            2..4 => PlanResult::FailApplying { add: 1, change: 0, delete: 0 },
            _ => continue,
        };
    }
    Setup {
        account,
        pace: Pace::uniform(PHASE_MS),
        own_servers: true,
        apart: Some(program),
        ..Setup::default()
    }
}

/// Pushes to every graph, lets disasters strike until all chains have ended, and looks.
pub async fn run(pipeline: &mut Pipeline, weather: &Weather) -> Weathered {
    let mut moments = Moments::seeded(&pipeline.spacelift, weather.seed.wrapping_add(1));
    spoil(pipeline);
    let mut commits = Vec::new();
    for graph in 0..weather.graphs {
        commits.push(pipeline.push(&[&format!("stacks/g{graph}-0/main.tf")]).await);
    }
    let (user, all, patience) = (pipeline.user.clone(), commits.clone(), weather.patience);
    let ending = tokio::spawn(async move { user.all_ended(&all, patience).await });
    let mut disasters = BTreeMap::new();
    while !ending.is_finished() {
        moments.next(LINES).await;
        for service in SERVICES {
            pipeline.fleet.restart_if_it_died(service).await;
        }
        let disaster = *moments.choose(&DISASTERS);
        *disasters.entry(disaster.name()).or_default() += 1;
        strike(pipeline, disaster, &mut moments).await;
    }
    for service in SERVICES {
        pipeline.fleet.restart_if_it_died(service).await;
    }
    pipeline.ready().await;
    let chains = ending.await.expect("whoever waits does not panic");
    let journal = pipeline.spacelift.journal(0);
    let mut violations = checker::check(&journal, &chains);
    violations.extend(checker::check_ends(&journal, &chains));
    Weathered { disasters, chains, violations }
}

/// Lets some requests and webhooks go wrong.
fn spoil(pipeline: &Pipeline) {
    let spacelift = &pipeline.spacelift;
    for (kind, probability) in [
        (FaultKind::AnswerLost, 0.05),
        (FaultKind::DroppedBeforeAccept, 0.05),
        (FaultKind::ServerError { status: 502 }, 0.03),
        (FaultKind::ExpiredToken, 0.02),
        (FaultKind::WebhookLost, 0.1),
        (FaultKind::WebhookDoubled, 0.1),
        (FaultKind::WebhookDelayed { delay_ms: 300 }, 0.1),
        (FaultKind::WebhookReordered, 0.1),
    ] {
        spacelift.add_fault(Fault::always(kind).with_probability(probability));
    }
}

async fn strike(pipeline: &mut Pipeline, disaster: Disaster, moments: &mut Moments) {
    match disaster {
        Disaster::Service => {
            let service = *moments.choose(&SERVICES);
            pipeline.fleet.kill(service).await;
            pipeline.fleet.start(service, &[]);
        }
        Disaster::Broker => pipeline.servers.expect_own().nats.restart().await.expect("it starts"),
        Disaster::BrokerStore => {
            let nats = &mut pipeline.servers.expect_own().nats;
            nats.kill().await;
            nats.delete_store().await.expect("the store can be deleted");
            nats.restart().await.expect("it starts");
        }
        Disaster::Database => {
            pipeline.servers.expect_own().postgres.restart().await.expect("it starts");
        }
        Disaster::DatabaseInOrder => {
            pipeline.servers.expect_own().postgres.restart_fast().await.expect("it starts");
        }
    }
}

impl Disaster {
    fn name(self) -> &'static str {
        match self {
            Self::Service => "service_killed",
            Self::Broker => "broker_killed",
            Self::BrokerStore => "broker_killed_and_its_store_deleted",
            Self::Database => "database_killed",
            Self::DatabaseInOrder => "database_restarted",
        }
    }
}
