use contracts::{
    Code, Reason, RunId,
    chain::ChainState,
    gate::Outcome,
    order::OrderKind,
    run::{RunReported, RunState},
    step::StepState as S,
};

use crate::{
    call::{CallKind, refusal},
    chain::Hold,
    fixtures::{COMMIT, ChainFixture, at, call, seen},
    input::{CallResult, Input},
};

fn reason() -> Reason {
    Reason::new(Code::SpaceliftRefused, "Spacelift refused")
}

#[test]
fn the_trigger_carries_everything_the_call_needs() {
    let mut chain = ChainFixture::single().running();
    let decision = chain.decide(chain.gate_says("a", Outcome::Pass));
    let [effect] = &decision.effects[..] else { panic!("one call: {:?}", decision.effects) };
    assert_eq!(effect.lane, "stack/a");
    assert_eq!(effect.key, chain.chain().id.0);
    assert_eq!(effect.kind, "run.trigger");
    let call = call(effect);
    assert_eq!(call.commit, Some(COMMIT.into()));
    assert!(call.touched && !call.preview);
    assert_eq!((call.run, call.plan_version), (None, None));
    assert_eq!(call.since, at(1), "when the chain began");
}

#[test]
fn a_refused_call_ends_the_step_with_spacelifts_words() {
    for (state, kind) in [
        (S::Triggering, CallKind::Trigger),
        (S::Confirming, CallKind::Confirm),
        (S::Discarding, CallKind::Discard),
    ] {
        let mut chain = ChainFixture::single().running().with("a", state);
        let refused = chain.concluded("a", kind, CallResult::Refused(reason()));
        assert_eq!(chain.tell(refused), ["step.finished a failed", "chain.finished failed"]);
        assert_eq!(chain.step("a").reason, reason());
    }
}

#[test]
fn what_a_stack_is_called_says_nothing_about_why_its_run_failed() {
    for (name, words, code) in [
        ("policy-stack", "the commit is gone", Code::SpaceliftRefused),
        ("throttler", "no worker pool", Code::SpaceliftRefused),
        ("net", "denied by a plan policy", Code::RunDenied),
    ] {
        let mut chain = ChainFixture::of(&[(name, &[])]).running().with(name, S::Triggering);
        let text = format!("{}{words}", refusal(CallKind::Trigger, &name.into()));
        let refused = CallResult::Refused(Reason::new(Code::SpaceliftRefused, text));
        chain.tell(chain.concluded(name, CallKind::Trigger, refused));
        assert_eq!((chain.step(name).state, chain.step(name).reason.code), (S::Failed, code));
    }
}

#[test]
fn a_call_about_what_is_gone_ends_the_step_and_says_if_a_person_must_look() {
    for (state, kind, end) in [
        (S::Triggering, CallKind::Trigger, S::Failed),
        (S::Confirming, CallKind::Confirm, S::Unknown),
        (S::Discarding, CallKind::Discard, S::Failed),
    ] {
        let mut chain = ChainFixture::single().running().with("a", state);
        chain.tell(chain.concluded("a", kind, CallResult::Gone(reason())));
        assert_eq!(chain.step("a").state, end);
        assert_eq!(chain.chain().state, ChainState::Failed);
    }
}

#[test]
fn a_run_that_may_have_been_made_on_a_stack_that_is_gone_is_unknown_if_it_applies_by_itself() {
    let plain = ChainFixture::single();
    let applies = plain.clone().autodeploying("a");
    let preview = applies.clone().preview();
    for (chain, end) in [(plain, S::Failed), (applies, S::Unknown), (preview, S::Failed)] {
        let mut chain = chain.running().with("a", S::Triggering);
        chain.tell(chain.concluded("a", CallKind::Trigger, CallResult::GoneUnseen(reason())));
        assert_eq!(chain.step("a").state, end);
        assert_eq!(chain.step("a").keeps_stack(), end == S::Unknown);
    }
}

#[test]
fn a_call_that_is_answered_after_the_step_ended_changes_nothing() {
    let mut chain = ChainFixture::diamond().running().with("b", S::Confirming);
    chain.tell(chain.reported("b", RunState::Discarded, 6));
    let before = chain.states();
    for result in [
        CallResult::Refused(reason()),
        CallResult::Gone(reason()),
        CallResult::Run(seen(chain.report("b", RunState::Discarded, 6))),
    ] {
        assert!(chain.tell(chain.concluded("b", CallKind::Confirm, result)).is_empty());
        assert_eq!(chain.states(), before);
    }
}

