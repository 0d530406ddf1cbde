//! What is read of a run, and of which end it is given up.

use std::time::Duration;

use ::store::Claim;
use contracts::{Code, RunId};
use simulator::{Fault, FaultKind};

use super::{
    holds::{Beside, first_try, planned_run},
    running::{Running, account},
};
use crate::{call::CallKind, input::CallResult};

/// A run that shows its plan, and the last attempt at reading something of it.
async fn last_try(running: &Running, kind: CallKind) -> Claim {
    let run: RunId = planned_run(running).await;
    Claim { attempt: 9, ..first_try(kind, |call| call.run = Some(run)) }
}

async fn start() -> (Running, Beside) {
    let running = Running::with(account(&["a"]), |config| {
        config.spacelift.breaker_failures = 1_000;
        config.spacelift.timeout = Duration::from_secs(10);
        config.store.lease = Duration::from_secs(20);
    })
    .await;
    let beside = Beside::of(&running).await;
    (running, beside)
}

/// Without what the plan changes, a policy may deny it for good.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_and_a_log_are_waited_for_however_long_spacelift_answers_nothing() {
    let (running, beside) = start().await;
    for kind in [CallKind::ReadPlan, CallKind::ReadLog] {
        let claim = last_try(&running, kind).await;
        for (fault, code) in [
            (FaultKind::ServerError { status: 503 }, Code::SpaceliftUnavailable),
            (FaultKind::TooManyRequests { retry_after_s: None }, Code::SpaceliftUnavailable),
            (FaultKind::ExpiredToken, Code::SpaceliftUnauthorized),
        ] {
            let outage = running.spacelift.add_fault(Fault::always(fault));
            let why = beside.makes(&claim).await.unwrap_err();
            assert_eq!(why.code, code, "{kind:?} {why}");
            running.spacelift.remove_fault(outage);
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_spacelift_cannot_show_of_one_run_alone_is_given_up() {
    let (running, beside) = start().await;
    for (kind, operation) in [(CallKind::ReadPlan, "GetPlan"), (CallKind::ReadLog, "GetLogPhases")]
    {
        let claim = last_try(&running, kind).await;
        let broken = Fault::always(FaultKind::ServerError { status: 503 }).on(operation);
        let broken = running.spacelift.add_fault(broken);
        match beside.makes(&claim).await {
            Ok(CallResult::Plan(read)) => assert_eq!(read.unread.unwrap().code, Code::PlanUnread),
            Ok(CallResult::Log(None)) if kind == CallKind::ReadLog => {}
            other => panic!("{kind:?} {other:?}"),
        }
        running.spacelift.remove_fault(broken);
    }
    running.stop().await;
}
