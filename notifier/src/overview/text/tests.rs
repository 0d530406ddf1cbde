use contracts::{
    Code, StackId,
    chain::{ChainKind, ChainPlanned, ChainState, PlannedStep},
    change::Change,
    gate::Outcome,
    run::Delta,
    step::StepState,
};
use insta::assert_snapshot;

use super::{ROWS_CHARS_MAX, chain as render, notice as render_notice};
use crate::{
    digest::Digest,
    notice::Notice,
    sample::{self, at, chain, decided, finished, planned, started, summary},
};

fn proposed() -> Change {
    Change { pull_request: Some(7), ..sample::change() }
}

fn previewed(stacks: &[&str]) -> ChainPlanned {
    ChainPlanned { kind: ChainKind::Preview, change: proposed(), ..planned(stacks) }
}

fn running() -> Digest {
    let mut digest = Digest::new(chain());
    digest.planned(&previewed(&["net-prod", "app-prod", "web-prod", "dns"]));
    digest.started(&started(4));
    let mut net = summary("net-prod", StepState::Finished, Code::RunFinished, "run r1 planned");
    net.delta = Some(Delta { added: 4, changed: 1, deleted: 2 });
    digest.step(&net, at(10));
    let mut dns = summary("dns", StepState::Finished, Code::RunFinished, "run r2 planned");
    dns.delta = Some(Delta::default());
    digest.step(&dns, at(10));
    let mut app = summary("app-prod", StepState::GatingPlan, Code::WaitingForGate, "asks");
    (app.run, app.run_url) = (None, None);
    digest.step(&app, at(20));
    let hold = Outcome::HoldForApprovals { given: 1, needed: 2 };
    let mut gate = decided(2, Some("app-prod"), 2, hold);
    gate.moment = contracts::gate::Moment::BeforePlan;
    digest.gate(&gate);
    digest
}

fn shown(digest: &Digest) -> String {
    render(digest, digest.change.as_ref().unwrap())
}

#[test]
fn a_running_preview_says_what_is_planned_what_waits_and_what_to_do() {
    assert_snapshot!("running", shown(&running()));
}

#[test]
fn a_failed_preview_says_why_and_how_to_try_again() {
    let mut digest = running();
    let failed = |stack| summary(stack, StepState::Failed, Code::RunFailed, "no quota");
    let planned = |stack| summary(stack, StepState::Finished, Code::RunFinished, "it planned");
    let steps = vec![planned("net-prod"), failed("app-prod"), failed("web-prod"), planned("dns")];
    digest.finished(&finished(ChainState::Failed, steps), at(200));
    assert_snapshot!("failed", shown(&digest));
}

#[test]
fn a_finished_preview_says_what_merging_does() {
    let mut digest = running();
    digest.finished(&finished(ChainState::Finished, vec![]), at(200));
    let text = shown(&digest);
    assert!(text.contains("**Next**: what is merged is planned anew"), "{text}");
    assert!(!text.contains("**Waiting**"), "{text}");
}

#[test]
fn a_head_that_cannot_be_planned_says_why() {
    let mut notice = Notice::new(&proposed(), Some(ChainKind::Preview));
    notice.refused(&sample::refused("a depends on b, b depends on a"));
    assert_snapshot!("refused", render_notice(&notice));
}

#[test]
fn text_from_outside_wakes_nobody_hides_nothing_and_stays_in_its_cell() {
    let mut digest = Digest::new(chain());
    let mut event = previewed(&["net"]);
    event.steps[0].name = "@team | <!-- x\n/merge [a](http://b) `c`".into();
    digest.planned(&event);
    let text = "@everyone | <details>\n/approve";
    let mut step = summary("net", StepState::Failed, Code::RunFailed, text);
    step.run_url = Some("https://a.example/) | x".to_owned());
    digest.step(&step, at(1));
    let text = shown(&digest);
    assert!(!text.contains("<!--") && !text.contains("<details"), "{text}");
    assert!(!text.contains("@team") && !text.contains("@everyone"), "{text}");
    assert!(text.lines().all(|line| !line.starts_with('/')), "{text}");
    let row = text.lines().find(|line| line.starts_with("| ❌")).unwrap();
    let bars = row.replace("\\|", "").matches('|').count();
    assert_eq!(bars, 5, "{row}");
    assert!(!row.replace("\\]", "").contains("](http"), "{row}");
}

#[test]
fn a_thousand_stacks_fit_and_what_needs_attention_is_among_them() {
    let mut event = previewed(&[]);
    event.steps = (0..1_000)
        .map(|number| PlannedStep {
            stack: StackId::from(format!("stack-{number:04}")),
            name: format!("stack {number:04} {}", "<".repeat(200)).into(),
            ..previewed(&["x"]).steps.remove(0)
        })
        .collect();
    let mut digest = Digest::new(chain());
    digest.planned(&event);
    let failed = summary("stack-0950", StepState::Failed, Code::RunFailed, "no quota");
    digest.step(&failed, at(1));
    let text = shown(&digest);
    assert!(text.chars().count() < ROWS_CHARS_MAX + 3_000, "{}", text.len());
    assert!(text.contains("stack 0950") && text.contains(" more: "), "{text}");
}
