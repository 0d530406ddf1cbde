use contracts::{Envelope, chain::ChainState};
use serde_json::json;

use super::Until;
use crate::output::sample;

fn event(kind: &str, commit: &str, body: serde_json::Value) -> Envelope {
    let mut change = sample::change();
    change["commit"] = json!(commit);
    let mut body = body;
    body["change"] = change;
    Envelope::first("test", uuid::Uuid::nil(), (kind, "gate"), sample::now(), body)
}

#[test]
fn what_became_of_another_commit_says_nothing_of_the_one_waited_for() {
    let (ours, other) = ("a".repeat(40), "b".repeat(40));
    let reason = json!({ "code": "waiting_for_gate", "text": "…" });
    let finished = json!({
        "chain": sample::CHAIN,
        "state": "finished",
        "reason": reason,
        "steps": [],
        "began_at": sample::now(),
        "ended_at": sample::now(),
    });
    let until = Until::ChainOf(contracts::CommitSha(ours.clone()));
    let other_finished = event("chain.finished", &other, finished.clone());
    assert_eq!(until.is_met_by(&other_finished), None);
    assert_eq!(Until::AnyChain.is_met_by(&other_finished), Some(ChainState::Finished));
    assert_eq!(Until::Ever.is_met_by(&other_finished), None);
    let ours_finished = event("chain.finished", &ours, finished);
    assert_eq!(until.is_met_by(&ours_finished), Some(ChainState::Finished));
    let ignored = event("chain.ignored", &ours, json!({ "reason": reason }));
    assert_eq!(until.is_met_by(&ignored), Some(ChainState::Denied));
}
