//! The sample account is what its users were promised.

use std::collections::BTreeSet;

use serde_json::json;
use simulator::{JournalEvent, RunState, sample_account, sample_account_of};

use crate::client::Client;

#[tokio::test]
async fn the_sample_account_has_what_a_demo_needs() {
    let account = sample_account();
    assert!(account.stacks.len() >= 14, "{}", account.stacks.len());
    let spaces: BTreeSet<&str> = account.stacks.iter().map(|s| s.space.as_str()).collect();
    assert_eq!(spaces.len(), 3);
    assert!(account.stacks.iter().any(|stack| !stack.autodeploy));
    assert!(account.stacks.iter().any(|stack| !stack.additional_project_globs.is_empty()));
    for label in ["env:prod", "env:dev", "depends-on:", "team:"] {
        let carries = |l: &String| l.starts_with(label);
        assert!(account.stacks.iter().any(|stack| stack.labels.iter().any(carries)), "{label}");
    }
    for stack in &account.stacks {
        assert_eq!(stack.project_root.as_deref(), Some(format!("stacks/{}", stack.id).as_str()));
        for label in &stack.labels {
            if let Some(parent) = label.strip_prefix("depends-on:") {
                assert!(account.stacks.iter().any(|s| s.id == parent), "{label} leads nowhere");
            }
        }
    }
    let client = Client::start(account).await;
    assert_eq!(client.simulator.control().stack("org").unwrap().resources, 6);
}

#[tokio::test]
async fn the_repository_can_be_chosen() {
    let account = sample_account_of("example/live");
    assert!(account.stacks.iter().all(|s| s.namespace == "example" && s.repository == "live"));
    assert_eq!(account.name, "example");
}

#[tokio::test]
async fn a_deployment_of_the_network_runs_through_the_diamond_in_order() {
    let client = Client::start(sample_account()).await;
    let control = client.simulator.control();

    client.trigger("network-prod", "TRACKED").await;

    let mut finished = Vec::new();
    for entry in control.journal(0) {
        if let JournalEvent::Transition(step) = entry.event
            && step.to == RunState::Finished
        {
            finished.push(step.stack.to_string());
        }
    }
    assert_eq!(finished, ["network-prod", "cluster-prod", "database-prod", "ingress-prod"]);
    let ingress = client.newest("ingress-prod");
    assert!(ingress.inputs["TF_VAR_cluster_endpoint"].starts_with("https://k8s.prod."));
    assert!(ingress.inputs["TF_VAR_database_url"].starts_with("postgres://db.prod."));
    let data = client
        .data("{stack(id:\"ingress-prod\"){spaceDetails{name} runs{triggeredBy}}}", json!({}))
        .await;
    assert_eq!(data["stack"]["spaceDetails"]["name"], "platform");
    assert_eq!(data["stack"]["runs"], json!([{"triggeredBy": "cluster-prod"}]));
}
