//! Waves: what starts when, what it waits for, and what becomes of it when something is wrong.

use std::time::Duration;

use contracts::{
    Code, chain::ChainState, gate::Outcome, order::OrderKind, run::RunState, step::StepState as S,
};

use super::share::shared;
use crate::{
    Input,
    checks::Hook,
    fixtures::{ChainFixture, at},
    input::{Answered, Checked},
    wake_at,
    waves::Rules,
    waves::{Failures, Stage},
};

/// `a` and `b` in the first wave, `c` in the second, `d` below it in none.
fn waves() -> ChainFixture {
    let chain = ChainFixture::of(&[("a", &[]), ("b", &[]), ("c", &[]), ("d", &["c"])]);
    chain
        .labelled("a", "stackly:wave=1")
        .labelled("b", "stackly:wave=1")
        .labelled("c", "stackly:wave=2")
        .gating()
}

fn soaking(seconds: u64, checks: &[&str]) -> Rules {
    let checks = checks.iter().map(|&check| check.to_owned()).collect();
    Rules { soak: Duration::from_secs(seconds), checks, ..Rules::default() }
}

fn checked(chain: &ChainFixture, check: &str, failed: Option<&str>) -> Input {
    let look = chain.chain().course.rollout.looks;
    let failed = failed.map(|said| format!("{check} {said}"));
    Input::Checked(Checked { chain: chain.chain().id, check: check.to_owned(), look, failed })
}

fn reason(chain: &ChainFixture, stack: &str) -> (Code, String) {
    let reason = &chain.step(stack).reason;
    (reason.code, reason.text.clone())
}

/// What is held after its checks.
fn held() -> ChainFixture {
    let mut chain = waves().ruled(soaking(0, &["shop", "errors"])).admitted();
    chain.bring("a", S::Finished);
    chain.bring("b", S::Finished);
    chain.tell(checked(&chain, "shop", Some("answers 503")));
    chain
}

#[test]
fn a_wave_begins_when_every_step_of_the_one_before_ended_well() {
    let mut chain = waves().admitted();
    assert_eq!(chain.states(), "a gating_plan, b gating_plan, c waiting, d waiting");
    let (code, text) = reason(&chain, "c");
    assert_eq!((code, text.as_str()), (Code::WaitingForWave, "waits until wave 1 is through"));

    chain.bring("a", S::Finished);
    assert_eq!(chain.step("c").state, S::Waiting, "b has not ended");
    chain.bring("b", S::Finished);
    assert_eq!(chain.states(), "a finished, b finished, c gating_plan, d waiting");
    assert_eq!(chain.chain().reason.text, "wave 1 has soaked");
}

#[test]
fn what_is_there_for_a_failure_waits_for_no_wave_once_that_has_come() {
    let stacks: &[(&str, &[&str])] =
        &[("a", &[]), ("b", &[]), ("back", &["a"]), ("note", &["a"]), ("rest", &[])];
    let mut chain = ChainFixture::of(stacks)
        .labelled("a", "stackly:canary")
        .labelled("b", "stackly:canary")
        .labelled("back", "stackly:on=failure:a")
        .labelled("note", "stackly:on=always:a")
        .labelled("note", "stackly:wave=3")
        .gating()
        .admitted();
    chain.bring("b", S::Failed);
    let states = "a gating_plan, b failed, back waiting, note waiting, rest skipped";
    assert_eq!(chain.states(), states, "how a ends is not known yet");
    let mut well = chain.clone();
    well.bring("a", S::Finished);
    let states = "a finished, b failed, back finished, note skipped, rest skipped";
    assert_eq!(well.states(), states, "it is not an end that anybody must hear of");

    chain.bring("a", S::Failed);
    let states = "a failed, b failed, back gating_plan, note gating_plan, rest skipped";
    assert_eq!(chain.states(), states);
}

