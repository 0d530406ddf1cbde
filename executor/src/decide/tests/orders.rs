use contracts::{
    Code, Reason,
    chain::{ChainKind, ChainState, ChainWithdrawn},
    gate::Outcome,
    order::OrderKind,
    run::RunState,
    step::StepState as S,
};
use uuid::Uuid;

use crate::{
    call::CallKind,
    fixtures::{ChainFixture, call, report, run_of, seen},
    input::{CallResult, Input},
};

fn pause(chain: &ChainFixture) -> Input {
    chain.order(OrderKind::Pause, None, false)
}

fn resume(chain: &ChainFixture) -> Input {
    chain.order(OrderKind::Resume, None, false)
}

fn cancel(chain: &ChainFixture, stack: Option<&str>, force: bool) -> Input {
    chain.order(OrderKind::Cancel, stack, force)
}

fn retry(chain: &ChainFixture, stack: Option<&str>, force: bool) -> Input {
    chain.order(OrderKind::Retry, stack, force)
}

#[test]
fn a_paused_chain_starts_nothing_and_goes_on_where_it_was() {
    let mut chain = ChainFixture::diamond().running().with("b", S::GatingApply);
    assert_eq!(chain.tell(pause(&chain)), ["chain.ordered -"]);
    // What is allowed meanwhile is kept, and not asked about again.
    for stack in ["b", "c"] {
        assert!(chain.tell(chain.gate_says(stack, Outcome::Pass)).is_empty());
        assert_eq!(chain.step(stack).reason.code, Code::ChainPaused);
        assert!(chain.step(stack).reason.text.contains("jane"), "{}", chain.step(stack).reason);
    }
    assert_eq!(chain.states(), "a finished, b gating_apply, c gating_plan, d waiting");
    assert_eq!(chain.tell(resume(&chain)), ["chain.ordered -", "run.confirm b", "run.trigger c"]);
    assert_eq!(chain.states(), "a finished, b confirming, c triggering, d waiting");
}

#[test]
fn what_runs_when_a_chain_is_paused_goes_on_to_its_next_gate_and_its_children_wait() {
    let mut chain = ChainFixture::diamond().running().with("a", S::Applying);
    chain.tell(pause(&chain));
    assert_eq!(
        chain.tell(chain.reported("a", RunState::Finished, 9)),
        ["step.finished a finished"]
    );
    assert_eq!(chain.step("b").reason.code, Code::ChainPaused);
    let told = chain.tell(resume(&chain));
    assert_eq!(
        told,
        ["gate.requested before_plan b", "gate.requested before_plan c", "chain.ordered -"]
    );
}

#[test]
fn a_chain_that_is_paused_before_its_gate_passes_begins_when_it_is_resumed() {
    let mut chain = ChainFixture::single().gating();
    chain.tell(pause(&chain));
    let gate = chain.chain().gate.id;
    assert_eq!(chain.tell(chain.decided(gate, 1, Outcome::Pass)), ["chain.started"]);
    assert_eq!(chain.step("a").state, S::Waiting);
    assert_eq!(chain.tell(resume(&chain)), ["gate.requested before_plan a", "chain.ordered -"]);
}

#[test]
fn a_paused_chain_leaves_the_queue_for_a_stack_to_others() {
    let mut chain = ChainFixture::single().running().with("a", S::Queued);
    chain.tell(pause(&chain));
    assert_eq!(chain.step("a").state, S::GatingPlan);
    assert!(chain.chain().changes.freed.contains(&"a".into()), "others are told");
    assert!(chain.tell(Input::Woken(chain.chain().id)).is_empty());
    chain.state.as_mut().unwrap().busy.clear();
    assert_eq!(chain.tell(resume(&chain)), ["chain.ordered -", "run.trigger a"]);
}

