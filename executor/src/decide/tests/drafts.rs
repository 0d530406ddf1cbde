use contracts::{
    Code, GateId, RunId,
    chain::{ChainKind, ChainState},
    gate::{GateRequested, Outcome, PlannedChange},
    order::OrderKind,
    run::{Delta, RunReported, RunState, RunType},
    step::StepState as S,
};
use store::Decision;

use crate::{
    call::CallKind,
    fixtures::{ChainFixture, call, report, seen},
    input::{CallResult, Concluded, Found, Input, PlanRead, Polled},
};

/// `a` before `b`, every step planned before any is applied.
fn line() -> ChainFixture {
    ChainFixture::of(&[("a", &[]), ("b", &["a"])]).planning_all()
}

/// A report about the run that plans a stack and applies nothing.
fn draft(stack: &str, state: RunState, version: i64) -> RunReported {
    let run = RunId(format!("draft-{stack}"));
    RunReported { run, run_type: RunType::Proposed, ..report(stack, state, version) }
}

fn plan(addresses: &[&str], version: i64) -> PlanRead {
    let change = |address: &&str| PlannedChange {
        address: (*address).to_owned(),
        resource_type: "aws_subnet".to_owned(),
        action: "added".to_owned(),
        stack: None,
    };
    let changes = Some(addresses.iter().map(change).collect());
    PlanRead { version: Some(version), changes, more: 0, unread: None }
}

impl ChainFixture {
    /// The policies let a stack plan, and the run that does exists.
    fn drafting(&mut self, stack: &str) {
        self.tell(self.gate_says(stack, Outcome::Pass));
        let seen = seen(draft(stack, RunState::Queued, 0));
        self.tell(self.concluded(stack, CallKind::Trigger, CallResult::Run(seen)));
        assert_eq!(self.step(stack).state, S::Planning);
    }

    fn read(&mut self, stack: &str, run: &str, read: PlanRead) -> Vec<String> {
        let chain = self.chain().id;
        let (call, result) = (CallKind::ReadPlan, CallResult::Plan(read));
        let run = Some(RunId::from(run));
        self.tell(Input::Concluded(Concluded { chain, stack: stack.into(), call, run, result }))
    }

    /// A stack is planned, before anything is applied.
    fn drafted(&mut self, stack: &str) -> Vec<String> {
        self.drafting(stack);
        let told = self.tell(Input::Reported(draft(stack, RunState::Finished, 4)));
        assert_eq!(told, [format!("plan.read {stack}")]);
        self.read(stack, &format!("draft-{stack}"), plan(&[stack], 4))
    }

    fn whole_gate(&self) -> GateId {
        self.chain().course.plans.as_ref().unwrap().gate
    }
}

fn asked(decision: &Decision) -> GateRequested {
    let asked = decision.answers.iter().find(|answer| answer.kind == "gate.requested");
    serde_json::from_value(asked.unwrap().body.clone()).unwrap()
}

/// Both are planned, and all of it is allowed.
fn allowed() -> ChainFixture {
    let mut chain = line().running();
    chain.drafted("a");
    chain.drafted("b");
    let told = chain.tell(chain.decided(chain.whole_gate(), 1, Outcome::Pass));
    assert_eq!(told, ["gate.requested before_plan a"]);
    chain
}

