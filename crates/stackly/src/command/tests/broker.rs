use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bus::{Answers, Handler, Incoming, Receipt};
use chrono::Utc;
use contracts::{Code, Envelope};
use serde_json::json;
use tokio::time::{interval, timeout};

use super::*;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn event(kind: &str, key: &str) -> Envelope {
    Envelope::first("test", Uuid::new_v4(), (kind, key), Utc::now(), json!({ "said": key }))
        .within(Uuid::nil(), None)
}

async fn publish(at: &Installation, event: Envelope) {
    let sent = at.bus.send(&[event]).await;
    at.bus.stored(sent).await.unwrap();
}

/// Gives up whatever comes, until it is told to be willing.
#[derive(Default)]
struct Moody {
    is_willing: AtomicBool,
    has_taken: AtomicBool,
}

impl Handler for Moody {
    fn consumer(&self) -> &'static str {
        "moody-changes"
    }

    fn takes(&self) -> &'static [&'static str] {
        &["change.pushed"]
    }

    async fn handle(&self, batch: Vec<Incoming>) -> Vec<Result<Answers, bus::Failure>> {
        let take = |_| {
            if !self.is_willing.load(Ordering::SeqCst) {
                let why = anyhow::anyhow!("not in the mood");
                return Err(bus::Failure::reject(Code::Unreadable, why));
            }
            self.has_taken.store(true, Ordering::SeqCst);
            Ok(Answers::default())
        };
        batch.into_iter().map(take).collect()
    }

    async fn published(&self, _receipts: Vec<Receipt>) {}
}

/// Waits until a command's JSON is as wanted.
async fn until(at: &Installation, arguments: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let waited = timeout(PATIENCE, async {
        let mut ticks = interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            last = at.run(arguments).await.json();
            if wanted(&last) {
                return;
            }
        }
    });
    match waited.await {
        Ok(()) => last,
        Err(_) => panic!("{arguments:?} still says {last:#}"),
    }
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_and_given_back() {
    let at = Installation::new().await;
    at.run(&["topology", "apply", "--yes"]).await.ok();
    let handler = Arc::new(Moody::default());
    tokio::spawn(bus::consume(at.bus.clone(), handler.clone(), at.stop.clone()));
    for key in ["one", "two", "three"] {
        publish(&at, event("change.pushed", key)).await;
    }
    let list = ["dead", "list", "--json"];
    let letters = until(&at, &list, |all| all["letters"].as_array().unwrap().len() == 3).await;
    let letters = &letters["letters"];
    assert_eq!(letters[0]["consumer"], "moody-changes");
    assert_eq!(letters[0]["reason"], "unreadable: not in the mood");
    let one = at.run(&["dead", "list", "--limit", "1", "--json"]).await.json();
    assert_eq!(one["letters"].as_array().unwrap().len(), 1);

    let first = letters[0]["sequence"].to_string();
    let text = at.run(&["dead", "show", &first]).await.ok();
    assert!(text.contains("unreadable: not in the mood"), "{text}");
    assert!(text.contains("\"said\": \"") && text.contains("change.pushed"), "{text}");
    assert!(text.contains(&format!("came on {}.stackly.evt.change.pushed.", at.prefix)), "{text}");

    handler.is_willing.store(true, Ordering::SeqCst);
    assert_eq!(at.run(&["dead", "requeue", &first]).await.ok(), "gave back 1 dead letter\n");
    let rest = at.run(&list).await.json();
    assert_eq!(rest["letters"].as_array().unwrap().len(), 2);
    assert_eq!(at.run(&["dead", "requeue", "--all"]).await.ok(), "gave back 2 dead letters\n");
    assert_eq!(at.run(&["dead", "list"]).await.ok(), "no dead letters\n");
    until(&at, &list, |_| handler.has_taken.load(Ordering::SeqCst)).await;

    at.run(&["dead", "show", &first]).await.failed(3);
    at.run(&["dead", "requeue", &first]).await.failed(3);
}

