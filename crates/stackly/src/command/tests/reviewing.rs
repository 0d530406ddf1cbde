use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::output::sample::{self, CHAIN, GATE, OTHER_GATE};

/// A policy service with two gates that wait, and one that is decided. Keeps what it was told.
async fn policy(at: &Installation) -> Arc<Mutex<Vec<Value>>> {
    at.service("stackly.ask.policy.gates", |body| {
        let mut gates = vec![sample::gate(GATE, "cluster"), sample::gate(OTHER_GATE, "shop")];
        if body["open_only"] == false {
            gates.push(sample::passed("gate_01m0zt3m6f0qv8x2c4r7n5k1gc", "network"));
        }
        gates.retain(|gate| body["chain"].is_null() || body["chain"] == gate["chain"]);
        gates.retain(|gate| body["stack"].is_null() || body["stack"] == gate["stack"]);
        Ok(json!({ "gates": gates, "more": false }))
    })
    .await;
    let taken = Arc::new(Mutex::new(Vec::new()));
    let kept = taken.clone();
    at.service("stackly.cmd.gate.review", move |body| match body["by"].as_str() {
        None => Err(Problem::malformed("no review")),
        Some("jane") => {
            Err(Problem::new(ProblemKind::Refused, "self_approval", "jane made this change"))
        }
        Some(_) if body["gate"] != GATE => {
            Err(Problem::new(ProblemKind::NotFound, "gate_unknown", "there is no such"))
        }
        Some(_) => {
            kept.lock().unwrap().push(body);
            Ok(sample::passed(GATE, "cluster"))
        }
    })
    .await;
    taken
}

#[tokio::test]
async fn a_gate_is_approved_by_chain_and_stack() {
    let at = Installation::new().await;
    let taken = policy(&at).await;
    let id = format!("{CHAIN}/cluster");
    let arguments = ["approve", &id, "--as", "ann", "--note", "looked at it"];
    let text = at.run(&arguments).await.ok();
    assert!(text.contains("approved as ann") && text.contains("✓ passed"), "{text}");
    let mut told = taken.lock().unwrap()[0].clone();
    assert!(Uuid::parse_str(told["id"].take().as_str().unwrap()).is_ok());
    assert_eq!(
        told,
        json!({ "id": null, "gate": GATE, "approve": true, "by": "ann", "note": "looked at it" })
    );
}

#[tokio::test]
async fn a_gate_is_rejected_by_its_own_id() {
    let at = Installation::new().await;
    let taken = policy(&at).await;
    let answer = at.run(&["reject", GATE, "--as", "bob", "--json"]).await.json();
    assert_eq!(answer["gate"], GATE);
    assert_eq!(taken.lock().unwrap()[0]["approve"], false);
}

#[tokio::test]
async fn several_open_gates_are_not_guessed_at() {
    let at = Installation::new().await;
    let taken = policy(&at).await;
    let text = at.run(&["approve", CHAIN, "--as", "ann"]).await.failed(2);
    assert!(text.contains(&format!("stackly approve {GATE}")), "{text}");
    assert!(text.contains(&format!("stackly approve {OTHER_GATE}")), "{text}");
    assert!(taken.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_beginning_of_several_gates_is_not_guessed_at_either() {
    let at = Installation::new().await;
    policy(&at).await;
    for arguments in [
        vec!["policy", "explain", "gate_01"],
        vec!["why", "gate_01"],
        vec!["policy", "overrides", "--done", "gate_01", "--note", "mended", "--as", "ann"],
        vec!["answer", "gate_01", "cost", "--as", "ann"],
    ] {
        let text = at.run(&arguments).await.failed(2);
        assert!(text.starts_with("3 gates begin with gate_01; give more of the id:"), "{text}");
        assert!(text.contains(GATE) && text.contains(OTHER_GATE), "{text}");
    }
    let text = at.run(&["approve", "gate_7", "--as", "ann"]).await.failed(3);
    assert!(text.starts_with("no open gate begins with gate_7;"), "{text}");
}

#[tokio::test]
async fn a_broken_glass_says_until_when_and_that_more_was_asked_for() {
    let at = Installation::new().await;
    at.service("stackly.cmd.gate.override", |_| {
        let mut gate = sample::passed(GATE, "cluster");
        gate["reviews"] = json!([{ "id": Uuid::nil(), "by": "ann", "word": "override",
            "at": "2026-09-01T12:03:00Z", "until": "2026-09-01T13:03:00Z", "whole_chain": false }]);
        Ok(gate)
    })
    .await;
    let order = ["override", GATE, "--reason", "it burns", "--as", "ann"];
    let said = async |span: &str| at.run(&[&order[..], &["--for", span]].concat()).await.ok();
    let (short, long) = (said("1h").await, said("5h").await);
    assert!(short.starts_with("broke the glass as ann until 2026-09-01 13:03:00Z\n"), "{short}");
    assert!(long.contains(" 13:03:00Z; 5h 00m were asked for\n"), "{long}");
}

#[tokio::test]
async fn a_refusal_by_policy_has_its_own_status() {
    let at = Installation::new().await;
    policy(&at).await;
    let text = at.run(&["approve", GATE, "--as", "jane"]).await.failed(4);
    assert_eq!(text, "jane made this change");
    at.run(&["approve", OTHER_GATE, "--as", "ann"]).await.failed(3);
    at.run(&["approve", "chain_7/cluster", "--as", "ann"]).await.failed(3);
}

#[tokio::test]
async fn without_a_name_it_is_the_login_of_this_machine() {
    let at = Installation::new().await;
    let taken = policy(&at).await;
    at.run(&["approve", GATE]).await.ok();
    let by = taken.lock().unwrap()[0]["by"].clone();
    let login = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
    assert_eq!(by, login);
}

#[tokio::test]
async fn gates_are_listed_open_or_all() {
    let at = Installation::new().await;
    policy(&at).await;
    let text = at.run(&["gates"]).await.ok();
    assert!(
        text.contains("1 of 2 approvals (by ann), may be given by bob, eve, but not by jane"),
        "{text}"
    );
    let count = |document: Value| document["gates"].as_array().unwrap().len();
    assert_eq!(count(at.run(&["gates", "--json"]).await.json()), 2);
    assert_eq!(count(at.run(&["gates", "--all", "--chain", CHAIN, "--json"]).await.json()), 3);
    assert_eq!(count(at.run(&["gates", "--stack", "shop", "--json"]).await.json()), 1);
}
