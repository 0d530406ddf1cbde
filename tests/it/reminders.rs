//! A gate that waits for people for too long reminds them, then lets others approve as well.

use contracts::{Code, gate::GateReminded};
use executor::ChainPage;
use harness::{
    Pipeline, Setup, accounts,
    listener::Listener,
    patience::{PATIENCE, eventually},
    telling,
};
use receivers::Slack;

const POLICY: &str = r#"
policy "slow" {
  match { stacks = ["a"] }
  approval {
    allowed_groups = ["leads"]
    remind_after   = "1s"
    escalate_after = "8s"
    escalate_to    = ["bosses"]
  }
}
group "leads" { members = ["bob"] }
group "bosses" { members = ["vera"] }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn people_are_reminded_and_then_others_are_asked_who_may_approve() {
    let slack = Slack::start().await;
    let environment = telling(&slack);
    let mut account = accounts::account(&[("a", &[])]);
    account.stacks[0].autodeploy = false;
    let policies = vec![("slow.hcl", POLICY.to_owned())];
    let setup = Setup { account, policies, environment, ..Setup::default() };
    let pipeline = Pipeline::with(setup).await;
    let mut listener = Listener::start(&pipeline.bus).await;
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;

    let reminded: GateReminded = listener.expect().await;
    assert_eq!(reminded.reason.code, Code::ApprovalOverdue);
    assert!(reminded.reason.text.contains("(bob may)"), "{}", reminded.reason);
    let escalated: GateReminded = listener.expect().await;
    assert_eq!((escalated.gate, escalated.reason.code), (reminded.gate, Code::ApprovalEscalated));
    let messages = || async { slack.messages() };
    let told = |messages: &Vec<receivers::Message>| {
        messages.iter().any(|message| message.text.contains("others may approve now"))
    };
    eventually("Slack to be told", PATIENCE, messages, told).await;

    // Why it waits names everybody who may still approve.
    let waits =
        |page: &ChainPage| page.steps_in_order[0].summary.reason.text.contains("(bob, vera may)");
    pipeline.chain_when(&commit, PATIENCE, waits).await;
    pipeline.review(escalated.gate, true, "vera").await.unwrap();
    let chain = pipeline.ended(&commit).await;
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}
