//! An executor that dies again and again at every place between a decision and the record of what
//! came of it, while chains run and Spacelift's answers get lost.

use std::{collections::BTreeMap, time::Duration};

use executor::ChainPage;
use simulator::{Fault, FaultKind, Pace};

use crate::{
    Pipeline, Setup, accounts,
    fleet::FAILPOINT,
    load::{Endless, Load},
    moments::Moments,
};

/// The places: what comes before a trigger or a confirmation, between it and its record, and after.
const PLACES: [&str; 11] = [
    "engine.before_commit",
    "engine.after_commit",
    "effect.before_call",
    "spacelift.before_trigger",
    "spacelift.after_trigger",
    "spacelift.after_act",
    "effect.after_call",
    "effect.before_postpone",
    "engine.before_publish",
    "engine.before_mark",
    "consume.before_ack",
];
/// The last place is any: SIGKILL at a random moment.
const ANYWHERE: &str = "anywhere";
/// How long an executor may take to come to a place before it is killed where it is.
const LIFE: Duration = Duration::from_secs(8);
/// How many diamonds of stacks there are, and how many chains are open at once.
const DIAMONDS: usize = 12;
const OPEN_MAX: usize = 16;

/// What was done, and what was driven meanwhile.
#[derive(Debug)]
pub struct Killed {
    /// How often it died, by place.
    pub deaths: BTreeMap<&'static str, usize>,
    /// Every chain, ended.
    pub chains: Vec<ChainPage>,
}

/// A system for this: stacks wait for confirmation, leases are short, and of ten answers to triggers
/// and confirmations two get lost after they took effect, and one before.
pub fn setup(program: std::path::PathBuf) -> Setup {
    let mut account = accounts::diamonds(DIAMONDS);
    for stack in &mut account.stacks {
        stack.autodeploy = false;
    }
    let environment = [
        ("STACKLY__STORE__LEASE", "2s"),
        ("STACKLY__BUS__ACK_WAIT", "1s"),
        ("EXECUTOR__SPACELIFT__TIMEOUT", "1s"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Setup {
        account,
        pace: Pace::zero(),
        own_servers: true,
        apart: Some(program),
        environment,
        ..Setup::default()
    }
}

/// Lets the executor die so often, and every chain come to its end.
pub async fn run(pipeline: &mut Pipeline, deaths: usize, moments: &mut Moments) -> Killed {
    for (fault, probability) in
        [(FaultKind::AnswerLost, 0.2), (FaultKind::DroppedBeforeAccept, 0.1)]
    {
        let fault = Fault::always(fault).with_probability(probability);
        pipeline.spacelift.add_fault(fault.on("runTrigger").on("runConfirm"));
    }
    let load = Load {
        chains: usize::MAX,
        open_max: OPEN_MAX,
        diamonds: DIAMONDS,
        patience: Duration::from_secs(300),
    };
    let load = Endless::start(load, &pipeline.user);
    let mut counted = BTreeMap::new();
    for number in 0..deaths {
        let place = PLACES.get(number % (PLACES.len() + 1)).copied().unwrap_or(ANYWHERE);
        let place = die(pipeline, place, moments).await;
        *counted.entry(place).or_default() += 1;
    }
    pipeline.fleet.kill("executor").await;
    pipeline.fleet.start("executor", &[]);
    pipeline.spacelift.clear_faults();
    Killed { deaths: counted, chains: load.end().await }
}

/// One life and death; gives the place where it died.
async fn die(pipeline: &mut Pipeline, place: &'static str, moments: &mut Moments) -> &'static str {
    pipeline.fleet.kill("executor").await;
    let order = format!("{place}={}", moments.number(1..=4));
    pipeline.fleet.start("executor", &[(FAILPOINT, &order)]);
    if place == ANYWHERE {
        moments.next(1..=60).await;
    } else if pipeline.fleet.died("executor", LIFE).await {
        return place;
    }
    pipeline.fleet.kill("executor").await;
    ANYWHERE
}