#[test]
fn a_wave_soaks_until_its_time_is_over_and_the_chain_wants_to_be_woken_then() {
    let mut chain = waves().ruled(soaking(600, &[])).admitted();
    chain.bring("a", S::Finished);
    chain.bring("b", S::Finished);
    let now = i64::try_from(chain.inputs).unwrap();
    assert_eq!(wake_at(chain.chain()), Some(at(now + 600)));
    let (code, text) = reason(&chain, "c");
    assert_eq!(code, Code::Soaking);
    assert!(text.starts_with("waits for wave 1, which soaks until 2023-"), "{text}");

    assert!(chain.later(300).is_empty(), "too early");
    assert_eq!(chain.later(300), ["gate.requested before_plan c"]);
    assert_eq!(wake_at(chain.chain()), None);
}

#[test]
fn a_wave_in_which_nothing_changed_need_not_soak() {
    let mut chain = waves().ruled(soaking(600, &["shop"])).admitted();
    chain.finds_nothing("a");
    let said = chain.finds_nothing("b");
    assert_eq!(said, ["step.finished b finished", "gate.requested before_plan c"]);
}

#[test]
fn a_wave_soaks_also_if_a_run_of_another_chain_did_its_work() {
    let chain = ChainFixture::of(&[("a", &[]), ("b", &["a"]), ("c", &[])]).following();
    let chain = chain.labelled("b", "stackly:wave=1").labelled("c", "stackly:wave=2");
    let chain = chain.gating().ruled(soaking(600, &[])).admitted();
    let mut chain = shared(chain, "b", &[]);
    chain.bring("a", S::Finished);
    chain.tell(chain.gate_says("b", Outcome::Pass));
    assert_eq!(reason(&chain, "b").0, Code::RunShared);
    assert_eq!(reason(&chain, "c").0, Code::Soaking);
}

#[test]
fn a_wave_soaks_also_if_only_an_earlier_attempt_of_it_changed_something() {
    let rules = Rules { failures: Failures::Count(1), ..soaking(600, &[]) };
    let mut chain = waves().ruled(rules).admitted();
    chain.finds_nothing("b");
    chain.bring("a", S::Applying);
    chain.tell(chain.reported("a", RunState::Failed, 9));
    chain.tell(chain.order(OrderKind::Retry, Some("a"), false));
    chain.tell(chain.gate_says("a", Outcome::Deny));
    assert_eq!(chain.states(), "a denied, b finished, c waiting, d waiting");
    assert_eq!(reason(&chain, "c").0, Code::Soaking);
}

#[test]
fn health_is_looked_at_after_the_soak_and_all_checks_must_hold() {
    let mut chain = waves().ruled(soaking(60, &["shop", "errors"])).admitted();
    chain.bring("a", S::Finished);
    chain.bring("b", S::Finished);
    assert_eq!(chain.later(60), ["health.check errors", "health.check shop"]);
    assert_eq!(reason(&chain, "c").0, Code::CheckingHealth);
    assert!(chain.tell(checked(&chain, "errors", None)).is_empty());
    assert!(chain.tell(checked(&chain, "errors", None)).is_empty(), "told twice");
    assert_eq!(chain.tell(checked(&chain, "shop", None)), ["gate.requested before_plan c"]);
}

#[test]
fn what_is_not_healthy_holds_the_later_waves_and_people_are_told() {
    let mut chain = held();
    let said = chain.tell(checked(&chain, "errors", None));
    assert_eq!(said, ["step.stuck c"]);
    let (code, text) = reason(&chain, "c");
    assert_eq!((code, text.as_str()), (Code::Unhealthy, "after wave 1: shop answers 503"));
    assert_eq!(chain.chain().state, ChainState::Running);
    assert!(chain.later(86_400).is_empty(), "it waits for a person");
}

#[test]
fn to_look_at_health_again_begins_nothing_anew_of_what_was_let_fail() {
    let rules = Rules { failures: Failures::Count(1), ..soaking(0, &["shop"]) };
    let mut chain = waves().ruled(rules).admitted();
    chain.bring("a", S::Finished);
    chain.bring("b", S::Failed);
    chain.tell(checked(&chain, "shop", Some("answers 503")));
    let again = chain.tell(chain.order(OrderKind::Retry, None, false));
    assert_eq!(again, ["chain.ordered -", "health.check shop"]);
    assert_eq!(chain.states(), "a finished, b failed, c waiting, d waiting");

    chain.tell(checked(&chain, "shop", Some("answers 503")));
    chain.tell(chain.order(OrderKind::Retry, Some("b"), false));
    assert_eq!(chain.step("b").state, S::GatingPlan);
}

