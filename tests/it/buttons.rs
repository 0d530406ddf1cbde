//! What waits for people is decided where they read of it: by the buttons of the message in Slack.

use contracts::{
    Code, Message as _, chain::ChainState, order::PauseChain, step::StepState, subject,
};
use executor::ChainPage;
use harness::{
    Pipeline, Setup, accounts,
    patience::{PATIENCE, eventually},
    telling,
};
use receivers::{Interaction, Message, SLACK_SIGNING_SECRET, Slack};
use serde_json::json;
use simulator::{Pace, PlanResult, RunState};

const POLICY: &str = r#"
policy "four_eyes" {
  match { stacks = ["a"] }
  approval {
    min_approvers    = 1
    allowed_groups   = ["leads"]
    no_self_approval = true
  }
}
group "leads" { members = ["bob", "jane"] }
"#;

struct Office {
    slack: Slack,
    pipeline: Pipeline,
}

/// `a` waits for bob before its apply; jane, who pushes, and mallory must not approve.
async fn office() -> Office {
    office_with(&[]).await
}

async fn office_with(more: &[(&str, &str)]) -> Office {
    let slack = Slack::start().await;
    let secrets = format!("[\"{SLACK_SIGNING_SECRET}\"]");
    let people =
        r#"{ "slack:U0BOB" = "bob", "slack:U0JANE" = "jane", "slack:U0MALLORY" = "mallory" }"#;
    let environment = [
        ("NOTIFIER__SLACK__UPDATE_PAUSE", "50ms"),
        ("INGEST__SLACK__SECRETS", &secrets),
        ("INGEST__SLACK__RESPONSE_BASE", &slack.response_base),
        ("INGEST__PEOPLE", people),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let more = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let mut account = accounts::account(&[("a", &[])]);
    account.stacks[0].autodeploy = false;
    let setup = Setup {
        account,
        policies: vec![("approval.hcl", POLICY.to_owned())],
        environment: telling(&slack).into_iter().chain(environment).chain(more).collect(),
        ..Setup::default()
    };
    Office { pipeline: Pipeline::with(setup).await, slack }
}

impl Office {
    /// Pushes, and waits until the message about it has buttons.
    async fn asked(&self) -> (String, Message) {
        let commit = self.pipeline.push(&["stacks/a/main.tf"]).await;
        let waits =
            |page: &ChainPage| page.steps_in_order[0].summary.reason.code == Code::ApprovalNeeded;
        self.pipeline.chain_when(&commit, PATIENCE, waits).await;
        let message = self.message_when("a message with buttons", has_buttons).await;
        (commit, message)
    }

    async fn message_when(&self, what: &str, wanted: fn(&Message) -> bool) -> Message {
        let last = || async { self.slack.messages().into_iter().rfind(wanted) };
        eventually(what, PATIENCE, last, Option::is_some).await.expect("it was waited for")
    }

    /// Sends what Slack sends when somebody presses; gives the status.
    async fn press(&self, message: &Message, action: &str, user: &str) -> u16 {
        let Interaction { body, headers } = self.slack.press(message, action, user);
        let address = format!("http://{}/webhooks/slack", self.pipeline.installation.ingest);
        let mut request = self.pipeline.client.post(address).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send().await.expect("ingest answers").status().as_u16()
    }

    /// Presses, and gives what the person alone is told.
    async fn pressed(&self, message: &Message, action: &str, user: &str) -> String {
        let before = self.slack.told(user).len();
        assert_eq!(self.press(message, action, user).await, 200);
        let told = || async { self.slack.told(user).into_iter().nth(before) };
        eventually("the person to be told", PATIENCE, told, Option::is_some).await.unwrap()
    }

    /// Bob presses, and stack `a` has one run more and no button to retry.
    async fn is_tried_again_by_bob(&self, message: &Message) {
        let told = self.pressed(message, "retry", "U0BOB").await;
        assert!(told.contains("is tried again, as bob says"), "{told}");
        let message = self.message_when("a message with buttons", has_buttons).await;
        assert!(!has_retry(&message), "{}", message.blocks);
        assert_eq!(self.pipeline.spacelift.runs("a").len(), 2);
    }

    async fn told(&self, user: &str) -> String {
        let told = || async { self.slack.told(user).pop() };
        eventually("the person to be told", PATIENCE, told, Option::is_some).await.unwrap()
    }
}

fn has_buttons(message: &Message) -> bool {
    message.blocks.to_string().contains("\"approve:gate_")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_on_approve_lets_the_chain_go_on_and_the_buttons_go() {
    let office = office().await;
    let (commit, message) = office.asked().await;
    let shown = message.blocks.to_string();
    assert!(shown.contains("(bob may)"), "it says who may: {shown}");
    assert!(shown.contains("/stack/a/run/"), "it links the run: {shown}");

    assert_eq!(office.press(&message, "approve", "U0BOB").await, 200);
    let chain = office.pipeline.ended(&commit).await;

    assert!(office.told("U0BOB").await.contains("it goes on"));
    let ended = |message: &Message| message.text.contains("finished");
    let message = office.message_when("the message about the end", ended).await;
    assert!(!has_buttons(&message), "{}", message.blocks);
    office.pipeline.assert_all_well(&[chain]);
    office.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_approve_presses_in_vain_and_is_told_why_and_whom_to_ask() {
    let office = office().await;
    let (commit, message) = office.asked().await;

    for (user, why) in [("U0MALLORY", "mallory"), ("U0JANE", "jane")] {
        assert_eq!(office.press(&message, "approve", user).await, 200);
        let told = office.told(user).await;
        assert!(told.contains(why) && told.contains("ask bob"), "{told}");
    }
    assert_eq!(office.pipeline.spacelift.runs("a")[0].state, RunState::Unconfirmed);

    assert_eq!(office.press(&message, "reject", "U0BOB").await, 200);
    let chain = office.pipeline.ended(&commit).await;
    assert_eq!(chain.line.state, ChainState::Failed);
    assert_eq!(chain.steps_in_order[0].summary.state, StepState::Denied);
    assert_eq!(office.pipeline.spacelift.runs("a")[0].state, RunState::Discarded);
    office.pipeline.stop().await;
}

/// Bob alone may give orders to chains.
const ROLES: &[(&str, &str)] = &[
    ("EXECUTOR__ROLES__GROUPS", r#"{ sre = ["bob"] }"#),
    ("EXECUTOR__ROLES__RETRY", r#"["sre"]"#),
    ("EXECUTOR__ROLES__RESUME", r#"["sre"]"#),
    ("EXECUTOR__ROLES__CANCEL", r#"["sre"]"#),
];

fn has_retry(message: &Message) -> bool {
    message.blocks.to_string().contains("\"retry:chain_")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_again_by_a_press_of_who_may() {
    let office = office_with(ROLES).await;
    office.pipeline.spacelift.plan_once("a", PlanResult::FailPlanning).unwrap();
    office.pipeline.spacelift.set_failure_log("a", &["Error: Unsupported argument"]).unwrap();
    let commit = office.pipeline.push(&["stacks/a/main.tf"]).await;
    let failed = office.pipeline.ended(&commit).await;
    assert_eq!(failed.line.state, ChainState::Failed);
    let message = office.message_when("a button to try again", has_retry).await;
    assert!(message.blocks.to_string().contains("Error: Unsupported argument"), "{message:?}");

    let told = office.pressed(&message, "retry", "U0MALLORY").await;
    assert!(told.contains("mallory") && told.contains("sre"), "{told}");
    assert_eq!(office.pipeline.spacelift.runs("a").len(), 1);

    office.is_tried_again_by_bob(&message).await;
    office.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_next_attempt_is_tried_now_by_a_press_of_who_may() {
    let wait = r#"{ attempts = 2, wait = "1h", factor = 1.0 }"#;
    let settings = [ROLES, &[("EXECUTOR__RETRIES__NETWORK", wait)]].concat();
    let office = office_with(&settings).await;
    office.pipeline.spacelift.plan_once("a", PlanResult::FailPlanning).unwrap();
    office.pipeline.spacelift.set_failure_log("a", &["Error: connection reset by peer"]).unwrap();
    office.pipeline.push(&["stacks/a/main.tf"]).await;
    let message = office.message_when("a button to try it now", has_retry).await;
    assert!(message.blocks.to_string().contains("Try a now"), "{message:?}");

    let told = office.pressed(&message, "retry", "U0MALLORY").await;
    assert!(told.contains("mallory") && told.contains("sre"), "{told}");
    office.is_tried_again_by_bob(&message).await;
    office.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_chain_is_resumed_by_a_press_of_who_may() {
    let office = office_with(ROLES).await;
    let (commit, _) = office.asked().await;
    let chain = office.pipeline.chain_of(&commit).await.unwrap().line.chain;
    let pause = json!(PauseChain { chain, stack: None, by: "bob".to_owned(), note: None });
    let subject = subject::command(PauseChain::TYPE);
    office.pipeline.bus.request(&subject, &pause).await.unwrap().unwrap();
    let can_resume = |message: &Message| message.blocks.to_string().contains("\"resume:chain_");
    let message = office.message_when("a button to resume", can_resume).await;

    let told = office.pressed(&message, "resume", "U0MALLORY").await;
    assert!(told.contains("sre"), "{told}");
    let page = office.pipeline.chain(chain).await.unwrap();
    assert!(page.paused.is_some(), "{page:?}");

    let told = office.pressed(&message, "resume", "U0BOB").await;
    assert!(told.contains("goes on, as bob says"), "{told}");
    let page = office.pipeline.chain(chain).await.unwrap();
    assert!(page.paused.is_none(), "{page:?}");
    office.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_too_long_is_cancelled_by_a_press() {
    let soon = [("EXECUTOR__REMINDERS__EVERY", "100ms"), ("EXECUTOR__REMINDERS__RUN", "100ms")];
    let office = office_with(&[ROLES, &soon].concat()).await;
    let endless = Pace { planning_ms: 3_600_000, ..Pace::zero() };
    office.pipeline.spacelift.set_pace("a", endless).unwrap();
    let commit = office.pipeline.push(&["stacks/a/main.tf"]).await;
    let can_cancel = |message: &Message| message.blocks.to_string().contains("\"cancel:chain_");
    let message = office.message_when("a button to cancel the step", can_cancel).await;
    // Nobody is woken by the one that is changed in place.
    let is_told = |message: &Message| message.text.contains(":warning: a is stuck: ");
    let told = office.message_when("a message of its own", is_told).await;
    assert!(told.is_in_channel && told.ts != message.ts, "{told:#?}");

    let told = office.pressed(&message, "cancel", "U0BOB").await;
    assert!(told.contains("/a is canceled, as bob says"), "{told}");

    let page = office.pipeline.ended(&commit).await;
    assert_eq!(page.steps_in_order[0].summary.state, StepState::Canceled);
    office.pipeline.stop().await;
}