#[test]
fn every_step_is_planned_before_the_policies_are_asked_about_all_plans_at_once() {
    let mut chain = line().gating();
    let gate = chain.chain().gate.id;
    let told = chain.tell(chain.decided(gate, 1, Outcome::Pass));
    let both = ["chain.started", "gate.requested before_plan a", "gate.requested before_plan b"];
    assert_eq!(told, both, "there is no order among plans");
    let decision = {
        let says = chain.gate_says("a", Outcome::Pass);
        chain.decide(says)
    };
    let trigger = call(&decision.effects[0]);
    assert!(trigger.preview && trigger.commit.is_some());
    assert!(decision.effects[0].lane.starts_with("preview/"), "{}", decision.effects[0].lane);
    let made = seen(draft("a", RunState::Queued, 0));
    chain.tell(chain.concluded("a", CallKind::Trigger, CallResult::Run(made)));
    chain.tell(Input::Reported(draft("a", RunState::Finished, 4)));
    assert_eq!(chain.read("a", "draft-a", plan(&["a"], 4)), ["step.planned a"]);

    chain.drafting("b");
    chain.tell(Input::Reported(draft("b", RunState::Finished, 4)));
    let read = Concluded {
        chain: chain.chain().id,
        stack: "b".into(),
        call: CallKind::ReadPlan,
        run: Some("draft-b".into()),
        result: CallResult::Plan(plan(&["b", "c"], 4)),
    };
    let question = asked(&chain.decide(Input::Concluded(read)));

    assert_eq!(chain.chain().state, ChainState::Gating);
    assert_eq!(chain.states(), "a waiting, b waiting");
    assert!(question.is_about_chain() && question.run.is_none());
    assert_eq!(question.delta, Some(Delta { added: 2, ..Delta::default() }), "as it was counted");
    let named: Vec<_> = question.changes.iter().flatten().map(|it| it.address.as_str()).collect();
    assert_eq!(named, ["a", "b", "c"]);
    assert_eq!(question.plans.len(), 2);
    assert_eq!(chain.step("a").summary().run, Some("draft-a".into()), "people may look at it");
    let denied = chain.decided(chain.whole_gate(), 1, Outcome::Deny);
    let told = chain.tell(denied);
    assert_eq!(told.last().unwrap(), "chain.finished denied");
}

#[test]
fn the_plan_that_was_allowed_is_applied_without_asking_again() {
    let mut chain = allowed();
    let decision = {
        let says = chain.gate_says("a", Outcome::Pass);
        chain.decide(says)
    };
    assert!(!call(&decision.effects[0]).preview);
    chain.tell(chain.triggered("a"));
    let told = chain.tell(chain.reported("a", RunState::Unconfirmed, 5));
    assert_eq!(told, ["step.planned a", "plan.read a"]);
    assert_eq!(chain.read("a", "run-a", plan(&["a"], 5)), ["run.confirm a"]);
    chain.tell(chain.reported("a", RunState::Applying, 6));
    let told = chain.tell(chain.reported("a", RunState::Finished, 9));
    assert_eq!(told, ["step.finished a finished", "gate.requested before_plan b"]);
}

#[test]
fn another_plan_goes_back_to_the_gate_and_says_what_is_new() {
    let mut chain = allowed();
    chain.tell(chain.gate_says("a", Outcome::Pass));
    chain.tell(chain.triggered("a"));
    chain.tell(chain.reported("a", RunState::Unconfirmed, 5));
    assert_eq!(chain.read("a", "run-a", plan(&["x"], 5)), ["gate.requested before_apply a"]);
    let hold = Outcome::HoldForApprovals { given: 0, needed: 1 };
    chain.tell(chain.gate_says("a", hold));
    let reason = &chain.step("a").reason;
    assert_eq!(reason.code, Code::PlanDiffers);
    assert!(reason.text.ends_with("not in the plan that was allowed: x added"), "{reason}");
    assert_eq!(chain.tell(chain.gate_says("a", Outcome::Pass)), ["run.confirm a"]);
}

#[test]
fn what_cannot_be_planned_before_its_parents_are_applied_is_asked_about_later() {
    let mut chain = line().running();
    chain.drafted("a");
    chain.drafting("b");
    let failed =
        RunReported { note: Some("no such output".to_owned()), ..draft("b", RunState::Failed, 3) };
    let question = asked(&chain.decide(Input::Reported(failed)));
    assert!(question.plans[1].unknown.as_ref().unwrap().text.contains("no such output"));
    assert!(question.changes.is_none() && question.unread.is_some(), "it is not the whole of it");
    chain.tell(chain.decided(chain.whole_gate(), 1, Outcome::Pass));
    chain.tell(chain.gate_says("a", Outcome::Pass));
    chain.tell(chain.triggered("a"));
    chain.tell(chain.reported("a", RunState::Finished, 9));
    chain.tell(chain.gate_says("b", Outcome::Pass));
    chain.tell(chain.triggered("b"));
    chain.tell(chain.reported("b", RunState::Unconfirmed, 5));
    assert_eq!(chain.read("b", "run-b", plan(&["b"], 5)), ["gate.requested before_apply b"]);
}

