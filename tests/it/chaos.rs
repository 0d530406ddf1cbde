//! What the pipeline survives: every process, server and answer lost, at random moments and at each
//! place between two durable writes. Afterwards every accepted change has ended, no stack ran before
//! its parents, and Spacelift's journal shows no step triggered twice.
//!
//! [`controls`] shows that the checker would see it: what is done wrong on purpose fails it.
//!
//! The sizes below make a shelf of a few minutes on two cores; a longer soak is the same with more
//! [`CHAINS`].

mod asides;
mod broker;
mod controls;
mod database;
mod locks;
mod points;
mod proof;
mod replicas;
mod services;
mod spacelift;
mod zombies;

use std::time::Duration;

use harness::{Setup, User, accounts, load::Load};
use simulator::Pace;

/// How many chains the system drives while something is done to it.
const CHAINS: usize = 50;
/// The same where one disaster counts and not how many.
const CHAINS_FEW: usize = 16;
/// How many separate diamonds of stacks: fewer than chains, so that some wait for others' stacks.
const DIAMONDS: usize = 10;
/// How many chains are open at once.
const OPEN_MAX: usize = 12;
/// How long a system may take to drive all chains to their ends, disasters included.
const PATIENCE: Duration = Duration::from_secs(150);
/// How long a phase of a run takes: long enough that something is always under way.
const PHASE_MS: u64 = 15;

/// Some steps ask the policies, others need not: both ways have their dangers.
const POLICY: &str = r#"
policy "always_open" {
  match {
    stacks = ["a*", "d*"]
    moment = ["before_plan", "before_apply"]
  }
  schedule { allowed_hours = ["0-24"] }
}
"#;

/// Services as processes of their own, on servers of their own.
fn setup() -> Setup {
    Setup {
        account: accounts::diamonds(DIAMONDS),
        pace: Pace::uniform(PHASE_MS),
        own_servers: true,
        policies: vec![("asked.hcl", POLICY.to_owned())],
        apart: Some(env!("CARGO_BIN_EXE_serve").into()),
        ..Setup::default()
    }
}

fn load(chains: usize) -> Load {
    Load { chains, open_max: OPEN_MAX, diamonds: DIAMONDS, patience: PATIENCE }
}

/// One more chain: whatever was done to the system, it works.
async fn one_more(user: &User) {
    let chain = load(1).start(user).await.unwrap();
    user.assert_all_well(&chain);
}
