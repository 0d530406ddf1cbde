use contracts::{
    Action, Code, RunId,
    gate::Outcome,
    order::OrderKind,
    run::{RunReported, RunState, RunType},
    step::StepState as S,
};

use crate::{
    call::CallKind,
    fixtures::{ChainFixture, call, planned, run_of, seen},
    input::{CallResult, Found, Input},
};

#[test]
fn a_webhook_before_the_triggers_answer_is_kept_and_counts_once_the_run_is_known() {
    let mut chain = ChainFixture::single().running().with("a", S::Triggering);
    for (state, version) in [(RunState::Unconfirmed, 5), (RunState::Planning, 3)] {
        assert!(chain.tell(chain.reported("a", state, version)).is_empty());
    }
    assert_eq!(
        chain.tell(chain.triggered("a")),
        ["step.started a", "step.planned a", "gate.requested before_apply a"]
    );
    assert!(chain.step("a").early.is_empty());
}

#[test]
fn a_run_may_have_ended_before_the_triggers_answer() {
    let mut chain = ChainFixture::single().running().with("a", S::Triggering);
    chain.tell(chain.reported("a", RunState::Failed, 6));
    assert_eq!(
        chain.tell(chain.triggered("a")),
        ["step.started a", "step.finished a failed", "chain.finished failed"]
    );
}

#[test]
fn runs_of_others_on_the_same_stack_are_none_of_our_business() {
    let foreign = |chain: &ChainFixture, state, version| {
        let run = RunId("somebody-elses".to_owned());
        Input::Reported(RunReported { run, ..chain.report("a", state, version) })
    };
    let mut chain = ChainFixture::single().running().with("a", S::Triggering);
    chain.tell(foreign(&chain, RunState::Failed, 6));
    assert_eq!(chain.tell(chain.triggered("a")), ["step.started a"]);
    assert!(chain.step("a").early.is_empty());
    for state in [S::Planning, S::GatingApply, S::Applying] {
        chain.bring("a", state);
        assert!(chain.tell(foreign(&chain, RunState::Failed, 60)).is_empty());
        assert_eq!(chain.step("a").state, state);
        assert!(chain.chain().changes.steps.is_empty(), "nothing to write");
    }
}

#[test]
fn before_its_run_is_asked_for_a_step_keeps_no_reports() {
    for state in [S::GatingPlan, S::Queued] {
        let mut chain = ChainFixture::single().running().with("a", state);
        assert!(chain.tell(chain.reported("a", RunState::Planning, 3)).is_empty());
        assert!(chain.step("a").early.is_empty());
    }
}

#[test]
fn a_report_of_another_type_of_run_is_not_kept() {
    let mut deploy = ChainFixture::single().running().with("a", S::Triggering);
    let proposed =
        RunReported { run_type: RunType::Proposed, ..deploy.report("a", RunState::Planning, 3) };
    deploy.tell(Input::Reported(proposed));
    assert!(deploy.step("a").early.is_empty());

    let mut preview = ChainFixture::single().preview().running().with("a", S::Triggering);
    let tracked =
        RunReported { run_type: RunType::Tracked, ..preview.report("a", RunState::Planning, 3) };
    preview.tell(Input::Reported(tracked));
    assert!(preview.step("a").early.is_empty());
    preview.tell(preview.reported("a", RunState::Planning, 3));
    assert_eq!(preview.step("a").early.len(), 1);
}

#[test]
fn a_report_about_a_stack_that_is_not_in_the_chain_changes_nothing() {
    let mut chain = ChainFixture::single().running();
    assert!(chain.tell(chain.reported("elsewhere", RunState::Failed, 6)).is_empty());
    assert!(chain.chain().changes.steps.is_empty());
}

#[test]
fn duplicates_and_reports_out_of_order_lead_to_nothing_twice() {
    let mut chain = ChainFixture::single().running().with("a", S::Planning);
    let planned = chain.reported("a", RunState::Unconfirmed, 5);
    assert_eq!(chain.tell(planned.clone()).len(), 2);
    assert!(chain.tell(planned).is_empty());
    assert!(chain.tell(chain.reported("a", RunState::Planning, 3)).is_empty());
    assert_eq!(chain.step("a").state, S::GatingApply);
    assert!(chain.chain().changes.steps.is_empty(), "old news is not written");
}

#[test]
fn a_stack_that_applies_by_itself_goes_through_without_a_gate_before_the_apply() {
    let mut chain = ChainFixture::single().autodeploying("a").running().with("a", S::Planning);
    assert_eq!(chain.tell(chain.reported("a", RunState::Applying, 5)), ["step.applying a"]);
    assert_eq!(
        chain.tell(chain.reported("a", RunState::Finished, 6)),
        ["step.finished a finished", "chain.finished finished"]
    );
}

