//! The whole service, on a real Postgres and a real nats-server.

use std::time::Duration;

use ::store::{Chapter, Store};
use bus::{Bus, Options};
use contracts::{Envelope, subject::EVENTS};
use embedded::{Nats, NatsOptions, Postgres, PostgresOptions};
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    page::Listed,
    testing::{
        GITHUB_SECRET, House, PULL_REQUEST, PUSH, RUN, SPACELIFT_SECRET, Settings, github, push_to,
        sha256,
    },
};

use super::*;

mod asking;
mod conformance;
mod full;
mod reaching;
mod repositories;
mod telemetry;

const SOON: Duration = Duration::from_secs(30);

/// Ingest, running.
struct Running {
    address: String,
    health: String,
    bus: Bus,
    store: ::store::Options,
    shutdown: CancellationToken,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Running {
    async fn start() -> Self {
        Self::start_with(embedded::shared_nats().await.url()).await
    }

    async fn start_with(nats: String) -> Self {
        Self::start_as(nats, Settings::default()).await
    }

    async fn start_as(nats: String, settings: Settings) -> Self {
        let postgres = embedded::shared_postgres().await;
        let name = format!("t{}", Uuid::new_v4().simple());
        postgres.create_database(&name).await.unwrap();
        let Settings { mut http, rate, retention, reconcile, senders } = settings;
        http.listen.set_port(embedded::free_port().unwrap());
        let address = http.listen.to_string();
        let bus = Options::at(nats, &name);
        let store = ::store::Options::at(postgres.url(&name));
        let health = format!("127.0.0.1:{}", embedded::free_port().unwrap());
        let config = Config {
            bus: bus.clone(),
            store: store.clone(),
            health: service::health::Options { listen: health.clone() },
            http,
            rate,
            retention,
            reconcile,
            github: senders.github,
            gitlab: senders.gitlab,
            bitbucket: senders.bitbucket,
            bitbucket_server: senders.bitbucket_server,
            azure_devops: senders.azure_devops,
            spacelift: senders.spacelift,
            slack: senders.slack,
            standard: senders.standard,
            custom: senders.custom,
            people: senders.people,
            oidc: crate::config::Oidc::default(),
        };
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(run(config, shutdown.clone()));
        let bus = Bus::connect(&bus, "test").await.unwrap();
        let running = Self { address, health, bus, store, shutdown, ended };
        // Answers only when everything is up.
        running.ask::<Value>("deliveries", json!(null)).await;
        running
    }

    async fn events(&self) -> impl Stream<Item = Envelope> + Unpin + use<> {
        let events = self.bus.tail(EVENTS).await.unwrap();
        self.bus.flush().await.unwrap();
        events
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, question: &str, body: Value) -> T {
        let subject = subject::question("ingest", question);
        let asked = async {
            loop {
                if let Ok(answer) = self.bus.request(&subject, &body).await {
                    return answer.unwrap();
                }
            }
        };
        let answer = timeout(SOON, asked).await.expect("ingest should answer");
        serde_json::from_value(answer).unwrap()
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let mut request = reqwest::Client::new()
            .post(format!("http://{}/webhooks/{path}", self.address))
            .header("content-type", "application/json")
            .body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn push(&self, delivery: &str, body: &str) -> (u16, Value) {
        let signature = sha256(GITHUB_SECRET, body.as_bytes());
        let headers = [
            ("x-github-event", "push"),
            ("x-github-delivery", delivery),
            ("x-hub-signature-256", &signature),
        ];
        self.post("github", &headers, body).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(SOON, self.ended).await.unwrap().unwrap().unwrap();
    }
}

async fn next(events: &mut (impl Stream<Item = Envelope> + Unpin)) -> Envelope {
    timeout(SOON, events.next()).await.expect("an event in time").unwrap()
}

#[tokio::test]
async fn a_signed_push_and_a_run_become_events_that_can_be_asked_for() {
    let ingest = Running::start().await;
    let mut events = ingest.events().await;

    let (status, answer) = ingest.push("d-1", PUSH).await;
    assert_eq!((status, &answer["code"]), (202, &json!("accepted")));
    let event = next(&mut events).await;
    assert_eq!(answer["event"], event.id.to_string());
    assert_eq!((event.kind.as_str(), event.key.as_str()), ("change.pushed", "acme/infra"));
    assert_eq!(event.source, "/stackly/ingest");
    assert_eq!(event.correlation, event.id);
    assert_eq!(event.body["change"]["commit"], "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5");

    let signature = sha256(SPACELIFT_SECRET, RUN.as_bytes());
    let (status, _) = ingest.post("spacelift", &[("x-signature-256", &signature)], RUN).await;
    assert_eq!(status, 202);
    assert_eq!(next(&mut events).await.kind, "run.reported");

    let (status, again) = ingest.push("d-2", PUSH).await;
    assert_eq!((status, &again["code"]), (200, &json!("duplicate")));
    assert_eq!(again["delivery"], answer["delivery"]);
    assert_eq!(ingest.push("d-3", &push_to("next")).await.0, 202);
    // The duplicate would have come first.
    assert_eq!(next(&mut events).await.body["change"]["branch"], "next");

    let listed: Vec<Listed> = ingest.ask("deliveries", json!({"limit": 2})).await;
    let kinds: Vec<_> = listed.iter().map(|delivery| delivery.kind.as_str()).collect();
    assert_eq!(kinds, ["push", "run"]);
    let listed: Vec<Listed> = ingest.ask("deliveries", json!({"source": "github"})).await;
    assert_eq!(listed[1].event, Some(event.id));
    let story: Vec<Chapter> = ingest.ask("trace", json!({"correlation": event.id})).await;
    assert_eq!(
        (story[0].what.as_str(), &story[0].answers[..]),
        ("github.push", &["change.pushed".to_owned()][..])
    );

    for bad in [json!({"limit": 0}), json!({"limit": "x"}), json!({"source": "sourceforge"})] {
        let subject = subject::question("ingest", "deliveries");
        let problem = ingest.bus.request(&subject, &bad).await.unwrap().unwrap_err();
        assert_eq!(problem.code, "malformed", "{bad}");
    }
    ingest.stop().await;
}

#[tokio::test]
async fn what_is_published_is_noted_so_that_the_relay_leaves_it_alone() {
    let ingest = Running::start().await;
    let mut events = ingest.events().await;
    for number in 0..20 {
        ingest.push(&format!("d-{number}"), &push_to(&format!("b-{number}"))).await;
        next(&mut events).await;
    }
    let store = Store::connect(&ingest.store, "ingest").await.unwrap();
    ingest.stop().await;
    let unnoted: i64 = sqlx::query_scalar(
        "select count(*) from remembered where not exists (
             select from published_blocks where position = any(positions))",
    )
    .fetch_one(store.pool())
    .await
    .unwrap();
    assert_eq!(unnoted, 0);
}

#[tokio::test]
async fn a_broker_that_is_away_costs_nothing_but_time() {
    let mut nats = Nats::start(NatsOptions::default()).await.unwrap();
    let ingest = Running::start_with(nats.url()).await;
    assert_eq!(ingest.push("d-1", &push_to("before")).await.0, 202);
    nats.kill().await;
    let (status, answer) = ingest.push("d-2", &push_to("meanwhile")).await;
    assert_eq!((status, &answer["code"]), (202, &json!("accepted")));
    nats.restart().await.unwrap();
    let event: Uuid = answer["event"].as_str().unwrap().parse().unwrap();
    // The stream is asked, and not a subscriber, who may be back later than the event.
    let found = async {
        for sequence in (1..=2).cycle() {
            if let Ok(Some(found)) = ingest.bus.event_at(sequence).await
                && found == event
            {
                return;
            }
        }
    };
    timeout(SOON, found).await.expect("the event should be in the stream");
    ingest.stop().await;
}

#[tokio::test]
async fn a_postgres_that_goes_away_costs_a_503_and_never_an_accepted_delivery() {
    let options = PostgresOptions { durable: false, ..PostgresOptions::default() };
    let mut postgres = Postgres::start(options).await.unwrap();
    postgres.create_database("ingest").await.unwrap();
    let mut settings = Settings::default();
    settings.http.commit_patience = Duration::from_millis(500);
    let house = House::open_at(postgres.url("ingest"), &settings).await;
    assert_eq!(house.send(github("push", "d-0", PUSH)).await.code(), "accepted");

    postgres.kill().await;
    let down = house.send(github("push", "d-1", push_to("b-1"))).await;
    assert_eq!((down.status.as_u16(), down.code()), (503, "unavailable"));
    assert!(down.retry_after.is_some());

    postgres.restart().await.unwrap();
    let again = async {
        loop {
            let again = house.send(github("push", "d-1", push_to("b-1"))).await;
            if again.status.as_u16() != 503 {
                return again;
            }
        }
    };
    let again = timeout(Duration::from_secs(30), again).await.unwrap();
    assert_eq!((again.status.as_u16(), again.code()), (202, "accepted"));
    assert_eq!(house.count("deliveries").await, 2);

    // While requests come without end, whatever was answered 2xx is there afterwards.
    let (router, stop) = (house.router.clone(), CancellationToken::new());
    let stopped = stop.clone();
    let flood = tokio::spawn(async move {
        let mut accepted = Vec::new();
        let mut refused = 0;
        for number in 0.. {
            if stopped.is_cancelled() {
                break;
            }
            let letters = (0..20).map(|letter| {
                let id = format!("f-{number}-{letter}");
                crate::testing::send(&router, github("push", &id, push_to(&id)))
            });
            for reply in futures::future::join_all(letters).await {
                match reply.status.as_u16() {
                    202 => accepted.push(reply.delivery()),
                    503 => refused += 1,
                    _ => panic!("{reply:?}"),
                }
            }
        }
        (accepted, refused)
    });
    postgres.restart().await.unwrap();
    postgres.restart_fast().await.unwrap();
    let last = async {
        let status = async || house.send(github("push", "d-last", push_to("b-last"))).await.status;
        // One that was refused because its commit took too long may be committed all the same.
        while !matches!(status().await.as_u16(), 200 | 202) {}
    };
    timeout(Duration::from_secs(30), last).await.unwrap();
    stop.cancel();
    let (accepted, _) = flood.await.unwrap();
    assert!(!accepted.is_empty());
    let there: Vec<Uuid> = sqlx::query_scalar("select id from deliveries where id = any($1)")
        .bind(&accepted)
        .fetch_all(&house.pool)
        .await
        .unwrap();
    assert_eq!(there.len(), accepted.len());
}

#[test]
fn every_key_has_a_sentence_and_a_default() {
    let mut before = "";
    for line in DEFAULTS.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(before.starts_with("# "), "no sentence above `{line}`");
        }
        before = line;
    }
    let environment = std::collections::BTreeMap::from([
        ("INGEST__GITHUB__SECRETS".to_owned(), "[\"first-secret\", \"second-secret\"]".to_owned()),
        ("INGEST__HTTP__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
    ]);
    let read = |environment| {
        service::config::Layers::merge("ingest", DEFAULTS, None, environment)
            .and_then(service::config::Layers::read::<Config>)
    };
    let config = read(&environment).unwrap();
    assert_eq!((config.github.secrets.len(), config.spacelift.secrets.len()), (2, 0));
    assert_eq!(config.http.listen.port(), 0);
    assert!(!format!("{config:?}").contains("-secret"), "{config:?}");

    let empty = [("INGEST__GITHUB__SECRETS".to_owned(), "[\"\"]".to_owned())].into();
    assert!(read(&empty).unwrap_err().to_string().contains("must not be empty"));
}
