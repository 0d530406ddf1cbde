use contracts::{
    Code,
    chain::{ChainState, EdgeOrigin},
    gate::Outcome,
    order::OrderKind,
    run::{Delta, RunReported, RunState},
    step::StepState as S,
};

use crate::{
    fixtures::{ChainFixture, alter_edges, call, planned, run_of},
    input::{Found, Input, Seen},
};

/// `a` before `b` before `c`, which only follow.
fn line() -> ChainFixture {
    ChainFixture::of(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]).following()
}

fn joined(rule: &str) -> ChainFixture {
    let chain = ChainFixture::of(&[("a", &[]), ("b", &[]), ("c", &[]), ("d", &["a", "b", "c"])]);
    chain.labelled("d", rule).running()
}

#[test]
fn what_only_follows_does_not_run_when_nothing_changed_and_neither_does_what_follows_it() {
    let mut chain = line().settled(&["b", "c"]).admitted();
    assert_eq!(
        chain.finds_nothing("a"),
        [
            "step.finished a finished",
            "step.finished b finished",
            "step.finished c finished",
            "chain.finished finished"
        ]
    );
    assert_eq!(chain.step("c").reason.code, Code::InputsUnchanged);
    assert!(chain.step("b").run.is_none());
    assert!(chain.step("b").reason.text.starts_with("not run: a changed nothing that b could"));
    let told = &chain.chain().reason.text;
    assert_eq!(told, "all 3 steps ended well, 2 of them because nothing they read has changed");
}

#[test]
fn what_cannot_be_known_to_be_unneeded_runs() {
    let runs = |mut chain: ChainFixture| {
        chain.finds_nothing("a");
        chain.step("b").state == S::GatingPlan
    };
    let settled = |chain: ChainFixture| chain.settled(&["b", "c"]).admitted();
    assert!(!runs(settled(line())));
    assert!(runs(line().settled(&["c"]).admitted()), "its last run may not have ended well");
    assert!(runs(settled(line().labelled("b", "stackly:always"))));
    assert!(runs(settled(line().running_always())));
    assert!(runs(settled(line().native())), "what is handed over natively, Spacelift judges");
    let touched = ChainFixture::of(&[("a", &[]), ("b", &["a"])]);
    assert!(runs(settled(touched)), "the change touches it itself");
}

#[test]
fn whether_a_run_applied_unheard_is_asked_where_others_are_spared_if_it_did_not() {
    let nothing = |chain: &ChainFixture| {
        let report = chain.report("a", RunState::Finished, 7);
        RunReported { delta: Some(Delta::default()), ..report }
    };
    let told = |settled: &[&str]| {
        let mut chain = line().settled(settled).admitted().with("a", S::Planning);
        chain.tell(chain.reported("a", RunState::Planning, 4));
        // Between 4 and 7 it may have been confirmed and applied: outputs change without resources.
        chain.tell(Input::Reported(nothing(&chain)));
        chain
    };
    let asked = |applied| {
        let mut chain = told(&["b", "c"]);
        assert_eq!(chain.states(), "a planning, b waiting, c waiting");
        assert!(chain.step("a").reason.text.contains("asked whether it applied"));
        assert_eq!(chain.step("a").heard_at, None, "at once");
        let report = nothing(&chain);
        let seen = Seen { finished: true, asked: true, applied: Some(applied), report };
        chain.tell(chain.polled("a", Found::Run(seen)));
        chain.states()
    };
    assert_eq!(asked(true), "a finished, b gating_plan, c waiting");
    assert_eq!(asked(false), "a finished, b finished, c finished");
    assert_eq!(told(&["c"]).states(), "a finished, b gating_plan, c waiting", "b runs anyway");
}

#[test]
fn a_native_run_that_spacelift_skips_for_unchanged_outputs_ends_well() {
    let skipped = |chain: &ChainFixture, note: &str| {
        let report = chain.report("b", RunState::Skipped, 3);
        Input::Reported(RunReported {
            triggered_by: Some("a".to_owned()),
            note: Some(note.to_owned()),
            ..report
        })
    };
    let note =
        "This run has dependency references (a.id) which have not changed since the last run";
    let planning = |chain: ChainFixture| chain.native().settled(&["b", "c"]).admitted();
    let mut chain = planning(line()).with("b", S::Planning);
    chain.tell(skipped(&chain, note));
    assert_eq!(chain.step("b").state, S::Finished);
    assert_eq!(chain.step("b").reason.code, Code::InputsUnchanged);
    assert_eq!(chain.step("c").state, S::GatingPlan, "c has native parents, so Spacelift is asked");

    let mut always = planning(line().labelled("b", "stackly:always")).with("b", S::Planning);
    always.tell(skipped(&always, note));
    assert_eq!(always.step("b").state, S::Triggering);
    let mut other = planning(line()).with("b", S::Planning);
    other.tell(skipped(&other, "a parent was discarded"));
    assert_eq!(other.step("b").state, S::Triggering, "why is not known");
    assert_eq!(run_of("b").as_str(), "run-b");
}

