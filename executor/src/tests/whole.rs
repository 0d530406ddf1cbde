use std::time::Duration;

use contracts::Message;
use contracts::{
    Code,
    chain::{ChainFinished, ChainState},
    gate::{Moment, Outcome},
    step::StepState,
    subject,
};
use futures::StreamExt;
use serde_json::json;
use simulator::{PlanResult, RunState};

use super::running::{Running, account, states, step};

const DIAMOND: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])];
const HOLD: Outcome = Outcome::HoldForApprovals { given: 0, needed: 1 };

/// Every run of a diamond, begun only after those above it had ended well.
fn assert_in_order(running: &Running) {
    for stack in ["a", "b", "c", "d"] {
        assert_eq!(running.runs(stack), 1, "{stack}");
    }
    let times = |stack: &str| {
        let run = running.spacelift.runs(stack).remove(0);
        assert_eq!(run.state, RunState::Finished);
        (run.history[0].at_ms, run.history.last().unwrap().at_ms)
    };
    for (parent, child) in [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")] {
        assert!(times(parent).1 <= times(child).0, "{child} before {parent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_webhook_a_chain_runs_to_its_end() {
    let running = Running::start(account(&["a", "b", "c", "d"])).await;
    let mut ends = running.bus.tail(&subject::events_of(ChainFinished::TYPE)).await.unwrap();
    running.bus.flush().await.unwrap();

    let chain = running.plan(DIAMOND).await;
    let page = running.finished(chain).await;

    assert_eq!(states(&page), "a finished, b finished, c finished, d finished");
    assert_in_order(&running);
    assert!(running.mutations("runTrigger").iter().all(|it| {
        it.metadata.as_deref().is_some_and(|mark| mark.contains(&chain.to_string()))
    }));
    let end = tokio::time::timeout(Duration::from_secs(20), ends.next()).await.unwrap().unwrap();
    assert_eq!(end.body["chain"], json!(chain));
    assert_eq!(end.body["state"], "finished");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_webhooks_alone_a_chain_runs_to_its_end() {
    let running = Running::with(account(&["a", "b", "c", "d"]), |config| {
        config.runs.poll_every = Duration::from_secs(3_600);
        config.runs.silence = Duration::from_secs(3_600);
    })
    .await;
    let _webhooks = running.tell_of_runs();

    let chain = running.plan(DIAMOND).await;
    running.finished(chain).await;

    assert_in_order(&running);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_loses_nothing() {
    let mut running = Running::start(account(&["a", "b"])).await;
    running.policies_say(Moment::BeforeApply, "a", HOLD);
    let chain = running.plan(&[("a", &[]), ("b", &["a"])]).await;
    running.until(chain, "it is held", |page| step(page, "a").summary.run.is_some()).await;

    running.stop_service().await;
    running.policies_say(Moment::BeforeApply, "a", Outcome::Pass);
    running.spawn();

    running.finished(chain).await;
    assert_eq!((running.runs("a"), running.runs("b")), (1, 1));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_before_the_apply_is_discarded_in_spacelift() {
    let running = Running::start(account(&["a", "b", "c"])).await;
    running.policies_say(Moment::BeforeApply, "a", Outcome::Deny);

    let chain = running.plan(&[("a", &[]), ("b", &["a"]), ("c", &[])]).await;
    let page = running.ended(chain).await;

    assert_eq!(states(&page), "a denied, b skipped, c finished");
    assert_eq!(page.line.state, ChainState::Failed);
    let run = running.spacelift.runs("a").remove(0);
    assert_eq!(run.state, RunState::Discarded);
    let note = run.history.last().unwrap().note.clone().unwrap();
    assert!(note.contains("the test says so before_apply"), "{note}");
    assert_eq!(running.runs("b"), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_stops_its_cone_and_nothing_else() {
    let running = Running::start(account(&["a", "b", "c", "d"])).await;
    running.spacelift.set_plan("b", PlanResult::FailPlanning).unwrap();

    let chain = running.plan(DIAMOND).await;
    let page = running.ended(chain).await;

    assert_eq!(states(&page), "a finished, b failed, c finished, d skipped");
    assert_eq!(running.runs("d"), 0);
    assert_eq!(step(&page, "d").summary.reason.code, Code::ParentFailed);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_is_handed_from_chain_to_chain_in_the_order_in_which_they_came() {
    let running = Running::start(account(&["a"])).await;
    running.policies_say(Moment::BeforeApply, "a", HOLD);
    let first = running.plan(&[("a", &[])]).await;
    running.until(first, "it has a plan", |page| step(page, "a").summary.run.is_some()).await;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let chain = running.plan(&[("a", &[])]).await;
        let page = running
            .until(chain, "it queues", |page| step(page, "a").summary.state == StepState::Queued)
            .await;
        let reason = &step(&page, "a").summary.reason;
        assert_eq!(reason.code, Code::StackBusy);
        assert!(reason.text.contains(&first.to_string()), "{}", reason.text);
        waiting.push(chain);
    }
    assert_eq!(running.runs("a"), 1, "one blocking run at a time");

    running.policies_say(Moment::BeforeApply, "a", Outcome::Pass);
    let mut runs = vec![running.finished(first).await];
    for chain in waiting {
        runs.push(running.finished(chain).await);
    }

    let in_order: Vec<_> =
        runs.iter().map(|page| step(page, "a").summary.run.clone().unwrap()).collect();
    let made: Vec<_> = running.spacelift.runs("a").into_iter().map(|run| run.id.into()).collect();
    assert_eq!(in_order, made);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_plans_beside_a_deployment_on_the_same_stack() {
    let running = Running::start(account(&["a"])).await;
    let _webhooks = running.tell_of_runs();
    running.policies_say(Moment::BeforeApply, "a", HOLD);
    let deploy = running.plan(&[("a", &[])]).await;
    running.until(deploy, "it has a plan", |page| step(page, "a").summary.run.is_some()).await;

    let previews = [running.preview(&[("a", &[])]).await, running.preview(&[("a", &[])]).await];
    for preview in previews {
        let page = running.finished(preview).await;
        assert!(step(&page, "a").summary.reason.text.ends_with("planned"));
    }
    running.policies_say(Moment::BeforeApply, "a", Outcome::Pass);
    running.finished(deploy).await;
    assert_eq!(running.runs("a"), 3);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_and_bad_ones_are_told_why() {
    let running = Running::start(account(&["a"])).await;
    let chain = running.plan(&[("a", &[])]).await;
    running.finished(chain).await;

    let chains = running.ask("chains", json!(null)).await.unwrap().unwrap();
    assert_eq!(chains[0]["chain"], json!(chain));
    let open = running.ask("chains", json!({ "open": true, "limit": 3 })).await.unwrap().unwrap();
    assert_eq!(open, json!([]));
    for (question, body, code) in [
        ("chain", json!({ "chain": contracts::ChainId(uuid::Uuid::nil()) }), "not_found"),
        ("chain", json!({ "chain": "chain_what" }), "malformed"),
        ("chain", json!(null), "malformed"),
        ("locks", json!({ "stacks": ["a"] }), "malformed"),
    ] {
        let problem = running.ask(question, body).await.unwrap().unwrap_err();
        assert_eq!(problem.code, code, "{}", problem.message);
        assert!(!problem.message.is_empty());
    }
    running.stop().await;
}
