//! A push becomes an ordered chain of runs.

use contracts::{chain::ChainState, step::StepState};
use harness::{Pipeline, github};

#[tokio::test(flavor = "multi_thread")]
async fn a_push_becomes_a_chain_that_runs_in_order() {
    let pipeline = Pipeline::start().await;

    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let chain = pipeline.ended(&commit).await;

    let stacks: Vec<_> =
        chain.steps_in_order.iter().map(|step| step.summary.stack.to_string()).collect();
    assert_eq!(stacks, ["a", "b", "c", "d"]);
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_touches_a_leaf_runs_only_the_leaf() {
    let pipeline = Pipeline::start().await;

    let commit = pipeline.push(&["stacks/d/main.tf"]).await;
    let chain = pipeline.ended(&commit).await;

    assert_eq!(chain.steps_in_order.len(), 1, "{chain:#?}");
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_push_twice_is_one_chain() {
    let pipeline = Pipeline::start().await;
    let commit = github::commit();
    let payload = github::push(&commit, &["stacks/a/main.tf"]);

    let (first, _) = pipeline.deliver("push", &payload).await;
    let (second, answer) = pipeline.deliver("push", &payload).await;
    let chain = pipeline.ended(&commit).await;

    assert_eq!((first, second), (202, 200), "{answer}");
    assert_eq!(pipeline.chains().await.unwrap().len(), 1);
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_step_stops_its_whole_cone_and_independent_branches_finish() {
    let pipeline = Pipeline::start().await;
    pipeline.spacelift.set_plan("b", simulator::PlanResult::FailPlanning).unwrap();

    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let chain = pipeline.ended(&commit).await;

    let states: Vec<_> = chain
        .steps_in_order
        .iter()
        .map(|step| (step.summary.stack.to_string(), step.summary.state))
        .collect();
    let expected = [
        ("a", StepState::Finished),
        ("b", StepState::Failed),
        ("c", StepState::Finished),
        ("d", StepState::Skipped),
    ];
    assert_eq!(states, expected.map(|(stack, state)| (stack.to_owned(), state)));
    assert_eq!(chain.line.state, ChainState::Failed);
    assert_eq!(pipeline.violations(&[chain]), []);
    pipeline.stop().await;
}
