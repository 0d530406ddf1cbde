//! The pages a person or a machine looks at.

use std::sync::{OnceLock, atomic::Ordering};

use embedded::{Nats, NatsOptions, Postgres, PostgresOptions};
use serde_json::{Value, json};
use service::telemetry::{self, Format, Guard, Lines};
use tokio_util::sync::CancellationToken;

use crate::bench::{Parrot, Place, eventually, say};

/// A service that takes nothing from the broker.
static INGEST: contracts::Card =
    contracts::Card { service: "parrot", takes: &[], ..crate::bench::CARD };

/// Once for this process, as a program does it at its start.
fn telemetry() {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    GUARD.get_or_init(|| {
        let options = telemetry::Options {
            log: "error".into(),
            format: Format::Text,
            otlp_endpoint: String::new(),
            environment: "test".into(),
        };
        telemetry::init("parrot", &options, None, Lines::Shown).unwrap()
    });
}

struct Pages {
    base: String,
    client: reqwest::Client,
}

impl Pages {
    fn of(place: &mut Place) -> Self {
        let listen = format!("127.0.0.1:{}", embedded::free_port().unwrap());
        place.health.listen.clone_from(&listen);
        Self { base: format!("http://{listen}"), client: reqwest::Client::new() }
    }

    async fn get(&self, page: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{page}", self.base)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn ready(&self) -> (u16, Value) {
        let (status, text) = self.get("/ready").await;
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn log(&self, directives: &str) -> (u16, Value) {
        let request = self.client.put(format!("{}/log-level", self.base));
        let response = request.body(directives.to_owned()).send().await.unwrap();
        (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }
}

#[tokio::test]
async fn a_service_is_ready_only_while_both_of_its_servers_are_there() {
    let mut nats = Nats::start(NatsOptions::default()).await.unwrap();
    let mut postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
    postgres.create_database("parrot").await.unwrap();
    let mut place = Place::at(&nats.url(), &postgres.url("parrot"));
    let pages = Pages::of(&mut place);
    let shutdown = CancellationToken::new();
    let frame = place.frame(&shutdown).await;
    let pool = frame.store.pool().clone();
    let ended = tokio::spawn(frame.finish());
    let good = (200, json!({ "ready": true, "bus": true, "store": true }));
    eventually("the start", async || pages.ready().await == good).await;

    nats.kill().await;
    let bad = (503, json!({ "ready": false, "bus": false, "store": true }));
    eventually("the broker to be missed", async || pages.ready().await == bad).await;
    assert_eq!(pages.get("/live").await.0, 200, "the process itself is well");
    nats.restart().await.unwrap();
    eventually("the broker to be back", async || pages.ready().await == good).await;

    let bad = (503, json!({ "ready": false, "bus": true, "store": false }));
    for (mode, page) in [("on", &bad), ("off", &good)] {
        let set = format!("alter system set default_transaction_read_only = {mode}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&pool).await.unwrap();
        sqlx::query("select pg_reload_conf()").execute(&pool).await.unwrap();
        eventually("what is written to be refused, or taken", async || {
            pages.ready().await == *page
        })
        .await;
    }

    postgres.kill().await;
    eventually("the database to be missed", async || pages.ready().await == bad).await;
    assert_eq!(pages.get("/live").await.0, 200);
    postgres.restart().await.unwrap();
    eventually("the database to be back", async || pages.ready().await == good).await;
    shutdown.cancel();
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_takes_nothing_from_the_broker_stays_ready_without_it_and_says_so() {
    let mut nats = Nats::start(NatsOptions::default()).await.unwrap();
    let postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
    postgres.create_database("parrot").await.unwrap();
    let mut place = Place::at(&nats.url(), &postgres.url("parrot"));
    let pages = Pages::of(&mut place);
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(place.frame_of(&INGEST, &shutdown).await.finish());
    eventually("the start", async || pages.ready().await.0 == 200).await;
    nats.kill().await;
    eventually("the broker to be missed", async || pages.ready().await.1["bus"] == false).await;
    let (status, page) = pages.ready().await;
    assert_eq!((status, &page["ready"]), (200, &json!(true)));
    assert!(page["warnings"]["bus"].as_str().unwrap().contains("published later"), "{page}");
    shutdown.cancel();
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_takes_nothing_from_the_broker_starts_although_it_refuses_the_streams_and_says_so() {
    let mut place = Place::shared().await;
    place.bus.replicas = 3;
    let pages = Pages::of(&mut place);
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(place.frame_of(&INGEST, &shutdown).await.finish());
    eventually("the start", async || pages.ready().await.0 == 200).await;
    let page = pages.ready().await.1;
    assert_eq!(page["bus"], true, "it is there");
    let said = "it is there, but what it holds is not known yet; if that lasts, the log says why; \
                what comes in is kept, and published later";
    assert_eq!(page["warnings"]["bus"], said, "{page}");
    shutdown.cancel();
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_service_is_ready_once_it_has_begun_all_it_does_and_not_while_it_ends() {
    let mut place = Place::shared().await;
    let pages = Pages::of(&mut place);
    let shutdown = CancellationToken::new();
    let frame = place.frame(&shutdown).await;
    let (status, page) = pages.ready().await;
    assert_eq!((status, &page["troubles"]), (503, &json!({ "service": "it is starting" })));
    // Something that takes its time to end.
    let (end, ends) = tokio::sync::oneshot::channel::<()>();
    frame.spawn("work", async move { Ok(ends.await?) });
    let ended = tokio::spawn(frame.finish());
    eventually("the start", async || pages.ready().await.0 == 200).await;
    shutdown.cancel();
    let ending = (503, "it is ending, and takes nothing new");
    eventually("the end", async || {
        let (status, page) = pages.ready().await;
        (status, page["troubles"]["service"].as_str().unwrap_or_default()) == ending
    })
    .await;
    end.send(()).unwrap();
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_service_that_knows_it_cannot_do_its_work_is_not_ready_and_says_why() {
    let mut place = Place::shared().await;
    let pages = Pages::of(&mut place);
    let shutdown = CancellationToken::new();
    let frame = place.frame(&shutdown).await;
    let troubles = frame.troubles();
    let ended = tokio::spawn(frame.finish());
    let good = (200, json!({ "ready": true, "bus": true, "store": true }));
    eventually("the start", async || pages.ready().await == good).await;
    troubles.note("slack", "Slack says invalid_auth (HTTP 200)");
    let (status, page) = pages.ready().await;
    assert_eq!((status, &page["ready"]), (503, &json!(false)));
    assert_eq!(page["troubles"], json!({ "slack": "Slack says invalid_auth (HTTP 200)" }));
    troubles.clear("slack");
    troubles.warn("policies", "what is there now is refused");
    let (status, page) = pages.ready().await;
    assert_eq!(
        (status, &page["warnings"]["policies"]),
        (200, &json!("what is there now is refused"))
    );
    troubles.clear("policies");
    assert_eq!(pages.ready().await, good);
    shutdown.cancel();
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_metrics_page_has_the_names_people_build_dashboards_on() {
    telemetry();
    let mut place = Place::shared().await;
    let pages = Pages::of(&mut place);
    let shutdown = CancellationToken::new();
    let frame = place.frame(&shutdown).await;
    let parrot = Parrot::default();
    frame.run(&frame.engine(parrot.clone()));
    for word in ["hello", "rude"] {
        say(&frame.bus, word).await;
    }
    // The word beside a refused one may be decided upon more than once before it counts.
    eventually("the words", async || parrot.heard.load(Ordering::SeqCst) > 0).await;
    let expected = [
        ("stackly_messages_total", r#"outcome="answered""#),
        ("stackly_messages_total", r#"outcome="dead_letter""#),
        ("stackly_dead_letters_total", r#"code="cycle""#),
        ("stackly_handle_duration_seconds_bucket", r#"le="0.05""#),
        ("stackly_handle_duration_seconds_count", ""),
        ("stackly_consumer_pending", ""),
    ];
    let has = |page: &str, (name, label): (&str, &str)| {
        page.lines().any(|line| {
            line.starts_with(&format!("{name}{{"))
                && line.contains(r#"consumer="parrot-words""#)
                && line.contains(label)
        })
    };
    eventually("the metrics", async || {
        let page = pages.get("/metrics").await.1;
        expected.iter().all(|wanted| has(&page, *wanted))
    })
    .await;
    shutdown.cancel();
    frame.finish().await.unwrap();
}

#[tokio::test]
async fn what_is_logged_can_be_changed_while_the_service_runs() {
    telemetry();
    let mut place = Place::shared().await;
    let pages = Pages::of(&mut place);
    let shutdown = CancellationToken::new();
    let frame = place.frame(&shutdown).await;
    assert_eq!(pages.log("error,bus=off\n").await, (200, json!({ "log": "error,bus=off" })));
    let (status, problem) = pages.log("parrot=loud").await;
    assert_eq!((status, &problem["code"]), (400, &json!("malformed")));
    assert!(problem["message"].as_str().unwrap().contains("parrot=loud"));
    shutdown.cancel();
    frame.finish().await.unwrap();
}

#[tokio::test]
async fn an_address_in_use_is_said_in_the_words_of_the_configuration() {
    let mut place = Place::shared().await;
    let _pages = Pages::of(&mut place);
    let taken = tokio::net::TcpListener::bind(&place.health.listen).await.unwrap();
    let parts = service::Parts { bus: &place.bus, store: &place.store, health: &place.health };
    let none = sqlx::migrate::Migrator::with_migrations(Vec::new());
    let shutdown = CancellationToken::new();
    let started = service::Frame::start(&crate::bench::CARD, parts, &none, shutdown).await;
    let error = format!("{:#}", started.err().unwrap());
    assert!(error.contains(&format!("cannot listen on health.listen = {}", place.health.listen)));
    drop(taken);
}