#[test]
fn a_call_that_is_over_frees_the_lane_for_whoever_queues() {
    let mut chain = ChainFixture::single().running().with("a", S::Finished);
    let result = CallResult::Run(seen(chain.report("a", RunState::Finished, 9)));
    chain.tell(chain.concluded("a", CallKind::Confirm, result));
    assert_eq!(chain.chain().changes.freed, ["a".into()].into());
}

#[test]
fn the_answer_of_a_confirm_moves_the_step_as_a_report_would() {
    let mut chain = ChainFixture::single().running().with("a", S::Confirming);
    let confirmed = seen(chain.report("a", RunState::Confirmed, 6));
    let told = chain.concluded("a", CallKind::Confirm, CallResult::Run(confirmed));
    assert_eq!(chain.tell(told), ["step.applying a"]);
    assert!(chain.tell(chain.reported("a", RunState::Confirmed, 6)).is_empty());
}

#[test]
fn steps_that_must_not_run_have_their_native_runs_withdrawn() {
    let mut failed = ChainFixture::diamond().native().running().with("a", S::Planning);
    assert_eq!(
        failed.tell(failed.reported("a", RunState::Failed, 4)),
        [
            "step.finished a failed",
            "step.finished b skipped",
            "step.finished c skipped",
            "step.finished d skipped",
            "chain.finished failed",
            "run.withdraw b",
            "run.withdraw c",
            "run.withdraw d",
        ]
    );
    let mut denied = ChainFixture::diamond().native().running().with("a", S::Finished);
    assert_eq!(
        denied.tell(denied.gate_says("b", Outcome::Deny)),
        ["step.finished b denied", "step.finished d skipped", "run.withdraw b", "run.withdraw d"]
    );
}

/// Each attempt of a parent has Spacelift make runs below it anew.
#[test]
fn what_fails_again_has_the_native_runs_below_it_withdrawn_again() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
    let mut chain = ChainFixture::of(stacks).native().running();
    let mut fail = || {
        chain.bring("a", S::Planning);
        let decision = chain.decide(chain.reported("a", RunState::Failed, 9));
        chain.tell(chain.order(OrderKind::Retry, Some("a"), false));
        decision.effects.iter().map(|it| (it.kind, it.id)).collect::<Vec<_>>()
    };
    let (first, second) = (fail(), fail());
    assert_eq!(first.iter().map(|it| it.0).collect::<Vec<_>>(), ["run.withdraw", "run.withdraw"]);
    assert!(second.len() == 2 && second.iter().all(|it| !first.contains(it)), "{second:?}");
}

/// Spacelift would skip `b` and go on with `c`.
#[test]
fn what_is_to_be_tried_again_has_the_native_runs_below_it_withdrawn() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
    let mut chain = ChainFixture::of(stacks).native().running().with("a", S::Planning);
    let told = chain.tell(chain.failed_by("a", "read: connection reset by peer"));
    assert_eq!(told, ["step.retrying a", "run.withdraw b", "run.withdraw c"]);
    assert_eq!(chain.states(), "a retrying, b waiting, c waiting");
}

/// Their runs come with that of their parent.
#[test]
fn what_was_cancelled_before_its_parent_ran_has_its_native_run_withdrawn_then() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
    let mut chain = ChainFixture::of(stacks).native().running().with("a", S::Triggering);
    chain.tell(chain.order(OrderKind::Cancel, None, false));
    assert_eq!(chain.states(), "a triggering, b canceled, c canceled");
    let told = chain.tell(chain.triggered("a"));
    assert_eq!(&told[told.len() - 3..], ["run.withdraw b", "run.withdraw c", "run.cancel a"]);
    let told = chain.tell(chain.reported("a", RunState::Discarded, 9));
    assert!(told.ends_with(&["run.withdraw b".into(), "run.withdraw c".into()]), "{told:?}");
}

#[test]
fn a_native_run_that_spacelift_skipped_has_what_is_below_it_withdrawn() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
    let mut chain = ChainFixture::of(stacks).native().running().with("b", S::Planning);
    let report = chain.report("b", RunState::Skipped, 3);
    let skipped = RunReported { triggered_by: Some("a".to_owned()), ..report };
    assert_eq!(chain.tell(Input::Reported(skipped)), ["run.withdraw c", "run.trigger b"]);
}