/// Of the other parent, Spacelift knows nothing.
#[test]
fn a_skip_by_spacelift_spares_nobody_who_also_reads_what_another_parent_changed() {
    let spared = |applies: bool| {
        let stacks: &[(&str, &[&str])] = &[("a", &[]), ("z", &[]), ("b", &["a", "z"])];
        let mut planned = planned(1, stacks);
        alter_edges(&mut planned, |edge| {
            if edge.parent.as_str() == "a" {
                edge.origins = vec![EdgeOrigin::Native { references: Vec::new() }].into();
            }
        });
        let mut chain = ChainFixture::planned_as(planned).following().settled(&["b"]).admitted();
        chain.finds_nothing("a");
        match applies {
            true => chain.bring("z", S::Finished),
            false => _ = chain.finds_nothing("z"),
        }
        let decision = chain.decide(chain.gate_says("b", Outcome::Pass));
        call(&decision.effects[0]).spared
    };
    assert!(spared(false));
    assert!(!spared(true));
}

#[test]
fn a_person_runs_what_was_not_needed_after_all_and_what_depends_on_it_follows() {
    let mut chain = line().settled(&["b", "c"]).admitted();
    chain.finds_nothing("a");
    assert_eq!(chain.chain().state, ChainState::Finished);

    let said = chain.tell(chain.order(OrderKind::Retry, Some("b"), false));
    assert!(said.contains(&"gate.requested before_plan b".to_owned()), "{said:?}");
    assert_eq!(chain.states(), "a finished, b gating_plan, c waiting");
    assert_eq!(chain.chain().state, ChainState::Running);
    chain.bring("c", S::Finished);
    assert_eq!(chain.chain().state, ChainState::Finished);
}

#[test]
fn any_parent_is_enough_where_the_rule_says_so() {
    let mut chain = joined("stackly:join=any");
    assert_eq!(chain.step("d").reason.text, "waits for a, b, c: 0 of 3 ended well, and 1 must");
    chain.bring("a", S::Failed);
    assert_eq!(chain.step("d").reason.text, "waits for b, c: 0 of 3 ended well, and 1 must");
    chain.bring("b", S::Finished);
    assert_eq!(chain.step("d").state, S::GatingPlan);
    chain.bring("c", S::Failed);
    assert_eq!(chain.step("d").state, S::GatingPlan, "what has begun goes on");
}

#[test]
fn a_rule_that_cannot_be_met_any_more_skips_the_step_with_its_numbers() {
    let mut chain = joined("stackly:join=2");
    chain.bring("a", S::Failed);
    assert_eq!(chain.step("d").state, S::Waiting);
    chain.bring("b", S::Finished);
    assert_eq!(chain.step("d").state, S::Waiting);
    chain.bring("c", S::Failed);
    assert_eq!(chain.step("d").state, S::Skipped);
    assert_eq!(
        chain.step("d").reason.text,
        "c, which it depends on, ended as failed: 1 of 3 ended well, and 2 must"
    );
    chain.tell(chain.order(OrderKind::Retry, Some("c"), false));
    assert_eq!(chain.step("d").state, S::Waiting, "the rule can be met again");
}

/// A step that is asked about its plan runs to its end.
fn run(chain: &mut ChainFixture, stack: &str) {
    chain.tell(chain.gate_says(stack, Outcome::Pass));
    chain.tell(chain.triggered(stack));
    chain.tell(chain.reported(stack, RunState::Finished, 9));
    assert_eq!(chain.step(stack).state, S::Finished);
}

/// `b` runs if `a` fails, `c` however it ends, and `d` after `b`.
fn repaired() -> ChainFixture {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b"])];
    let chain = ChainFixture::of(stacks).labelled("b", "stackly:on=failure:a");
    chain.labelled("c", "stackly:on=always")
}

