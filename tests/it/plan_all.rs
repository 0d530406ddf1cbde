//! Everything is planned, approved once, and applied in order; what is not as it was approved asks
//! again.

use contracts::{
    Code, GateId,
    chain::ChainState,
    gate::{GateRequested, Moment},
    run::Delta,
    step::StepState,
};
use executor::ChainPage;
use harness::{
    Pipeline, Setup, accounts,
    listener::Listener,
    patience::{PATIENCE, eventually},
};
use simulator::{JournalEvent, PlanResult, ResourceChange, RunState, RunType};

const POLICY: &str = r#"
policy "one_look" {
  match { stacks = ["a", "b"] }
  approval { min_approvers = 1 }
}"#;

/// `a` before `b`, neither of which applies by itself; whatever they apply is approved by somebody.
async fn guarded() -> Pipeline {
    let mut account = accounts::account(&[("a", &[]), ("b", &["a"])]);
    for stack in &mut account.stacks {
        stack.autodeploy = false;
    }
    account.stacks[1].labels.push("stackly:plan-all".to_owned());
    let policies = vec![("one_look.hcl", POLICY.to_owned())];
    Pipeline::with(Setup { account, policies, ..Setup::default() }).await
}

fn will_add(pipeline: &Pipeline, stack: &str, addresses: &[&str]) {
    let add = u32::try_from(addresses.len()).unwrap();
    let plan = PlanResult::Changes { add, change: 0, delete: 0 };
    let changes = addresses.iter().map(|it| ResourceChange::new("add", it)).collect();
    pipeline.spacelift.set_plan(stack, plan).unwrap();
    pipeline.spacelift.set_changes(stack, changes).unwrap();
}

/// The question about all plans together.
async fn whole(listener: &mut Listener) -> GateRequested {
    loop {
        let asked: GateRequested = listener.expect().await;
        if !asked.plans.is_empty() {
            return asked;
        }
    }
}

async fn approve(pipeline: &Pipeline, gate: GateId) {
    // The step says why it asks before the policies know that it does.
    let review = || pipeline.review(gate, true, "bob");
    let taken = eventually("the policies to know the gate", PATIENCE, review, Result::is_ok);
    taken.await.unwrap();
}

fn confirms(pipeline: &Pipeline) -> usize {
    let journal = pipeline.spacelift.journal(0);
    let confirms = journal.iter().filter(|entry| {
        matches!(&entry.event, JournalEvent::Mutation(mutation) if mutation.name == "runConfirm")
    });
    confirms.count()
}

fn waits_as_a_whole(page: &ChainPage) -> bool {
    page.line.state == ChainState::Gating && page.line.reason.code == Code::ApprovalNeeded
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_once_is_applied_in_order_without_asking_again() {
    let pipeline = guarded().await;
    let mut listener = Listener::start(&pipeline.bus).await;
    will_add(&pipeline, "a", &["aws_vpc.main"]);
    will_add(&pipeline, "b", &["aws_subnet.one", "aws_subnet.two"]);
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;

    let asked = whole(&mut listener).await;

    assert_eq!((asked.moment, asked.delta), (Moment::BeforeApply, Some(delta(3))));
    assert_eq!(asked.stacks.len(), 2);
    let of_b = asked.changes.iter().flatten().filter(|it| it.stack.as_ref().unwrap().0 == "b");
    assert_eq!(of_b.count(), 2);
    let page = pipeline.chain_when(&commit, PATIENCE, waits_as_a_whole).await;
    assert_eq!(page.steps_in_order[1].summary.delta, Some(delta(2)), "people see what it plans");
    for stack in ["a", "b"] {
        let runs = pipeline.spacelift.runs(stack);
        let [run] = &runs[..] else { panic!("{stack} has {} runs", runs.len()) };
        assert_eq!((run.run_type, run.state), (RunType::Proposed, RunState::Finished));
    }
    assert_eq!(confirms(&pipeline), 0);

    // By then, b need only do a part of it.
    will_add(&pipeline, "b", &["aws_subnet.two"]);
    approve(&pipeline, asked.gate).await;
    let chain = pipeline.ended(&commit).await;

    assert_eq!(confirms(&pipeline), 2);
    for step in &chain.steps_in_order {
        assert_eq!(step.summary.state, StepState::Finished, "{}", step.summary.reason);
    }
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_not_the_approved_one_goes_back_to_people_and_says_why() {
    let pipeline = guarded().await;
    let mut listener = Listener::start(&pipeline.bus).await;
    will_add(&pipeline, "b", &["aws_subnet.one"]);
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let asked = whole(&mut listener).await;
    pipeline.chain_when(&commit, PATIENCE, waits_as_a_whole).await;
    will_add(&pipeline, "b", &["aws_subnet.other"]);
    approve(&pipeline, asked.gate).await;

    let held = |page: &ChainPage| {
        let b = &page.steps_in_order[1].summary;
        b.state == StepState::GatingApply && b.reason.code == Code::PlanDiffers
    };
    let page = pipeline.chain_when(&commit, PATIENCE, held).await;

    let b = &page.steps_in_order[1];
    assert!(b.summary.reason.text.contains("aws_subnet.other added"), "{}", b.summary.reason);
    let mend = b.wait.as_ref().unwrap().mend.as_deref().unwrap();
    assert!(mend.starts_with("stackly approve "), "{mend}");
    assert_eq!(page.steps_in_order[0].summary.state, StepState::Finished);
    approve(&pipeline, b.gate.unwrap()).await;
    let chain = pipeline.ended(&commit).await;
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_planned_at_the_start_ends_the_chain_before_anything_is_applied() {
    let pipeline = guarded().await;
    pipeline.spacelift.set_plan("a", PlanResult::FailPlanning).unwrap();
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;

    let chain = pipeline.ended(&commit).await;

    let states: Vec<_> = chain.steps_in_order.iter().map(|step| step.summary.state).collect();
    assert_eq!(states, [StepState::Failed, StepState::Skipped]);
    // Whether its own plan was there already when that of the other failed.
    let why = chain.steps_in_order[1].summary.reason.code;
    assert!(matches!(why, Code::ChainStopped | Code::ParentFailed), "{why:?}");
    let runs = |stack: &str| pipeline.spacelift.runs(stack);
    let all = runs("a").into_iter().chain(runs("b"));
    assert!(all.into_iter().all(|run| run.run_type == RunType::Proposed));
    pipeline.stop().await;
}

fn delta(added: i64) -> Delta {
    Delta { added, ..Delta::default() }
}
