//! What people say in one repository, and what it reaches, over the wire.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bus::Problem;
use chrono::TimeDelta;
use contracts::{
    ChainId, GateId,
    gate::{ReviewCommit, ReviewGate},
    order::RetryChain,
};
use secrecy::SecretString;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::carry::Carrier;

/// Counts for `acme/sandbox` alone.
const SANDBOX_SECRET: &str = "of the sandbox";

/// The gates and chains there are: of each repository one.
const REPOSITORIES: [(u128, &str); 2] = [(1, "acme/infra"), (2, "acme/sandbox")];

fn gate(number: u128) -> GateId {
    GateId(Uuid::from_u128(number))
}

fn chain(number: u128) -> ChainId {
    ChainId(Uuid::from_u128(number))
}

fn change(repository: &str) -> Value {
    json!({ "repository": repository, "commit": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5",
            "pull_request": 42 })
}

/// What the policy service says of gates.
fn gates(asked: &Value) -> Value {
    let is_meant =
        |number| asked["gate"] == json!(gate(number)) || asked["chain"] == json!(chain(number));
    let shown = |(number, repository)| {
        json!({ "gate": gate(number), "chain": chain(number), "change": change(repository),
                "outcome": "hold_for_approvals" })
    };
    let meant = REPOSITORIES.into_iter().filter(|(number, _)| is_meant(*number)).map(shown);
    json!({ "gates": meant.collect::<Vec<_>>(), "more": false })
}

/// What the executor says of a chain.
fn page(asked: &Value) -> Value {
    let (_, repository) = REPOSITORIES
        .into_iter()
        .find(|(number, _)| asked["chain"] == json!(chain(*number)))
        .unwrap();
    json!({ "chain": asked["chain"], "change": change(repository) })
}

/// A comment of an owner of `acme/sandbox`, or so it says.
struct Comment<'c> {
    text: &'c str,
    is_at_pull_request: bool,
    created_at: chrono::DateTime<Utc>,
    secret: &'c str,
}

impl<'c> Comment<'c> {
    fn at_pull_request(text: &'c str) -> Self {
        Self { text, is_at_pull_request: true, created_at: Utc::now(), secret: SANDBOX_SECRET }
    }
}

impl Running {
    /// Answers in the place of another service; gives what it is asked.
    async fn stand_in(
        &self,
        subject: String,
        answer: impl Fn(&Value) -> Value + Clone + Send + Sync + 'static,
    ) -> UnboundedReceiver<Value> {
        let (asked, mut questions) = unbounded_channel();
        let respond = move |body: Value| {
            let answered = if body.is_null() { Value::Null } else { answer(&body) };
            asked.send(body).unwrap();
            async move { Ok::<_, Problem>(answered) }
        };
        let (bus, shutdown, at) = (self.bus.clone(), self.shutdown.clone(), subject.clone());
        tokio::spawn(async move { bus.respond(&at, respond, shutdown).await.unwrap() });
        let there = async { while self.bus.request(&subject, &Value::Null).await.is_err() {} };
        timeout(SOON, there).await.unwrap();
        while questions.try_recv().is_ok() {}
        questions
    }

    /// What comes of a comment: its code and its sentence.
    async fn hears(&self, comment: Comment<'_>) -> (String, String) {
        let id = Uuid::new_v4().to_string();
        let body = json!({
            "action": "created",
            "issue": {
                "number": 42,
                "pull_request": comment.is_at_pull_request.then_some(json!({})),
            },
            "comment": {
                "id": Uuid::new_v4().as_u64_pair().0 >> 16,
                "body": comment.text,
                "user": { "login": "ann" },
                "author_association": "OWNER",
                "created_at": comment.created_at,
            },
            "repository": { "full_name": "acme/sandbox" },
        })
        .to_string();
        let signature = sha256(comment.secret, body.as_bytes());
        let headers = [
            ("x-github-event", "issue_comment"),
            ("x-github-delivery", &id),
            ("x-hub-signature-256", &signature),
        ];
        let (status, answer) = self.post("github", &headers, &body).await;
        assert_eq!(status, 202, "{answer}");
        let order = self.carried_out(&answer).await;
        let text = |key: &str| order[key].as_str().unwrap().to_owned();
        (text("code"), text("message"))
    }

