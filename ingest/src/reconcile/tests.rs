use std::time::Duration;

use receivers::{Delivery, Fault, GITHUB_TOKEN};
use secrecy::SecretString;
use serde_json::Value;

use super::*;
use crate::{
    intake, publish,
    store::read::{Filter, newest},
    testing::{House, PUSH, Settings, github as letter, push_to, send},
};

/// A house, and a reconciler beside it that takes in by a way of its own.
struct Beside {
    house: House,
    github: receivers::Github,
    reconciler: Reconciler,
    _events: tokio::sync::mpsc::Receiver<Vec<bus::Answers>>,
}

impl Beside {
    async fn new() -> Self {
        let house = House::open().await;
        let github = receivers::Github::start().await;
        let mut settings = Settings::default();
        settings.reconcile.github_api_base = github.api_base.clone();
        settings.reconcile.github_token = SecretString::from(GITHUB_TOKEN);
        settings.reconcile.github_hooks = vec!["repos/acme/infra/hooks/1".to_owned()];
        let (intake, queue) = intake::queue(100);
        let (publisher, events) = publish::queue();
        tokio::spawn(intake::write(house.pool.clone(), queue, publisher, Duration::from_secs(5)));
        let gate = Gate::new(&settings.http, &settings.rate, &settings.senders, intake).unwrap();
        let reconciler = Reconciler::new(&settings.reconcile, &house.pool, &Arc::new(gate));
        let reconciler = reconciler.unwrap().expect("a token and a hook are configured");
        Self { house, github, reconciler, _events: events }
    }

    fn note(&self, guid: &str, body: &str, minutes_ago: i64) {
        let payload: Value = serde_json::from_str(body).unwrap();
        let at = Utc::now() - TimeDelta::minutes(minutes_ago);
        let event = "push".to_owned();
        self.github.note_delivery(Delivery { guid: guid.to_owned(), event, at, payload });
    }

    async fn found(&self) -> Vec<String> {
        let filter = Filter { limit: 1_000, ..Filter::default() };
        let all = newest(&self.house.pool, &filter).await.unwrap();
        all.into_iter().filter(|one| one.found).filter_map(|one| one.sender_id).collect()
    }
}

#[tokio::test]
async fn what_never_arrived_is_fetched_once_and_marked_as_found() {
    let beside = Beside::new().await;
    let arrived = send(&beside.house.router, letter("push", "d-1", PUSH)).await;
    assert_eq!(arrived.code(), "accepted");
    beside.note("d-1", PUSH, 10);
    beside.note("d-2", &push_to("missed"), 9);
    // GitHub has only just tried: it may still come.
    beside.note("d-3", &push_to("just-now"), 0);

    beside.reconciler.round().await.unwrap();
    assert_eq!(beside.found().await, ["d-2"]);
    let standing = beside.reconciler.standing();
    assert_eq!((standing.found, standing.trouble), (1, None));

    beside.reconciler.round().await.unwrap();
    assert_eq!(beside.found().await, ["d-2"]);
    // When it comes after all, it is known.
    let late = send(&beside.house.router, letter("push", "d-2", push_to("missed"))).await;
    assert_eq!(late.code(), "duplicate");
}

#[tokio::test]
async fn all_pages_are_looked_at_after_a_start_and_none_while_nothing_is_new() {
    let beside = Beside::new().await;
    for number in 0..250 {
        beside.note(&format!("d-{number}"), &push_to(&format!("b-{number}")), 300 - number);
    }
    beside.reconciler.round().await.unwrap();
    assert_eq!(beside.found().await.len(), 250);
    let calls = beside.github.calls();
    beside.reconciler.round().await.unwrap();
    assert_eq!(beside.github.calls(), calls + 1, "one conditional request");
}

#[tokio::test]
async fn a_spent_quota_is_a_hold_that_is_seen_and_others_keep_their_share() {
    let beside = Beside::new().await;
    beside.note("d-1", PUSH, 10);
    beside.github.set_quota(400);
    beside.reconciler.round().await.unwrap();
    assert_eq!(beside.found().await, [""; 0]);
    let standing = beside.reconciler.standing();
    assert!(standing.held_until.is_some_and(|until| until > Utc::now()), "{standing:?}");
    assert!(standing.trouble.unwrap().contains("left to others"));
    // While it is held, nothing is asked.
    let calls = beside.github.calls();
    beside.reconciler.round().await.unwrap();
    assert_eq!(beside.github.calls(), calls);
}

#[tokio::test]
async fn a_round_that_fails_says_so_and_the_next_one_mends_it() {
    let beside = Beside::new().await;
    beside.note("d-1", PUSH, 10);
    beside.github.fail(Fault::Status(502));
    beside.reconciler.round().await.unwrap();
    assert!(beside.reconciler.standing().trouble.unwrap().contains("HTTP 502"));
    beside.reconciler.round().await.unwrap();
    assert_eq!(beside.reconciler.standing().trouble, None);
    assert_eq!(beside.found().await, ["d-1"]);

    beside.note("d-2", &push_to("next"), 5);
    beside.github.fail(Fault::Limited { retry_after: 30 });
    beside.reconciler.round().await.unwrap();
    let standing = beside.reconciler.standing();
    assert!(standing.held_until.is_some(), "{standing:?}");
}
