use contracts::{Code, gate::Outcome, order::OrderKind, step::StepState as S};

use crate::{
    chain::Hold,
    fixtures::{ChainFixture, at},
};

const HOURS: u64 = 3 * 3_600;

/// The stack it queues for is free, so many seconds after its gate let it pass.
fn freed_after(seconds: u64) -> (ChainFixture, Vec<String>) {
    let mut chain = ChainFixture::single().running().with("a", S::Queued);
    chain.state.as_mut().unwrap().busy.clear();
    let told = chain.later(seconds);
    (chain, told)
}

#[test]
fn what_waited_for_a_moment_goes_on_and_what_waited_for_long_asks_again() {
    assert_eq!(freed_after(20).1, ["run.trigger a"]);

    let (mut chain, told) = freed_after(HOURS);
    assert_eq!(told, ["gate.requested before_plan a"]);
    assert_eq!(
        (chain.step("a").state, chain.step("a").reason.code),
        (S::Queued, Code::WaitingForGate)
    );
    assert!(chain.later(HOURS).is_empty(), "it is being asked");
    assert_eq!(chain.tell(chain.gate_says("a", Outcome::Pass)), ["run.trigger a"]);
}

#[test]
fn it_is_the_same_gate_and_says_how_often_it_was_asked_again() {
    let (mut chain, _) = freed_after(HOURS);
    let gate = chain.step("a").gate.unwrap();
    let again = |chain: &ChainFixture| chain.step("a").course.passed.as_ref().unwrap().again;
    assert_eq!(again(&chain), 1);
    // Another was quicker meanwhile.
    chain = chain.held_by("a", 3, Hold::Runs);
    assert!(chain.tell(chain.gate_says("a", Outcome::Pass)).is_empty());
    assert_eq!(chain.step("a").state, S::Queued);
    chain.state.as_mut().unwrap().busy.clear();
    assert_eq!(chain.later(HOURS), ["gate.requested before_plan a"]);
    assert_eq!((again(&chain), chain.step("a").gate.unwrap().id), (2, gate.id));
}

#[test]
fn whoever_is_held_when_it_is_asked_again_leaves_the_queue_to_others() {
    let (mut chain, _) = freed_after(HOURS);
    let until = Outcome::HoldUntil { until: at(9 * 3_600) };
    assert!(chain.tell(chain.gate_says("a", until)).is_empty());
    assert_eq!(chain.step("a").state, S::GatingPlan);
    assert_eq!(chain.chain().changes.freed, ["a".into()].into());
    assert_eq!(chain.tell(chain.gate_says("a", Outcome::Pass)), ["run.trigger a"]);

    let (mut denied, _) = freed_after(HOURS);
    denied.tell(denied.gate_says("a", Outcome::Deny));
    assert_eq!(denied.step("a").state, S::Denied);
}

#[test]
fn what_was_paused_for_long_asks_again_before_it_goes_on() {
    for (waits, moment, call) in [
        (S::GatingPlan, "before_plan", "run.trigger a"),
        (S::GatingApply, "before_apply", "run.confirm a"),
    ] {
        let mut chain = ChainFixture::single().running().with("a", waits);
        chain.tell(chain.order(OrderKind::Pause, Some("a"), false));
        chain.tell(chain.gate_says("a", Outcome::Pass));
        chain.later(HOURS);
        let told = chain.tell(chain.order(OrderKind::Resume, Some("a"), false));
        assert_eq!(told, [&format!("gate.requested {moment} a"), "chain.ordered -"]);
        let until = Outcome::HoldUntil { until: at(9 * 3_600) };
        assert!(chain.tell(chain.gate_says("a", until)).is_empty());
        assert_eq!(chain.step("a").state, waits);
        assert_eq!(chain.tell(chain.gate_says("a", Outcome::Pass)), [call]);
    }
}

#[test]
fn nobody_is_asked_again_where_no_policy_speaks() {
    let mut chain = ChainFixture::single().gating().held_by("a", 2, Hold::Runs);
    chain.clear_but(1, &[]);
    assert_eq!(chain.step("a").state, S::Queued);
    chain.state.as_mut().unwrap().busy.clear();
    assert_eq!(chain.later(500), ["run.trigger a"]);
}