    /// The order of a delivery that was answered so, once something has come of it.
    async fn carried_out(&self, answer: &Value) -> Value {
        let mut ticks = tokio::time::interval(Duration::from_millis(25));
        let done = async {
            loop {
                ticks.tick().await;
                let about = json!({ "about": answer["delivery"] });
                let mut told: Value = self.ask("delivery", about).await;
                if !told["orders"][0]["code"].is_null() {
                    return told["orders"][0].take();
                }
            }
        };
        timeout(SOON, done).await.expect("the order is carried out")
    }
}

#[tokio::test]
async fn a_word_in_one_repository_commands_nothing_of_another() {
    let mut settings = Settings::default();
    settings.senders.github.scoped_secrets =
        [("acme/sandbox".to_owned(), vec![SecretString::from(SANDBOX_SECRET)])].into();
    let ingest = Running::start_as(embedded::shared_nats().await.url(), settings).await;
    let passes = |asked: &Value| json!({ "gate": asked["gate"], "outcome": "pass" });
    let mut reviews = ingest.stand_in(subject::command(ReviewGate::TYPE), passes).await;
    let mut retries = ingest.stand_in(subject::command(RetryChain::TYPE), Value::clone).await;
    let _gates = ingest.stand_in(subject::question("policy", "gates"), gates).await;
    let _page = ingest.stand_in(subject::question("executor", "chain"), page).await;
    let mut events = ingest.events().await;

    let [infra, sandbox, nobodys] = [1, 2, 3].map(|number| (gate(number), chain(number)));
    for words in [
        format!("approve {}", infra.0),
        format!("reject {}", infra.0),
        format!("withdraw {}", infra.0),
        format!("approve {}", infra.1),
        format!("approve {}/network", infra.1),
        format!("retry {}", infra.1),
        format!("retry {}/network", infra.1),
        format!("approve {}", nobodys.0),
    ] {
        let text = format!("stackly {words}");
        let (code, said) = ingest.hears(Comment::at_pull_request(&text)).await;
        assert_eq!(code, "other_repository", "{words}: {said}");
        assert!(said.contains("is of no change to acme/sandbox"), "{words}: {said}");
        // Neither at an issue, nor with a secret that counts for all: its people are the same.
        let at_issue = Comment { is_at_pull_request: false, ..Comment::at_pull_request(&text) };
        assert_eq!(ingest.hears(at_issue).await.0, "other_repository", "{words}");
        let signed_for_all = Comment { secret: GITHUB_SECRET, ..Comment::at_pull_request(&text) };
        assert_eq!(ingest.hears(signed_for_all).await.0, "other_repository", "{words}");
    }
    let told = async {
        loop {
            let event = next(&mut events).await;
            if event.kind == ChangeAnswered::TYPE {
                return event;
            }
        }
    };
    let told = timeout(SOON, told).await.expect("who spoke at a pull request is told there");
    assert_eq!(told.body["repository"], "acme/sandbox");
    assert_eq!(told.body["reason"]["code"], "command_refused");

    // And what is its own is done. Had anything before been carried out, it would have come first.
    let approve = format!("stackly approve {}", sandbox.0);
    assert_eq!(ingest.hears(Comment::at_pull_request(&approve)).await.0, "approved");
    assert_eq!(reviews.recv().await.unwrap()["gate"], json!(sandbox.0));
    let approve = format!("stackly approve {}", sandbox.1);
    assert_eq!(ingest.hears(Comment::at_pull_request(&approve)).await.0, "approved");
    assert_eq!(reviews.recv().await.unwrap()["gate"], json!(sandbox.0));
    let retry = format!("stackly retry {}", sandbox.1);
    assert_eq!(ingest.hears(Comment::at_pull_request(&retry)).await.0, "retried");
    assert_eq!(retries.recv().await.unwrap()["chain"], json!(sandbox.1));
    ingest.stop().await;
}

#[tokio::test]
async fn a_retry_that_came_late_is_of_the_chain_its_author_saw() {
    let ingest = Running::start().await;
    let now = Utc::now();
    let chains = move |_: &Value| {
        let began = [(2, now), (1, now - TimeDelta::hours(2))].map(|(number, began_at)| {
            json!({ "chain": chain(number), "change": change("acme/sandbox"),
                    "began_at": began_at })
        });
        json!(began)
    };
    let _chains = ingest.stand_in(subject::question("executor", "chains"), chains).await;
    let mut retries = ingest.stand_in(subject::command(RetryChain::TYPE), Value::clone).await;

    let comment = Comment {
        created_at: now - TimeDelta::hours(1),
        secret: GITHUB_SECRET,
        ..Comment::at_pull_request("stackly retry")
    };
    assert_eq!(ingest.hears(comment).await.0, "retried");
    assert_eq!(retries.recv().await.unwrap()["chain"], json!(chain(1)));
    ingest.stop().await;
}

