use std::time::Duration;

use receivers::{Fault, GITLAB_TOKEN, Gitlab, HookEvent};
use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::{
    intake,
    page::Search,
    publish,
    store::read::{Filter, newest},
    testing::{House, Settings},
};

/// A house, and a search beside it that takes in by a way of its own.
struct Beside {
    house: House,
    gitlab: Gitlab,
    recent: Recent,
    _events: tokio::sync::mpsc::Receiver<crate::publish::Batch>,
}

impl Beside {
    async fn new() -> Self {
        Self::tracking(Vec::new()).await
    }

    async fn tracking(branches: Vec<String>) -> Self {
        let house = House::open().await;
        let gitlab = Gitlab::start().await;
        let mut settings = Settings::default();
        settings.reconcile.gitlab_api_base = gitlab.api_base.clone();
        settings.reconcile.gitlab_token = SecretString::from(GITLAB_TOKEN);
        settings.reconcile.gitlab_hooks = vec!["projects/acme%2Finfra/hooks/7".to_owned()];
        settings.reconcile.gitlab_branches = branches;
        let (intake, queue) = intake::queue(100, Duration::from_secs(1));
        let (publisher, events) = publish::queue();
        tokio::spawn(intake::write(house.pool.clone(), queue, publisher, Duration::from_secs(5)));
        let entry = Entry::new(&settings.http, &settings.rate, &settings.senders, intake).unwrap();
        let recent = Recent::new(&settings.reconcile, &house.pool, &Arc::new(entry));
        let recent = recent.unwrap().expect("a token and a hook are configured");
        Self { house, gitlab, recent, _events: events }
    }

    fn note(&self, key: &str, branch: &str) {
        self.note_data(key, push(branch));
    }

    fn note_data(&self, key: &str, data: Value) {
        let (event, status) = ("Push Hook".to_owned(), "internal error".to_owned());
        self.gitlab.note(HookEvent { key: key.to_owned(), event, data, status });
    }

    async fn round(&self) -> Search {
        self.recent.round(Utc::now()).await.unwrap();
        self.recent.standing()
    }

    async fn found(&self) -> Vec<String> {
        let filter = Filter { limit: 1_000, ..Filter::default() };
        let all = newest(&self.house.pool, &filter).await.unwrap();
        let found = all.into_iter().filter(|one| one.found && one.verdict == "accepted");
        found.filter_map(|one| one.sender_id).collect()
    }
}

fn push(branch: &str) -> Value {
    json!({
        "object_kind": "push",
        "ref": format!("refs/heads/{branch}"),
        "before": "a".repeat(40),
        "after": "b".repeat(40),
        "user_username": "jane",
        "project": { "path_with_namespace": "acme/infra" },
        "commits": [],
        "total_commits_count": 0,
    })
}

#[tokio::test]
async fn what_gitlab_could_not_deliver_is_taken_in_once_and_marked_as_found() {
    let beside = Beside::new().await;
    beside.note("k-1", "one");
    // Tried twice, and still one delivery.
    beside.note("k-2", "two");
    beside.note("k-2", "two");

    let standing = beside.round().await;
    assert_eq!((standing.found, standing.trouble), (2, None));
    assert_eq!(beside.found().await, ["k-2", "k-1"]);

    let standing = beside.round().await;
    assert_eq!((standing.found, standing.trouble), (2, None));
    beside.note("k-3", "three");
    assert_eq!(beside.round().await.found, 3);
}

#[tokio::test]
async fn all_pages_are_read_after_a_start_and_one_while_nothing_is_new() {
    let beside = Beside::new().await;
    for number in 0..120 {
        beside.note(&format!("k-{number}"), &format!("b-{number}"));
    }
    beside.round().await;
    assert_eq!(beside.found().await.len(), 120);
    let calls = beside.gitlab.calls();
    beside.round().await;
    assert_eq!(beside.gitlab.calls(), calls + 2, "the webhook, and its newest page");
}

#[tokio::test]
async fn a_spent_quota_and_a_limit_are_holds_that_are_seen() {
    let beside = Beside::new().await;
    beside.note("k-1", "one");
    beside.gitlab.set_quota(50);
    let standing = beside.round().await;
    assert!(standing.held_until.is_some_and(|until| until > Utc::now()), "{standing:?}");
    let trouble = standing.trouble.unwrap();
    assert!(trouble.contains("GitLab grants 49 more requests"), "{trouble}");
    let calls = beside.gitlab.calls();
    beside.round().await;
    assert_eq!(beside.gitlab.calls(), calls, "while it is held, nothing is asked");
    assert_eq!(beside.found().await, [""; 0]);

    let limited = Beside::new().await;
    limited.gitlab.fail(Fault::Limited { retry_after: 30 });
    let standing = limited.round().await;
    let until = standing.held_until.unwrap() - Utc::now();
    assert!(until > TimeDelta::seconds(20) && until <= TimeDelta::seconds(30), "{until}");
    assert!(standing.trouble.unwrap().contains("GitLab limits our requests"));
}

