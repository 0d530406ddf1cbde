//! What the tests of the door share: a house with a door and a database, and letters for it.

use std::{sync::Arc, time::Duration};

use ::store::Store;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header::RETRY_AFTER},
    response::Response,
};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::Sha256;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tower::ServiceExt;
use uuid::Uuid;

use crate::{
    MIGRATIONS, config,
    delivery::{Reading, Signed},
    http, intake,
    order::{Act, Order, Target},
    publish,
    source::{Kind, Source},
};

/// What grace wants done, and says nothing else of.
pub(crate) fn order(act: Act, target: Target) -> Order {
    Order {
        act,
        target,
        by: "grace".to_owned(),
        groups: Vec::new(),
        note: None,
        answer_to: None,
        pull_request: None,
        said_in: None,
        spoken_at: None,
        is_review: false,
    }
}

pub(crate) const GITHUB_SECRET: &str = "It's a Secret to Everybody";
pub(crate) const SPACELIFT_SECRET: &str = "a secret of Spacelift";
pub(crate) const PUSH: &str = include_str!("../testdata/github/push.json");
pub(crate) const PING: &str = include_str!("../testdata/github/ping.json");
pub(crate) const PULL_REQUEST: &str = include_str!("../testdata/github/pull_request.json");
pub(crate) const RUN: &str = include_str!("../testdata/spacelift/run.json");

/// What the tests configure, unless they say otherwise.
pub(crate) struct Settings {
    pub(crate) http: config::Http,
    pub(crate) rate: config::Rate,
    pub(crate) retention: config::Retention,
    pub(crate) reconcile: config::Reconcile,
    pub(crate) senders: config::Senders,
}

impl Default for Settings {
    fn default() -> Self {
        let defaults: toml::Table = crate::DEFAULTS.parse().unwrap();
        let table = |name: &str| defaults[name].clone();
        let mut settings = Self {
            http: table("http").try_into().unwrap(),
            rate: table("rate").try_into().unwrap(),
            retention: table("retention").try_into().unwrap(),
            reconcile: table("reconcile").try_into().unwrap(),
            senders: toml::Value::Table(defaults.clone()).try_into().unwrap(),
        };
        settings.senders.github.secrets = vec![SecretString::from(GITHUB_SECRET)];
        settings.senders.spacelift.secrets = vec![SecretString::from(SPACELIFT_SECRET)];
        settings
    }
}

/// A door with nobody behind it: what gets through stays in the queue.
pub(crate) fn door(settings: &Settings) -> (Router, intake::Queued) {
    let (intake, queue) = intake::queue(settings.http.queue_max, settings.http.queue_wait_max);
    let entry = http::Entry::new(&settings.http, &settings.rate, &settings.senders, intake);
    (http::router(Arc::new(entry.unwrap())), queue)
}

/// A door with a writer and a database behind it, and an ear for what would be published.
pub(crate) struct House {
    pub(crate) router: Router,
    pub(crate) pool: PgPool,
    pub(crate) events: mpsc::Receiver<crate::publish::Batch>,
}

impl House {
    /// In a database of its own.
    pub(crate) async fn open() -> Self {
        Self::open_as(&Settings::default()).await
    }

    pub(crate) async fn open_as(settings: &Settings) -> Self {
        let postgres = embedded::shared_postgres().await;
        let name = format!("ingest_{}", Uuid::new_v4().simple());
        postgres.create_database(&name).await.unwrap();
        Self::open_at(postgres.url(&name), settings).await
    }

    pub(crate) async fn open_at(url: String, settings: &Settings) -> Self {
        let store = Store::connect(&::store::Options::at(url), "ingest").await.unwrap();
        store.migrate(&MIGRATIONS).await.unwrap();
        let pool = store.pool().clone();
        let (router, queue) = door(settings);
        let (publisher, events) = publish::queue();
        let patience = settings.http.commit_patience;
        tokio::spawn(intake::write(pool.clone(), queue, publisher, patience));
        Self { router, pool, events }
    }

    /// Of a connection to who keeps deliveries.
    pub(crate) fn lender(&self) -> ::store::Lender {
        ::store::Lender::new(self.pool.clone())
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        send(&self.router, request).await
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        let statement = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        sqlx::query_scalar(statement).fetch_one(&self.pool).await.unwrap()
    }
}

