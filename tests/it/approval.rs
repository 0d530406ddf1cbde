//! An apply waits for a human.

use contracts::{
    Code, GateId,
    chain::ChainState,
    step::{StepFinished, StepState},
};
use executor::{ChainPage, StepPage};
use harness::{Pipeline, Setup, accounts, github, listener::Listener, patience::PATIENCE};
use serde_json::json;
use simulator::RunState;

/// `a` before `b`; two people must approve what is applied to `a`, and not its author.
async fn guarded() -> Pipeline {
    let mut account = accounts::account(&[("a", &[]), ("b", &["a"])]);
    account.stacks[0].autodeploy = false;
    let policy = r#"
        policy "four_eyes" {
          match { stacks = ["a"] }
          approval {
            min_approvers    = 2
            no_self_approval = true
          }
        }"#;
    let policies = vec![("approval.hcl", policy.to_owned())];
    Pipeline::with(Setup { account, policies, ..Setup::default() }).await
}

/// Pushes, and waits until the plan of `a` waits for people.
async fn held(pipeline: &Pipeline) -> (String, GateId) {
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let gate = waits(pipeline, &commit).await;
    (commit, gate)
}

/// The gate at which the plan of `a` waits for people.
async fn waits(pipeline: &Pipeline, commit: &str) -> GateId {
    let waits = |page: &ChainPage| {
        let step = &page.steps_in_order[0].summary;
        step.state == StepState::GatingApply && step.reason.code == Code::ApprovalNeeded
    };
    let page = pipeline.chain_when(commit, PATIENCE, waits).await;
    page.steps_in_order[0].gate.unwrap()
}

fn states(steps: &[StepPage]) -> Vec<(&str, StepState)> {
    steps.iter().map(|step| (step.summary.stack.as_str(), step.summary.state)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_goes_on_when_enough_people_approved_and_its_author_does_not_count() {
    let pipeline = guarded().await;
    let (commit, gate) = held(&pipeline).await;
    assert_eq!(pipeline.spacelift.runs("a")[0].state, RunState::Unconfirmed);

    let by_author = pipeline.review(gate, true, "jane").await.unwrap_err();
    assert_eq!(by_author.code, "self_approval", "{}", by_author.message);
    let first = pipeline.review(gate, true, "bob").await.unwrap();
    assert_eq!((&first["outcome"], &first["given"]), (&json!("hold_for_approvals"), &json!(1)));
    let again = pipeline.review(gate, true, "@Bob").await.unwrap();
    assert_eq!(again["given"], 1, "one person is one approval: {again}");
    let second = pipeline.review(gate, true, "alice").await.unwrap();
    assert_eq!((&second["outcome"], &second["final"]), (&json!("pass"), &json!(true)));

    let chain = pipeline.ended(&commit).await;
    let late = pipeline.review(gate, false, "carol").await.unwrap_err();
    assert_eq!(late.code, "gate_decided", "{}", late.message);
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_apply_is_discarded_and_nothing_below_it_runs() {
    let pipeline = guarded().await;
    let mut listener = Listener::start(&pipeline.bus).await;
    let (commit, gate) = held(&pipeline).await;

    pipeline.review(gate, false, "bob").await.unwrap();
    let chain = pipeline.ended(&commit).await;

    let expected = [("a", StepState::Denied), ("b", StepState::Skipped)];
    assert_eq!(states(&chain.steps_in_order), expected);
    assert_eq!(chain.line.state, ChainState::Failed);
    let told: StepFinished = listener.expect().await;
    assert_eq!(told.step.reason.code, Code::Rejected);
    assert!(told.step.reason.text.contains("bob"), "{}", told.step.reason.text);
    assert_eq!(pipeline.spacelift.runs("a")[0].state, RunState::Discarded);
    assert!(pipeline.spacelift.runs("b").is_empty());
    assert_eq!(pipeline.violations(&[chain]), []);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_wrote_a_commit_of_a_push_approves_it_whoever_pushed() {
    let pipeline = guarded().await;
    let commit = github::commit();
    let mut payload = github::push(&commit, &["stacks/a/main.tf"]);
    let written = json!({ "name": "Bob", "email": "bob@acme.example", "username": "bob" });
    payload["commits"] = json!([
        { "id": github::commit(), "message": "One", "author": written, "added": [], "removed": [],
            "modified": ["stacks/a/main.tf"] },
        payload["head_commit"],
    ]);
    payload["head_commit"]["message"] =
        json!("Two\n\nCo-authored-by: Alice <7+alice@users.noreply.github.com>");
    assert_eq!(pipeline.deliver("push", &payload).await.0, 202);
    let gate = waits(&pipeline, &commit).await;

    for by in ["jane", "bob", "@Alice"] {
        let refused = pipeline.review(gate, true, by).await.unwrap_err();
        assert_eq!(refused.code, "self_approval", "{by}: {}", refused.message);
    }
    for by in ["carol", "dan"] {
        pipeline.review(gate, true, by).await.unwrap();
    }
    let chain = pipeline.ended(&commit).await;
    assert_eq!(chain.line.state, ChainState::Finished);
    pipeline.stop().await;
}