#[tokio::test]
async fn without_a_stream_there_are_no_dead_letters_to_look_for() {
    let at = Installation::new().await;
    let text = at.run(&["dead", "list"]).await.failed(3);
    assert!(text.contains("stackly topology apply"), "{text}");
}

/// Makes the stream of events as somebody else would have made it.
async fn foreign_stream(at: &Installation, storage: &str) {
    let name = format!("{}_STACKLY_EVENTS", at.prefix);
    let config = json!({
        "name": name,
        "subjects": [format!("{}.stackly.evt.>", at.prefix)],
        "retention": "limits",
        "storage": storage,
        "max_age": 3_600_000_000_000_u64,
        "num_replicas": 1,
        "allow_direct": true,
    });
    let bare = Bus::connect(&bus::Options::at(&at.url, ""), "test").await.unwrap();
    // JetStream's own answer has not the shape of a service's; what counts is that it is there.
    let answer = bare.request(&format!("$JS.API.STREAM.CREATE.{name}"), &config).await;
    drop(answer);
    assert!(at.bus.streams().await.unwrap()[0].exists);
}

#[tokio::test]
async fn a_stream_that_differs_is_shown_and_changed_only_when_asked_to() {
    let at = Installation::new().await;
    foreign_stream(&at, "file").await;
    let text = at.run(&["topology", "show"]).await.ok();
    assert!(text.contains("max_age: is 3600s, needed 604800s"), "{text}");
    assert!(text.contains("_STACKLY_DEAD_LETTERS  ✗ missing"), "{text}");
    assert!(text.contains("… planner-changes is not there"), "{text}");

    let done = at.run(&["topology", "apply"]).await;
    assert!(done.text.contains("max_age: is 3600s"), "the difference comes first: {}", done.text);
    assert!(done.failed(2).contains("--yes"));
    at.typed(&["topology", "apply"], Some("n\n")).await.failed(2);
    assert!(!at.bus.streams().await.unwrap()[0].differences.is_empty(), "nothing was changed");

    let text = at.typed(&["topology", "apply"], Some("y\n")).await.ok();
    assert!(text.ends_with("Change it? [y/N] changed\n"), "{text}");
    let streams = at.run(&["topology", "show", "--json"]).await.json();
    assert_eq!(streams["streams"][0]["differences"], json!([]));
    assert_eq!(streams["streams"][1]["exists"], true);
    let again = at.run(&["topology", "apply", "--json"]).await.json();
    assert_eq!(again["changed"], false);
}

#[tokio::test]
async fn what_jetstream_cannot_change_is_said_with_the_way_out() {
    let at = Installation::new().await;
    foreign_stream(&at, "memory").await;
    let text = at.run(&["topology", "apply", "--yes", "--json"]).await.failed(1);
    assert!(text.contains("storage") && text.contains("nats stream rm"), "{text}");
}

/// Tails until enough was printed, while events are published.
async fn tailed(at: &Installation, arguments: &[&str]) -> String {
    let speak = async {
        let mut ticks = interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            publish(at, event("change.pushed", "acme/infra")).await;
            publish(at, event("step.finished", "chain")).await;
        }
    };
    tokio::select! {
        done = at.run(arguments) => done.ok(),
        () = speak => unreachable!("it never ends"),
        () = async { timeout(PATIENCE, std::future::pending::<()>()).await.ok(); } => {
            panic!("{arguments:?} printed too little")
        }
    }
}

#[tokio::test]
async fn tail_prints_events_as_they_happen() {
    let at = Installation::new().await;
    at.run(&["topology", "apply", "--yes"]).await.ok();
    let text = tailed(&at, &["tail", "--count", "4"]).await;
    assert!(text.starts_with("listening to stackly.evt.> at nats://"), "{text}");
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.contains("change.pushed     acme/infra  {\"said\":\"acme/infra\"}"), "{text}");

    let lines = tailed(&at, &["tail", "step.finished", "--count", "2", "--json"]).await;
    for line in lines.lines() {
        let event: Envelope = serde_json::from_str(line).unwrap();
        assert_eq!(event.kind, "step.finished");
    }
    assert_eq!(lines.lines().count(), 2);
}
