//! People are told: in Slack, at the commit, and by signed webhooks.

use std::collections::BTreeSet;

use contracts::{
    Message, chain::ChainFinished, chain::ChainState, hook::HookCalled, step::StepFinished,
};
use harness::{
    Pipeline, Setup,
    patience::{PATIENCE, eventually},
};
use receivers::{GITHUB_TOKEN, Github, HOOK_SECRET, Hook, SLACK_TOKEN, Slack};
use simulator::PlanResult;

struct Told {
    slack: Slack,
    github: Github,
    hook: Hook,
    pipeline: Pipeline,
}

/// A system that tells everybody.
async fn telling() -> Told {
    let (slack, github, hook) = (Slack::start().await, Github::start().await, Hook::start().await);
    let webhooks = format!(
        "[{{ name = \"hook\", url = \"{}\", secret = \"{HOOK_SECRET}\", events = [\"chain.*\", \
         \"step.finished\"] }}]",
        hook.url
    );
    let environment = [
        ("SLACK__TOKEN", SLACK_TOKEN),
        ("SLACK__CHANNEL", "deploys"),
        ("SLACK__API_BASE", &slack.api_base),
        ("SLACK__UPDATE_PAUSE", "50ms"),
        ("GITHUB__TOKEN", GITHUB_TOKEN),
        ("GITHUB__API_BASE", &github.api_base),
        ("WEBHOOKS", &webhooks),
    ]
    .map(|(key, value)| (format!("NOTIFIER__{key}"), value.to_owned()));
    let setup = Setup { environment: environment.into(), ..Setup::default() };
    let pipeline = Pipeline::with(setup).await;
    Told { slack, github, hook, pipeline }
}

impl Told {
    /// Waits until everybody was told how the chain of a commit ended; gives the last status.
    async fn the_end(&self, commit: &str, words: &str) -> receivers::Status {
        let texts = || async {
            self.slack.messages().into_iter().map(|message| message.text).collect::<Vec<_>>()
        };
        let shown = |texts: &Vec<String>| texts.iter().any(|text| text.contains(words));
        eventually("Slack to show the end", PATIENCE, texts, shown).await;
        let events = || async {
            self.hook.received().into_iter().map(|it| it.body["type"].clone()).collect::<Vec<_>>()
        };
        let whole = |types: &Vec<_>| types.iter().any(|it| *it == ChainFinished::TYPE);
        eventually("a webhook about the end", PATIENCE, events, whole).await;
        let last = || async {
            let mut statuses = self.github.statuses();
            statuses.retain(|status| status.commit == commit);
            statuses.pop()
        };
        let ended = |status: &Option<receivers::Status>| {
            status.as_ref().is_some_and(|status| status.state != "pending")
        };
        eventually("the commit's final status", PATIENCE, last, ended).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_one_slack_message_one_commit_status_and_a_signed_webhook_for_each_event() {
    let told = telling().await;

    let commit = told.pipeline.push(&["stacks/a/main.tf"]).await;
    let chain = told.pipeline.ended(&commit).await;
    let status = told.the_end(&commit, "finished").await;

    assert_eq!((&*status.state, &*status.context), ("success", "stackly"));
    assert_eq!(told.github.statuses()[0].state, "pending");
    let messages = told.slack.messages();
    let [message] = &messages[..] else { panic!("{} messages: {messages:#?}", messages.len()) };
    assert!(message.edits > 0, "it is updated in place: {message:#?}");
    let shown = message.blocks.to_string();
    for stack in ["a", "b", "c", "d"] {
        assert!(shown.contains(&format!("/stack/{stack}/run/")), "no run of {stack} in {shown}");
    }
    let received = told.hook.received();
    let ids: BTreeSet<_> = received.iter().map(|it| it.id.clone()).collect();
    assert_eq!(ids.len(), received.len(), "nothing came twice");
    let of_type = |kind: &str| received.iter().filter(|it| it.body["type"] == kind).count();
    assert_eq!(of_type(StepFinished::TYPE), 4);
    assert_eq!(received.last().unwrap().body["type"], ChainFinished::TYPE);
    assert_eq!(received.last().unwrap().body["data"]["chain"], chain.line.chain.to_string());
    assert_eq!(told.hook.forged(), 0);
    told.pipeline.assert_all_well(&[chain]);
    told.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_with_the_stack_that_failed() {
    let told = telling().await;
    told.pipeline.spacelift.set_plan("b", PlanResult::FailPlanning).unwrap();

    let commit = told.pipeline.push(&["stacks/a/main.tf"]).await;
    let chain = told.pipeline.ended(&commit).await;
    let status = told.the_end(&commit, "failed").await;

    assert_eq!(chain.line.state, ChainState::Failed);
    assert_eq!(status.state, "failure");
    assert!(status.description.contains("b: "), "{}", status.description);
    let [message] = &told.slack.messages()[..] else { panic!("one message per chain") };
    assert!(message.blocks.to_string().contains("failed"), "{message:#?}");
    told.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_a_stack_names_is_called_after_its_apply_where_it_is_wanted_by_name() {
    let (smoke, other) = (Hook::start().await, Hook::start().await);
    let endpoint = |hook: &Hook, name: &str| {
        let url = &hook.url;
        format!(
            "{{ name = \"{name}\", url = \"{url}\", secret = \"{HOOK_SECRET}\", \
             events = [\"hook.called.{name}\"] }}"
        )
    };
    let webhooks = format!("[{}, {}]", endpoint(&smoke, "smoke_test"), endpoint(&other, "other"));
    let environment = vec![("NOTIFIER__WEBHOOKS".to_owned(), webhooks)];
    let mut setup = Setup { environment, ..Setup::default() };
    let b = setup.account.stacks.iter_mut().find(|stack| stack.id == "b").unwrap();
    b.labels.push("stackly:hook=post_apply:smoke_test".to_owned());
    let pipeline = Pipeline::with(setup).await;

    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let chain = pipeline.ended(&commit).await;
    let calls = || async { smoke.received() };
    let called = eventually("the hook to be called", PATIENCE, calls, |it| !it.is_empty()).await;
    let [call] = &called[..] else { panic!("one call, not {called:#?}") };
    assert_eq!(call.body["type"], HookCalled::TYPE);
    let told: HookCalled = serde_json::from_value(call.body["data"].clone()).unwrap();
    assert_eq!((told.hook.as_str(), told.after.as_str()), ("smoke_test", "post_apply"));
    assert_eq!((told.chain, told.step.stack.as_str()), (chain.line.chain, "b"));
    assert_eq!(told.change.commit.as_str(), commit);
    assert!(told.step.run_url.is_some(), "{:?}", told.step);
    assert!(other.received().is_empty());
    pipeline.stop().await;
}