#[test]
fn a_person_has_health_looked_at_again_or_lets_the_wave_pass() {
    let mut chain = held();
    chain.tell(checked(&chain, "errors", None));
    let mut again = chain.clone();
    let said = again.tell(again.order(OrderKind::Retry, None, false));
    assert_eq!(said, ["chain.ordered -", "health.check errors", "health.check shop"]);
    again.tell(checked(&again, "errors", None));
    assert_eq!(again.tell(checked(&again, "shop", None)), ["gate.requested before_plan c"]);

    let said = chain.tell(chain.order(OrderKind::Resume, None, false));
    assert_eq!(said, ["gate.requested before_plan c", "chain.ordered -"]);
    assert!(chain.chain().reason.text.contains("let pass: resumed by jane"));
}

#[test]
fn a_late_answer_of_an_earlier_look_says_nothing() {
    let mut chain = held();
    let late = checked(&chain, "errors", Some("is 7"));
    chain.tell(checked(&chain, "errors", None));
    chain.tell(chain.order(OrderKind::Retry, None, false));
    assert!(chain.tell(late).is_empty());
    let Some(Stage::Checking { open, failed }) = &chain.chain().course.rollout.stage else {
        panic!("it looks again")
    };
    assert_eq!((open.len(), failed.len()), (2, 0));
}

fn looked_at(soak: u64, every: u64) -> ChainFixture {
    let look_every = Duration::from_secs(every);
    let rules = Rules { look_every, ..soaking(soak, &["shop"]) };
    let mut chain = waves().ruled(rules).admitted();
    chain.bring("a", S::Finished);
    chain.bring("b", S::Finished);
    chain
}

#[test]
fn health_is_looked_at_also_while_a_wave_soaks_each_time_after_the_answers_to_the_last() {
    let mut chain = looked_at(600, 60);
    let began = i64::try_from(chain.inputs).unwrap();
    assert_eq!(wake_at(chain.chain()), Some(at(began + 60)));
    assert_eq!(chain.later(60), ["health.check shop"]);
    assert_eq!(reason(&chain, "c").0, Code::Soaking);
    assert_eq!(wake_at(chain.chain()), Some(at(began + 600)), "the answer is waited for");
    assert!(chain.later(120).is_empty(), "one look at a time");
    assert!(chain.tell(checked(&chain, "shop", None)).is_empty());
    assert!(wake_at(chain.chain()).is_some_and(|then| then < at(began + 600)), "and again");
    assert_eq!(chain.later(60), ["health.check shop"]);

    assert_eq!(chain.later(600), ["health.check shop"], "it has soaked");
    assert_eq!(reason(&chain, "c").0, Code::CheckingHealth);
    assert_eq!(chain.tell(checked(&chain, "shop", None)), ["gate.requested before_plan c"]);
}

#[test]
fn what_does_not_hold_while_a_wave_soaks_holds_the_later_ones_and_soaks_on_when_it_is_mended() {
    let mut chain = looked_at(600, 60);
    chain.later(60);
    assert_eq!(chain.tell(checked(&chain, "shop", Some("answers 503"))), ["step.stuck c"]);
    let (code, text) = reason(&chain, "c");
    assert_eq!((code, text.as_str()), (Code::Unhealthy, "while wave 1 soaks: shop answers 503"));
    assert_eq!(wake_at(chain.chain()), None, "it waits for a person");

    let said = chain.tell(chain.order(OrderKind::Retry, None, false));
    assert_eq!(said, ["chain.ordered -", "health.check shop"]);
    assert!(chain.tell(checked(&chain, "shop", None)).is_empty(), "it soaks still");
    assert_eq!(reason(&chain, "c").0, Code::Soaking);
    assert_eq!(chain.later(600), ["health.check shop"]);
    assert_eq!(chain.tell(checked(&chain, "shop", None)), ["gate.requested before_plan c"]);
}

