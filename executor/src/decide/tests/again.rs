//! What is tried again, what comes back with it, and what cannot be.

use contracts::{
    Code, chain::ChainState, gate::Outcome, order::OrderKind, run::RunState, step::StepState as S,
};

use crate::{
    checks::Hook,
    fixtures::ChainFixture,
    input::{Answered, Found, Input, Order},
    waves::Rules,
};

fn retry(chain: &ChainFixture, stack: Option<&str>) -> Input {
    chain.order(OrderKind::Retry, stack, false)
}

fn retry_all(chain: &ChainFixture) -> Input {
    match retry(chain, None) {
        Input::Ordered(order) => Input::Ordered(Order { all: true, ..order }),
        other => panic!("{other:?}"),
    }
}

fn cancel(chain: &mut ChainFixture) {
    chain.tell(chain.order(OrderKind::Cancel, None, false));
}

#[test]
fn what_the_policies_let_begin_is_tried_again_however_little_came_of_it() {
    // Its plans are known, and people are asked about them.
    let mut planned = ChainFixture::single().planning_all().running();
    assert_eq!(planned.chain().state, ChainState::Planning);
    planned.bring("a", S::GatingPlan);
    planned.tell(planned.gate_says("a", Outcome::Pass));
    planned.tell(planned.triggered("a"));
    planned.tell(planned.reported("a", RunState::Finished, 9));
    // It was paused before its gate had passed.
    let mut paused = ChainFixture::single().gating();
    paused.tell(paused.order(OrderKind::Pause, None, false));
    let mut paused = paused.admitted();
    for chain in [&mut planned, &mut paused] {
        assert_eq!(chain.step("a").state, S::Waiting);
        cancel(chain);
        assert_eq!(chain.chain().state, ChainState::Canceled);
        chain.tell(retry(chain, None));
        assert_eq!(chain.step("a").state, S::GatingPlan);
    }
}

/// What an older build wrote says no more than its steps do.
#[test]
fn what_an_older_build_let_begin_is_tried_again_as_far_as_its_steps_tell() {
    let mut began = ChainFixture::single().running();
    cancel(&mut began);
    began.state.as_mut().unwrap().course.begun = false;
    began.tell(retry(&began, None));
    assert_eq!(began.step("a").state, S::GatingPlan);
}

#[test]
fn with_all_what_cannot_be_is_refused_as_without() {
    // `b` is there for how `a` ended, and runs.
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &[])];
    let chain = ChainFixture::of(stacks).labelled("b", "stackly:on=failure:a").failing_fast();
    let chain = chain.running().with("a", S::Failed);
    assert_eq!(chain.states(), "a failed, b gating_plan, c skipped");
    assert!(chain.refused(retry_all(&chain)).starts_with("b, which is there for how a ended"));

    // Nobody knows what became of `a`, and `c` is under way.
    let unknown = ChainFixture::of(stacks).running().with("a", S::Unknown);
    assert!(unknown.refused(retry_all(&unknown)).ends_with("then say so with `--force`"));
    assert_eq!(unknown.chain().state, ChainState::Running);
}

#[test]
fn what_stopped_with_its_chain_comes_back_with_what_failed_wherever_it_is() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &["b"]), ("d", &["a"])];
    let mut chain = ChainFixture::of(stacks).failing_fast().running().with("a", S::Failed);
    assert_eq!(chain.states(), "a failed, b skipped, c skipped, d skipped");
    assert_eq!(chain.step("b").reason.code, Code::ChainStopped);
    chain.tell(retry(&chain, Some("a")));
    assert_eq!(chain.states(), "a gating_plan, b gating_plan, c waiting, d waiting");
}

