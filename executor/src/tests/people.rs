//! Steps that wait for people, and what people tell them.

use std::time::Duration;

use bus::{Bus, BusError};
use chrono::{TimeDelta, Utc};
use contracts::{
    ChainId, Code, Envelope, Message,
    check::AnswerCheck,
    gate::{Moment, Outcome},
    order::{CancelChain, LockStack, PauseChain, ResumeChain},
    step::{StepState, StepStuck},
    subject,
};
use futures::StreamExt;
use serde_json::json;
use simulator::{Fault, FaultKind, Pace};
use uuid::Uuid;

use super::running::{Running, account, step};
use crate::{ChainPage, WaitLine};

/// Jane cancels a chain.
async fn cancel(running: &Running, chain: ChainId, force: bool) {
    let by = "jane".to_owned();
    let order = CancelChain { chain, stack: None, force, by, note: None };
    let subject = subject::command(CancelChain::TYPE);
    running.bus.request(&subject, &json!(order)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_never_through_is_told_with_what_mends_it_and_a_cancel_forgoes_it() {
    let running = Running::with(account(&["a"]), |config| {
        config.reminders.every = Duration::from_millis(50);
        config.reminders.call = Duration::from_millis(300);
    })
    .await;
    running.spacelift.add_fault(Fault::always(FaultKind::DroppedBeforeAccept).on("runTrigger"));
    let mut told = running.bus.tail(&subject::events_of(StepStuck::TYPE)).await.unwrap();
    running.bus.flush().await.unwrap();
    let chain = running.plan(&[("a", &[])]).await;

    let told = tokio::time::timeout(Duration::from_secs(30), told.next()).await;
    let envelope: Envelope = told.expect("it is told in time").unwrap();
    let stuck: StepStuck = serde_json::from_value(envelope.body).unwrap();
    assert_eq!(stuck.step.state, StepState::Triggering);
    assert!(
        stuck.mend.as_ref().is_some_and(|it| it.contains("Spacelift can be reached")),
        "{stuck:?}"
    );
    let why = running.ask("why", json!({ "stack": "a" })).await.unwrap().unwrap();
    let lines: Vec<WaitLine> = serde_json::from_value(why).unwrap();
    assert_eq!(
        (lines.len(), lines[0].wait.reason.code),
        (1, Code::SpaceliftUnavailable),
        "{lines:?}"
    );

    cancel(&running, chain, false).await;
    let page = running.ended(chain).await;
    assert_eq!(step(&page, "a").summary.state, StepState::Canceled);
    assert_eq!(running.runs("a"), 0, "its run was never made");
    assert!(running.mutations("runTrigger").iter().all(|it| !it.accepted));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_waits_for_a_review_in_spacelift_is_ended_with_its_step() {
    let mut account = account(&["a"]);
    account.stacks[0].behaviour.plan_warning = true;
    account.stacks[0].behaviour.approvals.pending_review = 1;
    let running = Running::start(account).await;
    let chain = running.preview(&[("a", &[])]).await;
    let waits = |page: &ChainPage| step(page, "a").summary.reason.text.contains("a review there");
    running.until(chain, "it waits for a review", waits).await;

    cancel(&running, chain, false).await;
    let page = running.ended(chain).await;
    assert_eq!(step(&page, "a").summary.state, StepState::Canceled);
    running.stop().await;
}

const DAY: TimeDelta = TimeDelta::days(1);

/// Where the server knows who is who.
const USERS: &str = r#"
authorization {
  users: [
    { user: "stackly", password: "secret" }
    {
      user: "bob"
      password: "secret"
      permissions: {
        publish: ["stackly.ask.>", "stackly.by.bob.>"]
        subscribe: ["_INBOX.bob.>"]
      }
    }
  ]
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_none_of_the_groups_gives_no_order_as_somebody_who_is() {
    let options = embedded::NatsOptions { more: USERS.to_owned(), ..Default::default() };
    let nats = embedded::Nats::start(options).await.unwrap();
    let at = |user: &str| format!("nats://{user}:secret@127.0.0.1:{}", nats.port());
    let running = Running::with(account(&["a"]), |config| {
        config.bus = bus::Options::at(at("stackly"), "");
        config.bus.vouched_names_only = true;
        config.roles.groups = [("sre".to_owned(), vec!["jane".to_owned()])].into();
        config.roles.claims = [("sre".to_owned(), vec!["eng-sre".to_owned()])].into();
        let sre = vec!["sre".to_owned()];
        (config.roles.cancel, config.roles.lock) = (sre.clone(), sre.clone());
        config.roles.answer = sre;
    })
    .await;
    running.policies_say(Moment::BeforePlan, "a", Outcome::HoldUntil { until: Utc::now() + DAY });
    let chain = running.plan(&[("a", &[])]).await;
    running.until(chain, "it is there", |_| true).await;
    let bob = Bus::connect(&bus::Options::at(at("bob"), ""), "test").await.unwrap();
    let says = |by: &str| {
        json!({ "chain": chain, "stack": "a", "by": by, "check": "smoke", "pass": true,
                "groups": ["eng-sre"] })
    };
    for kind in [CancelChain::TYPE, LockStack::TYPE, AnswerCheck::TYPE] {
        let refused = bob.command_by("jane", kind, &says("jane")).await;
        assert!(matches!(refused, Err(BusError::NotPermitted { .. })), "{kind}: {refused:?}");
        let vouched = bob.request(&subject::command_vouched(kind), &says("jane")).await;
        assert!(matches!(vouched, Err(BusError::NotPermitted { .. })), "{kind}: {vouched:?}");
        for (by, code) in [("jane", "name_of_another"), ("bob", "not_allowed")] {
            let own = subject::command_by("bob", kind);
            let refused = bob.request(&own, &says(by)).await.unwrap().unwrap_err();
            assert_eq!(refused.code, code, "{kind} as {by}");
        }
        let plain = running.bus.request(&subject::command(kind), &says("jane")).await.unwrap();
        assert_eq!(plain.unwrap_err().code, "name_not_vouched", "{kind}");
    }
    let order = CancelChain { chain, stack: None, force: false, by: "jane".to_owned(), note: None };
    running.bus.command(Uuid::new_v4(), &order).await.unwrap().unwrap();
    running.ended(chain).await;
    running.stop().await;
}

/// Spacelift cannot be asked when it is allowed, and can again once the chain is paused.
#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_applied_before_a_pause_is_applied_once_the_chain_is_resumed() {
    let running = Running::start(account(&["a"])).await;
    running
        .spacelift
        .add_fault(Fault::always(FaultKind::ServerError { status: 503 }).on("runConfirm"));
    let chain = running.plan(&[("a", &[])]).await;
    let waits = |page: &ChainPage| {
        step(page, "a").summary.state == StepState::Confirming && step(page, "a").call.is_some()
    };
    running.until(chain, "its confirm waits", waits).await;
    let by = "jane".to_owned();
    let order = PauseChain { chain, by: by.clone(), stack: None, note: None };
    let subject = subject::command(PauseChain::TYPE);
    running.bus.request(&subject, &json!(order)).await.unwrap().unwrap();
    running.spacelift.clear_faults();

    let is_paused = |page: &ChainPage| {
        let step = &step(page, "a").summary;
        (step.state, step.reason.code) == (StepState::GatingApply, Code::ChainPaused)
    };
    running.until(chain, "it waits for a person", is_paused).await;
    assert!(running.mutations("runConfirm").iter().all(|it| !it.accepted));
    let order = ResumeChain { chain, by, stack: None, note: None };
    let subject = subject::command(ResumeChain::TYPE);
    running.bus.request(&subject, &json!(order)).await.unwrap().unwrap();

    running.finished(chain).await;
    assert_eq!(running.mutations("runConfirm").iter().filter(|it| it.accepted).count(), 1);
    running.stop().await;
}

/// Spacelift kills only what it was asked to stop.
#[tokio::test(flavor = "multi_thread")]
async fn a_forced_cancel_whose_first_stop_did_not_arrive_still_ends_the_run() {
    let running = Running::start(account(&["a"])).await;
    running.spacelift.set_pace("a", Pace { applying_ms: 3_600_000, ..Pace::zero() }).unwrap();
    let lost = FaultKind::ServerError { status: 502 };
    running.spacelift.add_fault(Fault::once(lost).on("runStop"));
    let chain = running.plan(&[("a", &[])]).await;
    let applies = |page: &ChainPage| step(page, "a").summary.state == StepState::Applying;
    running.until(chain, "it applies", applies).await;

    cancel(&running, chain, true).await;

    let page = running.ended(chain).await;
    assert_eq!(step(&page, "a").summary.state, StepState::Canceled);
    running.stop().await;
}
