//! What the policies hold until a time, and what they deny.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use contracts::{Code, chain::ChainState, step::StepState, subject};
use executor::ChainPage;
use harness::{
    Pipeline, Setup, accounts,
    patience::{PATIENCE, eventually},
};
use serde_json::{Value, json};

async fn with_policy(text: String, mut setup: Setup) -> Pipeline {
    setup.policies = vec![("policy.hcl", text)];
    setup.environment.push(("POLICY__POLICIES__POLL".to_owned(), "100ms".to_owned()));
    Pipeline::with(setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_window_goes_on_by_itself_when_the_policy_is_changed() {
    let hour = (Utc::now() + TimeDelta::hours(2)).hour();
    let policy = format!(
        r#"policy "hours" {{
             match {{ moment = ["before_plan"] }}
             schedule {{
               allowed_hours = ["{hour}-{}"]
               timezone = "UTC"
             }}
           }}"#,
        hour + 1
    );
    let setup = Setup { account: accounts::account(&[("a", &[])]), ..Setup::default() };
    let pipeline = with_policy(policy, setup).await;

    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let held = |page: &ChainPage| page.steps_in_order[0].summary.reason.code == Code::WindowClosed;
    let page = pipeline.chain_when(&commit, PATIENCE, held).await;

    // It waits as a row that says until when, and for which policy.
    let step = &page.steps_in_order[0];
    assert_eq!(step.summary.state, StepState::GatingPlan);
    assert!(step.summary.reason.text.contains("policy hours"), "{}", step.summary.reason.text);
    let question = json!({ "gate": step.gate, "open_only": true });
    let answer =
        pipeline.bus.request(&subject::question("policy", "gates"), &question).await.unwrap();
    let gate = &answer.unwrap()["gates"][0];
    assert_eq!(gate["outcome"], "hold_until");
    let until: DateTime<Utc> = gate["until"].as_str().unwrap().parse().unwrap();
    let wait = until - Utc::now();
    assert!(TimeDelta::zero() < wait && wait <= TimeDelta::hours(2), "{until}");
    assert!(pipeline.spacelift.runs("a").is_empty());

    let file = std::path::Path::new(&pipeline.installation.policies).join("policy.hcl");
    std::fs::write(file, "# open again\n").unwrap();
    let chain = pipeline.ended(&commit).await;
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_step_never_runs_and_nothing_below_it_does() {
    let policy = r#"policy "frozen" {
        match { stacks = ["b"] }
        deny { reason = "b is frozen until the audit is over" }
    }"#;
    let pipeline = with_policy(policy.to_owned(), Setup::default()).await;

    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let chain = pipeline.ended(&commit).await;

    let states: Vec<_> = chain.steps_in_order.iter().map(|step| step.summary.state).collect();
    let (finished, denied, skipped) = (StepState::Finished, StepState::Denied, StepState::Skipped);
    assert_eq!(states, [finished, denied, finished, skipped]);
    let reason = &chain.steps_in_order[1].summary.reason;
    assert_eq!(reason.code, Code::PolicyDenied);
    assert!(reason.text.contains("until the audit is over"), "{}", reason.text);
    assert!(pipeline.spacelift.runs("b").is_empty() && pipeline.spacelift.runs("d").is_empty());
    assert_eq!(pipeline.violations(&[chain]), []);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_chain_triggers_nothing() {
    let policy = r#"policy "freeze" {
        match { moment = ["before_chain"] }
        deny { reason = "nobody is here" }
    }"#;
    let pipeline = with_policy(policy.to_owned(), Setup::default()).await;

    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let chain = pipeline.ended(&commit).await;

    assert_eq!(chain.line.state, ChainState::Denied);
    assert!(chain.line.reason.text.contains("nobody is here"), "{}", chain.line.reason.text);
    assert!(chain.steps_in_order.iter().all(|it| it.summary.state == StepState::Denied));
    let runs: usize = ["a", "b", "c", "d"].map(|it| pipeline.spacelift.runs(it).len()).iter().sum();
    assert_eq!(runs, 0);
    pipeline.stop().await;
}

/// The gates of a chain, as the policy service shows them.
async fn gates(pipeline: &Pipeline, chain: &ChainPage) -> Vec<Value> {
    let question = json!({ "chain": chain.line.chain });
    let subject = subject::question("policy", "gates");
    let answer = pipeline.bus.request(&subject, &question).await.unwrap().unwrap();
    answer["gates"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_no_policy_speaks_about_need_not_ask_until_a_policy_comes_that_does() {
    let account = accounts::account(&[("a", &[]), ("b", &["a"])]);
    let setup = Setup { account, ..Setup::default() };
    let pipeline = with_policy("# nothing yet\n".to_owned(), setup).await;
    pipeline.spacelift.pause();
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let planning = |page: &ChainPage| page.steps_in_order[0].summary.state == StepState::Planning;
    let chain = pipeline.chain_when(&commit, PATIENCE, planning).await;
    let asked = gates(&pipeline, &chain).await;
    assert_eq!((asked.len(), &asked[0]["moment"]), (1, &json!("before_chain")), "{asked:#?}");

    let policy = r#"policy "audit" {
        match { stacks = ["b"] }
        deny { reason = "b is being audited" }
    }"#;
    let folder = std::path::Path::new(&pipeline.installation.policies);
    std::fs::write(folder.join("policy.hcl"), policy).unwrap();
    let taken_back = |gates: &Vec<Value>| gates[0]["revision"] == 2;
    eventually("it is taken back", PATIENCE, || gates(&pipeline, &chain), taken_back).await;
    pipeline.spacelift.resume();

    let chain = pipeline.ended(&commit).await;
    let states: Vec<_> = chain.steps_in_order.iter().map(|step| step.summary.state).collect();
    assert_eq!(states, [StepState::Finished, StepState::Denied]);
    let reason = &chain.steps_in_order[1].summary.reason;
    assert!(reason.text.contains("b is being audited"), "{reason}");
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_waits_while_as_many_as_may_be_are_under_way_and_goes_on_when_one_ends() {
    let policy = r#"policy "one_by_one" {
        limits { max_concurrent = 1 }
    }"#;
    let account = accounts::account(&[("a", &[]), ("b", &[])]);
    let pipeline = with_policy(policy.to_owned(), Setup { account, ..Setup::default() }).await;
    pipeline.spacelift.pause();
    let first = pipeline.push(&["stacks/a/main.tf"]).await;
    let planning = |page: &ChainPage| page.steps_in_order[0].summary.state == StepState::Planning;
    let ahead = pipeline.chain_when(&first, PATIENCE, planning).await;

    let second = pipeline.push(&["stacks/b/main.tf"]).await;
    let waits = |page: &ChainPage| page.line.reason.code == Code::ChainsAhead;
    let held = pipeline.chain_when(&second, PATIENCE, waits).await;
    assert_eq!(held.line.state, ChainState::Gating);
    let text = &held.line.reason.text;
    assert!(text.contains(&ahead.line.chain.to_string()), "{text}");
    assert!(pipeline.spacelift.runs("b").is_empty());

    pipeline.spacelift.resume();
    let chains = [pipeline.ended(&first).await, pipeline.ended(&second).await];
    pipeline.assert_all_well(&chains);
    let (run_a, run_b) = (&pipeline.spacelift.runs("a")[0], &pipeline.spacelift.runs("b")[0]);
    assert!(run_a.id < run_b.id, "one after the other");
    pipeline.stop().await;
}