#[test]
fn when_what_comes_first_cannot_be_planned_nothing_is_applied_and_a_retry_plans_anew() {
    let mut chain = line().running();
    chain.drafting("a");
    let told = chain.tell(Input::Reported(draft("a", RunState::Failed, 3)));
    let ended = ["step.finished a failed", "step.finished b skipped", "chain.finished failed"];
    assert_eq!(told, ended);
    let told = chain.tell(chain.order(OrderKind::Retry, None, false));
    assert_eq!(chain.chain().state, ChainState::Planning, "{told:?}");
    assert_eq!(chain.chain().runs_as(), ChainKind::Preview);
    assert!(told.contains(&"gate.requested before_plan b".to_owned()), "{told:?}");
}

#[test]
fn what_applies_by_itself_is_denied_before_anything_happens() {
    let chain = line().autodeploying("b").gating();
    assert_eq!(chain.chain().state, ChainState::Denied);
    assert_eq!(chain.chain().reason.code, Code::AutodeployConflict);
    assert_eq!(chain.states(), "a denied, b denied");
}

#[test]
fn what_a_person_cancels_while_everything_is_planned_is_not_asked_about() {
    let mut chain = ChainFixture::of(&[("a", &[]), ("b", &[])]).planning_all().running();
    chain.drafted("b");
    // The order comes while the call is under way, and its run plans meanwhile.
    chain.tell(chain.gate_says("a", Outcome::Pass));
    chain.tell(chain.order(OrderKind::Cancel, Some("a"), false));
    let made = seen(draft("a", RunState::Finished, 4));
    let told = chain.tell(chain.concluded("a", CallKind::Trigger, CallResult::Run(made)));
    assert_eq!(told, ["step.finished a canceled", "gate.requested before_apply b"]);

    let mut chain = ChainFixture::single().planning_all().running();
    chain.drafting("a");
    let told = chain.tell(chain.order(OrderKind::Cancel, None, false));
    assert!(told.contains(&"run.cancel a".to_owned()), "{told:?}");
    let run = RunId::from("draft-a");
    let found = Found::Run(seen(draft("a", RunState::Finished, 4)));
    let told = chain.tell(Input::Polled(Polled {
        chain: chain.chain().id,
        stack: "a".into(),
        run,
        asked_at: crate::fixtures::at(0),
        found,
    }));
    assert_eq!(told, ["step.finished a canceled", "chain.finished canceled"]);
}

/// `a` of both shows the plan that was allowed with the other, and could be applied.
fn planned_as_allowed() -> ChainFixture {
    let mut chain = allowed();
    chain.tell(chain.gate_says("a", Outcome::Pass));
    chain.tell(chain.triggered("a"));
    chain.tell(chain.reported("a", RunState::Unconfirmed, 5));
    chain
}

#[test]
fn what_was_paused_before_its_apply_has_all_plans_asked_about_again() {
    let mut chain = planned_as_allowed();
    chain.tell(chain.order(OrderKind::Pause, Some("a"), false));
    assert!(chain.read("a", "run-a", plan(&["a"], 5)).is_empty());
    chain.inputs += 3_600;
    let decision = {
        let resume = chain.order(OrderKind::Resume, Some("a"), false);
        chain.decide(resume)
    };
    let question = asked(&decision);
    assert_eq!((question.gate, question.again), (chain.whole_gate(), 1), "the same is asked again");
    assert_eq!(
        question.delta,
        Some(Delta { added: 2, ..Delta::default() }),
        "about the same plans"
    );
    assert_eq!((question.stacks.len(), question.plans.len()), (2, 2));
    assert!(decision.effects.is_empty());

    let until = Outcome::HoldUntil { until: crate::fixtures::at(9_000) };
    assert!(chain.tell(chain.decided(chain.whole_gate(), 2, until)).is_empty());
    assert_eq!(
        (chain.step("a").state, chain.step("a").reason.code),
        (S::GatingApply, Code::WindowClosed)
    );
    let told = chain.tell(chain.decided(chain.whole_gate(), 3, Outcome::Pass));
    assert_eq!(told, ["run.confirm a"]);
}

