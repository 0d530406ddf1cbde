use std::time::Duration;

use ::github::AppKey;
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
    _events: tokio::sync::mpsc::Receiver<crate::publish::Batch>,
}

impl Beside {
    async fn new() -> Self {
        let token = SecretString::from(GITHUB_TOKEN);
        let github = receivers::Github::start().await;
        Self::asking(github, |reconcile| reconcile.github_token = token).await
    }

    /// One that looks at this branch alone.
    async fn tracking(branch: &str) -> Self {
        let github = receivers::Github::start().await;
        Self::asking(github, |reconcile| {
            reconcile.github_token = GITHUB_TOKEN.into();
            reconcile.github_hooks.clear();
            reconcile.github_branches = vec![branch.to_owned()];
        })
        .await
    }

    async fn asking(
        github: receivers::Github,
        as_whom: impl FnOnce(&mut config::Reconcile),
    ) -> Self {
        let house = House::open().await;
        github.move_branch("release/1", &sha('0'));
        let mut settings = Settings::default();
        settings.reconcile.github_api_base = github.api_base.clone();
        settings.reconcile.github_hooks = vec!["repos/acme/infra/hooks/1".to_owned()];
        settings.reconcile.github_branches = vec!["acme/infra@release/1".to_owned()];
        as_whom(&mut settings.reconcile);
        let (intake, queue) = intake::queue(100, Duration::from_secs(1));
        let (publisher, events) = publish::queue();
        tokio::spawn(intake::write(house.pool.clone(), queue, publisher, Duration::from_secs(5)));
        let entry = Entry::new(&settings.http, &settings.rate, &settings.senders, intake).unwrap();
        let reconciler = Reconciler::new(&settings.reconcile, &house.pool, &Arc::new(entry));
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

    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.found().await, ["d-2"]);
    let standing = beside.reconciler.standing();
    assert_eq!((standing.found, standing.trouble), (1, None));

    beside.reconciler.round(Utc::now()).await.unwrap();
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
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.found().await.len(), 250);
    let calls = beside.github.calls();
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.github.calls(), calls + 2, "a conditional request for each list and branch");
}

#[tokio::test]
async fn what_was_too_young_is_found_below_a_page_of_what_arrived() {
    let beside = Beside::new().await;
    beside.note("d-late", &push_to("late"), 0);
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.found().await, [""; 0]);
    for number in 0..110 {
        let (guid, body) = (format!("d-{number}"), push_to(&format!("b-{number}")));
        let sent = send(&beside.house.router, letter("push", &guid, body.clone())).await;
        assert_eq!(sent.code(), "accepted");
        beside.note(&guid, &body, 0);
    }
    beside.reconciler.round(Utc::now() + TimeDelta::minutes(2)).await.unwrap();
    assert_eq!(beside.found().await, ["d-late"]);
}

/// One that asks as an app.
async fn with_app() -> Beside {
    let github = receivers::Github::with_app().await;
    let key = github.app_key.clone().into();
    let app = AppKey { id: receivers::GITHUB_APP.into(), key, key_file: String::new() };
    Beside::asking(github, |reconcile| reconcile.github_app = app).await
}

#[tokio::test]
async fn an_app_is_shown_every_page_however_github_writes_its_links() {
    let beside = with_app().await;
    for number in 0..150 {
        beside.note(&format!("d-{number}"), &push_to(&format!("b-{number}")), 300 - number);
    }
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.reconciler.standing().trouble, None);
    assert_eq!(beside.found().await.len(), 150);
}

#[tokio::test]
async fn an_app_asks_in_place_of_a_token_and_anew_when_its_token_was_taken_back() {
    let beside = with_app().await;
    beside.note("d-1", PUSH, 10);
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.reconciler.standing().trouble, None);
    assert_eq!(beside.found().await, ["d-1"]);

    beside.github.take_back_tokens();
    beside.note("d-2", &push_to("next"), 5);
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.reconciler.standing().trouble, None);
    assert_eq!(beside.found().await, ["d-2", "d-1"]);
}

