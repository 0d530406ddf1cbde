use std::collections::BTreeSet;

use contracts::{
    Code, StackId,
    gate::Outcome,
    order::OrderKind,
    step::{StepFinished, StepState as S},
};
use uuid::Uuid;

use crate::{
    Hold,
    fixtures::{ChainFixture, run_of},
    share::{Shared, Waiting},
};

/// `a` before `b` before `c`, which only follow.
fn line() -> ChainFixture {
    ChainFixture::of(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]).following()
}

fn names(stacks: &[&str]) -> BTreeSet<StackId> {
    stacks.iter().map(|stack| StackId::from(*stack)).collect()
}

/// A run of chain 2 has done the work of a step, as it did of these before it.
pub(super) fn shared(mut chain: ChainFixture, stack: &str, through: &[&str]) -> ChainFixture {
    let labels = chain.step(stack).planned.labels.iter().cloned().collect();
    let by = contracts::ChainId(Uuid::from_u128(2));
    let shared = Shared { chain: by, run: run_of("other"), through: names(through), labels };
    chain.state.as_mut().unwrap().shares.done.insert(stack.into(), shared);
    chain
}

/// Chain 2 waits for a stack, with these before it that have not ended.
fn waits(mut chain: ChainFixture, stack: &str, open: &[&str]) -> ChainFixture {
    let other = Waiting { chain: contracts::ChainId(Uuid::from_u128(2)), open: names(open) };
    let waiting = &mut chain.state.as_mut().unwrap().shares.waiting;
    waiting.entry(stack.into()).or_default().push(other);
    chain
}

fn serves(chain: &ChainFixture, stack: &str) -> Option<BTreeSet<StackId>> {
    chain.step(stack).course.serves.get(&Uuid::from_u128(2)).cloned()
}

/// How `b` goes on when its gate lets it pass.
fn passed(mut chain: ChainFixture) -> ChainFixture {
    chain.bring("a", S::Finished);
    chain.tell(chain.gate_says("b", Outcome::Pass));
    chain
}

#[test]
fn a_step_whose_work_a_run_of_another_chain_has_done_does_not_run_and_what_follows_does() {
    let mut chain = shared(line().running(), "b", &[]);
    chain.bring("a", S::Finished);
    let told = chain.tell(chain.gate_says("b", Outcome::Pass));
    assert!(told.contains(&format!("{} b finished", <StepFinished as contracts::Message>::TYPE)));
    let step = chain.step("b");
    assert_eq!((step.state, step.reason.code), (S::Finished, Code::RunShared));
    assert!(step.run.is_none() && step.reason.text.contains("run-other"), "{}", step.reason);
    assert_eq!(chain.step("c").state, S::GatingPlan, "what that run changed may be news to it");
    chain.bring("c", S::Finished);
    assert_eq!(
        chain.chain().reason.text,
        "all 3 steps ended well, 1 of them by runs of other chains"
    );
}

#[test]
fn whoever_has_the_stack_by_then_is_not_waited_for() {
    let chain = passed(line().running()).states();
    assert_eq!(chain, "a finished, b triggering, c waiting");
    let held = shared(line().running().held_by("b", 3, Hold::Runs), "b", &[]);
    assert_eq!(passed(held).step("b").state, S::Finished);
}

#[test]
fn a_person_may_have_it_run_all_the_same() {
    let mut chain = passed(shared(line().running(), "b", &[]));
    // Nothing below has begun: it asks its gate.
    chain.tell(chain.order(OrderKind::Cancel, Some("c"), false));
    chain.tell(chain.order(OrderKind::Retry, Some("b"), false));
    chain.tell(chain.gate_says("b", Outcome::Pass));
    assert_eq!(chain.step("b").state, S::Triggering, "that run is not what was asked for");
}

#[test]
fn what_is_not_surely_the_same_work_runs() {
    let runs = |chain: ChainFixture| passed(chain).step("b").state == S::Triggering;
    assert!(!runs(shared(line().running(), "b", &[])));
    let touched = ChainFixture::of(&[("a", &[]), ("b", &["a"])]);
    assert!(runs(shared(touched.running(), "b", &[])), "it brings a commit");
    assert!(runs(shared(line().running_always().running(), "b", &[])));
    assert!(runs(shared(line().labelled("b", "stackly:always").running(), "b", &[])));
    assert!(runs(shared(line().labelled("b", "stackly:join=1").running(), "b", &[])));
    assert!(runs(shared(line().native().running(), "b", &[])), "Spacelift makes its run");
    assert!(runs(shared(line().running(), "b", &["a"])), "`a` had a run of its own");
    let mut other = shared(line().running(), "b", &[]);
    let done = &mut other.state.as_mut().unwrap().shares.done;
    done.get_mut(&StackId::from("b")).unwrap().labels.push("stackly:input=x:a/y".into());
    assert!(runs(other), "it was given something else");
    let mut again = shared(line().running().with("a", S::Failed), "b", &[]);
    again.tell(again.order(OrderKind::Retry, Some("a"), false));
    assert!(runs(again), "the run may have been asked for before what `a` did then");
}

#[test]
fn a_run_serves_who_waited_when_it_was_asked_for_and_below_it_who_is_served_above() {
    let chain = waits(waits(line().running(), "b", &[]), "c", &["b"]);
    let chain = passed(chain);
    assert_eq!(serves(&chain, "b"), Some(names(&[])));
    let mut chain = chain.with("b", S::Finished);
    chain.tell(chain.gate_says("c", Outcome::Pass));
    assert_eq!(serves(&chain, "c"), Some(names(&["b"])));

    let mut unserved = waits(passed(line().running()).with("b", S::Finished), "c", &["b"]);
    unserved.tell(unserved.gate_says("c", Outcome::Pass));
    assert_eq!(serves(&unserved, "c"), None, "what is before it there is still to come");
    let native = passed(waits(line().native().running(), "b", &[]));
    assert_eq!(serves(&native, "b"), None, "Spacelift may have made its run before");
    let mut alone = passed(waits(line().running(), "b", &[])).with("b", S::Failed);
    alone.state.as_mut().unwrap().shares = crate::Shares::default();
    alone.tell(alone.order(OrderKind::Retry, Some("b"), false));
    alone.tell(alone.gate_says("b", Outcome::Pass));
    assert_eq!(alone.step("b").state, S::Triggering);
    assert_eq!(serves(&alone, "b"), None, "another run, asked for with nobody waiting");
}
