use contracts::{
    ChainId, Code, StackId,
    chain::{ChainState, PlannedStep},
    gate::Outcome,
    step::StepState,
};
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use super::{
    Message, alert, chain as render, refusal,
    text::{clip, escape, link, took},
};
use crate::{
    digest::Digest,
    notice::{Alert, Notice},
    sample::{self, at, chain, change, decided, finished, planned, started, summary, with_delta},
};

fn shown(message: &Message) -> Value {
    json!({ "text": message.text, "blocks": message.blocks })
}

/// Slack's own limits, checked as Slack checks them.
fn assert_slack_takes(message: &Message) {
    let blocks = message.blocks.as_array().unwrap();
    assert!(blocks.len() <= 50, "{} blocks", blocks.len());
    assert!(message.text.chars().count() <= 4_000);
    let mut chars = 0;
    for block in blocks {
        let (text, max) = match block["type"].as_str().unwrap() {
            "header" => (block["text"]["text"].as_str().unwrap(), 150),
            "section" => (block["text"]["text"].as_str().unwrap(), 3_000),
            "context" => (block["elements"][0]["text"].as_str().unwrap(), 3_000),
            "actions" => {
                let buttons = block["elements"].as_array().unwrap();
                assert!((1..=25).contains(&buttons.len()));
                let ids: std::collections::BTreeSet<_> =
                    buttons.iter().map(|button| button["action_id"].as_str().unwrap()).collect();
                assert_eq!(ids.len(), buttons.len(), "each button has a name of its own");
                continue;
            }
            other => panic!("an unexpected block: {other}"),
        };
        let count = text.chars().count();
        assert!((1..=max).contains(&count), "{count} characters in a {}", block["type"]);
        chars += count;
    }
    assert!(chars <= 13_000, "{chars} characters in all");
}

fn running() -> Digest {
    let mut digest = Digest::new(chain());
    digest.planned(&planned(&["net-prod", "app-prod", "web-prod"]));
    digest.started(&started(3));
    let net = summary("net-prod", StepState::Finished, Code::RunFinished, "the run finished");
    digest.step(&with_delta(net, 4), at(10));
    let app = summary("app-prod", StepState::GatingApply, Code::WaitingForGate, "asks the gate");
    digest.step(&with_delta(app, 1), at(20));
    let hold = Outcome::HoldForApprovals { given: 1, needed: 2 };
    digest.gate(&decided(2, Some("app-prod"), 2, hold));
    digest
}

#[test]
fn a_running_chain_says_what_is_done_and_who_is_waited_for() {
    let message = render(&running()).unwrap();
    assert_slack_takes(&message);
    assert_json_snapshot!("running", shown(&message));
}

#[test]
fn a_planned_chain_says_until_when_it_is_held() {
    let mut digest = Digest::new(chain());
    digest.planned(&planned(&["net-prod"]));
    digest.gate(&decided(1, None, 1, Outcome::HoldUntil { until: at(3_600) }));
    let message = render(&digest).unwrap();
    assert_slack_takes(&message);
    assert_json_snapshot!("planned", shown(&message));
}

#[test]
fn a_failed_chain_says_what_failed_and_what_did_not_run() {
    let mut digest = running();
    let net = summary("net-prod", StepState::Finished, Code::RunFinished, "the run finished");
    let app = summary("app-prod", StepState::Failed, Code::RunFailed, "the apply failed: no quota");
    let mut web =
        summary("web-prod", StepState::Skipped, Code::ParentFailed, "app-prod failed before it");
    web.run = None;
    web.run_url = None;
    digest.finished(&finished(ChainState::Failed, vec![net, app, web]), at(200));
    let message = render(&digest).unwrap();
    assert_slack_takes(&message);
    assert_json_snapshot!("failed", shown(&message));
}