#[tokio::test]
async fn a_spent_quota_is_a_hold_that_is_seen_and_others_keep_their_share() {
    let beside = Beside::new().await;
    beside.note("d-1", PUSH, 10);
    beside.github.set_quota(400);
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.found().await, [""; 0]);
    let standing = beside.reconciler.standing();
    assert!(standing.held_until.is_some_and(|until| until > Utc::now()), "{standing:?}");
    assert_eq!(standing.code.as_deref(), Some("quota_reserved"));
    assert!(standing.trouble.unwrap().contains("left to others"));
    // While it is held, nothing is asked.
    let calls = beside.github.calls();
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.github.calls(), calls);
}

#[tokio::test]
async fn a_round_that_fails_says_so_and_the_next_one_mends_it() {
    let beside = Beside::new().await;
    beside.note("d-1", PUSH, 10);
    beside.github.fail(Fault::Status(502));
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert!(beside.reconciler.standing().trouble.unwrap().contains("HTTP 502"));
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.reconciler.standing().trouble, None);
    assert_eq!(beside.found().await, ["d-1"]);

    beside.note("d-2", &push_to("next"), 5);
    beside.github.fail(Fault::Limited { retry_after: 30 });
    beside.reconciler.round(Utc::now()).await.unwrap();
    let standing = beside.reconciler.standing();
    assert!(standing.held_until.is_some(), "{standing:?}");
}

#[tokio::test]
async fn what_is_fetched_counts_and_a_limit_that_is_told_in_words_is_a_hold() {
    let beside = Beside::new().await;
    for number in 0..20 {
        beside.note(&format!("d-{number}"), &push_to(&format!("b-{number}")), 30 - number);
    }
    // The list and five of them: then others' share begins.
    beside.github.set_quota(506);
    beside.reconciler.round(Utc::now()).await.unwrap();
    let found = beside.found().await.len();
    assert!((4..=7).contains(&found), "{found}");
    assert_eq!(beside.reconciler.standing().code.as_deref(), Some("quota_reserved"));

    let limited = Beside::new().await;
    limited.github.fail(Fault::Forbidden("You have exceeded a secondary rate limit."));
    limited.reconciler.round(Utc::now()).await.unwrap();
    let standing = limited.reconciler.standing();
    assert_eq!(standing.code.as_deref(), Some("host_limits"), "{standing:?}");
    assert!(standing.held_until.is_some_and(|until| until > Utc::now()));

    let barred = Beside::new().await;
    barred.github.fail(Fault::Forbidden("Resource not accessible by integration"));
    barred.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(barred.reconciler.standing().held_until, None);
}

#[tokio::test]
async fn one_that_github_does_not_show_keeps_no_other_out_and_is_told() {
    let beside = Beside::new().await;
    beside.note("d-gone", "null", 10);
    beside.note("d-bare", "false", 9);
    beside.note("d-malformed", "{}", 8);
    beside.note("d-1", PUSH, 7);
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.found().await, ["d-1", "d-malformed"]);
    let trouble = beside.reconciler.standing().trouble.unwrap();
    assert!(trouble.contains("2 deliveries never arrived"), "{trouble}");

    // Neither those nor what cannot be read are asked for again.
    beside.note("d-2", &push_to("next"), 5);
    let calls = beside.github.calls();
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.found().await, ["d-2", "d-1", "d-malformed"]);
    assert_eq!(beside.github.calls(), calls + 3, "the list, one delivery and the branch");
}

