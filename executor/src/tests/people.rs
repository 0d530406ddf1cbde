//! Steps that wait for people, and what people tell them.

use std::time::Duration;

use contracts::{
    Code, Envelope, Message,
    order::CancelChain,
    step::{StepState, StepStuck},
    subject,
};
use futures::StreamExt;
use serde_json::json;

use super::running::{Running, account, step};
use crate::WaitLine;

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_stack_is_told_once_with_what_mends_it_and_a_cancel_forgoes_its_run() {
    let running = Running::with(account(&["a"]), |config| {
        config.reminders.every = Duration::from_millis(50);
        config.reminders.call = Duration::from_millis(300);
    })
    .await;
    running.graphql(r#"mutation { stackLock(id: "a") { id } }"#).await;
    let mut told = running.bus.tail(&subject::events_of(StepStuck::TYPE)).await.unwrap();
    running.bus.flush().await.unwrap();
    let chain = running.plan(&[("a", &[])]).await;

    let envelope: Envelope = told.next().await.unwrap();
    let stuck: StepStuck = serde_json::from_value(envelope.body).unwrap();
    assert_eq!(stuck.step.state, StepState::Triggering);
    assert!(stuck.mend.as_ref().is_some_and(|it| it.contains("unlock stack a")), "{stuck:?}");
    let why = running.ask("why", json!({ "stack": "a" })).await.unwrap().unwrap();
    let lines: Vec<WaitLine> = serde_json::from_value(why).unwrap();
    assert_eq!((lines.len(), lines[0].wait.reason.code), (1, Code::StackLocked), "{lines:?}");

    let by = "jane".to_owned();
    let order = CancelChain { chain, stack: None, force: false, by, note: None };
    let subject = subject::command(CancelChain::TYPE);
    running.bus.request(&subject, &json!(order)).await.unwrap().unwrap();
    let page = running.ended(chain).await;
    assert_eq!(step(&page, "a").summary.state, StepState::Canceled);
    assert_eq!(running.runs("a"), 0, "its run was never made");
    assert!(running.mutations("runTrigger").iter().all(|it| !it.accepted));
    running.stop().await;
}