/// The buttons below a chain: what each says, and what it would have done.
fn buttons(digest: &Digest) -> Vec<(String, String)> {
    let message = render(digest).unwrap();
    assert_slack_takes(&message);
    let blocks = message.blocks.as_array().unwrap();
    let ours = blocks.iter().find(|block| block["block_id"] == chain().to_string());
    let buttons = ours.and_then(|block| block["elements"].as_array()).into_iter().flatten();
    let text = |button: &Value, name: &str| button[name].as_str().unwrap().to_owned();
    buttons.map(|it| (text(&it["text"], "text"), text(it, "action_id"))).collect()
}

#[test]
fn what_failed_can_be_tried_again_by_a_button_and_what_nobody_knows_of_cannot() {
    let mut digest = running();
    assert!(buttons(&digest).is_empty(), "nothing is wrong");
    let web = summary("web-prod", StepState::Unknown, Code::StackGone, "nobody knows");
    digest.step(&web, at(30));
    assert!(buttons(&digest).is_empty(), "a person must look first");
    let app = summary("app-prod", StepState::Failed, Code::RunFailed, "it failed");
    digest.step(&app, at(40));
    let retry = ("Retry what failed".to_owned(), format!("retry:{}", chain()));
    assert_eq!(buttons(&digest), std::slice::from_ref(&retry));
    let net = summary("net-prod", StepState::Finished, Code::RunFinished, "the run finished");
    digest.finished(&finished(ChainState::Failed, vec![net, app, web]), at(50));
    assert_eq!(digest.state(), ChainState::Failed);
    assert_eq!(buttons(&digest), [retry]);
}

#[test]
fn what_waits_for_its_next_attempt_can_be_tried_now_until_it_is() {
    let mut digest = running();
    let app = summary("app-prod", StepState::Retrying, Code::RetryPending, "the network failed");
    digest.step(&app, at(30));
    let now = ("Try app prod now".to_owned(), format!("retry:{}/app-prod", chain()));
    assert_eq!(buttons(&digest), [now]);
    let again = summary("app-prod", StepState::Planning, Code::RunInFlight, "it plans");
    digest.step(&contracts::step::StepSummary { attempt: 2, ..again }, at(40));
    assert!(buttons(&digest).is_empty(), "the next attempt has begun");
}

#[test]
fn what_waits_too_long_can_be_cancelled_until_it_goes_on() {
    let mut digest = running();
    let app = summary("app-prod", StepState::GatingApply, Code::ApprovalOverdue, "still waits");
    digest.stuck(&app, at(25));
    assert!(buttons(&digest).is_empty(), "it has the buttons of its gate");
    let web = summary("web-prod", StepState::Planning, Code::NoWorker, "nobody takes it");
    digest.stuck(&web, at(30));
    let cancel = ("Cancel web prod".to_owned(), format!("cancel:{}/web-prod", chain()));
    assert_eq!(buttons(&digest), [cancel]);
    let web = summary("web-prod", StepState::Applying, Code::RunInFlight, "applies");
    digest.step(&web, at(40));
    assert!(buttons(&digest).is_empty());
}

#[test]
fn a_wave_that_is_not_healthy_and_a_chain_that_is_paused_can_be_let_go_on() {
    let mut digest = running();
    let web = summary("web-prod", StepState::Waiting, Code::Unhealthy, "after wave 1: no");
    digest.stuck(&web, at(30));
    let texts = |digest: &Digest| buttons(digest).into_iter().map(|it| it.0).collect::<Vec<_>>();
    assert_eq!(texts(&digest), ["Look again", "Go on all the same", "Cancel the chain"]);
    digest.ordered(&sample::paused(), at(40));
    assert_eq!(texts(&digest), ["Resume", "Cancel the chain"]);
}

#[test]
fn nothing_is_shown_before_it_is_known_what_set_the_chain_off() {
    let mut digest = Digest::new(chain());
    digest.step(&summary("a", StepState::Planning, Code::RunInFlight, "plans"), at(1));
    assert_eq!(render(&digest), None);
}

#[test]
fn a_refused_change_says_why() {
    let mut notice = Notice::new(&change(), None);
    notice.refused(&sample::refused("a depends on b, b depends on a"));
    let message = refusal(&notice).unwrap();
    assert_slack_takes(&message);
    assert_json_snapshot!("refused", shown(&message));
}

