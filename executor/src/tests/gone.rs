use contracts::{
    Code,
    gate::{Moment, Outcome},
    step::StepState,
};
use simulator::{Fault, FaultKind, Pace};

use super::running::{Running, account, step};

const HOLD: Outcome = Outcome::HoldForApprovals { given: 0, needed: 1 };

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_deleted_under_its_step_is_told_and_then_given_up() {
    let running = Running::start(account(&["a", "b"])).await;
    running.policies_say(Moment::BeforeApply, "a", HOLD);
    let chain = running.plan(&[("a", &[]), ("b", &["a"])]).await;
    let page = running
        .until(chain, "it is held", |page| step(page, "a").summary.state == StepState::GatingApply)
        .await;
    let run = step(&page, "a").summary.run.clone().unwrap();
    running.spacelift.delete_run(run.as_str()).unwrap();

    let told = |page: &crate::ChainPage| step(page, "a").summary.reason.code == Code::RunGone;
    let page = running.until(chain, "it is told", told).await;
    assert!(step(&page, "a").summary.reason.text.contains(run.as_str()));
    let page = running.ended(chain).await;
    assert_eq!(step(&page, "a").summary.state, StepState::Failed);
    assert_eq!(step(&page, "b").summary.state, StepState::Skipped);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_deleted_while_it_applies_is_left_to_a_person() {
    let running = Running::start(account(&["a"])).await;
    running.spacelift.set_pace("a", Pace { applying_ms: 600_000, ..Pace::zero() }).unwrap();
    let chain = running.plan(&[("a", &[])]).await;
    running
        .until(chain, "it applies", |page| step(page, "a").summary.state == StepState::Applying)
        .await;
    running.spacelift.remove_stack("a").unwrap();

    let page = running.ended(chain).await;

    let summary = &step(&page, "a").summary;
    assert_eq!((summary.state, summary.reason.code), (StepState::Unknown, Code::StackGone));
    assert!(summary.reason.text.contains("a person must look"), "{}", summary.reason.text);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_gone_before_its_run_is_asked_for_ends_its_step() {
    let running = Running::start(account(&["a"])).await;
    let mut planned = crate::fixtures::planned(
        uuid::Uuid::new_v4().as_u128(),
        &[("a", &[]), ("gone", &["a"]), ("below", &["gone"])],
    );
    // Over a native dependency its runs are looked for first.
    crate::fixtures::alter_edges(&mut planned, |edge| {
        let references = Vec::new();
        edge.origins = vec![contracts::chain::EdgeOrigin::Native { references }].into();
    });
    let chain = running.planned(planned).await;

    let page = running.ended(chain).await;

    assert_eq!(super::running::states(&page), "a finished, gone failed, below skipped");
    assert_eq!(step(&page, "gone").summary.reason.code, Code::StackGone);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_goes_when_its_run_may_have_been_made_is_left_to_a_person() {
    let running = Running::start(account(&["a"])).await;
    running.spacelift.add_fault(Fault::once(FaultKind::AnswerLost).on("runTrigger"));
    // Nobody looks for the run before the stack is gone.
    let unseen = Fault::always(FaultKind::ServerError { status: 503 }).on("ListRuns");
    let unseen = running.spacelift.add_fault(unseen);
    let mut planned = crate::fixtures::planned(uuid::Uuid::new_v4().as_u128(), &[("a", &[])]);
    planned.steps[0].autodeploy = true;
    let chain = running.planned(planned).await;
    running.accepted("runTrigger").await;
    running.spacelift.remove_stack("a").unwrap();
    running.spacelift.remove_fault(unseen);

    let page = running.ended(chain).await;

    let summary = &step(&page, "a").summary;
    assert_eq!((summary.state, summary.reason.code), (StepState::Unknown, Code::StackGone));
    assert!(summary.reason.text.contains("may have been made all the same"), "{}", summary.reason);
    running.stop().await;
}
