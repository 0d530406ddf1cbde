use std::collections::BTreeSet;

use contracts::{Code, gate::Outcome, order::OrderKind, run::RunState, step::StepState as S};
use store::Decision;

use crate::{
    call::{Call, CallKind},
    fixtures::{ChainFixture, call, edge, seen},
    input::{CallResult, Input},
    outputs::Digests,
};

/// `a`, and what reads one of its outputs and only follows.
fn readers() -> ChainFixture {
    let chain = ChainFixture::of(&[("a", &[]), ("b", &["a"]), ("c", &["a"])]);
    chain.following().reading(&["vpc_id"])
}

fn begun(chain: ChainFixture) -> ChainFixture {
    chain.settled(&["b", "c"]).admitted()
}

/// The call by which the apply of a stack is confirmed.
fn confirm(chain: &mut ChainFixture, stack: &str) -> Call {
    chain.bring(stack, S::GatingApply);
    let decision = chain.decide(chain.gate_says(stack, Outcome::Pass));
    call(&decision.effects[0])
}

fn shown(call: &Call, value: &str) -> Digests {
    let output = |name: &String| spacelift::Output {
        name: name.clone(),
        sensitive: false,
        value: Some(value.to_owned().into()),
    };
    let outputs: Vec<_> = call.outputs.iter().map(output).collect();
    Digests::of(call.chain, &call.outputs, &outputs)
}

fn confirmed(chain: &ChainFixture, call: &Call) -> Input {
    let stack = call.stack.as_str();
    let seen = seen(chain.report(stack, RunState::Confirmed, 6));
    chain.concluded(stack, CallKind::Confirm, CallResult::Confirmed(seen, shown(call, "before")))
}

fn applied(chain: &mut ChainFixture, stack: &str) -> Decision {
    chain.decide(chain.reported(stack, RunState::Finished, 9))
}

fn read(chain: &ChainFixture, stack: &str, kept: &[&str]) -> Input {
    let kept: BTreeSet<String> = kept.iter().map(|it| (*it).to_owned()).collect();
    chain.concluded(stack, CallKind::ReadOutputs, CallResult::Outputs(kept))
}

#[test]
fn what_follows_waits_until_the_outputs_are_read_and_runs_only_if_they_changed() {
    for (kept, then) in [
        (&["vpc_id"][..], "a finished, b finished, c finished"),
        (&[], "a finished, b gating_plan, c gating_plan"),
    ] {
        let mut chain = begun(readers());
        let call = confirm(&mut chain, "a");
        assert_eq!(call.outputs, BTreeSet::from(["vpc_id".to_owned()]));
        chain.tell(confirmed(&chain, &call));
        let decision = applied(&mut chain, "a");
        assert_eq!(chain.states(), "a finished, b waiting, c waiting");
        assert_eq!(chain.step("b").reason.code, Code::ReadingOutputs);
        let look = crate::fixtures::call(&decision.effects[0]);
        assert_eq!((look.call, &look.outputs), (CallKind::ReadOutputs, &call.outputs));
        assert_eq!(look.outputs_before, shown(&call, "before"));

        chain.tell(read(&chain, "a", kept));
        assert_eq!(chain.states(), then);
    }
}

#[test]
fn why_a_step_was_left_out_names_the_outputs_and_a_person_may_run_it_all_the_same() {
    let mut chain = begun(readers());
    let call = confirm(&mut chain, "a");
    chain.tell(confirmed(&chain, &call));
    applied(&mut chain, "a");
    chain.tell(read(&chain, "a", &["vpc_id"]));

    let reason = chain.step("b").reason.clone();
    assert_eq!(reason.code, Code::InputsUnchanged);
    let says = "the outputs of it that b reads did not change: vpc_id";
    assert!(reason.text.contains(says), "{}", reason.text);
    chain.tell(chain.order(OrderKind::Retry, Some("b"), false));
    assert_eq!(chain.step("b").state, S::GatingPlan);
}

#[test]
fn only_those_run_whose_outputs_changed() {
    let mut chain = readers();
    let other = ChainFixture::of(&[("a", &[]), ("c", &["a"])]).reading(&["zone"]);
    let edges = [chain.planned.edges.to_vec()[..1].to_vec(), other.planned.edges.to_vec()];
    chain.planned.edges = edges.concat().into();
    let mut chain = begun(chain);
    let call = confirm(&mut chain, "a");
    assert_eq!(call.outputs.len(), 2);
    chain.tell(confirmed(&chain, &call));
    applied(&mut chain, "a");
    chain.tell(read(&chain, "a", &["zone"]));
    assert_eq!(chain.states(), "a finished, b gating_plan, c finished");
}

#[test]
fn the_apply_may_end_before_it_is_known_that_it_was_confirmed() {
    for (knows, then) in [(true, S::Waiting), (false, S::GatingPlan)] {
        let mut chain = begun(readers());
        let call = confirm(&mut chain, "a");
        assert!(applied(&mut chain, "a").effects.is_empty());
        assert_eq!(chain.step("b").state, S::Waiting);

        // Whoever made the call may have died after it; then nobody knows how they were.
        let seen = seen(chain.report("a", RunState::Finished, 9));
        let lost = chain.concluded("a", CallKind::Confirm, CallResult::Run(seen));
        let decision = chain.decide(if knows { confirmed(&chain, &call) } else { lost });
        let reads = decision.effects.iter().any(|effect| effect.kind == "outputs.read");
        assert_eq!((reads, chain.step("b").state), (knows, then));
    }
}

#[test]
fn outputs_are_read_only_where_that_may_spare_a_run() {
    let asks = |chain: ChainFixture| !confirm(&mut begun(chain), "a").outputs.is_empty();
    assert!(asks(readers()));
    let plain = ChainFixture::of(&[("a", &[]), ("b", &["a"])]);
    assert!(!asks(plain.clone().reading(&["vpc_id"])), "the change touches b itself");
    assert!(!asks(plain.following()), "b may read anything of a");
    assert!(!asks(readers().running_always()));
    assert!(!asks(readers().native()), "Spacelift judges by itself");
    let always = readers().labelled("b", "stackly:always").labelled("c", "stackly:always");
    assert!(!asks(always));
    let mut unsettled = readers().settled(&[]).admitted();
    assert!(
        confirm(&mut unsettled, "a").outputs.is_empty(),
        "its last run may not have ended well"
    );
    let mut again = begun(readers());
    again.bring("a", S::Failed);
    again.tell(again.order(OrderKind::Retry, Some("a"), false));
    assert_eq!(again.step("a").course.attempt, 2);
}

#[test]
fn who_has_another_parent_that_changed_something_waits_for_no_outputs() {
    let stacks: &[(&str, &[&str])] = &[("z", &[]), ("a", &[]), ("b", &["z", "a"])];
    let mut chain = ChainFixture::of(stacks).following().reading(&["vpc_id"]);
    let edges = [vec![edge("z", "b")], chain.planned.edges.to_vec()[1..].to_vec()];
    chain.planned.edges = edges.concat().into();
    let mut chain = chain.settled(&["b"]).admitted();
    chain.bring("z", S::Finished);
    assert!(confirm(&mut chain, "a").outputs.is_empty());
    applied(&mut chain, "a");
    assert_eq!(chain.step("b").state, S::GatingPlan);
}