#[test]
fn a_wave_that_nobody_waits_for_is_not_looked_at_again_before_somebody_does() {
    let chain = ChainFixture::of(&[("a", &[]), ("b", &[]), ("z", &[])]);
    let chain = chain.labelled("a", "stackly:wave=1").labelled("b", "stackly:wave=2").gating();
    let hook = Hook { name: "smoke".to_owned(), within: std::time::Duration::from_secs(60) };
    let checks = vec!["shop".to_owned()];
    let rules = Rules { hooks: [("shop".to_owned(), hook)].into(), checks, ..Rules::default() };
    let mut chain = chain.ruled(rules).admitted().with("a", S::Finished);
    let (id, check, by) = (chain.chain().id, "shop".to_owned(), "robot".to_owned());
    let no = Answered { chain: id, check, look: None, pass: false, by, text: None };
    assert_eq!(chain.tell(Input::Answered(no)), ["step.stuck b"]);
    chain.tell(chain.order(OrderKind::Cancel, Some("b"), false));
    assert_eq!(chain.states(), "a finished, b canceled, z gating_plan");

    let resumed = chain.refused(chain.order(OrderKind::Resume, None, false));
    assert!(resumed.ends_with("is not paused"), "{resumed}");
    assert_eq!(chain.tell(retry(&chain, None)), ["chain.ordered -", "check.asked smoke shop"]);
    assert_eq!(chain.states(), "a finished, b waiting, z gating_plan");
}

#[test]
fn a_plan_that_was_only_too_old_uses_up_no_attempt() {
    let mut chain = ChainFixture::single().running();
    for attempt in 1..=3 {
        assert_eq!(chain.step("a").course.attempt, attempt);
        chain.bring("a", S::GatingApply);
        chain.tell(chain.denied("a", Code::PlanStale));
        chain.tell(chain.reported("a", RunState::Discarded, 9));
        assert_eq!(chain.step("a").state, S::Retrying);
        chain.later(0);
        chain.state.as_mut().unwrap().steps[0].course.past_runs.clear();
    }
    chain.bring("a", S::Planning);
    chain.tell(chain.failed_by("a", "read: connection reset by peer"));
    let step = chain.step("a");
    assert_eq!((step.state, step.course.attempt), (S::Retrying, 4));
    assert!(step.reason.text.contains("attempt 2 of 3 begins at"), "{}", step.reason);
}

#[test]
fn what_depends_on_something_that_stays_ended_is_not_tried_again_alone() {
    let mut chain = ChainFixture::of(&[("a", &[]), ("b", &["a"])]).running();
    cancel(&mut chain);
    let refused = chain.refused(retry(&chain, Some("b")));
    assert!(refused.starts_with("b depends on a, which is canceled: try that again"), "{refused}");
    chain.tell(retry(&chain, Some("a")));
    assert_eq!(chain.states(), "a gating_plan, b canceled");
    chain.tell(retry(&chain, Some("b")));
    assert_eq!(chain.states(), "a gating_plan, b waiting");

    // All of it comes back together, with what was kept from running.
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
    let mut chain = ChainFixture::of(stacks).running();
    chain.tell(chain.order(OrderKind::Cancel, Some("c"), false));
    let mut chain = chain.with("a", S::Failed);
    assert_eq!(chain.states(), "a failed, b skipped, c canceled");
    assert!(
        chain.refused(retry(&chain, Some("c"))).starts_with("c depends on b, which is skipped")
    );
    chain.tell(retry(&chain, None));
    assert_eq!(chain.states(), "a gating_plan, b waiting, c waiting");
}

#[test]
fn below_what_nobody_knows_nothing_is_tried_again() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &[]), ("d", &["b"])];
    let mut chain = ChainFixture::of(stacks).running().with("a", S::Applying);
    cancel(&mut chain);
    for _ in 0..3 {
        chain.tell(chain.polled("a", Found::NoStack));
    }
    assert_eq!(chain.states(), "a unknown, b canceled, c canceled, d canceled");
    chain.tell(retry(&chain, None));
    assert_eq!(chain.states(), "a unknown, b canceled, c gating_plan, d canceled");
    cancel(&mut chain);
    chain.tell(retry(&chain, Some("c")));
    let mut chain = chain.with("c", S::Finished);
    assert_eq!(chain.chain().state, ChainState::Failed);
    assert!(chain.refused(retry(&chain, None)).starts_with("nobody knows what became of a"));
    chain.tell(chain.order(OrderKind::Retry, None, true));
    assert_eq!(chain.states(), "a gating_plan, b waiting, c finished, d waiting");
}