#[tokio::test]
async fn those_that_github_never_shows_stop_neither_their_page_nor_the_ones_below() {
    let beside = Beside::new().await;
    beside.note("d-below", &push_to("below"), 400);
    for number in 0..4 {
        beside.note(&format!("d-bad-{number}"), "502", 350);
    }
    for number in 0..96 {
        beside.note(&format!("d-{number}"), &push_to(&format!("b-{number}")), 300 - number);
    }
    let round = || beside.reconciler.round(Utc::now());
    round().await.unwrap();
    assert!(beside.reconciler.standing().trouble.unwrap().contains("HTTP 502"));
    assert_eq!(beside.found().await, [""; 0], "that many in a row may be for GitHub's sake");

    round().await.unwrap();
    assert_eq!(beside.found().await.len(), 97);
    assert!(beside.found().await.contains(&"d-below".to_owned()));
    assert!(beside.reconciler.standing().trouble.unwrap().contains("HTTP 502"));

    let payload = serde_json::from_str(&push_to("mended")).unwrap();
    beside.github.show_delivery("d-bad-3", &payload);
    // Of those that failed before, the ones that were tried last come last.
    round().await.unwrap();
    round().await.unwrap();
    assert_eq!(beside.found().await.len(), 98);
}

#[tokio::test]
async fn a_round_ends_while_it_is_its_process_s_turn_and_the_next_goes_on() {
    let github = receivers::Github::start().await;
    let beside = Beside::asking(github, |reconcile| {
        reconcile.github_token = GITHUB_TOKEN.into();
        reconcile.period = Duration::from_secs(1);
    })
    .await;
    beside.note("d-1", &push_to("one"), 10);
    beside.note("d-mute", "0", 9);
    beside.note("d-2", &push_to("two"), 8);
    beside.reconciler.round(Utc::now()).await.unwrap();
    let Search { trouble, looked_at, .. } = beside.reconciler.standing();
    let trouble = trouble.unwrap();
    assert!(trouble.contains("more to look at than in 2 s; the next round goes on"), "{trouble}");
    assert!(looked_at.is_some());
    assert_eq!(beside.found().await, ["d-1"]);

    let payload = serde_json::from_str(&push_to("mute")).unwrap();
    beside.github.show_delivery("d-mute", &payload);
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.reconciler.standing().trouble, None);
    assert_eq!(beside.found().await, ["d-2", "d-mute", "d-1"]);
}

#[tokio::test]
async fn a_round_that_is_cut_short_begins_where_the_last_one_ended() {
    let github = receivers::Github::start().await;
    github.move_branch("slow", "mute");
    let beside = Beside::asking(github, |reconcile| {
        reconcile.github_token = GITHUB_TOKEN.into();
        reconcile.github_hooks.clear();
        reconcile.github_branches =
            ["slow", "release/1"].map(|it| format!("acme/infra@{it}")).into();
        reconcile.period = Duration::from_secs(1);
    })
    .await;
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.house.count("heads").await, 0, "it came no further than to the first");
    beside.reconciler.round(Utc::now()).await.unwrap();
    assert_eq!(beside.house.count("heads").await, 1);
}

async fn heads(beside: &Beside) -> Vec<String> {
    let filter = Filter { limit: 1_000, ..Filter::default() };
    let all = newest(&beside.house.pool, &filter).await.unwrap();
    all.into_iter().filter(|one| one.found).filter_map(|one| one.head).collect()
}

fn sha(digit: char) -> String {
    digit.to_string().repeat(40)
}

#[tokio::test]
async fn a_head_that_no_push_told_of_is_taken_in_once_and_a_first_look_only_notes() {
    let beside = Beside::new().await;
    let start = Utc::now();
    let at = |seconds| start + TimeDelta::seconds(seconds);
    beside.github.move_branch("release/1", &sha('a'));
    beside.reconciler.round(at(0)).await.unwrap();
    beside.reconciler.round(at(60)).await.unwrap();
    assert_eq!(beside.reconciler.standing().trouble, None);
    assert!(heads(&beside).await.is_empty(), "what was there before is not missed");

    beside.github.move_branch("release/1", &sha('b'));
    beside.reconciler.round(at(120)).await.unwrap();
    assert!(heads(&beside).await.is_empty(), "it may still come");
    beside.reconciler.round(at(180)).await.unwrap();
    assert_eq!(heads(&beside).await, [sha('b')]);
    beside.reconciler.round(at(240)).await.unwrap();
    assert_eq!(heads(&beside).await, [sha('b')]);
    assert_eq!(beside.reconciler.standing().found, 1);
}

