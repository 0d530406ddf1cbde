//! Approvals over HTTP, by people whom an issuer of ID tokens vouches for.

use contracts::{
    ChainId, Code, GateId, Message,
    chain::ChainState,
    check::CheckAsked,
    gate::{AnswerHook, ReviewGate},
    step::StepState,
    subject,
};
use executor::ChainPage;
use harness::{Pipeline, Setup, accounts, listener::Listener, patience::PATIENCE};
use receivers::{ISSUER_AUDIENCE, Issuer};
use serde_json::{Value, json};

use crate::contracts::CARDS;

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

/// What makes ingest take the tokens of an issuer.
fn takes(issuer: &Issuer) -> Vec<(String, String)> {
    let environment = [
        ("INGEST__OIDC__ISSUER", issuer.url.clone()),
        ("INGEST__OIDC__AUDIENCE", ISSUER_AUDIENCE.to_owned()),
    ];
    environment.map(|(name, value)| (name.to_owned(), value)).into()
}

async fn system(issuer: &Issuer) -> Pipeline {
    let mut account = accounts::account(&[("a", &[])]);
    account.stacks[0].autodeploy = false;
    let mut environment = takes(issuer);
    // Ingest vouches for whom it lets in; nobody else is taken at their word.
    let vouched = "STACKLY__BUS__VOUCHED_NAMES_ONLY".to_owned();
    environment.push((vouched, "true".to_owned()));
    let policies = vec![("two.hcl", POLICY.to_owned())];
    Pipeline::with(Setup { account, environment, policies, ..Setup::default() }).await
}

/// Says something about a gate; gives status and code.
async fn say(pipeline: &Pipeline, token: Option<&str>, gate: GateId, word: &str) -> (u16, String) {
    let body = json!({ "target": gate, "word": word, "note": "looked at it" });
    post(pipeline, "approvals", token, body).await
}

async fn post(pipeline: &Pipeline, path: &str, token: Option<&str>, body: Value) -> (u16, String) {
    let url = format!("http://{}/{path}", pipeline.installation.ingest);
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

    let word = json!({ "gate": gate, "approve": true, "by": "ann", "groups": ["eng-net"] });
    let at_their_word = subject::command(ReviewGate::TYPE);
    let refused = pipeline.bus.request(&at_their_word, &word).await.unwrap().unwrap_err();
    assert_eq!(refused.code, "name_not_vouched");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_check_after_a_wave_is_answered_with_a_token_of_a_group_that_may_and_of_nobody_else() {
    let issuer = Issuer::start().await;
    let mut account = accounts::account(&[("a", &[]), ("b", &[])]);
    account.stacks[0].labels.push("stackly:canary".to_owned());
    let mut environment = takes(&issuer);
    let executor = [
        ("WAVES__CHECKS", r#"["smoke"]"#),
        ("CHECKS__NAMED", r#"{ smoke = { hook = "smoke-tests", within = "5m" } }"#),
        ("CHECKS__TIMEOUT", "2s"),
        ("ROLES__ANSWER", r#"["sre"]"#),
        ("ROLES__CLAIMS", r#"{ sre = ["eng-sre"] }"#),
    ];
    environment.extend(executor.map(|(key, value)| (format!("EXECUTOR__{key}"), value.to_owned())));
    let pipeline = Pipeline::with(Setup { account, environment, ..Setup::default() }).await;
    let mut listener = Listener::start(&pipeline.bus).await;
    let commit = pipeline.push(&["stacks/a/main.tf", "stacks/b/main.tf"]).await;
    let asked: CheckAsked = listener.expect().await;
    let answer =
        |look: u32| json!({ "chain": asked.chain, "check": "smoke", "look": look, "pass": true });
    let token = |mail: &str, groups: &[&str]| {
        issuer.token(&json!({ "email": mail, "sub": mail, "groups": groups }))
    };
    let say = |token: Option<String>, body: Value| {
        let pipeline = &pipeline;
        async move { post(pipeline, "checks", token.as_deref(), body).await }
    };

    let (robot, zoe) = (token("robot@acme.example", &["eng-sre"]), token("zoe@acme.example", &[]));
    assert_eq!(say(None, answer(1)).await, (401, "no_token".to_owned()));
    assert_eq!(say(Some(zoe), answer(1)).await, (403, "not_allowed".to_owned()));
    let nobody = json!({ "chain": ChainId::derived(&asked.chain.0, "nobody"), "check": "smoke", "pass": true });
    assert_eq!(say(Some(robot.clone()), nobody).await, (404, "not_found".to_owned()));
    let garbled = json!({ "chain": asked.chain });
    assert_eq!(say(Some(robot.clone()), garbled).await, (400, "malformed".to_owned()));
    assert_eq!(say(Some(robot.clone()), answer(7)).await.0, 409, "there is no such look");
    assert_eq!(say(Some(robot.clone()), answer(1)).await, (200, "answered".to_owned()));
    assert_eq!(say(Some(robot), answer(1)).await.0, 409, "the first answer counts");
    let chain = pipeline.ended(&commit).await;
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_asks_who_vouches_for_the_name_in_it() {
    let vouched = ("STACKLY__BUS__VOUCHED_NAMES_ONLY".to_owned(), "true".to_owned());
    let pipeline = Pipeline::with(Setup { environment: vec![vouched], ..Setup::default() }).await;
    // A hook is known by the subject that it alone may send.
    let all = CARDS.iter().flat_map(|card| card.commands).filter(|it| **it != AnswerHook::TYPE);
    for kind in all {
        for (subject, code) in [
            (subject::command(kind), "name_not_vouched"),
            (subject::command_by("jane", kind), "name_of_another"),
        ] {
            let answered = pipeline.bus.request(&subject, &json!({ "by": "ann" })).await;
            let refused = answered.unwrap_or_else(|error| panic!("{subject}: {error}"));
            assert_eq!(refused.unwrap_err().code, code, "{subject}");
        }
    }
    pipeline.stop().await;
}
