use contracts::{
    GateId,
    chain::ChainState,
    gate::Outcome,
    run::{Delta, RunReported, RunState},
    step::StepState as S,
};

use crate::{
    call::CallKind,
    fixtures::{ChainFixture, at, call, seen},
    input::{CallResult, Input},
};

const HELD: Outcome = Outcome::HoldForApprovals { given: 0, needed: 2 };

#[test]
fn the_gate_before_the_chain_is_about_all_of_it_and_lets_the_first_steps_ask() {
    let mut chain = ChainFixture::diamond().gating();
    let gate = chain.chain().gate.id;
    assert_eq!(
        chain.tell(chain.decided(gate, 1, Outcome::Pass)),
        ["chain.started", "gate.requested before_plan a"]
    );
    assert_eq!(chain.states(), "a gating_plan, b waiting, c waiting, d waiting");
    assert_eq!(chain.step("d").reason.text, "waits for b, c");
}

#[test]
fn a_chain_that_is_denied_ends_every_step_and_itself_as_denied() {
    let mut chain = ChainFixture::diamond().gating();
    let gate = chain.chain().gate.id;
    assert_eq!(
        chain.tell(chain.decided(gate, 1, Outcome::Deny)),
        [
            "step.finished a denied",
            "step.finished b denied",
            "step.finished c denied",
            "step.finished d denied",
            "chain.finished denied"
        ]
    );
    assert_eq!(chain.chain().state, ChainState::Denied);
    assert_eq!(chain.chain().reason.text, "policy says policy_denied");
    assert_eq!(chain.chain().ended_at, Some(at(2)));
}

#[test]
fn a_held_chain_says_why_until_it_is_let_go() {
    let mut chain = ChainFixture::single().gating();
    let gate = chain.chain().gate.id;
    let until = Outcome::HoldUntil { until: at(3_600) };
    assert!(chain.tell(chain.decided(gate, 1, until)).is_empty());
    assert_eq!(chain.chain().reason.text, "policy says window_closed");
    assert_eq!(chain.chain().state, ChainState::Gating);
    assert_eq!(
        chain.tell(chain.decided(gate, 2, Outcome::Pass)),
        ["chain.started", "gate.requested before_plan a"]
    );
}

#[test]
fn an_answer_that_comes_again_or_late_is_ignored() {
    let mut chain = ChainFixture::single().gating();
    let gate = chain.chain().gate.id;
    chain.tell(chain.decided(gate, 3, HELD));
    for revision in [1, 2, 3] {
        assert!(chain.tell(chain.decided(gate, revision, Outcome::Pass)).is_empty());
    }
    assert_eq!(chain.chain().state, ChainState::Gating);

    chain.tell(chain.decided(gate, 4, Outcome::Pass));
    assert!(chain.tell(chain.decided(gate, 4, Outcome::Pass)).is_empty());
    assert!(chain.tell(chain.decided(gate, 5, Outcome::Deny)).is_empty(), "it has started");
    assert_eq!(chain.chain().state, ChainState::Running);
}

#[test]
fn the_gate_before_a_plan_passes_holds_or_denies_the_step() {
    let chain = ChainFixture::diamond().running().with("a", S::Finished);

    let mut passed = chain.clone();
    assert_eq!(passed.tell(passed.gate_says("b", Outcome::Pass)), ["run.trigger b"]);
    assert_eq!(passed.step("b").state, S::Triggering);

    let mut held = chain.clone();
    assert!(held.tell(held.gate_says("b", HELD)).is_empty());
    assert_eq!(held.step("b").state, S::GatingPlan);
    assert_eq!(held.step("b").reason.text, "policy says approval_needed");
    assert_eq!(held.tell(held.gate_says("b", Outcome::Pass)), ["run.trigger b"]);

    let mut denied = chain;
    assert_eq!(
        denied.tell(denied.gate_says("b", Outcome::Deny)),
        ["step.finished b denied", "step.finished d skipped"]
    );
    assert_eq!(denied.states(), "a finished, b denied, c gating_plan, d skipped");
}

#[test]
fn the_gate_before_an_apply_confirms_holds_or_discards_just_that_plan() {
    let chain = ChainFixture::single().running().with("a", S::GatingApply);

    let mut passed = chain.clone();
    let decision = passed.decide(passed.gate_says("a", Outcome::Pass));
    let confirm = call(&decision.effects[0]);
    assert_eq!(passed.step("a").state, S::Confirming);
    assert_eq!(confirm.run, Some("run-a".into()));
    assert_eq!(confirm.plan_version, Some(5), "bound to the state in which the plan was shown");
    assert!(confirm.note.contains("policy says allowed"), "{}", confirm.note);

    let mut held = chain.clone();
    assert!(held.tell(held.gate_says("a", HELD)).is_empty());
    assert_eq!(held.step("a").reason.text, "policy says approval_needed");

    let mut denied = chain;
    assert_eq!(denied.tell(denied.gate_says("a", Outcome::Deny)), ["run.discard a"]);
    assert_eq!(denied.step("a").state, S::Discarding);
    assert_eq!(
        denied.tell(denied.reported("a", RunState::Discarded, 6)),
        ["step.finished a denied", "chain.finished failed"]
    );
    assert_eq!(denied.step("a").reason.text, "policy says policy_denied");
}

