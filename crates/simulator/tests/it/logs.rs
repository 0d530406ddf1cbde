//! What `spacectl stack logs` and `--tail` rely on.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use simulator::{Options, Pace, PlanResult};

use crate::client::{Client, PATIENCE, account};

const HISTORY: &str = "query($run:ID!$stack:ID!){stack(id: $stack){run(id: $run){history{hasLogs,note,\
state,stateVersion,terminal,timestamp,username}}}}";
const LOGS: &str = "query($run:ID!$stack:ID!$state:RunState!$stateVersion:Int!$token:String){stack(id: \
$stack){run(id: $run){logs(state: $state, token: $token, stateVersion: $stateVersion){exists,finished,\
hasMore,messages{message},nextToken}}}}";

/// The log of one visit to one state, read to its end as spacectl does.
async fn read_phase(client: &Client, run: &str, transition: &Value) -> String {
    let (mut text, mut token) = (String::new(), Value::Null);
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        assert!(std::time::Instant::now() < deadline, "the log of {transition} never ends");
        let variables = json!({"stack": "net", "run": run, "state": transition["state"],
            "stateVersion": transition["stateVersion"], "token": token});
        let data = client.strictly(LOGS, variables).await;
        let logs = &data["stack"]["run"]["logs"];
        assert_eq!(logs["exists"], true);
        for message in logs["messages"].as_array().unwrap() {
            text.push_str(message["message"].as_str().unwrap());
        }
        let over = logs["hasMore"] == false && transition["terminal"] == true;
        if logs["finished"] == true || over {
            return text;
        }
        token = logs["nextToken"].clone();
    }
}

/// `spacectl stack deploy --auto-confirm`: follows the run, confirms it, ends with its last state.
async fn tail(client: &Client, run: &str) -> (String, String) {
    let mut text = String::new();
    let mut told: BTreeSet<String> = BTreeSet::new();
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        assert!(std::time::Instant::now() < deadline, "the run never ends");
        let data = client.strictly(HISTORY, json!({"stack": "net", "run": run})).await;
        for transition in data["stack"]["run"]["history"].as_array().unwrap().iter().rev() {
            let state = transition["state"].as_str().unwrap().to_owned();
            if !told.insert(state.clone()) {
                continue;
            }
            if transition["hasLogs"] == true {
                text.push_str(&read_phase(client, run, transition).await);
            }
            if state == "UNCONFIRMED" {
                client.act("runConfirm", "net", run).await;
            }
            if transition["terminal"] == true {
                return (state, text);
            }
        }
    }
}

#[tokio::test]
async fn a_deployment_is_followed_to_its_end_while_it_runs() {
    let mut options = Options::new(account(&["net"]));
    options.pace = Pace::uniform(15);
    let client = Client::with(options).await;
    let run = client.trigger("net", "TRACKED").await;

    let (state, text) = tail(&client, &run).await;

    assert_eq!(state, "FINISHED");
    for line in ["Initialization complete.", "Plan: 1 to add, 0 to change", "Apply complete!"] {
        assert_eq!(text.matches(line).count(), 1, "{line} in {text}");
    }
}

#[tokio::test]
async fn a_failed_deployment_ends_too_and_says_where() {
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    control.set_plan("net", PlanResult::FailApplying { add: 1, change: 0, delete: 0 }).unwrap();
    let run = client.trigger("net", "TRACKED").await;

    let (state, text) = tail(&client, &run).await;

    assert_eq!(state, "FAILED");
    assert!(text.contains("ended as FAILED while it was APPLYING"), "{text}");
}

#[tokio::test]
async fn a_long_log_comes_in_pages_without_a_gap() {
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    control.set_plan("net", PlanResult::Changes { add: 450, change: 0, delete: 0 }).unwrap();
    let run = client.trigger("net", "TRACKED").await;

    let (_, text) = tail(&client, &run).await;

    let planned = text.lines().filter(|line| line.starts_with("  + terraform_data")).count();
    assert_eq!(planned, 450);
}

#[tokio::test]
async fn passive_states_say_that_they_have_no_log() {
    let client = Client::start(account(&["net"])).await;
    let run = client.trigger("net", "TRACKED").await;
    let data = client.strictly(HISTORY, json!({"stack": "net", "run": run})).await;
    for transition in data["stack"]["run"]["history"].as_array().unwrap() {
        let state = transition["state"].as_str().unwrap();
        let active = ["INITIALIZING", "PLANNING"].contains(&state);
        assert_eq!(transition["hasLogs"], active, "{state}");
        let variables = json!({"stack": "net", "run": run, "state": state,
            "stateVersion": transition["stateVersion"], "token": null});
        let data = client.strictly(LOGS, variables).await;
        assert_eq!(data["stack"]["run"]["logs"]["exists"], active);
        assert_eq!(data["stack"]["run"]["logs"]["finished"], true);
    }
}

#[tokio::test]
async fn a_phase_that_is_going_on_has_more_to_come() {
    let client = Client::start(account(&["net"])).await;
    let pace = Pace { planning_ms: 3_600_000, ..Pace::zero() };
    client.simulator.control().set_pace("net", pace).unwrap();
    let run = client.trigger("net", "TRACKED").await;
    let variables = json!({"stack": "net", "run": run, "state": "PLANNING", "stateVersion": 5,
        "token": null});
    let data = client.strictly(LOGS, variables).await;
    let logs = &data["stack"]["run"]["logs"];
    assert_eq!((&logs["finished"], &logs["hasMore"]), (&Value::Bool(false), &Value::Bool(true)));
}
