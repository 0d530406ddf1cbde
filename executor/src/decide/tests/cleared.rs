use contracts::{
    Code,
    gate::{GateRequested, Moment, Outcome, PlannedChange},
    order::OrderKind,
    run::RunState,
    step::StepState as S,
};

use crate::{
    call::CallKind,
    chain::Hold,
    fixtures::ChainFixture,
    input::{CallResult, PlanRead},
};

#[test]
fn what_no_policy_speaks_about_starts_and_applies_without_asking() {
    let mut chain = ChainFixture::of(&[("a", &[]), ("b", &["a"])]).gating();
    chain.state.as_mut().unwrap().busy = [("a".into(), None), ("b".into(), None)].into();
    assert_eq!(chain.clear_but(1, &[]), ["chain.started", "run.trigger a"]);
    chain.tell(chain.triggered("a"));
    assert_eq!(
        chain.tell(chain.reported("a", RunState::Unconfirmed, 4)),
        ["step.planned a", "run.confirm a"]
    );
    assert!(chain.step("a").reason.text.contains("no policy speaks"), "{}", chain.step("a").reason);
    assert_eq!(
        chain.tell(chain.reported("a", RunState::Finished, 9)),
        ["step.finished a finished", "run.trigger b"]
    );
    // Each state it went through is in the history all the same.
    let history = &chain.chain().changes.operations;
    let b: Vec<_> = history
        .iter()
        .filter(|it| it.stack.as_ref().is_some_and(|stack| stack.as_str() == "b"))
        .map(|it| it.to)
        .collect();
    assert_eq!(b, ["gating_plan", "triggering"]);
}

#[test]
fn what_a_policy_speaks_about_asks_where_it_speaks() {
    let mut chain = ChainFixture::single().cleared_but(&[("a", Moment::BeforeApply)]);
    chain.tell(chain.triggered("a"));
    assert_eq!(
        chain.tell(chain.reported("a", RunState::Unconfirmed, 4)),
        ["step.planned a", "gate.requested before_apply a"]
    );
}

/// `a`, of whose plan a policy looks at single resources, with a run.
fn looked_into() -> ChainFixture {
    let mut chain = ChainFixture::single().cleared_but(&[("a", Moment::BeforeApply)]);
    let clearance = &mut chain.state.as_mut().unwrap().course.clearance;
    clearance.as_mut().unwrap().asked[0].reads_plan = true;
    chain.tell(chain.triggered("a"));
    chain
}

fn plan_of(version: i64) -> PlanRead {
    let change = PlannedChange {
        address: "aws_db_instance.main".to_owned(),
        resource_type: "aws_db_instance".to_owned(),
        action: "deleted".to_owned(),
        stack: None,
    };
    PlanRead { version: Some(version), changes: Some(vec![change]), more: 3, unread: None }
}

#[test]
fn a_plan_that_a_policy_looks_into_is_read_once_and_shown_to_the_gate() {
    let mut chain = looked_into();
    let told = chain.tell(chain.reported("a", RunState::Unconfirmed, 4));
    assert_eq!(told, ["step.planned a", "plan.read a"]);
    let again = chain.tell(chain.reported("a", RunState::Unconfirmed, 4));
    assert!(again.is_empty(), "{again:?}");

    let read = chain.concluded("a", CallKind::ReadPlan, CallResult::Plan(plan_of(4)));
    let decision = chain.decide(read.clone());
    let asked: GateRequested = serde_json::from_value(decision.answers[0].body.clone()).unwrap();
    assert_eq!(asked.changes, plan_of(4).changes);
    assert_eq!((asked.changes_more, asked.unread), (3, None));
    assert_eq!(asked.stacks[0].path.as_deref(), Some("stacks/a"));
    assert_eq!(asked.files.unwrap().paths, ["stacks/a/main.tf"]);
    assert_eq!(Some(asked.gate), chain.step("a").gate.map(|gate| gate.id));
    assert_eq!(chain.tell(chain.gate_says("a", Outcome::Pass)), ["run.confirm a"]);
    assert!(chain.tell(read).is_empty(), "it is decided");
}

