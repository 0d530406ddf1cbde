//! An approval of a merge request at GitLab is a word about the gates of its head, and what comes of it
//! stands there.

use contracts::{
    Code,
    chain::{ChainKind, ChainState},
    change::ChangeAnswered,
    step::StepState,
};
use executor::ChainPage;
use harness::{
    Pipeline, Setup, accounts, github,
    listener::Listener,
    patience::{PATIENCE, eventually},
};
use receivers::{CommitStatus, GITLAB_TOKEN, Gitlab, Note};
use serde_json::{Value, json};
use uuid::Uuid;

const TOKEN: &str = "the-token-of-the-webhook";

/// Somebody must approve before anything of a merge request is planned; carol is not asked.
const POLICY: &str = r#"
policy "trusted_code" {
  match {
    kind   = "preview"
    moment = ["before_chain"]
  }
  approval {
    min_approvers    = 2
    allowed_groups   = ["net"]
    no_self_approval = true
  }
}
group "net" { members = ["gracie", "ann", "jane"] }
person "gracie" { also = ["grace"] }
"#;

/// A pipeline that hears GitLab, with nobody among the `commanders`, and tells it.
async fn host(gitlab: &Gitlab) -> Pipeline {
    let environment = [
        ("INGEST__GITLAB__SECRETS", format!(r#"["{TOKEN}"]"#)),
        ("NOTIFIER__GITLAB__TOKEN", GITLAB_TOKEN.to_owned()),
        ("NOTIFIER__GITLAB__API_BASE", gitlab.api_base.clone()),
    ];
    let setup = Setup {
        account: accounts::account(&[("a", &[])]),
        environment: environment.map(|(key, value)| (key.to_owned(), value)).into(),
        policies: vec![("trusted.hcl", POLICY.to_owned())],
        ..Setup::default()
    };
    Pipeline::with(setup).await
}

/// What GitLab says of merge request 7 at a head.
fn merge_request(action: &str, by: &str, head: &str) -> Value {
    json!({
        "object_kind": "merge_request", "event_type": "merge_request",
        "user": { "id": 1, "username": by },
        "project": { "id": 15, "path_with_namespace": accounts::REPOSITORY },
        "labels": [], "changes": {},
        "object_attributes": {
            "iid": 7, "title": "Try something", "action": action, "target_branch": "main",
            "source_project_id": 15, "target_project_id": 15, "last_commit": { "id": head },
            "url": format!("https://gitlab.example/{}/-/merge_requests/7", accounts::REPOSITORY),
            "updated_at": format!("2026-11-20 10:00:00 UTC, {}", Uuid::new_v4()),
        },
    })
}

/// Delivers it as GitLab does; gives the code that is answered.
async fn deliver(pipeline: &Pipeline, payload: &Value) -> String {
    let response = pipeline
        .client
        .post(format!("http://{}/webhooks/gitlab", pipeline.installation.ingest))
        .header("X-Gitlab-Event", "Merge Request Hook")
        .header("X-Gitlab-Token", TOKEN)
        .header("Idempotency-Key", Uuid::new_v4().to_string())
        .json(payload)
        .send()
        .await
        .unwrap();
    let answer: Value = response.json().await.unwrap();
    answer["code"].as_str().unwrap_or_default().to_owned()
}

/// Opens merge request 7 as jane; gives its head once it waits for people.
async fn waits(pipeline: &Pipeline) -> String {
    let head = github::commit();
    let opened = deliver(pipeline, &merge_request("open", "jane", &head)).await;
    assert_eq!(opened, "accepted");
    let waits = |page: &ChainPage| {
        page.line.kind == ChainKind::Preview && page.line.reason.text.contains("trusted_code")
    };
    pipeline.chain_when(&head, PATIENCE, waits).await;
    head
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_of_a_merge_request_pass_the_gate_of_its_head_by_whom_policies_know() {
    let gitlab = Gitlab::start().await;
    let pipeline = host(&gitlab).await;
    let mut listener = Listener::start(&pipeline.bus).await;
    let head = waits(&pipeline).await;
    let mut say = async |action: &str, by: &str| -> (Code, String) {
        let said = deliver(&pipeline, &merge_request(action, by, &head)).await;
        assert_eq!(said, "accepted");
        let answered: ChangeAnswered = listener.expect().await;
        assert_eq!((answered.by.as_str(), answered.pull_request), (by, 7));
        (answered.reason.code, answered.reason.text)
    };

    // Of another head nothing waits.
    let other = merge_request("approved", "grace", &github::commit());
    assert_eq!(deliver(&pipeline, &other).await, "accepted");
    for (by, why) in [("carol", "gives carol no say"), ("jane", "jane made this change")] {
        let (code, text) = say("approval", by).await;
        assert!(code == Code::CommandRefused && text.contains(why), "{text}");
    }
    let (code, text) = say("approval", "grace").await;
    assert!(code == Code::CommandTaken && text.contains("more approvals are needed"), "{text}");
    let (_, text) = say("unapproval", "grace").await;
    assert!(text.contains("taken back gate_"), "{text}");
    let (_, text) = say("approval", "ann").await;
    assert!(text.contains("more approvals are needed"), "grace took hers back: {text}");
    assert!(pipeline.spacelift.runs("a").is_empty());

    let (code, text) = say("approved", "grace").await;
    assert!(code == Code::CommandTaken && text.contains("it goes on"), "{text}");
    let chain = pipeline.ended(&head).await;
    assert_eq!(chain.line.state, ChainState::Finished);
    assert_eq!(chain.steps_in_order[0].summary.state, StepState::Finished);
    told(&gitlab, &head).await;
    pipeline.stop().await;
}

/// Waits until GitLab shows how the head fares, and the answers stand at the merge request beside the
/// comment that follows it.
async fn told(gitlab: &Gitlab, head: &str) {
    let shown = async || (gitlab.statuses(), gitlab.notes());
    let whole = |(statuses, notes): &(Vec<CommitStatus>, Vec<Note>)| {
        let mut ended = statuses.iter().filter(|it| it.commit == head && it.name == "stackly/plan");
        ended.next_back().is_some_and(|it| it.state == "success") && notes.len() == 7
    };
    let (_, notes) = eventually("GitLab to be told", PATIENCE, shown, whole).await;
    assert!(notes.iter().all(|note| note.merge_request == 7), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_head_of_a_merge_request_is_another_gate_and_a_wrong_token_says_nothing() {
    let gitlab = Gitlab::start().await;
    let pipeline = host(&gitlab).await;
    let mut listener = Listener::start(&pipeline.bus).await;
    let old = waits(&pipeline).await;
    for by in ["grace", "ann"] {
        let said = deliver(&pipeline, &merge_request("approval", by, &old)).await;
        assert_eq!(said, "accepted");
        listener.expect::<ChangeAnswered>().await;
    }
    pipeline.ended(&old).await;

    let head = waits(&pipeline).await;
    let forged = pipeline
        .client
        .post(format!("http://{}/webhooks/gitlab", pipeline.installation.ingest))
        .header("X-Gitlab-Event", "Merge Request Hook")
        .header("X-Gitlab-Token", "another")
        .json(&merge_request("approval", "grace", &head))
        .send()
        .await
        .unwrap();
    assert_eq!(forged.status(), 401);
    let said = deliver(&pipeline, &merge_request("approval", "grace", &head)).await;
    assert_eq!(said, "accepted");
    let answered: ChangeAnswered = listener.expect().await;
    assert!(answered.reason.text.contains("more approvals are needed"), "{}", answered.reason);
    pipeline.stop().await;
}