/// A reply, read whole.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn delivery(&self) -> Uuid {
        self.body["delivery"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap()
    }
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Reply {
    let response = router.clone().oneshot(request);
    let response = tokio::time::timeout(Duration::from_secs(30), response).await;
    read(response.expect("an answer in time").unwrap()).await
}

async fn read(response: Response) -> Reply {
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/json");
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
    let body = to_bytes(response.into_body(), 64 * 1024).await.unwrap();
    Reply { status, retry_after, body: serde_json::from_slice(&body).unwrap() }
}

pub(crate) fn sha256(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    format!("sha256={}", hex::encode(mac.chain_update(body).finalize().into_bytes()))
}

pub(crate) fn sha1(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).unwrap();
    format!("sha1={}", hex::encode(mac.chain_update(body).finalize().into_bytes()))
}

/// A letter of GitHub, rightly signed.
pub(crate) fn github(event: &str, delivery: &str, body: impl Into<Vec<u8>>) -> Request<Body> {
    let body = body.into();
    Request::post("/webhooks/github")
        .header("content-type", "application/json")
        .header("user-agent", "GitHub-Hookshot/044aadd")
        .header("x-github-event", event)
        .header("x-github-delivery", delivery)
        .header("x-hub-signature-256", sha256(GITHUB_SECRET, &body))
        .header("x-hub-signature", sha1(GITHUB_SECRET, &body))
        .header("authorization", "Bearer nobody-may-see-this")
        .body(Body::from(body))
        .unwrap()
}

/// A sender of this kind, with the configuration the tests have.
pub(crate) fn source(kind: Kind) -> Source {
    Source::new(kind, &Settings::default().senders)
}

/// A host of repositories that lets this person command.
pub(crate) fn commanded_by(kind: Kind, by: &str) -> Source {
    let senders = Settings::default().senders;
    let forge = config::Forge { commanders: vec![by.to_owned()], ..senders.github.clone() };
    Source::forge(kind, &senders, &forge).unwrap()
}

/// Reads a body as this kind of sender, under these headers.
pub(crate) fn reading(kind: Kind, headers: &[(&'static str, &str)], body: &[u8]) -> Reading {
    reading_of(&source(kind), headers, body)
}

/// Reads a body as this sender, under these headers.
pub(crate) fn reading_of(
    source: &Source,
    headers: &[(&'static str, &str)],
    body: &[u8],
) -> Reading {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    let received_at = chrono::DateTime::from_timestamp(1_788_256_815, 0).unwrap();
    Signed { source, headers: &map, body, received_at, found: false }.read()
}

/// The one event of a reading: its type and its body.
pub(crate) fn event_of(reading: &Reading) -> (&'static str, &Value) {
    match reading.verdict.events() {
        [event] => (event.kind, &event.body),
        _ => panic!("not one event: {reading:?}"),
    }
}

/// A letter of Spacelift, rightly signed.
pub(crate) fn spacelift(body: impl Into<Vec<u8>>) -> Request<Body> {
    let body = body.into();
    Request::post("/webhooks/spacelift")
        .header("content-type", "application/json")
        .header("x-signature-256", sha256(SPACELIFT_SECRET, &body))
        .header("x-signature", sha1(SPACELIFT_SECRET, &body))
        .body(Body::from(body))
        .unwrap()
}

/// The push of the fixture, to another branch: another fact.
pub(crate) fn push_to(branch: &str) -> String {
    PUSH.replace("refs/heads/main", &format!("refs/heads/{branch}"))
}

/// Ada's vote on a pull request at Azure DevOps, as an event with this id tells it.
pub(crate) fn azure_vote(id: &str, vote: i32) -> Value {
    json!({
        "id": id,
        "eventType": "git.pullrequest.updated",
        "message": { "text": "Ada voted" },
        "resource": {
            "pullRequestId": 7,
            "targetRefName": "refs/heads/main",
            "lastMergeSourceCommit": { "commitId": "33b55f7cb7e7e245323987634f960cf4a6e6bc74" },
            "repository": { "name": "infra", "project": { "name": "Platform" } },
            "reviewers": [{ "displayName": "Ada", "uniqueName": "ada@acme.example", "vote": vote }],
        },
    })
}
