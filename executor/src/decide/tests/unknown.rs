use contracts::{Code, order::OrderKind, run::RunState, step::StepState as S};

use crate::{
    Found,
    chain::Hold,
    fixtures::{ChainFixture, seen},
};

fn unknown() -> ChainFixture {
    ChainFixture::of(&[("a", &[]), ("b", &[])])
        .running()
        .with("b", S::Finished)
        .with("a", S::Unknown)
}

fn is_freed(chain: &ChainFixture) -> bool {
    chain.chain().changes.freed.contains(&"a".into())
}

#[test]
fn a_stack_of_which_nobody_knows_what_was_applied_is_kept_and_the_sentence_says_what_frees_it() {
    let chain = unknown();
    assert!(chain.step("a").keeps_stack());
    let text = &chain.step("a").reason.text;
    let here = format!("{}/a", chain.chain().id);
    assert!(text.contains(&format!("`stackly retry {here} --force`")), "{text}");
    assert!(text.contains(&format!("`stackly cancel {here}`")), "{text}");

    let mut other = ChainFixture::single().running().held_by("a", 7, Hold::Unknown);
    other.tell(other.gate_says("a", contracts::gate::Outcome::Pass));
    assert_eq!(other.step("a").state, S::Queued);
    assert_eq!(other.step("a").reason.code, Code::OutcomeUnknown);
}

#[test]
fn a_person_who_has_looked_frees_it_for_another_attempt_or_leaves_it_as_it_is() {
    let mut again = unknown();
    again.refused(again.order(OrderKind::Retry, Some("a"), false));
    again.tell(again.order(OrderKind::Retry, Some("a"), true));
    assert!(is_freed(&again) && !again.step("a").keeps_stack());

    for stack in [None, Some("a")] {
        let mut left = unknown();
        let told = left.tell(left.order(OrderKind::Cancel, stack, false));
        assert_eq!(told, ["chain.ordered -"]);
        assert!(is_freed(&left) && !left.step("a").keeps_stack());
        assert_eq!(left.step("a").state, S::Unknown, "what became of it is not known for that");
        left.refused(left.order(OrderKind::Cancel, stack, false));
    }
}

#[test]
fn a_run_that_is_seen_after_all_to_have_ended_frees_it_too() {
    let mut told = unknown();
    told.tell(told.reported("a", RunState::Finished, 9));
    assert!(is_freed(&told) && !told.step("a").keeps_stack());
    assert!(told.step("a").reason.text.ends_with("is FINISHED"), "{}", told.step("a").reason);

    let mut asked = unknown();
    let at_work = Found::Run(seen(asked.report("a", RunState::Applying, 7)));
    for found in [Found::NoRun, Found::NoStack, at_work] {
        asked.tell(asked.polled("a", found));
        assert!(asked.step("a").keeps_stack());
    }
    let ended = Found::Run(seen(asked.report("a", RunState::Failed, 9)));
    asked.tell(asked.polled("a", ended));
    assert!(!asked.step("a").keeps_stack());
}