#[test]
fn cancelling_a_chain_ends_what_has_no_run_at_once_and_discards_plans() {
    let mut chain = ChainFixture::diamond().running().with("b", S::GatingApply);
    assert_eq!(
        chain.tell(cancel(&chain, None, false)),
        ["step.finished c canceled", "step.finished d canceled", "chain.ordered -", "run.cancel b"]
    );
    assert_eq!(chain.states(), "a finished, b canceling, c canceled, d canceled");
    let told = chain.tell(chain.reported("b", RunState::Discarded, 9));
    assert_eq!(told, ["step.finished b canceled", "chain.finished canceled"]);
    assert_eq!(chain.chain().reason.code, Code::ChainCanceled);
}

#[test]
fn a_chain_that_is_cancelled_before_its_gate_answers_never_begins() {
    let mut chain = ChainFixture::single().gating();
    assert_eq!(
        chain.tell(cancel(&chain, None, false)),
        ["step.finished a canceled", "chain.ordered -", "chain.finished canceled"]
    );
    let gate = chain.chain().gate.id;
    assert!(chain.tell(chain.decided(gate, 1, Outcome::Pass)).is_empty());
}

#[test]
fn a_chain_that_was_cancelled_before_it_might_begin_is_not_tried_again() {
    let mut chain = ChainFixture::single().gating();
    chain.tell(cancel(&chain, None, false));
    assert!(chain.refused(retry(&chain, None, false)).contains("push again"));
}

#[test]
fn a_step_that_is_cancelled_before_the_gate_of_its_chain_answers_stays_cancelled() {
    for (outcome, after) in [
        (Outcome::Deny, "a denied, b canceled, c denied, d skipped"),
        (Outcome::Pass, "a gating_plan, b canceled, c waiting, d skipped"),
    ] {
        let mut chain = ChainFixture::diamond().gating();
        chain.tell(cancel(&chain, Some("b"), false));
        chain.tell(chain.decided(chain.chain().gate.id, 1, outcome));
        assert_eq!(chain.states(), after);
    }
}

#[test]
fn nothing_starts_before_the_gate_of_its_chain_answers_whatever_has_ended() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["a"])];
    let chain = ChainFixture::of(stacks).labelled("b", "stackly:on=always:a");
    let gating = chain.labelled("c", "stackly:on=failure:a").gating();
    for (outcome, state, after) in [
        (Outcome::Deny, ChainState::Denied, "a canceled, b denied, c denied"),
        (Outcome::Pass, ChainState::Running, "a canceled, b gating_plan, c finished"),
    ] {
        let mut chain = gating.clone();
        chain.tell(cancel(&chain, Some("a"), false));
        assert_eq!(chain.states(), "a canceled, b waiting, c waiting");
        chain.tell(chain.decided(chain.chain().gate.id, 1, outcome));
        assert_eq!((chain.states().as_str(), chain.chain().state), (after, state));
    }
}

#[test]
fn a_chain_all_of_whose_steps_are_cancelled_before_it_begins_is_cancelled() {
    let mut chain = ChainFixture::diamond().gating();
    assert!(
        chain.tell(cancel(&chain, Some("a"), false)).contains(&"chain.finished canceled".into())
    );
}

#[test]
fn what_applies_is_let_finish_unless_it_is_forced() {
    let mut chain = ChainFixture::of(&[("a", &[]), ("b", &["a"])]).running().with("a", S::Applying);
    assert!(chain.refused(cancel(&chain, Some("a"), false)).contains("--force"));

    let mut gentle = chain.clone();
    assert_eq!(
        gentle.tell(cancel(&gentle, None, false)),
        ["step.finished b canceled", "chain.ordered -"]
    );
    let told = gentle.tell(gentle.reported("a", RunState::Finished, 9));
    assert_eq!(told, ["step.finished a finished", "chain.finished canceled"]);

    assert_eq!(chain.tell(cancel(&chain, Some("a"), true)), ["chain.ordered -", "run.cancel a"]);
    let told = chain.tell(chain.reported("a", RunState::Failed, 9));
    assert_eq!(
        told,
        ["step.finished a canceled", "step.finished b skipped", "chain.finished canceled"]
    );
    assert!(chain.step("a").reason.text.contains("applied a part"), "{}", chain.step("a").reason);
}

