//! A review at the host is a word about the gates of its commit, and is answered there.

use contracts::{
    ChainId, Code, CommitSha, Envelope, GateId, Message, chain::ChainKind, gate::GateRequested,
    step::StepState, subject,
};
use executor::ChainPage;
use futures::StreamExt;
use harness::{
    Pipeline, Setup, accounts, github,
    patience::{PATIENCE, eventually},
};
use receivers::{Comment, GITHUB_TOKEN, Github};
use serde_json::{Value, json};
use simulator::Account;
use uuid::Uuid;

/// Somebody must approve before anything of a pull request is planned; carol is not asked.
const POLICY: &str = r#"
policy "trusted_code" {
  match {
    kind   = "preview"
    moment = ["before_chain"]
  }
  approval {
    min_approvers    = 1
    allowed_groups   = ["net"]
    no_self_approval = true
  }
}
group "net" { members = ["gracie", "jane"] }
person "gracie" { also = ["grace"] }
"#;

struct Host {
    github: Github,
    pipeline: Pipeline,
}

async fn host() -> Host {
    host_with(accounts::account(&[("a", &[])]), POLICY).await
}

async fn host_with(account: Account, policy: &str) -> Host {
    let github = Github::start().await;
    let environment = [
        ("NOTIFIER__GITHUB__TOKEN", GITHUB_TOKEN),
        ("NOTIFIER__GITHUB__API_BASE", &github.api_base),
        ("NOTIFIER__PULL_REQUESTS__OVERVIEW", "false"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let setup = Setup {
        account,
        environment: environment.into(),
        policies: vec![("trusted.hcl", policy.to_owned())],
        ..Setup::default()
    };
    Host { pipeline: Pipeline::with(setup).await, github }
}

impl Host {
    /// Pull request 7 is opened by jane and waits for somebody.
    async fn waits(&self) -> String {
        let commit = github::commit();
        let proposed = github::pull_request(7, &commit);
        assert_eq!(self.pipeline.deliver("pull_request", &proposed).await.0, 202);
        let waits = |page: &ChainPage| {
            page.line.kind == ChainKind::Preview && page.line.reason.text.contains("trusted_code")
        };
        self.pipeline.chain_when(&commit, PATIENCE, waits).await;
        commit
    }

    /// Somebody reviews pull request 7 at a commit.
    async fn review(&self, by: &str, state: &str, commit: &str) {
        let payload = review(by, state, commit);
        let (status, answer) = self.pipeline.deliver("pull_request_review", &payload).await;
        assert_eq!(status, 202, "{answer}");
    }

    /// Waits until the policy service has kept so many words about commits.
    async fn kept(&self, words: usize) {
        let question = json!({});
        let subject = subject::question("policy", "words");
        let ask = || async {
            self.pipeline.bus.request(&subject, &question).await.unwrap().unwrap()["words"].clone()
        };
        let all = |said: &Value| said.as_array().is_some_and(|said| said.len() >= words);
        eventually("the words are kept", PATIENCE, ask, all).await;
    }

    /// What is said at pull request 7, once so much was.
    async fn said(&self, comments: usize) -> Vec<Comment> {
        let all = || async { self.github.comments() };
        eventually("an answer", PATIENCE, all, |all| all.len() >= comments).await
    }
}

fn review(by: &str, state: &str, commit: &str) -> Value {
    let id = CommitSha::from(github::commit()).as_str()[..8].to_owned();
    json!({
        "action": "submitted",
        "review": {
            "id": u64::from_str_radix(&id, 16).unwrap(),
            "user": { "login": by }, "body": null, "state": state, "commit_id": commit,
            "html_url": "https://github.com/acme/infra/pull/7#pullrequestreview-1",
            "author_association": "MEMBER",
        },
        "pull_request": { "number": 7 },
        "repository": { "full_name": accounts::REPOSITORY },
        "sender": { "login": by },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_counts_for_its_commit_by_whom_policies_know_and_not_by_others() {
    let host = host().await;
    let commit = host.waits().await;

    // Another commit is not what waits: nothing is said, and nothing follows.
    host.review("grace", "approved", &github::commit()).await;
    host.review("carol", "approved", &commit).await;
    let said = host.said(1).await;
    assert!(said[0].body.contains("gives carol no say"), "{}", said[0].body);
    host.review("jane", "approved", &commit).await;
    let said = host.said(2).await;
    assert!(said[1].body.contains("jane made this change"), "{}", said[1].body);
    assert!(host.pipeline.spacelift.runs("a").is_empty());

    host.review("grace", "approved", &commit).await;
    let said = host.said(3).await;
    assert!(
        said[2].body.contains("`stackly approve`, asked for by grace: approved gate_"),
        "{}",
        said[2].body
    );
    let chain = host.pipeline.ended(&commit).await;
    assert_eq!(chain.steps_in_order[0].summary.state, StepState::Finished);
    assert_eq!(host.github.comments().len(), 3, "{:#?}", host.github.comments());
    host.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_are_requested_end_what_waits_and_a_comment_means_the_head_of_its_time() {
    let host = host().await;
    let commit = host.waits().await;
    let old = host
        .pipeline
        .deliver("issue_comment", &github::comment(7, "stackly approve 0123abc"))
        .await;
    assert_eq!(old.0, 202);
    let said = host.said(1).await;
    assert!(said[0].body.contains("not at 0123abc"), "{}", said[0].body);

    host.review("grace", "changes_requested", &commit).await;
    let said = host.said(2).await;
    assert!(said[1].body.contains("rejected gate_"), "{}", said[1].body);
    let denied = |page: &ChainPage| page.line.state == contracts::chain::ChainState::Denied;
    host.pipeline.chain_when(&commit, PATIENCE, denied).await;
    assert!(host.pipeline.spacelift.runs("a").is_empty());
    host.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_that_came_before_its_gate_was_asked_counts_for_it_by_the_same_rules() {
    let host = host().await;
    let commit = github::commit();
    // By its author, and by somebody who is not asked.
    host.review("jane", "approved", &commit).await;
    host.review("carol", "approved", &commit).await;
    // What is ordered is carried out beside the answer: all of it is kept before the gate is asked.
    host.kept(2).await;
    let proposed = github::pull_request(7, &commit);
    assert_eq!(host.pipeline.deliver("pull_request", &proposed).await.0, 202);
    let waits = |page: &ChainPage| page.line.reason.text.contains("wants 1 approval, 0 given");
    host.pipeline.chain_when(&commit, PATIENCE, waits).await;

    // A pull request whose review was faster than its gate.
    let reviewed = github::commit();
    host.review("grace", "approved", &reviewed).await;
    host.kept(3).await;
    let proposed = github::pull_request(7, &reviewed);
    assert_eq!(host.pipeline.deliver("pull_request", &proposed).await.0, 202);
    let chain = host.pipeline.ended(&reviewed).await;
    assert_eq!(chain.steps_in_order[0].summary.state, StepState::Finished);
    assert_eq!(host.github.comments().len(), 0, "{:#?}", host.github.comments());
    host.pipeline.stop().await;
}

/// Somebody must approve whatever is applied.
const APPLIES: &str = r#"
policy "four_eyes" {
  approval {
    allowed_groups = ["net"]
  }
}
group "net" { members = ["grace"] }
"#;

/// The same question about another commit.
fn another(asked: &Envelope) -> Envelope {
    let (gate, chain) = (GateId(Uuid::new_v4()), ChainId(Uuid::new_v4()));
    let mut another = Envelope {
        id: Uuid::new_v4(),
        key: gate.to_string(),
        correlation: chain.0,
        causation: None,
        trace: None,
        ..asked.clone()
    };
    another.body["gate"] = json!(gate);
    another.body["chain"] = json!(chain);
    another.body["change"]["commit"] = json!(github::commit());
    another
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_reaches_the_gate_of_its_commit_behind_more_gates_than_one_answer_holds() {
    let mut account = accounts::account(&[("a", &[])]);
    account.stacks[0].autodeploy = false;
    let host = host_with(account, APPLIES).await;
    let bus = &host.pipeline.bus;
    let mut asked = bus.tail(&subject::events_of(GateRequested::TYPE)).await.unwrap();
    bus.flush().await.unwrap();
    let commit = host.pipeline.push(&["stacks/a/main.tf"]).await;
    let waits =
        |page: &ChainPage| page.steps_in_order[0].summary.reason.code == Code::ApprovalNeeded;
    host.pipeline.chain_when(&commit, PATIENCE, waits).await;
    let before_apply = loop {
        let asked = asked.next().await.expect("the connection stays");
        if asked.body["moment"] == "before_apply" {
            break asked;
        }
    };
    let newer: Vec<Envelope> = (0..501).map(|_| another(&before_apply)).collect();
    for some in newer.chunks(100) {
        let sent = bus.send(some).await;
        bus.stored(sent).await.unwrap();
    }
    let question = json!({ "open_only": true });
    let gates = subject::question("policy", "gates");
    let ask = || async { bus.request(&gates, &question).await.unwrap().unwrap() };
    eventually("more gates than one answer holds", PATIENCE, ask, |page| page["more"] == true)
        .await;

    host.review("grace", "approved", &commit).await;
    let said = host.said(1).await;
    assert!(said[0].body.contains("approved gate_"), "{}", said[0].body);
    let chain = host.pipeline.ended(&commit).await;
    assert_eq!(chain.steps_in_order[0].summary.state, StepState::Finished);
    host.pipeline.stop().await;
}
