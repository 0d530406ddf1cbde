//! Chains that no change of code asks for, plans that are too old, and what ended badly of late.

use contracts::{
    Action, Code, Message, Reason,
    chain::ChainState,
    gate::{GateRequested, Outcome, RecentFailure},
    order::OrderKind,
    run::{RunReported, RunState, RunType},
    step::StepState as S,
};
use store::Decision;

use crate::{
    call::CallKind,
    fixtures::{ChainFixture, at, call, planned, seen},
    input::{CallResult, Input},
};

fn errand(action: Action) -> ChainFixture {
    let mut planned = planned(1, &[("a", &[]), ("b", &["a"])]);
    planned.action = action;
    planned.steps.iter_mut().for_each(|step| {
        step.on_commit = false;
        step.autodeploy = action.destroys();
    });
    ChainFixture::planned_as(planned)
}

fn asked(decision: &Decision) -> GateRequested {
    let is_asked = |kind: &str| kind == GateRequested::TYPE;
    let answer = decision.answers.iter().find(|it| is_asked(it.kind)).expect("a gate is asked");
    serde_json::from_value(answer.body.clone()).unwrap()
}

#[test]
fn every_gate_says_what_the_chain_is_there_for() {
    for action in [Action::Deliver, Action::FixDrift, Action::Destroy, Action::Deregister] {
        let mut chain = errand(action).gating();
        let gate = chain.chain().gate.id;
        let decision = chain.decide(chain.decided(gate, 1, Outcome::Pass));
        assert_eq!(asked(&decision).action, action);
    }
}

#[test]
fn the_policies_are_told_which_stacks_only_follow() {
    let mut planned = planned(1, &[("a", &[]), ("b", &["a"])]);
    planned.steps[1].why = Reason::new(Code::DependsOn, "depends on a");
    let mut chain = ChainFixture::planned_as(planned.clone());
    let asked = asked(&chain.decide(Input::Planned(planned)));
    let follows: Vec<_> = asked.stacks.iter().map(|it| (it.stack.as_str(), it.follows)).collect();
    assert_eq!(follows, [("a", false), ("b", true)]);
}

#[test]
fn what_is_to_be_destroyed_has_a_run_that_destroys_and_no_gate_before_an_apply() {
    let mut chain = errand(Action::Destroy).running();
    let decision = chain.decide(chain.gate_says("a", Outcome::Pass));
    let call = call(&decision.effects[0]);
    assert!(call.destroy && !call.preview && call.commit.is_none());
    let of = |state, version| {
        let report = chain.report("a", state, version);
        RunReported { run_type: RunType::Destroy, ..report }
    };
    let (queued, works, done) =
        (of(RunState::Queued, 0), of(RunState::Destroying, 4), of(RunState::Finished, 5));
    chain.tell(chain.concluded("a", CallKind::Trigger, CallResult::Run(seen(queued))));
    assert_eq!(chain.tell(Input::Reported(works)), ["step.applying a"]);
    let told = chain.tell(Input::Reported(done));
    assert_eq!(told, ["step.finished a finished", "gate.requested before_plan b"]);
    assert!(chain.step("a").reason.text.ends_with("destroyed"), "{}", chain.step("a").reason);
}

#[test]
fn a_run_of_another_kind_is_not_taken_for_the_one_that_destroys() {
    let mut chain = errand(Action::Destroy).running().with("a", S::Triggering);
    chain.tell(Input::Reported(chain.report("a", RunState::Planning, 2)));
    assert!(chain.step("a").early.is_empty());
}

#[test]
fn a_stack_whose_code_comes_back_is_not_destroyed_and_neither_is_what_it_depends_on() {
    // What depends on something goes first: `b` is what `a` depends on.
    for action in [Action::Deregister, Action::Destroy] {
        let mut chain = errand(action).gating();
        let ended =
            ["step.finished a canceled", "step.finished b skipped", "chain.finished canceled"];
        assert_eq!(chain.finds_code("a"), ended, "also if a person asked for it");
        assert_eq!(chain.step("a").reason.code, Code::CodeFound);
        assert_eq!(chain.chain().state, ChainState::Canceled);
    }
    let mut below = errand(Action::Deregister).running().with("a", S::Triggering);
    assert_eq!(below.finds_code("b"), ["step.finished b canceled"]);
}