#[test]
fn what_is_planned_long_after_all_plans_were_allowed_has_them_asked_about_again() {
    let mut chain = planned_as_allowed();
    chain.inputs += 3_600;
    let told = chain.read("a", "run-a", plan(&["a"], 5));
    assert_eq!(told, ["gate.requested before_apply a b"]);
    // Of a call that was held up, too.
    let whole = chain.whole_gate();
    assert_eq!(chain.tell(chain.decided(whole, 2, Outcome::Pass)), ["run.confirm a"]);
    let told = chain.tell(chain.concluded("a", CallKind::Confirm, CallResult::HeldUp));
    assert_eq!(told, ["gate.requested before_apply a b"]);
    assert_eq!(chain.tell(chain.decided(whole, 3, Outcome::Deny)), ["run.discard a"]);
}

#[test]
fn what_was_cancelled_before_the_plans_were_asked_about_was_not_allowed_with_them() {
    let mut chain = ChainFixture::of(&[("a", &[]), ("b", &[])]).planning_all().running();
    chain.drafted("a");
    chain.tell(chain.order(OrderKind::Cancel, Some("a"), false));
    chain.drafted("b");
    chain.tell(chain.decided(chain.whole_gate(), 1, Outcome::Pass));
    chain.tell(chain.order(OrderKind::Retry, Some("a"), false));
    chain.tell(chain.gate_says("a", Outcome::Pass));
    chain.tell(chain.triggered("a"));
    chain.tell(chain.reported("a", RunState::Unconfirmed, 5));
    let told = chain.read("a", "run-a", plan(&["a"], 5));
    assert_eq!(told, ["gate.requested before_apply a"]);
    assert!(chain.step("a").reason.text.contains("no plan of it was allowed"));
}

#[test]
fn what_was_being_planned_when_a_step_above_it_was_cancelled_is_not_asked_about() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &[])];
    let mut chain = ChainFixture::of(stacks).planning_all().running();
    chain.drafting("b");
    chain.tell(chain.order(OrderKind::Cancel, Some("a"), false));
    chain.drafted("c");
    let told = chain.tell(Input::Reported(draft("b", RunState::Finished, 4)));
    let asked = ["step.finished b skipped", "gate.requested before_apply c", "plan.read b"];
    assert_eq!(told, asked);
    assert_eq!(chain.step("b").reason.text, "of what it depends on, a ended as canceled");

    let stopping: &[(&str, &[&str])] = &[("a", &[]), ("b", &[])];
    let mut chain = ChainFixture::of(stopping).planning_all().failing_fast().running();
    chain.drafting("b");
    chain.tell(chain.order(OrderKind::Cancel, Some("a"), false));
    let told = chain.tell(Input::Reported(draft("b", RunState::Finished, 4)));
    assert_eq!(told, ["step.finished b skipped", "chain.finished canceled", "plan.read b"]);
    assert_eq!(chain.step("b").reason.code, Code::ChainStopped);
}

#[test]
fn one_of_several_that_could_not_be_planned_is_not_tried_again_alone() {
    let mut chain = ChainFixture::of(&[("a", &[]), ("b", &[])]).planning_all().running();
    for stack in ["a", "b"] {
        chain.drafting(stack);
    }
    for stack in ["a", "b"] {
        chain.tell(Input::Reported(draft(stack, RunState::Failed, 3)));
    }
    assert_eq!(chain.states(), "a failed, b failed");
    let refused = chain.refused(chain.order(OrderKind::Retry, Some("a"), false));
    assert!(refused.contains("is planned as a whole, and b ended as failed"), "{refused}");
    chain.tell(chain.order(OrderKind::Retry, None, false));
    assert_eq!(chain.states(), "a gating_plan, b gating_plan");
}