#[tokio::test]
async fn a_head_that_a_push_told_of_is_not_missed() {
    let beside = Beside::new().await;
    let start = Utc::now() - TimeDelta::minutes(10);
    let at = |seconds| start + TimeDelta::seconds(seconds);
    beside.github.move_branch("release/1", &sha('a'));
    beside.reconciler.round(at(0)).await.unwrap();
    beside.github.move_branch("release/1", &sha('b'));
    let push = serde_json::json!({
        "ref": "refs/heads/release/1", "before": sha('a'), "after": sha('b'),
        "repository": { "full_name": "acme/infra" },
    });
    let arrived = send(&beside.house.router, letter("push", "d-1", push.to_string())).await;
    assert_eq!(arrived.code(), "accepted");
    beside.reconciler.round(at(60)).await.unwrap();
    beside.reconciler.round(at(120)).await.unwrap();
    assert!(heads(&beside).await.is_empty());

    // Where the branch is set back, and nobody tells, the old head is a new one.
    beside.github.move_branch("release/1", &sha('a'));
    let late = Utc::now() + TimeDelta::minutes(1);
    beside.reconciler.round(late).await.unwrap();
    beside.reconciler.round(late + TimeDelta::minutes(1)).await.unwrap();
    assert_eq!(heads(&beside).await, [sha('a')]);
}

#[tokio::test]
async fn a_head_is_found_however_long_its_name_is_and_each_time_its_branch_comes_back_to_it() {
    let repository = format!("acme/{}", "i".repeat(60));
    let beside = Beside::tracking(&format!("{repository}@release/größer")).await;
    let start = Utc::now() - TimeDelta::hours(1);
    let round = |minutes| beside.reconciler.round(start + TimeDelta::minutes(minutes));
    let moved = |to| beside.github.move_branch("release/größer", &sha(to));
    moved('a');
    round(0).await.unwrap();
    moved('b');
    round(1).await.unwrap();
    round(2).await.unwrap();
    assert_eq!(beside.reconciler.standing().trouble, None);
    assert_eq!(heads(&beside).await, [sha('b')]);

    moved('c');
    let push = serde_json::json!({
        "ref": "refs/heads/release/größer", "before": sha('b'), "after": sha('c'),
        "repository": { "full_name": repository },
    });
    let arrived = send(&beside.house.router, letter("push", "d-1", push.to_string())).await;
    assert_eq!(arrived.code(), "accepted");
    round(3).await.unwrap();
    assert_eq!(heads(&beside).await, [sha('b')], "it came");

    moved('b');
    round(62).await.unwrap();
    round(63).await.unwrap();
    round(64).await.unwrap();
    assert_eq!(heads(&beside).await, [sha('b'), sha('b')]);
    assert_eq!(beside.reconciler.standing().found, 2);
}