#[test]
fn a_cancel_while_a_run_is_being_asked_for_waits_until_the_run_is_known() {
    let mut chain = ChainFixture::single().running().with("a", S::Triggering);
    assert_eq!(chain.tell(cancel(&chain, Some("a"), false)), ["chain.ordered -"]);
    assert_eq!(chain.step("a").state, S::Triggering);
    assert_eq!(chain.tell(chain.triggered("a")), ["step.started a", "run.cancel a"]);
    assert_eq!(chain.step("a").state, S::Canceling);
}

#[test]
fn whoever_insisted_on_a_cancel_still_does_after_a_gentle_one() {
    let mut chain = ChainFixture::single().autodeploying("a").running().with("a", S::Triggering);
    chain.tell(cancel(&chain, Some("a"), true));
    chain.tell(cancel(&chain, None, false));
    let applies = CallResult::Run(seen(chain.report("a", RunState::Applying, 5)));
    let told = chain.tell(chain.concluded("a", CallKind::Trigger, applies));
    assert_eq!(told.last().unwrap(), "run.cancel a", "{told:?}");
    assert_eq!(chain.step("a").state, S::Canceling);
}

#[test]
fn a_call_that_was_not_made_yet_is_forgone() {
    let mut chain = ChainFixture::single().running().with("a", S::Triggering);
    chain.tell(cancel(&chain, Some("a"), false));
    let told = chain.tell(chain.concluded("a", CallKind::Trigger, CallResult::Forgone));
    assert_eq!(told, ["step.finished a canceled", "chain.finished canceled"]);

    // What is in its way may be Spacelift's own, and would go on.
    let mut chain = ChainFixture::diamond().native().running().with("b", S::Triggering);
    chain.tell(cancel(&chain, Some("b"), false));
    let told = chain.tell(chain.concluded("b", CallKind::Trigger, CallResult::Forgone));
    assert!(told.contains(&"run.withdraw b".to_owned()), "{told:?}");

    let mut chain = ChainFixture::single().running().with("a", S::Confirming);
    chain.tell(cancel(&chain, Some("a"), false));
    let told = chain.tell(chain.concluded("a", CallKind::Confirm, CallResult::Forgone));
    assert_eq!(told, ["run.cancel a"]);
}

#[test]
fn a_cancel_that_meets_an_apply_says_that_it_was_too_late() {
    let mut chain = ChainFixture::single().running().with("a", S::Confirming);
    chain.tell(cancel(&chain, Some("a"), false));
    let applying = seen(report("a", RunState::Applying, 7));
    let told = chain.tell(chain.concluded("a", CallKind::Confirm, CallResult::Run(applying)));
    assert_eq!(told, ["step.applying a"]);
    assert!(chain.step("a").reason.text.contains("too late"), "{}", chain.step("a").reason);
    assert_eq!(chain.step("a").course.cancel, None);

    let mut chain = ChainFixture::single().running().with("a", S::Canceling);
    assert_eq!(chain.tell(chain.reported("a", RunState::Applying, 7)), ["step.applying a"]);
    assert!(chain.step("a").reason.text.contains("too late"), "{}", chain.step("a").reason);
}

#[test]
fn a_gentle_cancel_can_be_made_a_forced_one_and_is_another_call() {
    let mut chain = ChainFixture::single().running().with("a", S::Planning);
    let gentle = chain.decide(cancel(&chain, Some("a"), false)).effects.remove(0);
    assert!(chain.refused(cancel(&chain, Some("a"), false)).contains("already"));
    let forced = chain.decide(cancel(&chain, Some("a"), true)).effects.remove(0);
    assert!(!call(&gentle).force && call(&forced).force);
    assert!(gentle.id != forced.id && gentle.lane != forced.lane);
}