#[test]
fn an_answer_about_another_plan_or_another_chain_is_ignored() {
    let mut chain = ChainFixture::single().running().with("a", S::GatingApply);
    let before_plan = GateId::derived(&chain.chain().id.0, "a/before_plan");
    let other = GateId::derived(&uuid::Uuid::from_u128(5), "a/before_plan");
    for gate in [before_plan, other] {
        assert!(chain.tell(chain.decided(gate, 9, Outcome::Deny)).is_empty());
        assert!(chain.tell(chain.decided(gate, 9, Outcome::Pass)).is_empty());
    }
    assert_eq!(chain.step("a").state, S::GatingApply);
}

#[test]
fn another_plan_of_the_same_run_is_another_gate_even_if_it_is_as_large() {
    let mut chain = ChainFixture::single().running().with("a", S::GatingApply);
    let first = chain.gate("a");
    let pass_on_the_first = chain.gate_says("a", Outcome::Pass);

    assert!(chain.tell(chain.reported("a", RunState::ReplanRequested, 6)).is_empty());
    assert_eq!(chain.step("a").state, S::Planning);
    assert!(chain.tell(pass_on_the_first.clone()).is_empty(), "what it allowed is void");
    assert_eq!(
        chain.tell(chain.reported("a", RunState::Unconfirmed, 9)),
        ["step.planned a", "gate.requested before_apply a"]
    );
    assert_ne!(chain.gate("a"), first);
    assert!(chain.tell(pass_on_the_first).is_empty(), "also when it comes late");
    assert_eq!(chain.tell(chain.gate_says("a", Outcome::Pass)), ["run.confirm a"]);
}

#[test]
fn a_plan_that_is_made_anew_behind_a_confirm_or_a_discard_is_asked_about() {
    for state in [S::Confirming, S::Discarding] {
        let mut chain = ChainFixture::single().running().with("a", state);
        let first = chain.gate("a");
        // The reports between the two plans were lost.
        assert_eq!(
            chain.tell(chain.reported("a", RunState::Unconfirmed, 9)),
            ["step.planned a", "gate.requested before_apply a"],
            "{state}"
        );
        assert_ne!(chain.gate("a"), first);
        if state == S::Confirming {
            let seen = seen(chain.report("a", RunState::Unconfirmed, 9));
            chain.tell(chain.concluded("a", CallKind::Confirm, CallResult::Run(seen)));
        }
        let again = chain.decide(chain.gate_says("a", Outcome::Pass));
        assert_eq!(call(&again.effects[0]).plan_version, Some(9));
    }
}

#[test]
fn the_gate_before_an_apply_is_asked_with_the_run_and_what_it_plans() {
    let mut chain = ChainFixture::single().running().with("a", S::Planning);
    let delta = Delta { added: 1, changed: 2, deleted: 3 };
    let report = RunReported { delta: Some(delta), ..chain.report("a", RunState::Unconfirmed, 5) };
    let decision = chain.decide(Input::Reported(report));
    let asked = &decision.answers[1].body;
    assert_eq!(asked["run"], "run-a");
    assert_eq!(asked["delta"], serde_json::to_value(delta).unwrap());
    assert_eq!(asked["stacks"][0]["labels"][0], "name:a");
}

#[test]
fn a_person_quicker_than_the_gate_is_followed_and_the_gate_has_nothing_left_to_hold() {
    for state in [S::GatingApply, S::Discarding] {
        let mut chain = ChainFixture::single().running().with("a", state);
        let late = chain.gate_says("a", Outcome::Deny);
        assert_eq!(
            chain.tell(chain.reported("a", RunState::Confirmed, 6)),
            ["step.applying a"],
            "{state}"
        );
        assert!(chain.step("a").reason.text.ends_with("somebody confirmed it in Spacelift"));
        assert!(chain.tell(late).is_empty());
        assert_eq!(chain.step("a").state, S::Applying);
        assert_eq!(
            chain.tell(chain.reported("a", RunState::Finished, 9)),
            ["step.finished a finished", "chain.finished finished"]
        );
    }
}

#[test]
fn a_person_who_discards_before_the_gate_answers_fails_the_step() {
    let mut chain = ChainFixture::single().running().with("a", S::GatingApply);
    let late = chain.gate_says("a", Outcome::Pass);
    assert_eq!(
        chain.tell(chain.reported("a", RunState::Discarded, 6)),
        ["step.finished a failed", "chain.finished failed"]
    );
    assert!(chain.tell(late).is_empty());
}
