//! Runs that fail, and what their logs say about why.

use std::time::Duration;

use contracts::{
    Code,
    gate::{Moment, Outcome},
    step::StepState,
};
use serde_json::json;
use simulator::{Fault, FaultKind, PlanResult, RunState};

use super::running::{Running, account, step};
use crate::{ChainPage, Config, OperationLine};

const HOLD: Outcome = Outcome::HoldForApprovals { given: 0, needed: 1 };

fn soon(config: &mut Config) {
    config.retries.throttling.wait = Duration::from_millis(50);
    config.retries.throttling.attempts = 2;
}

const THROTTLED: &[&str] = &[
    "\u{1b}[31m╷\u{1b}[0m",
    "│ Error: creating IAM Role (net): ThrottlingException: Rate exceeded",
    "│ ",
    "│   with aws_iam_role.net,",
    "╵",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_failed_by_what_passes_is_tried_again_because_its_log_says_so() {
    let running = Running::with(account(&["a"]), soon).await;
    running.spacelift.set_failure_log("a", THROTTLED).unwrap();
    running.spacelift.plan_once("a", PlanResult::FailPlanning).unwrap();

    let chain = running.plan(&[("a", &[])]).await;
    let page = running.finished(chain).await;

    assert_eq!(step(&page, "a").summary.attempt, 2);
    assert_eq!(running.runs("a"), 2);
    let history = running.ask("history", json!({ "chain": chain })).await.unwrap().unwrap();
    let history: Vec<OperationLine> = serde_json::from_value(history).unwrap();
    let retry = history.iter().find(|it| it.to == "retrying").expect("it waited");
    let text = &retry.reason.text;
    assert!(text.contains("its log says: `Error: creating IAM Role (net): Throttling"), "{text}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_often_as_configured_and_then_the_line_that_decided_is_told() {
    let running = Running::with(account(&["a"]), soon).await;
    running.spacelift.set_failure_log("a", THROTTLED).unwrap();
    running.spacelift.set_plan("a", PlanResult::FailPlanning).unwrap();

    let page = running.ended(running.plan(&[("a", &[])]).await).await;

    let ended = &step(&page, "a").summary;
    assert_eq!((ended.state, ended.attempt), (StepState::Failed, 2));
    assert_eq!(ended.reason.code, Code::ProviderThrottled);
    assert!(ended.reason.text.ends_with("ThrottlingException: Rate exceeded`"), "{ended:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_failed_half_way_is_planned_and_allowed_anew() {
    let running = Running::with(account(&["a"]), |config| {
        config.retries.throttling.wait = Duration::from_secs(1);
    })
    .await;
    running.spacelift.set_failure_log("a", THROTTLED).unwrap();
    let half_way = PlanResult::FailApplying { add: 1, change: 0, delete: 0 };
    running.spacelift.plan_once("a", half_way).unwrap();
    let chain = running.plan(&[("a", &[])]).await;
    let waits = |page: &ChainPage| step(page, "a").summary.state == StepState::Retrying;
    running.until(chain, "it waits for its second attempt", waits).await;
    running.policies_say(Moment::BeforeApply, "a", HOLD);

    let asks = |page: &ChainPage| {
        let step = &step(page, "a").summary;
        step.attempt == 2 && step.state == StepState::GatingApply
    };
    running.until(chain, "the second attempt asks for its apply", asks).await;
    let plan = running.spacelift.runs("a").pop().unwrap();
    assert_eq!(plan.state, RunState::Unconfirmed, "planned anew, and not applied");
    assert_eq!(running.runs("a"), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_holds_nobody_up_for_ever() {
    let running = Running::with(account(&["a"]), |config| {
        soon(config);
        config.spacelift.breaker_failures = 1_000;
    })
    .await;
    running.spacelift.set_failure_log("a", THROTTLED).unwrap();
    running.spacelift.set_plan("a", PlanResult::FailPlanning).unwrap();
    let broken = Fault::always(FaultKind::ServerError { status: 503 });
    running.spacelift.add_fault(broken.on("GetLogPhases"));

    let page = running.ended(running.plan(&[("a", &[])]).await).await;

    let ended = &step(&page, "a").summary;
    assert_eq!((ended.state, ended.reason.code), (StepState::Failed, Code::RunFailed));
    running.stop().await;
}
