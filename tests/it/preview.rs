//! A pull request is planned, and nothing is applied.

use contracts::chain::{ChainKind, ChainState};
use harness::{Pipeline, github};
use simulator::{JournalEvent, RunState, RunType};

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_plans_every_stack_in_order_and_applies_none() {
    let pipeline = Pipeline::start().await;
    let commit = github::commit();

    let (status, answer) =
        pipeline.deliver("pull_request", &github::pull_request(7, &commit)).await;
    assert_eq!(status, 202, "{answer}");
    let chain = pipeline.ended(&commit).await;

    assert_eq!((chain.line.kind, chain.line.state), (ChainKind::Preview, ChainState::Finished));
    assert_eq!(chain.line.change.pull_request, Some(7));
    assert_eq!(chain.steps_in_order.len(), 4, "GitHub does not say which files: {chain:#?}");
    for stack in ["a", "b", "c", "d"] {
        let runs = pipeline.spacelift.runs(stack);
        let [run] = &runs[..] else { panic!("{stack} has {} runs", runs.len()) };
        assert_eq!((run.run_type, run.state), (RunType::Proposed, RunState::Finished));
        assert_eq!(run.commit, commit);
    }
    let journal = pipeline.spacelift.journal(0);
    let applied = journal.iter().any(|entry| match &entry.event {
        JournalEvent::Transition(transition) => transition.to == RunState::Applying,
        JournalEvent::Mutation(mutation) => mutation.name == "runConfirm",
    });
    assert!(!applied, "{journal:#?}");
    assert_eq!(pipeline.violations(&[chain]), []);
    pipeline.stop().await;
}
