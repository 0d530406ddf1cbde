use contracts::{Code, gate::Outcome, order::OrderKind, step::StepState as S};

use super::orders::refused;
use crate::fixtures::{ChainFixture, at};

fn overtaken() -> ChainFixture {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"])];
    ChainFixture::of(stacks).running().overtaken_by("a", 2)
}

#[test]
fn an_older_change_does_not_run_over_a_newer_one_and_says_what_does() {
    let mut chain = overtaken();
    let told = chain.tell(chain.gate_says("a", Outcome::Pass));
    assert_eq!(
        told,
        ["step.finished a skipped", "step.finished b skipped", "chain.finished failed"]
    );
    let reason = &chain.step("a").reason;
    assert_eq!(reason.code, Code::Superseded);
    assert!(reason.text.contains("of a newer change of main, has run a already"), "{reason}");

    let mut queued = ChainFixture::single().running().with("a", S::Queued).overtaken_by("a", 2);
    queued.later(1);
    assert_eq!(queued.step("a").state, S::Skipped);
}

#[test]
fn what_follows_in_its_chain_runs_on_the_head_because_its_parents_may_give_it_news() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"])];
    let mut chain = ChainFixture::of(stacks).running().with("a", S::Finished).overtaken_by("b", 2);
    chain.later(1);
    chain.tell(chain.gate_says("b", Outcome::Pass));
    let step = chain.step("b");
    assert_eq!(step.state, S::Triggering);
    assert!(step.reason.text.contains("on the head of its branch"), "{}", step.reason);
    assert_eq!((chain.chain().commit(0).is_some(), chain.chain().commit(1)), (true, None));
}

#[test]
fn a_person_runs_it_all_the_same_but_says_so() {
    let mut chain = overtaken();
    chain.tell(chain.gate_says("a", Outcome::Pass));
    let refused = refused(&chain, chain.order(OrderKind::Retry, Some("a"), false));
    assert!(refused.contains("--force"), "{refused}");

    chain.tell(chain.order(OrderKind::Retry, Some("a"), true));
    assert_eq!(chain.states(), "a gating_plan, b waiting");
    assert!(chain.step("a").course.insisted, "what is read with it leaves it out then");
    assert!(!chain.step("b").course.insisted);
    chain.tell(chain.gate_says("a", Outcome::Pass));
    assert_eq!(chain.step("a").state, S::Triggering);
}

#[test]
fn a_chain_is_as_old_as_what_it_came_of_and_no_run_from_before_it_was_taken_up_is_its_own() {
    let chain = ChainFixture::single().gating();
    assert_eq!(chain.chain().began_at, at(0), "when it was planned");
    assert_eq!(chain.chain().course.taken_up_at, Some(at(1)));
}
