//! Many runs at once: nothing is lost, and the journal stays in order.

use std::{collections::HashMap, sync::Arc, time::Instant};

use serde_json::json;
use simulator::{Account, JournalEvent, Options, StackSeed};

use crate::client::Client;

const STACKS: usize = 200;
const CALLERS: usize = 16;
const RUNS: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_runs_from_many_callers_all_pass_through_every_state() {
    let stacks = (0..STACKS)
        .map(|n| StackSeed { autodeploy: true, ..StackSeed::new(&format!("stack-{n}")) })
        .collect();
    let account = Account { stacks, ..Account::default() };
    let client = Arc::new(Client::with(Options::new(account)).await);
    let before = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let client = client.clone();
        callers.spawn(async move {
            for n in 0..RUNS / CALLERS {
                let stack = format!("stack-{}", (caller + n * CALLERS) % STACKS);
                let answer = client
                    .request("mutation($s:ID!){runTrigger(stack:$s){id}}", &json!({"s": stack}))
                    .send()
                    .await
                    .unwrap();
                assert_eq!(answer.status(), 200);
                answer.bytes().await.unwrap();
            }
        });
    }
    callers.join_all().await;
    tracing::info!(runs = RUNS, took = ?before.elapsed(), "all triggered");

    let mut versions: HashMap<String, i32> = HashMap::new();
    let mut ended = 0;
    let mut last_ms = 0;
    for entry in client.simulator.control().journal(0) {
        assert!(entry.at_ms >= last_ms, "time runs forwards");
        last_ms = entry.at_ms;
        let JournalEvent::Transition(step) = entry.event else { continue };
        let version = versions.entry(step.run).or_default();
        assert_eq!(step.state_version, *version + 1);
        *version = step.state_version;
        ended += usize::from(step.to.terminal());
    }
    assert_eq!((versions.len(), ended), (RUNS, RUNS));
    assert!(versions.values().all(|version| *version == 7));
}