#[test]
fn if_every_report_but_the_last_is_lost_the_step_still_ends() {
    for state in [S::Planning, S::GatingApply, S::Confirming, S::Applying] {
        let mut chain = ChainFixture::single().running().with("a", state);
        assert_eq!(
            chain.tell(
                chain.polled("a", Found::Run(seen(chain.report("a", RunState::Finished, 9))))
            ),
            ["step.finished a finished", "chain.finished finished"],
            "{state}"
        );
    }
}

#[test]
fn a_run_that_is_gone_is_told_after_some_looks_and_forgotten_when_it_is_back() {
    let mut chain = ChainFixture::single().running().with("a", S::Planning);
    let usual = chain.step("a").reason.clone();
    for _ in 0..2 {
        assert!(chain.tell(chain.polled("a", Found::NoRun)).is_empty());
    }
    assert_eq!(chain.step("a").reason, usual, "a list may be behind");
    chain.tell(chain.polled("a", Found::NoRun));
    assert_eq!(chain.step("a").reason.code, Code::RunGone);
    assert_eq!(chain.step("a").state, S::Planning);

    let back = seen(chain.report("a", RunState::Queued, 0));
    chain.tell(chain.polled("a", Found::Run(back)));
    assert_eq!(chain.step("a").reason.code, Code::RunInFlight);
    assert_eq!(chain.step("a").misses, 0);
}

#[test]
fn a_run_that_does_not_come_back_ends_its_step() {
    for (state, end) in [
        (S::Planning, S::Failed),
        (S::GatingApply, S::Failed),
        (S::Discarding, S::Failed),
        (S::Confirming, S::Unknown),
        (S::Applying, S::Unknown),
    ] {
        let mut chain = ChainFixture::single().running().with("a", state);
        let mut looks = 0;
        while !chain.step("a").state.is_terminal() {
            assert!(looks < 100, "it waits for ever");
            chain.tell(chain.polled("a", Found::NoRun));
            looks += 1;
        }
        assert_eq!((chain.step("a").state, looks), (end, 60), "{state}");
        assert_eq!(chain.step("a").reason.code, Code::RunGone);
    }
}

#[test]
fn a_stack_that_goes_under_its_plan_is_for_a_person_only_if_the_run_would_have_applied_by_itself() {
    let plain = ChainFixture::single();
    let applies = plain.clone().autodeploying("a");
    let preview = applies.clone().preview();
    let mut planned = planned(1, &[("a", &[])]);
    planned.action = Action::Destroy;
    let destroys = ChainFixture::planned_as(planned);
    let ends = [S::Failed, S::Unknown, S::Failed, S::Unknown];
    for (chain, end) in [plain, applies, preview, destroys].into_iter().zip(ends) {
        let mut chain = chain.running().with("a", S::Planning);
        for _ in 0..3 {
            chain.tell(chain.polled("a", Found::NoStack));
        }
        assert_eq!(chain.step("a").state, end);
    }
}

#[test]
fn what_several_executors_miss_at_the_same_time_is_missed_once() {
    let mut chain = ChainFixture::single().running().with("a", S::Applying);
    let glance = chain.polled("a", Found::NoStack);
    for _ in 0..3 {
        assert!(chain.tell(glance.clone()).is_empty());
        assert_eq!((chain.step("a").state, chain.step("a").misses), (S::Applying, 1));
    }
    chain.tell(chain.polled("a", Found::NoStack));
    assert_eq!(chain.step("a").misses, 2);
}

#[test]
fn a_stack_that_is_gone_ends_its_step_after_three_looks() {
    let mut chain = ChainFixture::diamond().running().with("b", S::Applying).with("c", S::Planning);
    for stack in ["b", "c"] {
        for _ in 0..2 {
            assert!(chain.tell(chain.polled(stack, Found::NoStack)).is_empty());
        }
    }
    assert_eq!(
        chain.tell(chain.polled("c", Found::NoStack)),
        ["step.finished c failed", "step.finished d skipped"]
    );
    assert_eq!(
        chain.step("c").reason.text,
        "Spacelift knows no stack c, or our API key may not see it"
    );
    assert_eq!(
        chain.tell(chain.polled("b", Found::NoStack)),
        ["step.finished b unknown", "chain.finished failed"]
    );
    let reason = &chain.step("b").reason;
    assert_eq!(reason.code, Code::StackGone);
    assert!(reason.text.contains("a person must look at what b manages"), "{}", reason.text);
}

#[test]
fn what_was_found_about_a_run_that_is_no_longer_ours_is_ignored() {
    let mut chain = ChainFixture::single().running().with("a", S::Triggering);
    for _ in 0..3 {
        assert!(chain.tell(chain.polled("a", Found::NoStack)).is_empty());
    }
    assert_eq!(chain.step("a").state, S::Triggering);
    assert!(chain.tell(chain.polled("elsewhere", Found::NoStack)).is_empty());
}

