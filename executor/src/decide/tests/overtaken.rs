use contracts::{gate::Outcome, order::OrderKind, step::StepState as S};

use crate::fixtures::{ChainFixture, at};

fn overtaken() -> ChainFixture {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"])];
    ChainFixture::of(stacks).running().overtaken_by("a", 2)
}

#[test]
fn an_older_change_does_not_run_over_a_newer_one_but_on_the_head_of_the_branch() {
    let mut chain = overtaken();
    chain.tell(chain.gate_says("a", Outcome::Pass));
    let step = chain.step("a");
    assert_eq!(step.state, S::Triggering);
    assert!(step.reason.text.contains("of a newer change, has run it already"), "{}", step.reason);
    assert_eq!((chain.chain().commit(0), chain.chain().commit(1).is_some()), (None, true));
}

#[test]
fn a_person_who_insists_has_it_run_on_its_own_commit() {
    let mut chain = ChainFixture::single().running().with("a", S::Failed).overtaken_by("a", 2);
    chain.tell(chain.order(OrderKind::Retry, Some("a"), true));
    chain.tell(chain.gate_says("a", Outcome::Pass));
    assert_eq!(chain.step("a").state, S::Triggering);
    assert!(chain.step("a").course.insisted, "what is read with it leaves it out then");
    assert!(chain.chain().commit(0).is_some());
}

#[test]
fn a_chain_is_as_old_as_what_it_came_of_and_no_run_from_before_it_was_taken_up_is_its_own() {
    let chain = ChainFixture::single().gating();
    assert_eq!(chain.chain().began_at, at(0), "when it was planned");
    assert_eq!(chain.chain().course.taken_up_at, Some(at(1)));
}