#[test]
fn a_retry_begins_another_attempt_and_what_depends_on_it_follows() {
    let mut chain = ChainFixture::diamond().running().with("b", S::Failed).with("c", S::Finished);
    assert!(chain.chain().state.is_terminal());
    let before = chain.gate("b");
    assert_eq!(
        chain.tell(retry(&chain, None, false)),
        ["chain.started", "gate.requested before_plan b", "chain.ordered -"]
    );
    assert_eq!(chain.states(), "a finished, b gating_plan, c finished, d waiting");
    assert!(chain.gate("b") != before, "it is asked about anew");
    assert_eq!(chain.step("b").course.attempt, 2);
    let effect = chain.decide(chain.gate_says("b", Outcome::Pass)).effects.remove(0);
    assert_eq!(call(&effect).past_runs, [run_of("b")], "the old run is not taken for the new one");
}

#[test]
fn what_is_told_about_the_run_of_an_earlier_attempt_is_no_news() {
    let mut chain = ChainFixture::single().running().with("a", S::Failed);
    chain.tell(retry(&chain, Some("a"), false));
    chain.bring("a", S::Triggering);
    let new = contracts::RunId("run-again".to_owned());
    let made = contracts::run::RunReported { run: new, ..report("a", RunState::Queued, 0) };
    let input = chain.concluded("a", CallKind::Trigger, CallResult::Run(seen(made)));
    chain.tell(input);
    assert!(chain.tell(chain.reported("a", RunState::Finished, 99)).is_empty());
    assert_eq!(chain.step("a").state, S::Planning);
}

#[test]
fn an_unknown_outcome_is_tried_again_only_by_somebody_who_has_looked() {
    let mut chain = ChainFixture::single().running().with("a", S::Unknown);
    for stack in [None, Some("a")] {
        assert!(chain.refused(retry(&chain, stack, false)).contains("look at what it manages"));
    }
    let told = chain.tell(retry(&chain, Some("a"), true));
    assert_eq!(told, ["chain.started", "gate.requested before_plan a", "chain.ordered -"]);
}

#[test]
fn orders_that_do_not_fit_say_why() {
    let gating = ChainFixture::single().gating();
    assert!(gating.refused(resume(&gating)).contains("not paused"));
    assert!(gating.refused(retry(&gating, None, false)).contains("not begun"));
    assert!(gating.refused(cancel(&gating, Some("z"), false)).contains("z is not a step"));
    let done = ChainFixture::single().running().with("a", S::Finished);
    for order in [pause(&done), resume(&done), cancel(&done, None, true)] {
        assert!(done.refused(order).contains("has ended"));
    }
    assert!(done.refused(retry(&done, None, true)).contains("no step"));
    assert!(done.refused(retry(&done, Some("a"), true)).contains("a is finished"));
    let mut denied = ChainFixture::single().gating();
    let gate = denied.chain().gate.id;
    denied.tell(denied.decided(gate, 1, Outcome::Deny));
    assert!(denied.refused(retry(&denied, None, true)).contains("push again"));
    let mut paused = ChainFixture::single().running();
    paused.tell(pause(&paused));
    assert!(paused.refused(pause(&paused)).contains("paused already, by jane"));
}

#[test]
fn a_preview_is_cancelled_like_a_deploy() {
    let mut chain = ChainFixture::single().preview().running().with("a", S::Planning);
    assert_eq!(chain.chain().kind, ChainKind::Preview);
    assert_eq!(chain.tell(cancel(&chain, None, false)), ["chain.ordered -", "run.cancel a"]);
    let told = chain.tell(chain.reported("a", RunState::Stopped, 9));
    assert_eq!(told, ["step.finished a canceled", "chain.finished canceled"]);
}

