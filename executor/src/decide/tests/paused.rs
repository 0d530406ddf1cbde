use contracts::{Code, gate::Outcome, order::OrderKind, run::RunState, step::StepState as S};

use crate::{
    fixtures::ChainFixture,
    input::{Input, Order},
    wake_at,
};

fn line() -> ChainFixture {
    ChainFixture::of(&[("a", &[]), ("b", &["a"]), ("z", &[])]).running()
}

fn pause(chain: &mut ChainFixture, stack: &str) {
    chain.tell(chain.order(OrderKind::Pause, Some(stack), false));
}

fn resume(chain: &mut ChainFixture, stack: &str) -> Vec<String> {
    chain.tell(chain.order(OrderKind::Resume, Some(stack), false))
}

#[test]
fn a_paused_step_begins_nothing_and_the_others_go_on() {
    let mut chain = line();
    pause(&mut chain, "b");
    chain.bring("a", S::Finished);
    chain.bring("z", S::Finished);
    let reason = chain.step("b").reason.clone();
    assert_eq!((chain.step("b").state, reason.code), (S::Waiting, Code::StepPaused));
    let resumes = format!("it is paused by jane; `stackly resume {}/b` lets it", chain.chain().id);
    assert!(reason.text.ends_with(&resumes), "{}", reason.text);

    resume(&mut chain, "b");
    assert_eq!(chain.step("b").state, S::GatingPlan);
}

#[test]
fn what_the_gates_allow_a_paused_step_it_does_once_it_is_resumed() {
    for (waits, goes) in [(S::GatingPlan, S::Triggering), (S::GatingApply, S::Confirming)] {
        let mut chain = line().with("a", waits);
        pause(&mut chain, "a");
        let decision = chain.decide(chain.gate_says("a", Outcome::Pass));
        assert!(decision.effects.is_empty());
        assert_eq!((chain.step("a").state, chain.step("a").reason.code), (waits, Code::StepPaused));

        // The chain is paused and resumed meanwhile: the step stays as it is.
        chain.tell(chain.order(OrderKind::Pause, None, false));
        chain.tell(chain.order(OrderKind::Resume, None, false));
        assert_eq!((chain.step("a").state, chain.step("a").reason.code), (waits, Code::StepPaused));
        resume(&mut chain, "a");
        assert_eq!(chain.step("a").state, goes);
    }
}

#[test]
fn a_step_that_is_resumed_while_its_chain_is_paused_waits_for_that() {
    let mut chain = line().with("a", S::GatingApply);
    pause(&mut chain, "a");
    chain.tell(chain.gate_says("a", Outcome::Pass));
    chain.tell(chain.order(OrderKind::Pause, None, false));
    resume(&mut chain, "a");
    assert_eq!(chain.step("a").state, S::GatingApply);
    assert_eq!(chain.step("a").reason.code, Code::ChainPaused);
    chain.tell(chain.order(OrderKind::Resume, None, false));
    assert_eq!(chain.step("a").state, S::Confirming);
}

#[test]
fn a_paused_step_leaves_the_queue_and_its_next_attempt_is_not_begun() {
    let mut queued = line().with("a", S::Queued);
    pause(&mut queued, "a");
    assert_eq!(queued.step("a").state, S::GatingPlan);
    assert_eq!(queued.step("a").reason.code, Code::StepPaused);

    let mut retrying = line().with("a", S::Retrying);
    pause(&mut retrying, "a");
    assert_eq!(wake_at(retrying.chain()), None);
    let id = retrying.chain().id;
    retrying.later(86_400);
    retrying.tell(Input::Woken(id));
    assert_eq!(retrying.step("a").state, S::Retrying);
    resume(&mut retrying, "a");
    assert_eq!((retrying.step("a").state, retrying.step("a").course.attempt), (S::GatingPlan, 2));
}

#[test]
fn what_applies_or_has_ended_cannot_be_paused_and_what_is_not_paused_cannot_be_resumed() {
    let order = |chain: &ChainFixture, kind| chain.order(kind, Some("a"), false);
    for state in [S::Confirming, S::Applying, S::Finished] {
        let chain = line().with("a", state);
        let told = chain.refused(order(&chain, OrderKind::Pause));
        assert!(told.contains("nothing left to pause"), "{told}");
    }
    let mut chain = line();
    assert_eq!(chain.refused(order(&chain, OrderKind::Resume)), "a is not paused");
    pause(&mut chain, "a");
    assert_eq!(chain.refused(order(&chain, OrderKind::Pause)), "a is paused already, by jane");
}

#[test]
fn a_paused_step_that_somebody_confirms_in_spacelift_is_paused_no_more() {
    let mut chain = line().with("a", S::GatingApply);
    pause(&mut chain, "a");
    chain.tell(chain.reported("a", RunState::Confirmed, 6));
    assert_eq!((chain.step("a").state, &chain.step("a").course.paused), (S::Applying, &None));
}

#[test]
fn that_a_step_was_paused_and_resumed_stands_in_its_history_and_is_told() {
    let mut chain = line();
    let told = chain.tell(chain.order(OrderKind::Pause, Some("b"), false));
    assert_eq!(told, ["chain.ordered -"]);
    let noted = &chain.chain().changes.operations[0];
    assert_eq!((noted.from, noted.event, noted.to), ("waiting", "paused", "waiting"));
}

#[test]
fn a_step_that_need_not_run_when_it_is_resumed_lets_what_waits_for_it_go_on() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
    let mut chain = ChainFixture::of(stacks).following().settled(&["b", "c"]).admitted();
    pause(&mut chain, "b");
    chain.finds_nothing("a");
    assert_eq!(chain.states(), "a finished, b waiting, c waiting");
    resume(&mut chain, "b");
    assert_eq!(chain.states(), "a finished, b finished, c finished");
    assert!(chain.chain().state.is_terminal());
}

#[test]
fn with_all_a_person_runs_everything_that_was_left_out() {
    let all = |chain: &ChainFixture| match chain.order(OrderKind::Retry, None, false) {
        Input::Ordered(order) => Input::Ordered(Order { all: true, ..order }),
        other => panic!("{other:?}"),
    };
    let follows = || {
        let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
        ChainFixture::of(stacks).following().settled(&["b", "c"]).admitted()
    };
    let mut ended = follows();
    ended.finds_nothing("a");
    assert_eq!(ended.states(), "a finished, b finished, c finished");
    ended.tell(all(&ended));
    assert_eq!(ended.states(), "a finished, b gating_plan, c waiting");

    // While it runs, it says so beforehand.
    let mut running = follows();
    running.tell(all(&running));
    running.finds_nothing("a");
    assert_eq!(running.step("b").state, S::GatingPlan);
}