#[test]
fn a_fault_of_the_account_is_told_with_its_details() {
    let message = alert(&Alert::new(&sample::alerted("Worker pool is down"), at(0)));
    assert_slack_takes(&message);
    assert_json_snapshot!("alert", shown(&message));
}

#[test]
fn a_chain_of_a_thousand_stacks_shows_what_needs_attention_and_counts_the_rest() {
    let mut event = planned(&[]);
    event.steps = (0..1_000)
        .map(|number| PlannedStep {
            stack: StackId::from(format!("stack-{number:04}")),
            name: format!("stack <{number:04}> {}", "&".repeat(200)).into(),
            ..planned(&["x"]).steps.remove(0)
        })
        .collect();
    let mut digest = Digest::new(ChainId(chain().0));
    digest.planned(&event);
    let text = "<!channel> ".repeat(100);
    for number in 0..900 {
        let stack = format!("stack-{number:04}");
        digest.step(&summary(&stack, StepState::Finished, Code::RunFinished, "done"), at(1));
        let hold = Outcome::HoldForApprovals { given: 0, needed: 1 };
        digest.gate(&decided(number, Some(&format!("stack-{:04}", number + 100)), 1, hold));
    }
    digest.step(&summary("stack-0950", StepState::Failed, Code::RunFailed, &text), at(1));
    let message = render(&digest).unwrap();
    assert_slack_takes(&message);
    let shown = message.blocks.to_string();
    assert!(shown.contains("stack &lt;0950&gt;"), "the failed one is shown");
    assert!(!shown.contains("<!channel>"), "nobody is woken");
    assert!(shown.contains(" more: "), "the rest is counted");
    assert!(shown.contains("+89 more"), "waits beyond ten are counted");
}

#[test]
fn two_renderings_of_the_same_facts_are_the_same() {
    let (one, two) = (render(&running()).unwrap(), render(&running()).unwrap());
    assert_eq!(one.fingerprint(), two.fingerprint());
    let mut later = running();
    later.gate(&decided(2, Some("app-prod"), 3, Outcome::Pass));
    assert_ne!(one.fingerprint(), render(&later).unwrap().fingerprint());
}

#[test]
fn text_from_outside_cannot_break_out_of_its_place() {
    assert_eq!(escape("<!here> & <@U1>\n*x*"), "&lt;!here&gt; &amp; &lt;@U1&gt; *x*");
    assert_eq!(
        link(Some("https://a.example/?x=1&y=2"), "a>b"),
        "<https://a.example/?x=1&amp;y=2|a&gt;b>"
    );
    for url in ["javascript:alert(1)", "https://a|b", "https://a>b", "https://a b"] {
        assert_eq!(link(Some(url), "text"), "text", "{url}");
    }
    assert_eq!(link(None, "text"), "text");
}

#[test]
fn long_text_is_cut_and_says_so() {
    assert_eq!(clip("abcdef", 6), "abcdef");
    assert_eq!(clip("abcdefg", 6), "abcde…");
    assert_eq!(clip("äöüäöüä", 3), "äö…");
    assert_eq!(clip("", 3), "");
}

#[test]
fn durations_are_for_people() {
    let seconds = [0, 59, 61, 3_600, 90_061];
    let shown: Vec<String> =
        seconds.iter().map(|seconds| took(chrono::TimeDelta::seconds(*seconds))).collect();
    assert_eq!(shown, ["0 s", "59 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]);
}

#[test]
fn what_was_cancelled_is_spelt_in_one_way() {
    let mut digest = running();
    let all = ["net-prod", "app-prod", "web-prod"];
    let ended = |stack| summary(stack, StepState::Canceled, Code::ChainCanceled, "bob says so");
    digest.finished(&finished(ChainState::Canceled, all.map(ended).to_vec()), at(50));
    let told = shown(&render(&digest).unwrap()).to_string().to_lowercase();
    assert!(told.contains("cancelled"), "{told}");
    assert!(!told.contains("canceled"), "{told}");
}