/// A wave whose check is answered from outside.
fn asked() -> ChainFixture {
    let hook = Hook { name: "smoke-tests".to_owned(), within: Duration::from_secs(300) };
    let hooks = [("shop".to_owned(), hook)].into();
    let mut chain = waves().ruled(Rules { hooks, ..soaking(0, &["shop"]) }).admitted();
    chain.bring("a", S::Finished);
    chain.bring("b", S::Applying);
    let ended = chain.reported("b", RunState::Finished, 9);
    assert_eq!(chain.tell(ended), ["step.finished b finished", "check.asked smoke-tests shop"]);
    chain
}

fn answered(chain: &ChainFixture, look: Option<u32>, pass: bool) -> Input {
    Input::Answered(Answered {
        chain: chain.chain().id,
        check: "shop".to_owned(),
        look,
        pass,
        by: "robot".to_owned(),
        text: Some("200 orders were made".to_owned()),
    })
}

#[test]
fn somebody_outside_answers_a_check_once_and_says_whether_all_is_well() {
    let mut chain = asked();
    let (code, text) = reason(&chain, "c");
    assert_eq!(code, Code::CheckingHealth);
    assert!(text.contains("after wave 1; shop is to be answered from outside until 20"), "{text}");
    let mut bad = chain.clone();
    assert_eq!(bad.tell(answered(&bad, Some(1), false)), ["step.stuck c"]);
    let text = reason(&bad, "c").1;
    assert_eq!(text, "after wave 1: shop says no: 200 orders were made (by robot)");

    assert!(chain.refused(answered(&chain, Some(7), true)).contains("does not wait"));
    assert_eq!(chain.tell(answered(&chain, None, true)), ["gate.requested before_plan c"]);
    assert!(chain.refused(answered(&chain, None, true)).contains("does not wait"), "once");
    assert_eq!(wake_at(chain.chain()), None);
}

#[test]
fn who_says_nothing_about_a_check_in_time_says_no() {
    let mut chain = asked();
    let asked_at = i64::try_from(chain.inputs).unwrap();
    assert_eq!(wake_at(chain.chain()), Some(at(asked_at + 300)));
    assert!(chain.later(200).is_empty());
    assert_eq!(chain.later(100), ["step.stuck c"]);
    assert!(reason(&chain, "c").1.starts_with("after wave 1: shop was not answered until 20"));
    let said = chain.tell(chain.order(OrderKind::Retry, None, false));
    assert_eq!(said, ["check.asked smoke-tests shop", "chain.ordered -"]);
}

#[test]
fn what_ends_badly_stops_the_later_waves_with_all_that_depends_on_them() {
    let mut chain = waves().admitted();
    chain.bring("a", S::Failed);
    assert_eq!(chain.states(), "a failed, b gating_plan, c skipped, d skipped");
    let (code, text) = reason(&chain, "c");
    assert_eq!(code, Code::WaveFailed);
    assert!(
        text.starts_with("1 of 2 steps of wave 1 did not end well, and at most 0 may"),
        "{text}"
    );

    chain.bring("b", S::Finished);
    assert_eq!(chain.chain().state, ChainState::Failed);
    chain.tell(chain.order(OrderKind::Retry, Some("a"), false));
    assert_eq!(chain.states(), "a gating_plan, b finished, c waiting, d waiting");
    assert_eq!(reason(&chain, "c").0, Code::WaitingForWave);
}

#[test]
fn as_much_may_end_badly_as_is_allowed() {
    let rules = Rules { failures: Failures::Percent(50), ..Rules::default() };
    let mut chain = waves().ruled(rules).admitted();
    chain.bring("a", S::Failed);
    assert_eq!(chain.step("c").state, S::Waiting, "b is at work still");
    chain.bring("b", S::Finished);
    assert_eq!(chain.states(), "a failed, b finished, c gating_plan, d waiting");
}

#[test]
fn retrying_one_of_two_that_failed_brings_nothing_back_that_waits_for_both() {
    let mut chain = waves().admitted();
    chain.bring("a", S::Failed);
    chain.tell(chain.gate_says("b", Outcome::Deny));
    assert_eq!(chain.states(), "a failed, b denied, c skipped, d skipped");
    chain.tell(chain.order(OrderKind::Retry, Some("a"), false));
    assert_eq!(chain.states(), "a gating_plan, b denied, c skipped, d skipped");
    chain.tell(chain.order(OrderKind::Retry, Some("b"), false));
    assert_eq!(chain.states(), "a gating_plan, b gating_plan, c waiting, d waiting");
}