#[test]
fn a_failure_that_may_pass_is_tried_again_by_itself_a_few_times() {
    let mut chain = ChainFixture::single().running().with("a", S::Retrying);
    let step = chain.step("a");
    assert_eq!(step.reason.code, Code::RetryPending);
    assert!(step.reason.text.contains("attempt 2 of 3"), "{}", step.reason);
    let due = step.course.retry_at.unwrap();
    assert_eq!(crate::decide::wake_at(chain.chain()), Some(due));
    // Early is not due.
    assert!(chain.tell(Input::Woken(chain.chain().id)).is_empty());
    chain.inputs += 100;
    let told = chain.tell(Input::Woken(chain.chain().id));
    assert_eq!(told, ["gate.requested before_plan a"]);
    assert_eq!(crate::decide::wake_at(chain.chain()), None);
    for attempt in [2, 3] {
        assert_eq!(chain.step("a").course.attempt, attempt);
        chain.bring("a", S::Triggering);
        let run = contracts::RunId(format!("run-{attempt}"));
        let queued = report("a", RunState::Queued, 0);
        let made = seen(contracts::run::RunReported { run: run.clone(), ..queued });
        let input = chain.concluded("a", CallKind::Trigger, CallResult::Run(made));
        chain.tell(input);
        let mut failed = report("a", RunState::Failed, 5);
        (failed.run, failed.note) = (run, Some("connection reset".to_owned()));
        chain.tell(Input::Reported(failed));
        chain.inputs += 1_000;
        chain.tell(Input::Woken(chain.chain().id));
    }
    assert_eq!(chain.step("a").state, S::Failed);
    assert_eq!(chain.step("a").reason.code, Code::NetworkFailed);
}

#[test]
fn what_people_have_tried_again_uses_up_no_attempt_that_begins_by_itself() {
    let mut chain = ChainFixture::single().running();
    for _ in 0..4 {
        chain.bring("a", S::Failed);
        chain.tell(retry(&chain, None, false));
        chain.state.as_mut().unwrap().steps[0].course.past_runs.clear();
    }
    chain.bring("a", S::Planning);
    chain.tell(chain.failed_by("a", "read: connection reset by peer"));
    assert_eq!((chain.step("a").state, chain.step("a").course.attempt), (S::Retrying, 5));
    let text = &chain.step("a").reason.text;
    assert!(text.contains("attempt 2 of 3 begins at"), "{text}");
}

#[test]
fn a_step_that_waits_for_its_next_attempt_can_be_told_to_begin_or_to_end() {
    let chain = ChainFixture::single().running().with("a", S::Retrying);
    let mut now = chain.clone();
    let told = now.tell(retry(&now, None, false));
    assert_eq!(told, ["gate.requested before_plan a", "chain.ordered -"]);
    let mut over = chain;
    let told = over.tell(cancel(&over, Some("a"), false));
    assert_eq!(told, ["step.finished a canceled", "chain.ordered -", "chain.finished canceled"]);
}

#[test]
fn an_attempt_that_is_not_wanted_any_more_wakes_nobody() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &[])];
    let mut chain = ChainFixture::of(stacks).running();
    for stack in ["a", "b"] {
        chain.bring(stack, S::Retrying);
    }
    chain.tell(cancel(&chain, Some("a"), false));
    assert_eq!(crate::decide::wake_at(chain.chain()), chain.step("b").course.retry_at);
    assert_eq!(chain.step("a").course.retry_at, None);
}

#[test]
fn a_chain_gives_way_to_a_newer_one_if_it_is_to() {
    let by = contracts::ChainId(Uuid::from_u128(2));
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &[])];
    let mut chain = ChainFixture::of(stacks).giving_way().running();
    chain.bring("c", S::Applying);
    chain.bring("a", S::GatingApply);
    let superseded = Input::Superseded(crate::input::Superseded { chain: chain.chain().id, by });
    assert_eq!(chain.tell(superseded.clone()), ["step.finished b canceled", "run.cancel a"]);
    assert_eq!(chain.step("a").reason.code, Code::Superseded);
    assert!(chain.step("b").reason.text.contains(&by.to_string()), "{}", chain.step("b").reason);
    assert_eq!(chain.step("c").state, S::Applying, "what applies is let finish");
    assert!(chain.tell(superseded.clone()).is_empty(), "once is enough");

    let mut stays = ChainFixture::single().running();
    assert!(stays.tell(superseded).is_empty());
}