/// Spacelift would skip `c` and go on with `d`.
#[test]
fn what_queues_behind_another_chain_has_the_native_runs_below_it_withdrawn() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &["c"])];
    let chain = ChainFixture::of(stacks).native().autodeploying("d").running();
    let mut chain = chain.with("a", S::Finished).held_by("b", 2, Hold::Runs);
    let told = chain.tell(chain.gate_says("b", Outcome::Pass));
    assert_eq!(told, ["run.withdraw b", "run.withdraw c", "run.withdraw d"]);
    assert_eq!(chain.states(), "a finished, b queued, c waiting, d waiting");

    // Nothing came with a run of its own that is yet to be.
    let chain = ChainFixture::of(stacks).natively_below("b").running();
    let mut chain = chain.with("a", S::Finished).held_by("b", 2, Hold::Runs);
    assert!(chain.tell(chain.gate_says("b", Outcome::Pass)).is_empty());
}

/// How far back and up to where a withdrawal looks, by step.
fn withdrawn_with_the_run_of(stack: &str, mut chain: ChainFixture) -> Vec<String> {
    let decision = chain.decide(chain.triggered(stack));
    let calls = decision.effects.iter().map(call);
    calls
        .filter(|call| call.call == CallKind::Withdraw)
        .map(|call| {
            let id = |run: Option<RunId>| run.map(|run| run.0).unwrap_or_default();
            format!("{}<{}<{}", id(call.after), call.stack, id(call.before))
        })
        .collect()
}

/// What came with the run of `b` is no good, and neither is what came before that.
#[test]
fn what_is_withdrawn_twice_at_once_is_so_both_times() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
    let mut chain = ChainFixture::of(stacks).native().running().with("b", S::Triggering);
    chain.tell(chain.reported("b", RunState::Failed, 9));
    assert_eq!(withdrawn_with_the_run_of("b", chain), ["<c<run-b", "<c<"]);
}

#[test]
fn what_spacelift_would_run_before_its_turn_is_withdrawn_as_soon_as_there_is_a_run() {
    let stacks: &[(&str, &[&str])] =
        &[("a", &[]), ("b", &[]), ("c", &["a", "b"]), ("d", &["c"]), ("e", &["a"])];
    let chain = ChainFixture::of(stacks).native().running();
    let first = chain.clone().with("a", S::Triggering);
    assert_eq!(withdrawn_with_the_run_of("a", first), ["run-a<c<", "run-a<d<"]);
    // What came with `b` waits for all that is still to be waited for.
    let second = chain.with("a", S::Finished).with("b", S::Triggering);
    assert_eq!(withdrawn_with_the_run_of("b", second), Vec::<String>::new());
}

/// The step's own run came after one of Spacelift's, so nothing says which run is meant.
#[test]
fn what_is_withdrawn_before_its_turn_may_be_yet_to_come_whatever_it_comes_with() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("x", &[]), ("b", &["a"]), ("c", &["b", "x"])];
    let mut chain = ChainFixture::of(stacks).native().running().with("b", S::Triggering);
    let decision = chain.decide(chain.triggered("b"));
    let mut calls = decision.effects.iter().map(call);
    let withdrawal = calls.find(|call| call.call == CallKind::Withdraw).unwrap();
    assert_eq!((withdrawal.stack.as_str(), withdrawal.after), ("c", None));
    assert!(withdrawal.is_early);
}

#[test]
fn below_a_parent_that_spacelift_does_not_know_nothing_goes_on_too_early() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b", "a"])];
    let chain = ChainFixture::of(stacks).natively_below("a");
    let any = chain.clone().labelled("c", "stackly:join=any");
    let begun = |chain: ChainFixture| chain.running().with("a", S::Triggering);
    assert_eq!(withdrawn_with_the_run_of("a", begun(chain)), ["run-a<c<"]);
    assert_eq!(withdrawn_with_the_run_of("a", begun(any)), Vec::<String>::new());
}

#[test]
fn a_trigger_says_when_the_last_of_what_it_waits_for_had_ended() {
    let mut chain = ChainFixture::of(&[("a", &[]), ("b", &[]), ("c", &["a", "b"])]).running();
    chain.bring("a", S::Planning);
    chain.bring("b", S::Planning);
    chain.tell(chain.reported("b", RunState::Finished, 90));
    chain.tell(chain.reported("a", RunState::Finished, 70));
    let decision = chain.decide(chain.gate_says("c", Outcome::Pass));
    assert_eq!(call(&decision.effects[0]).not_before, Some(at(90)));
}

