//! Approvals over HTTP, by people whom an issuer of ID tokens vouches for.

use contracts::{Code, GateId, chain::ChainState, step::StepState};
use executor::ChainPage;
use harness::{Pipeline, Setup, accounts, patience::PATIENCE};
use receivers::{ISSUER_AUDIENCE, Issuer};
use serde_json::{Value, json};

/// Ann is known by her address, and somebody of the issuer's group must approve as well.
const POLICY: &str = r#"
policy "two" {
  match { stacks = ["a"] }
  approval {
    min_approvers    = 2
    allowed_users    = ["ann", "jane"]
    allowed_groups   = ["platform"]
    no_self_approval = true
  }
}
group "platform" { claims = ["eng-net"] }
person "ann" { also = ["ann@acme.example"] }
person "jane" { also = ["jane@acme.example"] }
"#;

async fn system(issuer: &Issuer) -> Pipeline {
    let mut account = accounts::account(&[("a", &[])]);
    account.stacks[0].autodeploy = false;
    let environment = [
        ("INGEST__OIDC__ISSUER", issuer.url.clone()),
        ("INGEST__OIDC__AUDIENCE", ISSUER_AUDIENCE.to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
    let policies = vec![("two.hcl", POLICY.to_owned())];
    Pipeline::with(Setup { account, environment, policies, ..Setup::default() }).await
}

/// Says something about a gate; gives status and code.
async fn say(pipeline: &Pipeline, token: Option<&str>, gate: GateId, word: &str) -> (u16, String) {
    let url = format!("http://{}/approvals", pipeline.installation.ingest);
    let body = json!({ "target": gate, "word": word, "note": "looked at it" });
    let mut request = pipeline.client.post(url).json(&body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let answer: Value = response.json().await.unwrap();
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_count_by_person_and_by_group_and_the_author_s_own_does_not() {
    let issuer = Issuer::start().await;
    let pipeline = system(&issuer).await;
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let waits = |page: &ChainPage| {
        let step = &page.steps_in_order[0].summary;
        step.state == StepState::GatingApply && step.reason.code == Code::ApprovalNeeded
    };
    let page = pipeline.chain_when(&commit, PATIENCE, waits).await;
    let gate = page.steps_in_order[0].gate.unwrap();
    let token = |claims: Value| issuer.token(&claims);
    let of = |mail: &str, groups: &[&str]| {
        token(json!({ "email": mail, "sub": mail, "groups": groups }))
    };

    assert_eq!(say(&pipeline, None, gate, "approve").await, (401, "no_token".to_owned()));
    let expired = token(json!({ "exp": 1 }));
    assert_eq!(
        say(&pipeline, Some(&expired), gate, "approve").await,
        (401, "bad_token".to_owned())
    );
    let jane = of("jane@acme.example", &["eng-net"]);
    assert_eq!(
        say(&pipeline, Some(&jane), gate, "approve").await,
        (403, "self_approval".to_owned())
    );
    let carol = of("carol@acme.example", &["eng-app"]);
    assert_eq!(
        say(&pipeline, Some(&carol), gate, "approve").await,
        (403, "not_an_approver".to_owned())
    );

    let ann = of("ann@acme.example", &[]);
    assert_eq!(say(&pipeline, Some(&ann), gate, "approve").await, (200, "approved".to_owned()));
    assert_eq!(say(&pipeline, Some(&ann), gate, "withdraw").await, (200, "taken_back".to_owned()));
    assert_eq!(say(&pipeline, Some(&ann), gate, "approve").await, (200, "approved".to_owned()));
    let zoe = of("zoe@acme.example", &["eng-net", "all"]);
    assert_eq!(say(&pipeline, Some(&zoe), gate, "approve").await, (200, "approved".to_owned()));
    let chain = pipeline.ended(&commit).await;
    assert_eq!(chain.line.state, ChainState::Finished);
    let late = say(&pipeline, Some(&zoe), gate, "reject").await;
    assert_eq!(late, (409, "gate_decided".to_owned()));
    pipeline.stop().await;
}