#[tokio::test]
async fn a_branch_that_comes_back_between_two_looks_is_found_where_only_its_leaving_was_told() {
    let beside = Beside::tracking("acme/infra@release/1").await;
    let start = Utc::now() - TimeDelta::minutes(10);
    let round = |minutes| beside.reconciler.round(start + TimeDelta::minutes(minutes));
    let push = async |id: &str, before: char, after: char| {
        let push = serde_json::json!({
            "ref": "refs/heads/release/1", "before": sha(before), "after": sha(after),
            "repository": { "full_name": "acme/infra", "pushed_at": 1_795_165_200 },
        });
        let arrived = send(&beside.house.router, letter("push", id, push.to_string())).await;
        assert_eq!(arrived.code(), "accepted");
    };
    beside.github.move_branch("release/1", &sha('b'));
    round(0).await.unwrap();
    round(1).await.unwrap();
    // From b to c and back: both are told.
    push("d-1", 'b', 'c').await;
    push("d-2", 'c', 'b').await;
    round(2).await.unwrap();
    round(3).await.unwrap();
    assert!(heads(&beside).await.is_empty());
    // The same, of which only the first is told: c was followed, and nobody would follow b again.
    push("d-3", 'b', 'd').await;
    round(4).await.unwrap();
    assert!(heads(&beside).await.is_empty(), "it may still come");
    round(5).await.unwrap();
    round(6).await.unwrap();
    assert_eq!(heads(&beside).await, [sha('b')]);
    assert_eq!(beside.reconciler.standing().trouble, None);
    // Where nothing was told, nothing was followed.
    beside.github.move_branch("release/1", &sha('e'));
    beside.github.move_branch("release/1", &sha('b'));
    let late = Utc::now() + TimeDelta::hours(2);
    for minutes in 0..3 {
        beside.reconciler.round(late + TimeDelta::minutes(minutes)).await.unwrap();
    }
    assert_eq!(heads(&beside).await, [sha('b')]);
}

#[tokio::test]
async fn a_push_is_not_missed_because_configuration_writes_its_repository_otherwise() {
    let beside = Beside::tracking("Acme/Infra@release/1").await;
    let start = Utc::now() - TimeDelta::minutes(10);
    let round = |minutes| beside.reconciler.round(start + TimeDelta::minutes(minutes));
    round(0).await.unwrap();
    beside.github.move_branch("release/1", &sha('a'));
    let push = serde_json::json!({
        "ref": "refs/heads/release/1", "before": sha('0'), "after": sha('a'),
        "repository": { "full_name": "acme/infra" },
    });
    let arrived = send(&beside.house.router, letter("push", "d-1", push.to_string())).await;
    assert_eq!(arrived.code(), "accepted");
    round(1).await.unwrap();
    round(2).await.unwrap();
    assert_eq!(beside.reconciler.standing().found, 0);
    assert!(heads(&beside).await.is_empty());
}

#[tokio::test]
async fn what_is_found_is_told_of_the_repository_as_its_host_writes_it() {
    let beside = Beside::tracking("Acme/Infra@release/1").await;
    let start = Utc::now() - TimeDelta::minutes(10);
    for (minutes, at) in [(0, 'a'), (1, 'b'), (2, 'b')] {
        beside.github.move_branch("release/1", &sha(at));
        beside.reconciler.round(start + TimeDelta::minutes(minutes)).await.unwrap();
    }
    let filter = Filter { limit: 1_000, ..Filter::default() };
    let [found] = &newest(&beside.house.pool, &filter).await.unwrap()[..] else {
        panic!("it is found once")
    };
    assert_eq!((found.repository.as_deref(), found.found), (Some("acme/infra"), true));
}

#[tokio::test]
async fn a_found_head_that_cannot_be_read_is_told_of_until_it_can() {
    let beside = Beside::tracking("acme/infra@release/1").await;
    let start = Utc::now();
    let round = |minutes| beside.reconciler.round(start + TimeDelta::minutes(minutes));
    round(0).await.unwrap();
    beside.github.move_branch("release/1", "no-commit");
    for minutes in 1..5 {
        round(minutes).await.unwrap();
    }
    let Search { trouble, found, .. } = beside.reconciler.standing();
    let trouble = trouble.unwrap();
    assert!(trouble.contains("acme/infra@release/1: the push to no-commit"), "{trouble}");
    assert!(trouble.contains("`after` is not a commit id"), "{trouble}");
    assert_eq!(found, 0);

    beside.github.move_branch("release/1", &sha('a'));
    round(5).await.unwrap();
    round(6).await.unwrap();
    assert_eq!(beside.reconciler.standing().trouble, None);
    assert_eq!(heads(&beside).await, [sha('a')]);
}