#[test]
fn what_is_tried_again_in_a_wave_that_soaks_has_it_soak_anew() {
    let rules = Rules { failures: Failures::Count(1), ..soaking(60, &[]) };
    let mut chain = waves().ruled(rules).admitted();
    chain.bring("a", S::Failed);
    chain.bring("b", S::Finished);
    assert_eq!(reason(&chain, "c").0, Code::Soaking);
    chain.tell(chain.order(OrderKind::Retry, Some("a"), false));
    assert_eq!(reason(&chain, "c").0, Code::WaitingForWave);
    assert_eq!(wake_at(chain.chain()), None);
}

#[test]
fn a_paused_chain_looks_at_no_health_and_begins_no_wave_until_it_is_resumed() {
    let mut chain = waves().ruled(soaking(60, &["shop"])).admitted();
    chain.bring("a", S::Finished);
    chain.bring("b", S::Finished);
    chain.tell(chain.order(OrderKind::Pause, None, false));
    assert_eq!(wake_at(chain.chain()), None);
    assert!(chain.later(60).is_empty());
    let said = chain.tell(chain.order(OrderKind::Resume, None, false));
    assert_eq!(said, ["chain.ordered -", "health.check shop"]);
}

#[test]
fn what_is_cancelled_waits_for_no_wave() {
    let mut chain = waves().ruled(soaking(60, &["shop"])).admitted();
    chain.bring("a", S::Finished);
    chain.bring("b", S::Finished);
    chain.tell(chain.order(OrderKind::Cancel, None, false));
    assert_eq!(chain.chain().state, ChainState::Canceled);
    assert_eq!(wake_at(chain.chain()), None);
}

#[test]
fn what_is_cancelled_while_its_health_is_looked_at_is_looked_at_anew_when_it_is_tried_again() {
    let mut chain = asked();
    chain.tell(chain.order(OrderKind::Cancel, None, false));
    assert_eq!(chain.chain().state, ChainState::Canceled);
    assert!(chain.refused(answered(&chain, Some(1), true)).contains("does not wait"));

    let said = chain.tell(chain.order(OrderKind::Retry, None, false));
    assert_eq!(said, ["chain.started", "chain.ordered -", "check.asked smoke-tests shop"]);
    assert_eq!(reason(&chain, "c").0, Code::CheckingHealth);
    assert!(chain.refused(answered(&chain, Some(1), true)).contains("does not wait"));
    assert_eq!(chain.tell(answered(&chain, Some(2), true)), ["gate.requested before_plan c"]);
}

#[test]
fn a_wave_nobody_waits_for_any_more_neither_soaks_nor_wakes_its_chain() {
    let mut chain = ChainFixture::of(&[("a", &[]), ("b", &[]), ("c", &[])])
        .labelled("a", "stackly:wave=1")
        .labelled("c", "stackly:wave=2")
        .gating()
        .ruled(soaking(600, &["shop"]))
        .admitted();
    chain.bring("a", S::Finished);
    assert!(wake_at(chain.chain()).is_some());
    chain.tell(chain.order(OrderKind::Cancel, Some("c"), false));
    assert_eq!(chain.chain().state, ChainState::Running, "b is at work");
    assert_eq!(wake_at(chain.chain()), None);
    assert_eq!(chain.chain().course.rollout.stage, None);

    chain.tell(chain.order(OrderKind::Retry, Some("c"), false));
    assert_eq!(reason(&chain, "c").0, Code::Soaking, "as if it had just ended");
}

#[test]
fn canaries_go_first() {
    let chain = ChainFixture::diamond().labelled("b", "stackly:canary").running();
    assert_eq!(chain.states(), "a gating_plan, b waiting, c waiting, d waiting");
    let chain = chain.with("a", S::Finished);
    assert_eq!(reason(&chain, "c").1, "waits until the canary wave is through");
    let chain = chain.with("b", S::Finished);
    assert_eq!(chain.states(), "a finished, b finished, c gating_plan, d waiting");
}
