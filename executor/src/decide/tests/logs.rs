use std::sync::Arc;

use contracts::{Code, order::OrderKind, run::RunState, step::StepState as S};

use crate::{
    Finding, Retries,
    call::CallKind,
    fixtures::ChainFixture,
    input::{CallResult, Input},
    retry::Class,
};

/// One whose logs are read, with a step at work.
fn reading(mut chain: ChainFixture, stack: &str) -> ChainFixture {
    chain = chain.running().with(stack, S::Planning);
    let retries = Retries { read_logs: true, ..Retries::default() };
    chain.state.as_mut().unwrap().retries = Arc::new(retries);
    chain
}

fn says(chain: &ChainFixture, class: Class, line: &str) -> Input {
    let finding = Finding { class, line: line.to_owned() };
    chain.concluded("a", CallKind::ReadLog, CallResult::Log(Some(finding)))
}

#[test]
fn the_log_of_a_failed_run_is_read_once_and_what_it_says_decides() {
    let mut chain = reading(ChainFixture::single(), "a");
    assert_eq!(chain.tell(chain.reported("a", RunState::Failed, 9)), ["log.read a"]);
    assert_eq!(chain.step("a").state, S::Planning, "it has its stack still");
    assert!(chain.tell(chain.reported("a", RunState::Failed, 9)).is_empty(), "told again");
    let told = chain.tell(says(&chain, Class::Lock, "`Error: the state lock`"));
    assert_eq!(told, ["step.retrying a"]);
    let step = chain.step("a");
    assert_eq!((step.state, step.reason.code), (S::Retrying, Code::RetryPending));
    let text = &step.reason.text;
    assert!(text.contains("its log says: `Error: the state lock`: somebody else holds"), "{text}");
    assert!(text.contains("attempt 2 of 5"), "{text}");
    chain.later(60);
    assert_eq!(chain.step("a").course.attempt, 2);
}

#[test]
fn what_does_not_pass_ends_the_step_with_the_line_that_says_so() {
    let mut chain = reading(ChainFixture::single(), "a");
    chain.tell(chain.reported("a", RunState::Failed, 9));
    let told = chain.tell(says(&chain, Class::Quota, "`Error: VpcLimitExceeded`"));
    assert_eq!(told, ["step.finished a failed", "chain.finished failed"]);
    let reason = &chain.step("a").reason;
    assert_eq!(reason.code, Code::QuotaExceeded);
    assert!(reason.text.ends_with("failed; its log says: `Error: VpcLimitExceeded`"), "{reason:?}");
    assert!(chain.tell(says(&chain, Class::Lock, "`late`")).is_empty(), "it has ended");
}

#[test]
fn a_log_that_says_nothing_leaves_the_failure_as_spacelift_tells_it() {
    let mut chain = reading(ChainFixture::single(), "a");
    chain.tell(chain.reported("a", RunState::Failed, 9));
    let nothing = chain.concluded("a", CallKind::ReadLog, CallResult::Log(None));
    assert_eq!(chain.tell(nothing), ["step.finished a failed", "chain.finished failed"]);
    assert_eq!(chain.step("a").reason.code, Code::RunFailed);
}

#[test]
fn where_spacelift_says_it_itself_no_log_is_read() {
    let mut chain = reading(ChainFixture::single(), "a");
    let told = chain.tell(chain.failed_by("a", "read: connection reset by peer"));
    assert_eq!(told, ["step.retrying a"]);
    assert_eq!(chain.step("a").state, S::Retrying);
}

#[test]
fn what_is_being_cancelled_ends_without_its_log() {
    let mut chain = reading(ChainFixture::single(), "a");
    chain.tell(chain.order(OrderKind::Cancel, Some("a"), false));
    let told = chain.tell(chain.reported("a", RunState::Failed, 9));
    assert!(told.contains(&"step.finished a canceled".to_owned()), "{told:?}");

    let mut chain = reading(ChainFixture::single(), "a");
    chain.tell(chain.reported("a", RunState::Failed, 9));
    chain.tell(chain.order(OrderKind::Cancel, Some("a"), false));
    assert!(chain.tell(says(&chain, Class::Lock, "`Error`")).is_empty());
    let told = chain.tell(chain.reported("a", RunState::Failed, 9));
    assert!(told.contains(&"step.finished a canceled".to_owned()), "{told:?}");
}

/// Spacelift would skip `b` and go on with `c`.
#[test]
fn what_spacelift_made_below_is_ended_before_the_log_is_read() {
    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
    let mut chain = reading(ChainFixture::of(stacks).native(), "a");
    let told = chain.tell(chain.reported("a", RunState::Failed, 9));
    assert_eq!(told, ["log.read a", "run.withdraw b", "run.withdraw c"]);
}

#[test]
fn an_apply_that_failed_half_way_is_planned_and_asked_about_anew() {
    let mut chain = ChainFixture::single().running().with("a", S::Applying);
    let retries = Retries { read_logs: true, ..Retries::default() };
    chain.state.as_mut().unwrap().retries = Arc::new(retries);
    assert_eq!(chain.tell(chain.reported("a", RunState::Failed, 9)), ["log.read a"]);
    chain.tell(says(&chain, Class::Throttling, "`Error: Rate exceeded`"));
    let told = chain.later(60);
    assert_eq!(told, ["gate.requested before_plan a"]);
    assert_eq!(chain.step("a").run, None);
}
