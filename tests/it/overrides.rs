//! Somebody breaks the glass, and everybody hears of it at once.

use contracts::{Code, Message, gate::OverrideGate, subject};
use executor::ChainPage;
use harness::{
    Pipeline, Setup, accounts,
    patience::{PATIENCE, eventually},
    telling,
};
use receivers::Slack;
use serde_json::json;

const POLICY: &str = r#"
policy "four_eyes" {
  match { stacks = ["a"] }
  approval { allowed_users = ["bob"] }
}
break_glass "oncall" { allowed_users = ["olga"] }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_glass_lets_the_chain_go_on_and_is_told_in_a_message_of_its_own() {
    let slack = Slack::start().await;
    let environment = telling(&slack);
    let mut account = accounts::account(&[("a", &[])]);
    account.stacks[0].autodeploy = false;
    let policies = vec![("glass.hcl", POLICY.to_owned())];
    let setup = Setup { account, policies, environment, ..Setup::default() };
    let pipeline = Pipeline::with(setup).await;
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let waits =
        |page: &ChainPage| page.steps_in_order[0].summary.reason.code == Code::ApprovalNeeded;
    let page = pipeline.chain_when(&commit, PATIENCE, waits).await;
    let messages = || async { slack.messages() };
    let is_changed = |all: &Vec<receivers::Message>| all.iter().any(|it| it.edits > 0);
    eventually("the message of the chain to change", PATIENCE, messages, is_changed).await;

    let reason = "the shop is down".to_owned();
    let gate = page.steps_in_order[0].gate.unwrap();
    let by = "olga".to_owned();
    let glass = OverrideGate { gate, by, reason, seconds: None, chain: false, done: false };
    let subject = subject::command(OverrideGate::TYPE);
    pipeline.bus.request(&subject, &json!(glass)).await.unwrap().unwrap();

    let told = "olga broke the glass before the apply of a: the shop is down";
    let messages = || async { slack.messages().into_iter().rfind(|it| it.text.contains(told)) };
    let told = eventually("Slack to be told", PATIENCE, messages, Option::is_some).await.unwrap();
    let all = slack.messages();
    assert_eq!((told.thread_ts.as_ref(), told.is_in_channel), (Some(&all[0].ts), true), "{all:#?}");
    assert!(told.blocks.to_string().contains("(bob may)"), "what is passed over: {}", told.blocks);
    let chain = pipeline.ended(&commit).await;
    pipeline.assert_all_well(&[chain]);
    assert_eq!(slack.messages().len(), 2, "{:#?}", slack.messages());
    pipeline.stop().await;
}
