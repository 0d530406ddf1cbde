//! Reading the end of the log of a run that failed.

use contracts::{RunId, run::RunType};
use simulator::{PlanResult, StackSeed};

use super::{simulated, trigger};
use crate::{Client, Trigger};

async fn run(client: &Client, run_type: RunType) -> RunId {
    let commit = Some("c".repeat(40).into());
    client.trigger(&Trigger { run_type, commit, ..trigger() }).await.unwrap().run
}

#[tokio::test]
async fn the_end_of_the_last_phase_of_a_run_is_read_however_long_its_log_is() {
    let (simulator, client) = simulated(vec![StackSeed::new("net")]).await;
    let control = simulator.control();
    control.set_plan("net", PlanResult::FailPlanning).unwrap();
    let before = vec!["Refreshing"; 450];
    control.set_failure_log("net", &[before.as_slice(), &["Error: no"]].concat()).unwrap();
    let run = run(&client, RunType::Tracked).await;

    let log = client.end_of_log(&"net".into(), &run).await.unwrap().unwrap();

    assert!(log.ends_with("Error: no\nThe run ended as FAILED while it was PLANNING\n"), "{log}");
    assert!(!log.contains("Checking out"), "of another phase: {log}");
}

#[tokio::test]
async fn no_more_is_kept_than_its_end() {
    let (simulator, client) = simulated(vec![StackSeed::new("net")]).await;
    let control = simulator.control();
    control.set_plan("net", PlanResult::FailPlanning).unwrap();
    let long = "ä".repeat(1_000);
    control.set_failure_log("net", &vec![long.as_str(); 100]).unwrap();
    let run = run(&client, RunType::Proposed).await;

    let log = client.end_of_log(&"net".into(), &run).await.unwrap().unwrap();

    assert!((60_000..=64 * 1024).contains(&log.len()), "{}", log.len());
}

#[tokio::test]
async fn what_has_no_log_or_one_without_a_reachable_end_has_none() {
    let (simulator, client) = simulated(vec![StackSeed::new("net")]).await;
    let control = simulator.control();
    let gone = client.end_of_log(&"net".into(), &"01K7A0000000000000000000XX".into()).await;
    assert_eq!(gone.unwrap(), None);
    control.set_plan("net", PlanResult::FailPlanning).unwrap();
    control.set_failure_log("net", &vec!["Refreshing"; 2_500]).unwrap();
    let run = run(&client, RunType::Tracked).await;
    assert_eq!(client.end_of_log(&"net".into(), &run).await.unwrap(), None);
}
