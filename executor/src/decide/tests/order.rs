use contracts::{Code, chain::ChainState, gate::Outcome, run::RunState, step::StepState as S};

use crate::{
    chain::Hold,
    fixtures::{ChainFixture, call},
    input::Input,
    step::Gate,
};

#[test]
fn there_is_no_barrier_between_levels() {
    // Two lines side by side: a1 before a2 before a3, and b1 before b2.
    let mut chain = ChainFixture::of(&[
        ("a1", &[]),
        ("b1", &[]),
        ("a2", &["a1"]),
        ("b2", &["b1"]),
        ("a3", &["a2"]),
    ])
    .running()
    .with("b1", S::Planning)
    .with("a2", S::Applying);

    assert_eq!(
        chain.tell(chain.reported("a2", RunState::Finished, 9)),
        ["step.finished a2 finished", "gate.requested before_plan a3"]
    );
    assert_eq!(chain.states(), "a1 finished, b1 planning, a2 finished, b2 waiting, a3 gating_plan");
}

#[test]
fn a_step_with_two_parents_waits_for_both_and_says_for_which() {
    let mut chain = ChainFixture::diamond().running().with("b", S::Applying).with("c", S::Planning);
    chain.tell(chain.reported("b", RunState::Finished, 9));
    assert_eq!(chain.step("d").state, S::Waiting);
    assert_eq!(chain.step("d").reason.text, "waits for c");
    assert_eq!(
        chain.tell(chain.reported("c", RunState::Finished, 9)),
        ["step.finished c finished", "gate.requested before_plan d"]
    );
}

#[test]
fn a_failure_stops_its_whole_cone_and_independent_branches_finish() {
    let mut chain = ChainFixture::of(&[
        ("a", &[]),
        ("b", &["a"]),
        ("c", &["a"]),
        ("d", &["b"]),
        ("e", &["d"]),
        ("f", &["c"]),
    ])
    .running()
    .with("b", S::Planning)
    .with("c", S::Planning);

    assert_eq!(
        chain.tell(chain.reported("b", RunState::Failed, 4)),
        ["step.finished b failed", "step.finished d skipped", "step.finished e skipped"]
    );
    assert_eq!(chain.step("e").reason.code, Code::ParentFailed);
    assert_eq!(chain.step("e").reason.text, "b, which it depends on, ended as failed");
    chain.bring("c", S::Finished);
    chain.bring("f", S::Applying);
    assert_eq!(
        chain.tell(chain.reported("f", RunState::Finished, 9)),
        ["step.finished f finished", "chain.finished failed"]
    );
    assert_eq!(
        chain.chain().reason.text,
        "3 of 6 steps did not end well; first b: run run-b failed"
    );
}

#[test]
fn every_bad_end_of_a_parent_skips_its_child() {
    for end in [S::Failed, S::Denied, S::Unknown] {
        let chain = ChainFixture::of(&[("a", &[]), ("b", &["a"])]).running().with("a", end);
        assert_eq!(chain.states(), format!("a {end}, b skipped"));
        assert_eq!(chain.chain().state, ChainState::Failed);
    }
}

#[test]
fn what_a_person_must_look_at_is_named_first() {
    let mut chain =
        ChainFixture::of(&[("a", &[]), ("b", &[]), ("c", &["a"])]).running().with("a", S::Failed);
    chain.bring("b", S::Unknown);
    let reason = &chain.chain().reason;
    assert_eq!(reason.code, Code::StackGone);
    assert!(reason.text.starts_with("3 of 3 steps did not end well; first b: "), "{}", reason.text);
}

#[test]
fn a_chain_ends_once_with_the_last_of_its_steps() {
    let chain = ChainFixture::diamond().running().with("c", S::Finished).with("d", S::Applying);
    let mut last = chain.clone();
    assert_eq!(
        last.tell(chain.reported("d", RunState::Finished, 9)),
        ["step.finished d finished", "chain.finished finished"]
    );
    assert_eq!(last.chain().reason.text, "all 4 steps ended well");
    assert!(last.tell(chain.reported("d", RunState::Finished, 9)).is_empty());
    assert!(last.tell(chain.reported("d", RunState::Failed, 10)).is_empty());
}

#[test]
fn a_stack_that_another_chain_has_is_queued_for_and_says_by_whom() {
    for (hold, says) in
        [(Hold::Runs, "has a run there"), (Hold::Calls, "a call of"), (Hold::Queues, "goes first")]
    {
        let mut chain = ChainFixture::single().running().held_by("a", 2, hold);
        assert!(chain.tell(chain.gate_says("a", Outcome::Pass)).is_empty());
        let step = chain.step("a");
        assert_eq!((step.state, step.reason.code), (S::Queued, Code::StackBusy));
        assert!(step.reason.text.contains(says), "{}", step.reason.text);
    }
}

#[test]
fn whoever_queues_keeps_its_place_until_the_stack_is_free() {
    let mut chain = ChainFixture::single().running().with("a", S::Queued);
    let since = chain.step("a").since;
    let woken = Input::Woken(chain.chain().id);

    assert!(chain.tell(woken.clone()).is_empty(), "the stack is still held");
    assert!(chain.chain().changes.steps.is_empty(), "nothing to write");
    let mut chain = chain.held_by("a", 3, Hold::Runs);
    assert!(chain.tell(woken.clone()).is_empty(), "another was quicker");
    assert_eq!(chain.step("a").since, since);
    assert!(chain.step("a").reason.text.contains("chain_00000000000000000000000003"));
    assert!(chain.chain().changes.operations.is_empty(), "it stays in its state");

    chain.state.as_mut().unwrap().busy.clear();
    assert_eq!(chain.tell(woken), ["run.trigger a"]);
}

#[test]
fn for_whoever_queues_when_the_glass_is_broken_that_is_written() {
    let mut chain = ChainFixture::single().running().with("a", S::Queued);
    let of_step = |chain: &ChainFixture| {
        let Gate { id, revision } = chain.step("a").gate.unwrap();
        chain.overridden_at(id, revision + 1)
    };
    chain.tell(of_step(&chain));
    assert!(chain.step("a").course.urgent);
    assert_eq!(chain.chain().changes.steps, [0].into());

    let mut chain = ChainFixture::single().running().with("a", S::Queued);
    chain.tell(chain.overridden_at(chain.chain().gate.id, 2));
    assert!(chain.chain().course.urgent);
    assert_eq!(chain.chain().changes.steps, [0].into());
}

#[test]
fn a_preview_holds_no_stack_and_waits_for_none() {
    let mut chain = ChainFixture::single().preview().running().held_by("a", 2, Hold::Runs);
    let decision = chain.decide(chain.gate_says("a", Outcome::Pass));
    assert!(call(&decision.effects[0]).preview);
    assert_eq!(decision.effects[0].lane, format!("preview/{}/a", chain.chain().id));
    chain.bring("a", S::Planning);
    assert_eq!(
        chain.tell(chain.reported("a", RunState::Finished, 4)),
        ["step.finished a finished", "chain.finished finished"]
    );
    assert_eq!(chain.chain().changes.freed, ["a".into()].into(), "the place of its run is free");
}

#[test]
fn whoever_lets_go_of_a_stack_says_so() {
    let mut chain = ChainFixture::single().running().with("a", S::Applying);
    chain.tell(chain.reported("a", RunState::Finished, 9));
    assert_eq!(chain.chain().changes.freed, ["a".into()].into());
}