#[test]
fn code_that_comes_back_once_its_run_is_asked_for_ends_that_unless_it_destroys() {
    let mut asks = errand(Action::Deregister).running().with("a", S::Triggering);
    assert!(asks.finds_code("a").is_empty());
    let cancel = asks.step("a").course.cancel.as_ref().unwrap();
    assert_eq!((cancel.why.code, cancel.force), (Code::CodeFound, false));
    asks.later(0);
    assert!(asks.chain().changes.steps.is_empty(), "it is known");
    asks.tell(asks.concluded("a", CallKind::Trigger, CallResult::Forgone));
    assert_eq!((asks.step("a").state, asks.step("a").reason.code), (S::Canceled, Code::CodeFound));

    let mut queued = errand(Action::Deregister).running().with("a", S::Planning);
    assert_eq!(queued.finds_code("a"), ["run.cancel a"]);
    assert_eq!(queued.step("a").state, S::Canceling);

    let mut destroys = errand(Action::Deregister).running().with("a", S::Applying);
    assert!(destroys.finds_code("a").is_empty());
    assert_eq!(destroys.step("a").state, S::Applying);
}

#[test]
fn what_has_code_again_is_not_destroyed_by_trying_it_again() {
    let mut planned = planned(1, &[("a", &[])]);
    planned.action = Action::Destroy;
    let mut chain = ChainFixture::planned_as(planned).cleared_but(&[]);
    chain.bring("a", S::Failed);
    let told = Reason::new(Code::CodeFound, "its code is back");
    chain.state.as_mut().unwrap().code_back.insert("a".into(), told);
    let told = chain.tell(chain.order(OrderKind::Retry, Some("a"), false));
    assert!(!told.contains(&"run.trigger a".to_owned()), "{told:?}");
    assert_eq!(chain.step("a").reason.code, Code::CodeFound);
}

#[test]
fn a_plan_that_is_too_old_is_discarded_and_made_anew() {
    let mut chain = ChainFixture::single().running().with("a", S::GatingApply);
    let first = chain.gate("a");
    assert_eq!(chain.tell(chain.denied("a", Code::PlanStale)), ["run.discard a"]);
    let told = chain.tell(chain.reported("a", RunState::Discarded, 9));
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(chain.step("a").state, S::Retrying);
    assert_eq!(chain.step("a").reason.code, Code::PlanStale);
    let told = chain.later(0);
    assert_eq!(told, ["gate.requested before_plan a"]);
    assert_eq!(chain.step("a").course.attempt, 2);
    assert_ne!(chain.gate("a"), first);
}

#[test]
fn a_plan_that_is_discarded_because_it_is_too_old_is_not_made_anew_once_it_is_cancelled() {
    for about in [None, Some("a")] {
        let mut chain = ChainFixture::single().running().with("a", S::GatingApply);
        chain.tell(chain.denied("a", Code::PlanStale));
        let cancel = chain.order(OrderKind::Cancel, about, false);
        assert_eq!(chain.tell(cancel.clone()), ["chain.ordered -"]);
        assert!(chain.step("a").reason.text.ends_with("as soon as its old plan is discarded"));
        if about.is_some() {
            let text = chain.refused(cancel);
            assert!(text.ends_with("being discarded already"), "{text}");
        }
        let told = chain.tell(chain.reported("a", RunState::Discarded, 9));
        assert_eq!(told, ["step.finished a canceled", "chain.finished canceled"]);
    }
}

#[test]
fn what_is_denied_for_another_reason_is_not_planned_anew() {
    let mut chain = ChainFixture::single().running().with("a", S::GatingApply);
    chain.tell(chain.denied("a", Code::PolicyDenied));
    chain.tell(chain.reported("a", RunState::Discarded, 9));
    assert_eq!(chain.step("a").state, S::Denied);
}

#[test]
fn the_gate_before_the_apply_is_told_when_the_plan_was_shown() {
    let mut chain = ChainFixture::single().running().with("a", S::Planning);
    let decision = chain.decide(chain.reported("a", RunState::Unconfirmed, 5));
    assert_eq!(asked(&decision).planned_at, Some(chain.step("a").since));
}

#[test]
fn gates_are_told_what_ended_badly_where_policies_look_at_it() {
    let failure = RecentFailure {
        chain: contracts::ChainId(uuid::Uuid::from_u128(77)),
        stack: "other".into(),
        space: "root".into(),
        labels: vec!["env:prod".to_owned()],
        path: None,
        at: at(0),
    };
    let told = |looks_back: Option<u64>| {
        let mut chain = ChainFixture::of(&[("a", &[]), ("b", &[])]).cleared_but(&[
            ("a", contracts::gate::Moment::BeforePlan),
            ("b", contracts::gate::Moment::BeforePlan),
        ]);
        let state = chain.state.as_mut().unwrap();
        state.failures = vec![failure.clone()];
        if let Some(clearance) = &mut state.course.clearance {
            clearance.looks_back = looks_back;
        }
        chain.bring("a", S::Failed);
        chain.state.as_mut().unwrap().failures = vec![failure.clone()];
        let retry = chain.order(OrderKind::Retry, Some("a"), false);
        // What is tried again has not failed.
        asked(&chain.decide(retry)).failures
    };
    assert_eq!(told(Some(3_600)), std::slice::from_ref(&failure));
    assert_eq!(told(Some(1)), [], "it is too long ago");
    assert_eq!(told(None), []);
}