#[test]
fn a_run_that_spacelift_applied_before_its_turn_is_told_and_not_doubled() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
    let mut chain = ChainFixture::of(stacks).native().running().with("b", S::Triggering);
    let seen = seen(chain.report("b", RunState::Finished, 9));
    let told = chain.tell(chain.concluded("b", CallKind::Trigger, CallResult::TooEarly(seen)));
    assert!(told.starts_with(&["step.started b".into(), "step.finished b failed".into()]));
    assert!(!told.iter().any(|line| line.starts_with("run.trigger")), "{told:?}");
    let step = chain.step("b");
    assert_eq!(step.reason.code, Code::RanTooEarly);
    assert_eq!(step.run.as_ref().map(|run| run.id.as_str()), Some("run-b"));
    chain.tell(chain.order(OrderKind::Retry, Some("b"), false));
    assert_eq!(chain.step("b").course.past_runs.len(), 1, "it is not taken for the next one");
}

#[test]
fn without_native_dependencies_there_is_nothing_to_withdraw() {
    let mut chain = ChainFixture::diamond().running().with("a", S::Planning);
    let told = chain.tell(chain.reported("a", RunState::Failed, 4));
    assert!(!told.iter().any(|line| line.starts_with("run.withdraw")), "{told:?}");
}

#[test]
fn a_native_run_that_cannot_be_ended_is_told_where_people_look() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"])];
    let chain = ChainFixture::of(stacks).native().running().with("a", S::Failed);
    let withdrawn = |state: RunState| {
        let mut chain = chain.clone();
        let report = RunReported { run: "native".into(), ..chain.report("b", state, 6) };
        let result = CallResult::Run(seen(report));
        assert!(chain.tell(chain.concluded("b", CallKind::Withdraw, result)).is_empty());
        chain.step("b").reason.text.clone()
    };
    let plain = "a, which it depends on, ended as failed";
    assert_eq!(withdrawn(RunState::Discarded), plain);
    assert_eq!(withdrawn(RunState::Stopped), plain);
    assert_eq!(
        withdrawn(RunState::Applying),
        format!(
            "{plain}; but Spacelift's own dependencies run it all the same: run native is APPLYING"
        )
    );
    let mut nothing = chain.clone();
    nothing.tell(nothing.concluded("b", CallKind::Withdraw, CallResult::Nothing));
    nothing.tell(nothing.concluded("b", CallKind::Withdraw, CallResult::Refused(reason())));
    assert_eq!(nothing.step("b").reason.text, plain);
}

#[test]
fn another_plan_of_a_run_is_confirmed_once_the_call_about_the_first_is_through() {
    let mut chain = ChainFixture::single().running().with("a", S::Confirming);
    chain.tell(chain.reported("a", RunState::Planning, 6));
    chain.tell(chain.reported("a", RunState::Unconfirmed, 7));
    assert_eq!(chain.tell(chain.gate_says("a", Outcome::Pass)), Vec::<String>::new());
    assert_eq!(chain.step("a").state, S::GatingApply);
    assert!(chain.step("a").reason.text.contains("an earlier plan"), "{:?}", chain.step("a"));
    let mut held = chain.clone();
    held.tell(held.gate_says("a", Outcome::HoldUntil { until: at(3_600) }));

    let through = |chain: &ChainFixture| {
        let seen = seen(chain.report("a", RunState::Unconfirmed, 7));
        chain.concluded("a", CallKind::Confirm, CallResult::Run(seen))
    };
    assert_eq!(chain.tell(through(&chain)), ["run.confirm a"]);
    assert_eq!(chain.step("a").state, S::Confirming);
    assert_eq!(held.tell(through(&held)), Vec::<String>::new(), "it has been held since");
}

#[test]
fn a_plan_is_discarded_whatever_became_of_the_call_about_an_earlier_one() {
    let mut chain = ChainFixture::single().running().with("a", S::Confirming);
    chain.tell(chain.reported("a", RunState::Planning, 6));
    chain.tell(chain.reported("a", RunState::Unconfirmed, 7));
    let decision = chain.decide(chain.gate_says("a", Outcome::Deny));
    assert_eq!(decision.effects[0].kind, "run.discard");
    assert_ne!(decision.effects[0].lane, "stack/a", "where the confirm is");
}
