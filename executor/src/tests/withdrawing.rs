//! Runs that Spacelift made by itself, while the step they were made for begins or is given up.

use std::time::Duration;

use contracts::{Code, RunId, order::OrderKind, run::RunReported, step::StepState};
use simulator::{DependencySeed, Fault, FaultKind, JournalEvent, Pace, RunState};
use store::Claim;

use super::{
    holds::{Beside, first_try, run_in},
    running::{Running, account},
};
use crate::{
    call::{Call, CallKind},
    fixtures::{ChainFixture, seen},
    input::CallResult,
    store::tests::keep,
};

const STACKS: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"])];

/// `b` below `a`; calls are made beside an executor that makes none itself.
async fn start(autodeploy: bool) -> (Running, Beside) {
    let mut account = account(&["a", "b"]);
    account.dependencies = vec![DependencySeed {
        stack: "b".to_owned(),
        depends_on: "a".to_owned(),
        ..DependencySeed::default()
    }];
    account.stacks.iter_mut().for_each(|stack| stack.autodeploy = autodeploy);
    let mut running = Running::with(account, |config| {
        config.spacelift.timeout = Duration::from_secs(10);
        config.store.lease = Duration::from_secs(28);
        config.runs.settle = Duration::from_secs(7);
    })
    .await;
    let beside = Beside::of(&running).await;
    running.stop_service().await;
    (running, beside)
}

/// A first call about `b`, whose run came with this one of `a`.
fn below(parent: &RunId, kind: CallKind, change: impl FnOnce(&mut Call)) -> Claim {
    first_try(kind, |call| {
        (call.stack, call.native_parents) = ("b".into(), vec!["a".into()]);
        call.parent_runs.insert("a".into(), parent.clone());
        change(call);
    })
}

fn state(running: &Running) -> RunState {
    running.spacelift.runs("b")[0].state
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_takes_over_while_its_withdrawal_looks_is_not_ended() {
    let (running, beside) = start(false).await;
    let parent = run_in(&running, "a", RunState::Unconfirmed).await;
    let claim = below(&parent, CallKind::Withdraw, |_| {});
    let mut chain = ChainFixture::of(STACKS).native().running().with("b", StepState::Triggering);
    keep(&beside.0.pool, &chain).await;
    let why = beside.makes(&claim).await.unwrap_err();
    assert!(why.text.starts_with("b begins, and may take over run "), "{why}");

    let slow = running
        .spacelift
        .add_fault(Fault::always(FaultKind::Slow { delay_ms: 3_000 }).on("ListRuns"));
    let run = RunId(running.spacelift.runs("b")[0].id.clone());
    let report = RunReported { run, ..chain.report("b", contracts::run::RunState::Planning, 2) };
    chain.tell(chain.concluded("b", CallKind::Trigger, CallResult::Run(seen(report))));
    let is_slow = || running.spacelift.faults().iter().any(|it| it.id == slow && it.hits > 0);
    let takes_over = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        while !is_slow() {
            ticks.tick().await;
        }
        keep(&beside.0.pool, &chain).await;
    };
    let (ended, ()) = tokio::join!(beside.makes(&claim), takes_over);

    assert!(matches!(ended, Ok(CallResult::Nothing)), "{ended:?}");
    assert!(!state(&running).terminal(), "{:?}", state(&running));
    running.stop().await;
}

/// Another parent may have brought it, or an earlier run of this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_may_be_yet_to_come_is_waited_for_whatever_is_there_already() {
    let (running, beside) = start(false).await;
    let parent = run_in(&running, "a", RunState::Unconfirmed).await;
    for is_early in [false, true] {
        let claim = below(&parent, CallKind::Withdraw, |call| {
            call.is_early = is_early;
            call.after = (!is_early).then(|| "0".into());
        });
        let why = beside.makes(&claim).await.unwrap_err();
        assert!(why.text.starts_with("Spacelift may have yet to make a run of b"), "{why}");
        assert_eq!(state(&running), RunState::Discarded);
        let created_at = claim.created_at - chrono::TimeDelta::seconds(7);
        let over = beside.makes(&Claim { created_at, ..claim }).await;
        assert!(matches!(over, Ok(CallResult::Nothing)), "{over:?}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_waits_for_what_is_in_its_way_is_given_up_once_it_is_cancelled() {
    let (running, beside) = start(true).await;
    let pace = Pace { applying_ms: 3_600_000, ..Pace::zero() };
    running.spacelift.set_pace("b", pace).unwrap();
    let parent = run_in(&running, "a", RunState::Finished).await;
    let applies = |entry: &simulator::JournalEntry| {
        matches!(&entry.event, JournalEvent::Transition(it)
            if &*it.stack == "b" && it.to == RunState::Applying)
    };
    let patience = Duration::from_secs(30);
    running.spacelift.wait_for_entry(0, patience, applies).await.unwrap();
    let claim = below(&parent, CallKind::Trigger, |call| {
        (call.touched, call.commit) = (true, Some("0ther".into()));
    });
    let mut chain = ChainFixture::of(STACKS).native().running().with("b", StepState::Triggering);
    keep(&beside.0.pool, &chain).await;
    assert_eq!(beside.makes(&claim).await.unwrap_err().code, Code::RunInFlight);

    chain.tell(chain.order(OrderKind::Cancel, None, false));
    keep(&beside.0.pool, &chain).await;
    let uncertain = Claim { uncertain: true, ..claim.clone() };
    assert_eq!(beside.makes(&uncertain).await.unwrap_err().code, Code::RunInFlight);
    let given_up = beside.makes(&claim).await;
    assert!(matches!(given_up, Ok(CallResult::Forgone)), "{given_up:?}");
    running.stop().await;
}
