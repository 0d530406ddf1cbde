use chrono::TimeDelta;
use contracts::{Code, Reason, gate::Outcome, order::OrderKind, step::StepState as S};

use crate::{
    call::CallKind,
    chain::Hold,
    fixtures::{ChainFixture, at, call},
    input::{CallResult, Input, Overdue},
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
fn a_pause_makes_an_old_answer_no_younger() {
    let mut chain = ChainFixture::single().running().with("a", S::Queued);
    chain.state.as_mut().unwrap().busy.clear();
    chain.inputs += HOURS;
    chain.tell(chain.order(OrderKind::Pause, Some("a"), false));
    let told = chain.tell(chain.order(OrderKind::Resume, Some("a"), false));
    assert_eq!(told, ["gate.requested before_plan a", "chain.ordered -"]);
}

#[test]
fn what_is_held_while_it_is_paused_does_not_go_on_when_it_is_resumed() {
    let (mut chain, _) = freed_after(HOURS);
    chain.tell(chain.order(OrderKind::Pause, Some("a"), false));
    let until = Outcome::HoldUntil { until: at(9 * 3_600) };
    chain.tell(chain.gate_says("a", until));
    let told = chain.tell(chain.order(OrderKind::Resume, Some("a"), false));
    assert_eq!(told, ["chain.ordered -"], "it is held");
    assert_eq!(chain.tell(chain.gate_says("a", Outcome::Pass)), ["run.trigger a"]);
}

#[test]
fn nobody_is_asked_again_where_no_policy_speaks() {
    let mut chain = ChainFixture::single().gating().held_by("a", 2, Hold::Runs);
    chain.clear_but(1, &[]);
    assert_eq!(chain.step("a").state, S::Queued);
    chain.state.as_mut().unwrap().busy.clear();
    assert_eq!(chain.later(500), ["run.trigger a"]);
}

/// What a step waits for in Spacelift, and the gate that let it.
const CALLS: [(S, CallKind, S, &str); 2] = [
    (S::Triggering, CallKind::Trigger, S::GatingPlan, "before_plan"),
    (S::Confirming, CallKind::Confirm, S::GatingApply, "before_apply"),
];

#[test]
fn a_call_that_could_not_be_made_goes_back_to_its_gate_and_is_another_call_then() {
    for (state, kind, gate, moment) in CALLS {
        let mut chain = ChainFixture::single().running().with("a", gate);
        let decision = {
            let says = chain.gate_says("a", Outcome::Pass);
            chain.decide(says)
        };
        let first = &decision.effects[0];
        let since = chain.step("a").since;
        assert_eq!(call(first).good_until, Some(since + TimeDelta::seconds(60)));
        chain.inputs += HOURS;

        let told = chain.tell(chain.concluded("a", kind, CallResult::HeldUp));

        assert_eq!(told, [format!("gate.requested {moment} a")]);
        assert_eq!(
            (chain.step("a").state, chain.step("a").reason.code),
            (gate, Code::WaitingForGate)
        );
        let until = Outcome::HoldUntil { until: at(9 * 3_600) };
        assert!(chain.tell(chain.gate_says("a", until)).is_empty());
        let decision = {
            let says = chain.gate_says("a", Outcome::Pass);
            chain.decide(says)
        };
        let second = &decision.effects[0];
        assert_eq!((chain.step("a").state, call(second).call), (state, kind));
        assert!(second.id != first.id, "it would count as made");
        assert!(call(second).good_until > call(first).good_until);
    }
}

#[test]
fn a_stack_is_for_others_while_the_policies_are_asked_again() {
    let mut chain = ChainFixture::single().running().with("a", S::Triggering);
    chain.tell(chain.concluded("a", CallKind::Trigger, CallResult::HeldUp));
    assert_eq!(chain.chain().changes.freed, ["a".into()].into());
    chain = chain.held_by("a", 2, Hold::Runs);
    assert!(chain.tell(chain.gate_says("a", Outcome::Pass)).is_empty());
    assert_eq!(chain.step("a").state, S::Queued);
}

#[test]
fn what_a_person_cancelled_is_ended_and_not_asked_about_again() {
    for (state, kind, ..) in CALLS {
        let mut chain = ChainFixture::single().running().with("a", state);
        chain.tell(chain.order(OrderKind::Cancel, Some("a"), false));
        let told = chain.tell(chain.concluded("a", kind, CallResult::HeldUp));
        match kind {
            CallKind::Trigger => assert_eq!(chain.step("a").state, S::Canceled),
            _ => assert_eq!(told, ["run.cancel a"]),
        }
    }
}

#[test]
fn a_call_no_policy_speaks_about_waits_for_as_long_as_it_takes() {
    let mut chain = ChainFixture::single().cleared_but(&[]);
    chain.bring("a", S::Planning);
    let decision = {
        let shown = chain.reported("a", contracts::run::RunState::Unconfirmed, 5);
        chain.decide(shown)
    };
    assert_eq!(call(&decision.effects[0]).good_until, None);
    // A policy was there when it was asked for.
    let decision = {
        let held = chain.concluded("a", CallKind::Confirm, CallResult::HeldUp);
        chain.decide(held)
    };
    assert_eq!(call(&decision.effects[0]).call, CallKind::Confirm);
}

#[test]
fn people_are_told_of_a_call_that_waits_for_long_however_often_the_policies_are_asked() {
    let mut chain = ChainFixture::single().running().with("a", S::Confirming);
    let since = chain.step("a").since;
    let stuck = Reason::new(Code::SpaceliftRefused, "an approval is missing there");
    let (id, stack) = (chain.chain().id, "a".into());
    let overdue = Overdue { chain: id, stack, since, reason: stuck, mend: None };
    chain.inputs += 600;
    assert_eq!(chain.tell(Input::Overdue(overdue.clone())), ["step.stuck a"]);

    chain.tell(chain.concluded("a", CallKind::Confirm, CallResult::HeldUp));
    chain.tell(chain.gate_says("a", Outcome::Pass));
    assert_eq!((chain.step("a").state, chain.step("a").since), (S::Confirming, since));
    assert!(chain.tell(Input::Overdue(overdue)).is_empty(), "they know");

    // Whom the policies hold has waited for them.
    chain.tell(chain.concluded("a", CallKind::Confirm, CallResult::HeldUp));
    chain.tell(chain.gate_says("a", Outcome::HoldUntil { until: at(9_000) }));
    chain.tell(chain.gate_says("a", Outcome::Pass));
    assert!(chain.step("a").since > since);
}

#[test]
fn a_call_that_waited_while_its_chain_was_paused_is_made_once_that_is_resumed() {
    for (state, kind, gate, _) in CALLS {
        for is_cleared in [true, false] {
            let mut chain = match is_cleared {
                true => ChainFixture::single().cleared_but(&[]),
                false => ChainFixture::single().running().with("a", state),
            };
            if is_cleared && state == S::Confirming {
                chain.bring("a", S::Planning);
                chain.tell(chain.reported("a", contracts::run::RunState::Unconfirmed, 5));
            }
            let since = chain.step("a").since;
            chain.tell(chain.order(OrderKind::Pause, None, false));

            assert!(chain.tell(chain.concluded("a", kind, CallResult::HeldUp)).is_empty());

            let step = chain.step("a");
            assert_eq!((step.state, step.reason.code), (gate, Code::ChainPaused));
            let decision = {
                let resume = chain.order(OrderKind::Resume, None, false);
                chain.decide(resume)
            };
            let [effect] = &decision.effects[..] else { panic!("{kind:?}: {decision:?}") };
            let call = call(effect);
            assert_eq!((chain.step("a").state, call.call), (state, kind));
            let expected = (!is_cleared).then_some(since + TimeDelta::seconds(60));
            assert_eq!(call.good_until, expected, "no younger for the pause");
            assert!(chain.step("a").since > since, "it waited for a person");
        }
    }
}

#[test]
fn what_the_policies_hold_before_it_could_be_asked_for_is_asked_about_again() {
    for (state, kind, gate, moment) in CALLS {
        for outcome in [Outcome::Deny, Outcome::HoldUntil { until: at(9_000) }] {
            let mut chain = ChainFixture::single().running().with("a", state);
            assert!(chain.tell(chain.gate_says("a", outcome)).is_empty());
            assert_eq!(
                (chain.step("a").state, chain.step("a").course.withheld),
                (state, true),
                "its call may be under way"
            );

            let told = chain.tell(chain.concluded("a", kind, CallResult::HeldUp));

            assert_eq!(told, [format!("gate.requested {moment} a")]);
            assert_eq!((chain.step("a").state, chain.step("a").course.withheld), (gate, false));
        }
    }
}

#[test]
fn what_the_policies_let_go_on_after_all_or_was_asked_for_is_not_held() {
    let mut chain = ChainFixture::single().running().with("a", S::Confirming);
    chain.tell(chain.gate_says("a", Outcome::Deny));
    chain.tell(chain.gate_says("a", Outcome::Pass));
    assert!(!chain.step("a").course.withheld);

    chain.tell(chain.gate_says("a", Outcome::Deny));
    chain.tell(chain.reported("a", contracts::run::RunState::Confirmed, 6));
    assert_eq!((chain.step("a").state, chain.step("a").course.withheld), (S::Applying, false));
}

#[test]
fn what_is_asked_for_again_hears_nothing_new_in_the_answer_that_let_it() {
    for (state, kind, ..) in CALLS {
        let mut chain = ChainFixture::single().running().with("a", state);
        chain.tell(chain.concluded("a", kind, CallResult::HeldUp));
        chain.tell(chain.gate_says("a", Outcome::Pass));
        assert_eq!(chain.step("a").state, state);
        let decision = {
            let again = chain.gate_says("a", Outcome::Pass);
            chain.decide(again)
        };
        assert!(decision.is_no_news());
    }
}