#[test]
fn a_chain_that_stops_at_its_first_failure_starts_nothing_new_and_lets_runs_finish() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &[]), ("d", &["c"])];
    let mut chain = ChainFixture::of(stacks).failing_fast().running();
    let mut chain = {
        chain.bring("b", S::Planning);
        chain.with("a", S::Planning)
    };
    let told = chain.tell(chain.reported("a", RunState::Failed, 9));
    assert_eq!(
        told,
        ["step.finished a failed", "step.finished c skipped", "step.finished d skipped"]
    );
    assert_eq!(chain.step("c").reason.code, Code::ChainStopped);
    assert_eq!(chain.step("b").state, S::Planning);
    // Tried again, also what was stopped follows.
    chain.tell(retry(&chain, None, false));
    assert_eq!(chain.states(), "a gating_plan, b planning, c gating_plan, d waiting");
}

#[test]
fn a_chain_that_is_tried_again_before_its_cancel_is_through_is_cancelled_no_more() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &[])];
    let mut chain = ChainFixture::of(stacks).running().with("a", S::Applying);
    chain.tell(cancel(&chain, None, false));
    assert_eq!(chain.states(), "a applying, b canceled");
    chain.tell(retry(&chain, Some("b"), false));
    assert_eq!(chain.states(), "a applying, b gating_plan");
    assert_eq!(chain.chain().reason.code, Code::Retried);
    chain.bring("b", S::Planning);
    chain.tell(chain.failed_by("b", "read: connection reset by peer"));
    assert_eq!(chain.step("b").state, S::Retrying, "as of any chain");
    assert!(chain.chain().course.again_at.is_some(), "what was newer gives way no more");
}

#[test]
fn a_chain_that_has_stopped_asks_for_no_run_in_place_of_one_that_comes_to_nothing() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &["b"])];
    let stopped = |b: S| {
        let chain = ChainFixture::of(stacks).failing_fast();
        let mut chain = chain.labelled("c", "stackly:on=failure:b").running().with("b", b);
        chain.bring("a", S::Planning);
        chain.tell(chain.reported("a", RunState::Failed, 9));
        chain
    };
    let mut failed = stopped(S::Planning);
    failed.tell(failed.failed_by("b", "read: connection reset by peer"));
    assert_eq!(failed.states(), "a failed, b failed, c gating_plan", "it is there for failures");

    let mut held = stopped(S::Triggering);
    assert!(held.step("b").course.withheld, "its call is made no more if it has to wait");
    held.tell(held.gate_says("b", Outcome::Pass));
    assert!(held.step("b").course.withheld, "the policies have no say in that");
    held.tell(held.concluded("b", CallKind::Trigger, CallResult::HeldUp));
    assert_eq!(held.states(), "a failed, b skipped, c finished");
    assert_eq!(held.step("b").reason.code, Code::ChainStopped);

    let mut stale = stopped(S::GatingApply);
    stale.tell(stale.denied("b", Code::PlanStale));
    stale.tell(stale.reported("b", RunState::Discarded, 9));
    assert_eq!(stale.states(), "a failed, b denied, c finished");

    // A person has it go on, until the next failure.
    held.tell(retry(&held, None, false));
    held.bring("b", S::Planning);
    held.tell(held.failed_by("b", "read: connection reset by peer"));
    assert_eq!(held.states(), "a gating_plan, b retrying, c waiting");
}

#[test]
fn a_preview_that_nobody_wants_any_more_ends_with_its_runs_and_its_questions() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &[])];
    let mut chain = ChainFixture::of(stacks).preview().running();
    chain.bring("a", S::Planning);
    let withdrawn = Input::Withdrawn(ChainWithdrawn {
        chain: chain.chain().id,
        change: chain.chain().change.clone(),
        reason: Reason::new(Code::PullRequestClosed, "pull request 7 was closed"),
    });
    let told = chain.tell(withdrawn.clone());
    assert_eq!(told, ["step.finished b canceled", "step.finished c canceled", "run.cancel a"]);
    assert!(chain.tell(withdrawn.clone()).is_empty(), "once is enough");
    let told = chain.tell(chain.reported("a", RunState::Canceled, 9));
    assert_eq!(told, ["step.finished a canceled", "chain.finished canceled"]);
    assert_eq!(chain.chain().reason.code, Code::PullRequestClosed);

    let mut held = ChainFixture::single().preview().gating();
    assert_eq!(held.tell(withdrawn), ["step.finished a canceled", "chain.finished canceled"]);
}
