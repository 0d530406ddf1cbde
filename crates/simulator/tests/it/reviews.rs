//! Approvals: where they are asked for, and what they hold back.

use serde_json::json;
use simulator::{Account, Approvals, Behaviour, RunState, StackSeed};

use crate::client::Client;

async fn with(approvals: Approvals, plan_warning: bool) -> Client {
    let behaviour = Behaviour { approvals, plan_warning, ..Behaviour::default() };
    let seed = StackSeed { behaviour, ..StackSeed::new("net") };
    Client::start(Account { stacks: vec![seed], ..Account::default() }).await
}

async fn review(client: &Client, run: &str, decision: &str) -> serde_json::Value {
    client
        .data(
            "mutation($run:ID!$decision:RunReviewDecision!){runReview(stack:\"net\",run:$run,\
             decision:$decision,note:\"said\"){author decision note state}}",
            json!({"run": run, "decision": decision}),
        )
        .await
}

#[tokio::test]
async fn a_queued_run_starts_once_it_is_approved() {
    let client = with(Approvals { queued: 1, ..Default::default() }, false).await;
    let run = client.trigger("net", "TRACKED").await;
    assert_eq!(client.state(&run), RunState::Queued);
    let asked = "query($run:ID!){stack(id:\"net\"){run(id:$run){needsApproval canConfirm}}}";
    let data = client.data(asked, json!({"run": run})).await;
    assert_eq!(data["stack"]["run"], json!({"needsApproval": true, "canConfirm": false}));

    let data = review(&client, &run, "APPROVE").await;

    assert_eq!(data["runReview"]["state"], "QUEUED");
    assert_eq!(client.state(&run), RunState::Unconfirmed);
    let data = client.data(asked, json!({"run": run})).await;
    assert_eq!(data["stack"]["run"], json!({"needsApproval": false, "canConfirm": true}));
}

#[tokio::test]
async fn an_unconfirmed_run_is_confirmed_only_after_its_approval() {
    let client = with(Approvals { unconfirmed: 1, ..Default::default() }, false).await;
    let run = client.trigger("net", "TRACKED").await;
    let early = client.act("runConfirm", "net", &run).await;
    assert_eq!(early["errors"][0]["message"], "run cannot be confirmed: it needs approval");

    review(&client, &run, "APPROVE").await;
    assert_eq!(
        client.state(&run),
        RunState::Unconfirmed,
        "approval and confirmation are two steps"
    );
    client.act("runConfirm", "net", &run).await;

    assert_eq!(client.state(&run), RunState::Finished);
}

#[tokio::test]
async fn approving_twice_counts_once() {
    let client = with(Approvals { unconfirmed: 2, ..Default::default() }, false).await;
    let run = client.trigger("net", "TRACKED").await;
    review(&client, &run, "APPROVE").await;
    review(&client, &run, "APPROVE").await;
    let early = client.act("runConfirm", "net", &run).await;
    assert_eq!(early["errors"][0]["message"], "run cannot be confirmed: it needs approval");
}

#[tokio::test]
async fn a_rejection_fails_the_run_at_once_and_frees_the_stack() {
    let client = with(Approvals { queued: 1, ..Default::default() }, false).await;
    let run = client.trigger("net", "TRACKED").await;
    review(&client, &run, "REJECT").await;
    assert_eq!(client.state(&run), RunState::Failed);
    let last = client.simulator.control().run(&run).unwrap().history.pop().unwrap();
    assert_eq!(last.note.as_deref(), Some("said"));
}

#[tokio::test]
async fn a_proposed_run_whose_plan_warns_waits_for_its_review() {
    let client = with(Approvals { pending_review: 1, ..Default::default() }, true).await;
    let run = client.trigger("net", "PROPOSED").await;
    assert_eq!(client.state(&run), RunState::PendingReview);
    review(&client, &run, "APPROVE").await;
    assert_eq!(client.state(&run), RunState::Finished);

    let run = client.trigger("net", "PROPOSED").await;
    review(&client, &run, "REJECT").await;
    assert_eq!(client.state(&run), RunState::Failed);
}

#[tokio::test]
async fn a_warning_holds_back_autodeploy() {
    let behaviour = Behaviour { plan_warning: true, ..Behaviour::default() };
    let seed = StackSeed { behaviour, autodeploy: true, ..StackSeed::new("net") };
    let client = Client::start(Account { stacks: vec![seed], ..Account::default() }).await;
    let run = client.trigger("net", "TRACKED").await;
    assert_eq!(client.state(&run), RunState::Unconfirmed);
}
