//! Code that comes back while the run that destroys is on its way.

use contracts::{
    Action, ChainId, Code, Reason,
    stack::{CodePlace, StackReassociated},
    step::StepState,
};
use simulator::RunState;
use uuid::Uuid;

use super::running::{Running, account, publish, step};
use crate::{ChainPage, fixtures};

/// A chain that destroys what `a` made, because its code is gone.
async fn deregister(running: &Running) -> ChainId {
    let mut planned = fixtures::planned(Uuid::new_v4().as_u128(), &[("a", &[])]);
    planned.action = Action::Deregister;
    planned.steps[0].on_commit = false;
    running.planned(planned).await
}

async fn code_comes_back(running: &Running) {
    let code = CodePlace {
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        path: "stacks/a".to_owned(),
        name: "a".to_owned(),
        commit: fixtures::COMMIT.into(),
    };
    let reason = Reason::new(Code::CodeFound, "its code is back");
    let event = StackReassociated { stack: "a".into(), code, reason };
    publish(&running.bus, &event, Uuid::new_v4()).await;
}

/// The chain ends, because there is code again.
async fn ends(running: &Running, chain: ChainId) {
    let page = running.ended(chain).await;
    let step = &step(&page, "a").summary;
    assert_eq!((step.state, step.reason.code), (StepState::Canceled, Code::CodeFound), "{step:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_code_again_is_not_destroyed_once_its_stack_is_unlocked() {
    let running = Running::start(account(&["a"])).await;
    running.spacelift.lock("a", "jane", "moving the state").unwrap();
    let chain = deregister(&running).await;
    let waits = |page: &ChainPage| step(page, "a").call_reason.is_some();
    running.until(chain, "its call waits for the lock", waits).await;

    code_comes_back(&running).await;
    let is_known = |page: &ChainPage| step(page, "a").summary.reason.code == Code::CodeFound;
    running.until(chain, "that is known", is_known).await;
    running.spacelift.unlock("a", "jane").unwrap();

    ends(&running, chain).await;
    assert_eq!(running.runs("a"), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_destroys_and_has_not_begun_is_discarded_when_there_is_code_again() {
    let running = Running::start(account(&["a"])).await;
    running.graphql(r#"mutation { runTrigger(stack: "a", runType: TRACKED) { id } }"#).await;
    let chain = deregister(&running).await;
    let queues = |page: &ChainPage| step(page, "a").summary.state == StepState::Planning;
    running.until(chain, "its run is queued behind the other", queues).await;

    code_comes_back(&running).await;

    ends(&running, chain).await;
    let states: Vec<_> = running.spacelift.runs("a").iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Unconfirmed, RunState::Discarded]);
    running.stop().await;
}