#[tokio::test]
async fn a_vote_that_is_given_again_is_carried_out_at_once_like_the_first() {
    let mut settings = Settings::default();
    let azure = &mut settings.senders.azure_devops;
    azure.secrets = vec![SecretString::from("stackly:of azure")];
    azure.commanders = vec!["ada@acme.example".to_owned()];
    let ingest = Running::start_as(embedded::shared_nats().await.url(), settings).await;
    let taken = |_: &Value| json!({});
    let mut reviews = ingest.stand_in(subject::command(ReviewCommit::TYPE), taken).await;
    let none = |_: &Value| json!({ "gates": [], "more": false });
    let _gates = ingest.stand_in(subject::question("policy", "gates"), none).await;

    let authorization = format!("Basic {}", BASE64.encode("stackly:of azure"));
    let headers = [("authorization", authorization.as_str()), ("x-stackly-change", "vote")];
    for (number, vote) in [10, 0, 10].into_iter().enumerate() {
        let body = crate::testing::azure_vote(&format!("vote-{number}"), vote);
        let (status, answer) = ingest.post("azure-devops", &headers, &body.to_string()).await;
        assert_eq!(status, 202, "{answer}");
        let order = ingest.carried_out(&answer).await;
        assert_eq!((&order["code"], &order["attempts"]), (&json!("kept"), &json!(1)), "{number}");
        assert_eq!(reviews.recv().await.unwrap()["approve"], json!(vote > 0));
    }
    ingest.stop().await;
}

#[tokio::test]
async fn a_review_that_opened_its_gate_and_is_tried_again_is_still_about_that_gate() {
    let (ingest, house) = (Running::start().await, House::open().await);
    // The word about the commit opens it.
    let is_open = Arc::new(AtomicBool::new(false));
    let opened = is_open.clone();
    let opens = move |_: &Value| {
        opened.store(true, Ordering::Relaxed);
        json!({})
    };
    let waits = move |_: &Value| {
        let held = json!({ "gate": gate(1), "chain": chain(1), "outcome": "hold_for_approvals",
                           "change": change("acme/infra") });
        let held: Vec<_> = (!is_open.load(Ordering::Relaxed)).then_some(held).into_iter().collect();
        json!({ "gates": held, "more": false })
    };
    let _words = ingest.stand_in(subject::command(ReviewCommit::TYPE), opens).await;
    let _gates = ingest.stand_in(subject::question("policy", "gates"), waits).await;
    let review = json!({
        "action": "submitted",
        "review": {
            "id": 80, "user": { "login": "grace" }, "state": "approved", "author_association": "OWNER",
            "commit_id": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5",
        },
        "pull_request": { "number": 42 },
        "repository": { "full_name": "acme/infra" },
    });
    let said = house.send(github("pull_request_review", "d-1", review.to_string())).await;
    assert_eq!(said.code(), "accepted");
    let (bus, shutdown) = (ingest.bus.clone(), ingest.shutdown.clone());
    let carrier = Carrier::new(house.pool.clone(), bus, "https://hooks.slack.com/", shutdown);
    let carrier = carrier.unwrap();
    let outcome = async || {
        let due = "update orders set next_at = now() - interval '1 second'";
        sqlx::query(due).execute(&house.pool).await.unwrap();
        carrier.sweep().await.unwrap();
        let code = sqlx::query_scalar("select code from orders").fetch_one(&house.pool);
        let code: Option<String> = code.await.unwrap();
        code
    };
    assert_eq!(outcome().await, None, "nobody takes the word about the gate");
    let passes = |asked: &Value| json!({ "gate": asked["gate"], "outcome": "pass" });
    let mut reviews = ingest.stand_in(subject::command(ReviewGate::TYPE), passes).await;
    assert_eq!(outcome().await.as_deref(), Some("approved"));
    assert_eq!(reviews.recv().await.unwrap()["gate"], json!(gate(1)));
    ingest.stop().await;
}
