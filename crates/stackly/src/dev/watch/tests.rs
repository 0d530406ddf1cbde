use contracts::{Envelope, chain::ChainState};
use serde_json::json;

use super::{Until, is_told};
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

#[test]
fn the_last_word_about_a_chain_is_heard_in_the_spelling_of_slack_and_before_what_comes_after_it() {
    let told = [
        ":hourglass_flowing_sand: Deploy of acme/live: waiting to begin: Change",
        ":no_entry_sign: Deploy of acme/live: cancelled: Change",
        ":hook: Spacelift account acme: a worker pool is short of workers",
    ]
    .map(str::to_owned);
    assert!(is_told(&told, ChainState::Canceled));
    assert!(!is_told(&told[..1], ChainState::Canceled));
    assert!(!is_told(&told, ChainState::Finished));
}