#[test]
fn what_was_read_of_another_plan_asks_nothing() {
    let mut chain = looked_into();
    chain.tell(chain.reported("a", RunState::Unconfirmed, 4));
    chain.tell(chain.reported("a", RunState::ReplanRequested, 5));
    let old = chain.concluded("a", CallKind::ReadPlan, CallResult::Plan(plan_of(4)));
    assert!(chain.tell(old.clone()).is_empty());
    let told = chain.tell(chain.reported("a", RunState::Unconfirmed, 8));
    assert_eq!(told, ["step.planned a", "plan.read a"]);
    assert!(chain.tell(old).is_empty());
    let new = chain.concluded("a", CallKind::ReadPlan, CallResult::Plan(plan_of(8)));
    assert_eq!(chain.tell(new), ["gate.requested before_apply a"]);
}

/// `a`, which asks, before `b`, which need not.
fn line() -> ChainFixture {
    let asked = [("a", Moment::BeforePlan), ("a", Moment::BeforeApply)];
    ChainFixture::of(&[("a", &[]), ("b", &["a"])]).cleared_but(&asked)
}

#[test]
fn what_is_taken_back_counts_from_then_on_and_can_be_given_again() {
    let mut chain = line().with("a", S::Applying);
    assert!(chain.clear_but(2, &[("b", Moment::BeforePlan)]).is_empty());
    assert!(chain.clear_but(1, &[]).is_empty(), "it is older");
    assert_eq!(
        chain.tell(chain.reported("a", RunState::Finished, 9)),
        ["step.finished a finished", "gate.requested before_plan b"]
    );
    let mut chain = line().with("a", S::Applying);
    let late = chain.decided(chain.chain().gate.id, 2, Outcome::Pass);
    chain.tell(late);
    assert_eq!(chain.chain().course.clearance, None);
}

#[test]
fn a_stack_that_somebody_has_or_nobody_looked_at_is_not_taken() {
    let mut chain = line().held_by("b", 7, Hold::Runs).with("a", S::Applying);
    chain.tell(chain.reported("a", RunState::Finished, 9));
    assert_eq!(chain.step("b").state, S::Queued);

    let mut chain = line().with("a", S::Applying);
    chain.state.as_mut().unwrap().busy.clear();
    assert_eq!(
        chain.tell(chain.reported("a", RunState::Finished, 9)),
        ["step.finished a finished", "gate.requested before_plan b"]
    );
}

#[test]
fn a_cleared_apply_waits_while_the_chain_is_paused() {
    let mut chain = ChainFixture::single().cleared_but(&[]);
    chain.tell(chain.triggered("a"));
    chain.tell(chain.order(OrderKind::Pause, None, false));
    assert_eq!(chain.tell(chain.reported("a", RunState::Unconfirmed, 4)), ["step.planned a"]);
    assert_eq!(chain.step("a").reason.code, Code::ChainPaused);
    let resumed = chain.tell(chain.order(OrderKind::Resume, None, false));
    assert_eq!(resumed, ["chain.ordered -", "run.confirm a"]);
}

#[test]
fn a_cleared_plan_of_a_step_that_is_to_be_cancelled_is_not_applied() {
    let mut chain = ChainFixture::single().cleared_but(&[]);
    chain.tell(chain.order(OrderKind::Cancel, Some("a"), false));
    chain.tell(chain.reported("a", RunState::Unconfirmed, 4));
    let told = chain.tell(chain.triggered("a"));
    assert!(told.contains(&"run.cancel a".to_owned()), "{told:?}");
    assert!(!told.contains(&"run.confirm a".to_owned()), "{told:?}");
    assert_eq!(chain.step("a").state, S::Canceling);
}