#[test]
fn what_is_there_for_failures_runs_only_then_and_need_not_otherwise() {
    let failed = repaired().running().with("a", S::Failed);
    assert_eq!(failed.states(), "a failed, b gating_plan, c gating_plan, d waiting");
    let well = repaired().running().with("a", S::Finished);
    assert_eq!(well.states(), "a finished, b finished, c gating_plan, d gating_plan");
    let reason = &well.step("b").reason;
    assert_eq!(reason.code, Code::ConditionUnmet);
    assert!(reason.text.ends_with("only if a step fails, and a ended as finished"), "{reason}");
    let denied = repaired().running().with("a", S::Denied);
    assert_eq!(denied.states(), "a denied, b finished, c gating_plan, d gating_plan");
}

#[test]
fn what_is_there_for_failures_runs_though_the_chain_stops_at_the_first() {
    let mut chain = repaired().failing_fast().running().with("a", S::Failed);
    assert_eq!(chain.states(), "a failed, b gating_plan, c gating_plan, d skipped");
    run(&mut chain, "b");
    run(&mut chain, "c");
    assert_eq!(chain.chain().state, ChainState::Failed);
}

#[test]
fn what_was_decided_by_an_end_is_decided_anew_when_that_is_tried_again() {
    let mut chain = repaired().running().with("a", S::Failed);
    run(&mut chain, "b");
    run(&mut chain, "c");
    chain.tell(chain.order(OrderKind::Retry, Some("a"), false));
    assert_eq!(chain.states(), "a gating_plan, b waiting, c waiting, d gating_plan");
}

#[test]
fn a_step_is_not_tried_again_while_what_is_there_for_its_end_runs() {
    let mut chain = repaired().running().with("a", S::Failed);
    run(&mut chain, "c");
    chain.tell(chain.gate_says("b", Outcome::Pass));
    for about in [None, Some("a")] {
        let text = chain.refused(chain.order(OrderKind::Retry, about, false));
        let why = "b, which is there for how a ended, is triggering; a can be tried again once";
        assert!(text.starts_with(why), "{text}");
    }
    chain.tell(chain.triggered("b"));
    chain.tell(chain.reported("b", RunState::Finished, 9));
    chain.tell(chain.order(OrderKind::Retry, Some("a"), false));
    assert_eq!(chain.step("a").state, S::GatingPlan);
}

#[test]
fn who_waits_for_one_that_fails_and_one_that_ends_well_needs_both() {
    let chain = ChainFixture::of(&[("a", &[]), ("b", &[]), ("c", &["a", "b"])]);
    let chain = chain.labelled("c", "stackly:on=failure:a").running();
    let both = chain.clone().with("a", S::Failed).with("b", S::Finished);
    assert_eq!(both.step("c").state, S::GatingPlan);
    let neither = chain.clone().with("b", S::Failed);
    assert_eq!(neither.step("c").state, S::Skipped);
    assert_eq!(chain.with("a", S::Finished).step("c").state, S::Finished);
}

#[test]
fn a_step_whose_condition_cannot_be_read_does_not_run_and_says_so() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
    let chain = ChainFixture::of(stacks).labelled("b", "stackly:on=failur:a").running();
    assert_eq!(chain.states(), "a gating_plan, b skipped, c skipped");
    let reason = &chain.step("b").reason;
    assert_eq!(reason.code, Code::ConditionUnread);
    assert!(reason.text.starts_with("`stackly:on=failur:a` says neither"), "{reason}");
}

#[test]
fn what_is_no_step_before_it_has_not_failed() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
    let labelled = |label| ChainFixture::of(stacks).labelled("b", label);
    let typo = labelled("stackly:on=failure:aa");
    let well = typo.clone().running().with("a", S::Finished);
    assert_eq!(well.states(), "a finished, b finished, c gating_plan");
    let reason = &well.step("b").reason;
    assert_eq!(reason.code, Code::ConditionUnmet);
    assert!(reason.text.ends_with("in this chain is called `aa`"), "{reason}");
    let however = labelled("stackly:on=always:aa").running().with("a", S::Finished);
    assert_eq!(however.step("b").state, S::GatingPlan, "it waits for no failure");
    let either = typo.labelled("b", "stackly:join=any").running().with("a", S::Finished);
    assert_eq!(either.step("b").state, S::GatingPlan, "one of them is enough");

    let alone = ChainFixture::single().labelled("a", "stackly:on=failure").running();
    assert_eq!(alone.states(), "a finished");
    assert!(alone.step("a").reason.text.ends_with("nothing it depends on is in this chain"));
    let preview = ChainFixture::single().labelled("a", "stackly:on=failure").preview().running();
    assert_eq!(preview.states(), "a gating_plan", "nothing is applied");
}