#[test]
fn a_native_run_that_spacelift_skips_is_replaced_by_one_of_our_own() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"])];
    let mut chain = ChainFixture::of(stacks).native().running().with("a", S::Finished);
    let first = chain.decide(chain.gate_says("b", Outcome::Pass));
    assert_eq!(call(&first.effects[0]).native_parents, ["a".into()]);
    let by_parent = |report: RunReported| RunReported { triggered_by: Some("a".into()), ..report };
    let native = seen(by_parent(chain.report("b", RunState::Queued, 0)));
    chain.tell(chain.concluded("b", CallKind::Trigger, CallResult::Run(native)));

    let skipped = by_parent(chain.report("b", RunState::Skipped, 1));
    let again = chain.decide(Input::Reported(skipped.clone()));

    assert_eq!(again.effects.len(), 1);
    assert_ne!(again.effects[0].id, first.effects[0].id, "it is another request");
    assert_eq!(call(&again.effects[0]).instead_of, Some(run_of("b")), "a lock is looked for");
    let step = chain.step("b");
    assert_eq!((step.state, &step.run), (S::Triggering, &None));
    assert!(step.reason.text.contains("a run of our own is asked for"));
    assert!(chain.tell(Input::Reported(skipped)).is_empty());
    let ours = RunReported { run: "ours".into(), ..chain.report("b", RunState::Queued, 0) };
    let told = chain.concluded("b", CallKind::Trigger, CallResult::Run(seen(ours)));
    assert_eq!(chain.tell(told), ["step.started b"]);
    assert_eq!(chain.step("b").run.as_ref().unwrap().id.as_str(), "ours");
}

/// The run that Spacelift made of `b` is followed, and then skipped.
fn adopts_what_is_skipped() -> (ChainFixture, Input) {
    let mut chain = ChainFixture::of(&[("a", &[]), ("b", &["a"])]).native().running();
    let skipped = adopts(&mut chain);
    (chain, skipped)
}

/// The run that Spacelift made of `b` is followed; gives that it is skipped.
fn adopts(chain: &mut ChainFixture) -> Input {
    chain.bring("b", S::Triggering);
    let by_parent = |report: RunReported| RunReported { triggered_by: Some("a".into()), ..report };
    let native = seen(by_parent(chain.report("b", RunState::Queued, 0)));
    chain.tell(chain.concluded("b", CallKind::Trigger, CallResult::Run(native)));
    Input::Reported(by_parent(chain.report("b", RunState::Skipped, 1)))
}

#[test]
fn a_run_of_our_own_takes_the_place_of_a_skipped_one_not_before_a_paused_step_is_resumed() {
    for about in [None, Some("b")] {
        let (mut chain, skipped) = adopts_what_is_skipped();
        chain.tell(chain.order(OrderKind::Pause, about, false));
        assert!(chain.tell(skipped).is_empty());
        assert_eq!(chain.step("b").state, S::GatingPlan);
        assert_eq!(chain.step("b").run, None);
        let told = chain.tell(chain.order(OrderKind::Resume, about, false));
        assert_eq!(told, ["chain.ordered -", "run.trigger b"]);
    }
}

#[test]
fn a_run_of_our_own_takes_the_place_of_a_skipped_one_not_before_an_old_answer_is_asked_for_anew() {
    let (mut chain, skipped) = adopts_what_is_skipped();
    chain.inputs += 600;
    assert_eq!(chain.tell(skipped), ["gate.requested before_plan b"]);
    assert_eq!(chain.tell(chain.gate_says("b", Outcome::Pass)), ["run.trigger b"]);
}

#[test]
fn no_run_of_our_own_takes_the_place_of_a_skipped_one_in_a_chain_that_has_stopped() {
    let chain = ChainFixture::of(&[("a", &[]), ("b", &["a"]), ("c", &[])]).failing_fast();
    let mut chain = chain.native().running();
    chain.bring("c", S::Planning);
    let skipped = adopts(&mut chain);
    chain.tell(chain.reported("c", RunState::Failed, 9));
    let told = chain.tell(skipped);
    assert_eq!(told, ["step.finished b skipped", "chain.finished failed"]);
    assert_eq!(chain.step("b").reason.code, Code::ChainStopped);
}

#[test]
fn a_run_of_our_own_that_spacelift_skips_has_failed() {
    let mut chain = ChainFixture::single().running().with("a", S::Planning);
    assert_eq!(
        chain.tell(chain.reported("a", RunState::Skipped, 1)),
        ["step.finished a failed", "chain.finished failed"]
    );
    assert_eq!(chain.step("a").reason.code, Code::RunSkipped);
}
