//! The client over real sockets: against the simulator for what Spacelift does, and against a bare
//! listener for what no well-behaved server does.

mod account;
mod changes;
mod faults;
mod listener;
mod logs;
mod runs;
mod told;
mod words;

use std::time::Duration;

use contracts::run::RunType;
use simulator::{Account, Simulator, StackSeed};

use crate::{Client, Options, Trigger};

const SECOND: Duration = Duration::from_secs(1);

fn options(endpoint: &str) -> Options {
    Options {
        endpoint: endpoint.into(),
        api_key_id: "01K7KEY".into(),
        api_key_secret: "the-api-key-secret".into(),
        timeout: 5 * SECOND,
        requests_per_second: 1_000,
        requests_burst: 1_000,
        breaker_failures: 10,
        breaker_wait: Duration::from_secs(10),
    }
}

fn client(endpoint: &str) -> Client {
    Client::new(&options(endpoint)).unwrap()
}

fn trigger() -> Trigger {
    Trigger {
        stack: "net".into(),
        commit: Some("c1".into()),
        run_type: RunType::Tracked,
        mark: "chain_1/net".into(),
    }
}

/// A simulated account with these stacks, and a client that has its key.
async fn simulated(stacks: Vec<StackSeed>) -> (Simulator, Client) {
    let account = Account { stacks, ..Account::default() };
    let simulator = Simulator::start(simulator::Options::new(account)).await.unwrap();
    let client = Client::new(&options_for(&simulator)).unwrap();
    (simulator, client)
}

fn options_for(simulator: &Simulator) -> Options {
    let key = simulator.api_key();
    Options { api_key_id: key.id, api_key_secret: key.secret.into(), ..options(&simulator.url()) }
}