#[tokio::test]
async fn a_webhook_that_gitlab_switched_off_and_what_it_could_not_keep_are_told() {
    let beside = Beside::new().await;
    beside.note_data("k-1", json!({ "oversize": true }));
    beside.note("k-2", "two");
    beside.gitlab.switch(false);
    let trouble = beside.round().await.trouble.unwrap();
    assert!(trouble.contains("has switched this webhook off"), "{trouble}");
    assert!(trouble.contains("1 deliveries never arrived and were too large"), "{trouble}");
    assert_eq!(beside.found().await, ["k-2"]);

    beside.gitlab.switch(true);
    let trouble = beside.round().await.trouble.unwrap();
    assert!(!trouble.contains("switched this webhook off"), "{trouble}");
}

#[tokio::test]
async fn a_round_that_fails_says_so_and_the_next_one_mends_it() {
    let beside = Beside::new().await;
    beside.note("k-1", "one");
    beside.gitlab.fail(Fault::Status(502));
    assert!(beside.round().await.trouble.unwrap().contains("GitLab answers HTTP 502"));
    assert_eq!(beside.round().await.trouble, None);
    assert_eq!(beside.found().await, ["k-1"]);
}

#[tokio::test]
async fn a_head_that_no_push_told_of_is_taken_in_once_with_the_one_before_it() {
    let beside = Beside::tracking(vec!["acme/infra@release/1".to_owned()]).await;
    let sha = |digit: char| digit.to_string().repeat(40);
    let start = Utc::now();
    let heads = || async {
        let filter = Filter { limit: 1_000, ..Filter::default() };
        let all = newest(&beside.house.pool, &filter).await.unwrap();
        all.into_iter().filter(|one| one.found).filter_map(|one| one.head).collect::<Vec<_>>()
    };
    let round = |seconds| beside.recent.round(start + TimeDelta::seconds(seconds));
    round(0).await.unwrap();
    let trouble = beside.recent.standing().trouble.unwrap();
    assert!(trouble.contains("acme/infra@release/1: GitLab shows no such thing"), "{trouble}");
    beside.gitlab.move_branch("release/1", &sha('a'));
    round(60).await.unwrap();
    let calls = beside.gitlab.calls();
    round(120).await.unwrap();
    assert_eq!(beside.recent.standing().trouble, None);
    assert_eq!(beside.gitlab.calls(), calls + 3, "the hook, its events and the branch");
    assert!(heads().await.is_empty(), "what was there before is not missed");

    beside.gitlab.move_branch("release/1", &sha('b'));
    round(180).await.unwrap();
    assert!(heads().await.is_empty(), "it may still come");
    round(240).await.unwrap();
    round(300).await.unwrap();
    assert_eq!(heads().await, [sha('b')]);
    assert_eq!(beside.recent.standing().found, 1);
    let filter = Filter { limit: 1, ..Filter::default() };
    let found = newest(&beside.house.pool, &filter).await.unwrap().remove(0);
    let events = crate::store::replays::first_events(&beside.house.pool, found.event.unwrap());
    let event = &events.await.unwrap().unwrap()[0].body;
    let change = &event["change"];
    assert_eq!((&change["commit"], &change["previous"]), (&json!(sha('b')), &json!(sha('a'))));
    assert_eq!(
        (&change["author"], &change["title"]),
        (&json!("unknown"), &json!("Change something"))
    );
}

#[tokio::test]
async fn a_head_is_found_however_long_its_name_is_and_each_time_its_branch_comes_back_to_it() {
    let branch = format!("release/größer-{}", "i".repeat(60));
    let beside = Beside::tracking(vec![format!("acme/infra@{branch}")]).await;
    let sha = |digit: char| digit.to_string().repeat(40);
    let start = Utc::now() - TimeDelta::hours(1);
    let round = |minutes| beside.recent.round(start + TimeDelta::minutes(minutes));
    let moved = |to| beside.gitlab.move_branch(&branch, &sha(to));
    moved('a');
    round(0).await.unwrap();
    moved('b');
    round(1).await.unwrap();
    round(2).await.unwrap();
    assert_eq!(beside.recent.standing().trouble, None);
    assert_eq!(beside.found().await.len(), 1);

    moved('c');
    let push = json!({
        "object_kind": "push",
        "ref": format!("refs/heads/{branch}"),
        "before": sha('b'),
        "after": sha('c'),
        "project": { "path_with_namespace": "acme/infra" },
    });
    beside.note_data("k-1", push);
    round(3).await.unwrap();
    moved('b');
    round(62).await.unwrap();
    round(63).await.unwrap();
    round(64).await.unwrap();
    assert_eq!(beside.recent.standing().trouble, None);
    assert_eq!(beside.recent.standing().found, 3, "two heads, and what was in the list");
    assert_eq!(beside.found().await.len(), 3);
}
