use chrono::{DateTime, Utc};
use contracts::{
    ChainId, CommitSha,
    chain::ChainKind,
    change::{Change, ChangeProposed, ChangePushed, Paths},
};
use uuid::Uuid;

use super::{Followed, Memory, Waiting, Wish, heads::REMEMBERED, key};

fn head(commit: &str, previous: &str) -> Change {
    Change {
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        commit: CommitSha::from(commit),
        previous: Some(CommitSha::from(previous)),
        author: "ada".to_owned(),
        authors: Vec::new(),
        title: String::new(),
        url: None,
        pull_request: None,
    }
}

fn chain(n: u128) -> Option<ChainId> {
    Some(ChainId(Uuid::from_u128(n)))
}

fn remembering(heads: &[(&str, Option<ChainId>)]) -> Memory {
    let mut memory = Memory::default();
    for (commit, chain) in heads {
        let followed = Followed { chain: *chain, since: None, is_settled: true };
        memory.remember(ChainKind::Deploy, &head(commit, "before"), followed);
    }
    memory
}

fn planned(memory: &Memory, change: &Change) -> Option<ChainId> {
    memory.planned_already(ChainKind::Deploy, change)
}

#[test]
fn the_same_head_again_is_planned_already() {
    let memory = remembering(&[("a", chain(1)), ("b", chain(2))]);
    assert_eq!(planned(&memory, &head("b", "a")), chain(2));
    assert_eq!(planned(&memory, &head("a", "before")), chain(1), "late and doubled");
    assert_eq!(planned(&memory, &head("c", "b")), None);
}

#[test]
fn a_branch_moved_back_to_an_old_commit_is_news() {
    let memory = remembering(&[("a", chain(1)), ("b", chain(2))]);
    assert_eq!(planned(&memory, &head("a", "b")), None);
    // Also if what came between led to nothing.
    let memory = remembering(&[("a", chain(1)), ("b", chain(2)), ("x", None)]);
    assert_eq!(planned(&memory, &head("a", "x")), None);
}

#[test]
fn a_head_that_led_to_nothing_is_looked_at_again() {
    assert_eq!(planned(&remembering(&[("a", None)]), &head("a", "before")), None);
}

#[test]
fn what_a_newer_head_was_pushed_on_top_of_was_overtaken_by_it() {
    let mut memory = Memory::default();
    let mut remember = |commit, previous| {
        let followed = Followed { chain: chain(2), since: None, is_settled: true };
        memory.remember(ChainKind::Deploy, &head(commit, previous), followed);
    };
    remember("b", "a");
    remember("c", "b");
    let overtook = |commit, previous| memory.overtook(ChainKind::Deploy, &head(commit, previous));
    assert_eq!(overtook("a", "zero"), Some(&"c".into()));
    assert_eq!(overtook("a", "c"), None, "the branch was moved back");
    assert_eq!(overtook("d", "c"), None);
    assert_eq!(overtook("c", "b"), None);
    let elsewhere = Change { branch: "staging".to_owned(), ..head("a", "zero") };
    assert_eq!(memory.overtook(ChainKind::Deploy, &elsewhere), None);

    memory.remember_late(ChainKind::Deploy, &head("a", "zero"), ChainId(Uuid::from_u128(3)));
    assert_eq!(planned(&memory, &head("a", "zero")), chain(3));
    assert_eq!(planned(&memory, &head("c", "b")), chain(2), "it is still the newest");
    assert_eq!(memory.before(ChainKind::Deploy, &head("d", "c")).newest, Some("c".into()));
}

#[test]
fn what_an_earlier_build_wrote_counts_if_a_chain_followed() {
    let old = serde_json::json!({ "heads": [
        { "branch": "main", "pull_request": null, "kind": "deploy", "commit": "a",
          "chain": chain(1) },
        { "branch": "main", "pull_request": null, "kind": "deploy", "commit": "b", "chain": null },
    ] });
    let memory: Memory = serde_json::from_value(old).unwrap();
    let before = memory.before(ChainKind::Deploy, &head("c", "b"));
    assert_eq!((before.newest, before.settled), (Some("a".into()), Some("a".into())));
}

#[test]
fn branches_pull_requests_and_kinds_do_not_mix() {
    let memory = remembering(&[("a", chain(1))]);
    let elsewhere = Change { branch: "staging".to_owned(), ..head("a", "before") };
    let proposed = Change { pull_request: Some(7), ..head("a", "before") };
    assert_eq!(planned(&memory, &elsewhere), None);
    assert_eq!(planned(&memory, &proposed), None);
    assert_eq!(memory.planned_already(ChainKind::Preview, &head("a", "before")), None);
}

#[test]
fn old_heads_are_forgotten() {
    let mut memory = remembering(&[("first", chain(1))]);
    for n in 0..REMEMBERED {
        let followed = Followed { chain: chain(2), since: None, is_settled: true };
        memory.remember(ChainKind::Deploy, &head(&n.to_string(), "before"), followed);
    }
    assert_eq!(planned(&memory, &head("first", "before")), None);
    assert_eq!(planned(&memory, &head("0", "before")), chain(2));
}

#[test]
fn many_previews_and_other_branches_leave_the_heads_of_a_branch_alone() {
    let mut memory = remembering(&[("a", chain(1))]);
    let followed = Followed { chain: chain(2), since: None, is_settled: true };
    for n in 0..2_000 {
        let proposed = Change { pull_request: Some(n % 300), ..head(&n.to_string(), "before") };
        memory.remember(ChainKind::Preview, &proposed, followed);
    }
    for n in 0..100 {
        let elsewhere = Change { branch: "staging".to_owned(), ..head(&n.to_string(), "before") };
        memory.remember(ChainKind::Deploy, &elsewhere, followed);
    }
    assert_eq!(planned(&memory, &head("a", "before")), chain(1));
    let kept = serde_json::to_value(&memory).unwrap()["heads"].as_array().unwrap().len();
    assert!(kept <= 512, "{kept}");
}

#[test]
fn many_tags_and_branches_leave_the_newest_previews_alone() {
    let mut memory = Memory::default();
    let followed = Followed { chain: chain(1), since: None, is_settled: true };
    let proposed = Change { pull_request: Some(7), ..head("p", "before") };
    memory.remember(ChainKind::Preview, &proposed, followed);
    for n in 0..1_000 {
        let branch = format!("refs/tags/v{n}");
        let tag = Change { branch, ..head(&n.to_string(), "before") };
        memory.remember(ChainKind::Deploy, &tag, followed);
        let branch = format!("release-{}", n % 12);
        let branch = Change { branch, ..head(&n.to_string(), "before") };
        memory.remember(ChainKind::Deploy, &branch, followed);
    }
    assert_eq!(memory.planned_already(ChainKind::Preview, &proposed), chain(1));
    let last = Change { branch: "refs/tags/v999".to_owned(), ..head("999", "before") };
    assert_eq!(planned(&memory, &last), chain(1));
}

#[test]
fn what_was_pushed_over_before_it_could_be_read_is_not_kept_for_later() {
    let unread = |memory: &mut Memory, commit: &str| {
        let change = Change { pull_request: Some(7), ..head(commit, "before") };
        let wish = Wish::Proposed(proposed(change));
        memory.keep_unread(Waiting { wish, ..waiting(1, 10) }, at(10));
        memory.unread.len()
    };
    let mut memory = Memory::default();
    let change = Change { pull_request: Some(7), ..head("new", "before") };
    memory.note_open(&proposed(change), at(10));
    assert_eq!(unread(&mut memory, "old"), 0);
    assert_eq!(unread(&mut memory, "new"), 1);
}

#[test]
fn the_head_that_pushes_are_compared_with_is_not_forgotten() {
    let mut memory = remembering(&[("base", chain(1))]);
    for n in 0..2 * REMEMBERED {
        let followed = Followed { chain: chain(2), since: None, is_settled: false };
        memory.remember(ChainKind::Deploy, &head(&n.to_string(), "before"), followed);
    }
    let before = memory.before(ChainKind::Deploy, &head("next", "before"));
    assert_eq!(before.settled, Some("base".into()));
}

#[test]
fn a_repository_has_one_key_in_any_case() {
    assert_eq!(key("Acme/Infra"), key("acme/infra"));
    assert_ne!(key("acme/infra"), key("acme/infra2"));
}

fn proposed(change: Change) -> ChangeProposed {
    ChangeProposed { change, paths: Paths::Unknown, fork: false, updated_at: None }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn waiting(n: u128, since: i64) -> Waiting {
    Waiting {
        event: Uuid::from_u128(n),
        correlation: Uuid::from_u128(9),
        trace: None,
        since: at(since),
        looks: 0,
        missing: 0,
        wish: Wish::Pushed(ChangePushed {
            change: head("a", "b"),
            paths: Paths::Unknown,
            deleted: false,
            tag: false,
            forced: false,
        }),
    }
}

#[test]
fn what_waits_is_kept_as_json_and_taken_out_in_order() {
    let mut memory = Memory::default();
    memory.wait(waiting(1, 20), at(30));
    memory.wait(waiting(2, 10), at(30));

    let mut memory: Memory =
        serde_json::from_value(serde_json::to_value(&memory).unwrap()).unwrap();

    assert_eq!((memory.waits_since(), memory.waiting()), (Some(at(20)), 2));
    let events: Vec<Uuid> =
        memory.take_waiting().into_iter().map(|waiting| waiting.event).collect();
    assert_eq!(events, [Uuid::from_u128(1), Uuid::from_u128(2)]);
    assert_eq!(memory, Memory::default());
}

#[test]
fn the_longer_a_change_has_waited_the_rarer_it_is_looked_at() {
    let woken = |since, now| {
        let mut memory = Memory::default();
        memory.wait(waiting(1, since), at(now));
        memory.wake_at().unwrap() - at(now)
    };
    assert_eq!(woken(100, 100).num_milliseconds(), 500);
    assert_eq!(woken(100, 110).num_seconds(), 10);
    assert_eq!(woken(100, 9_999).num_seconds(), 30);

    let mut memory = Memory::default();
    memory.wait(waiting(1, 100), at(100));
    memory.wait(waiting(2, 50), at(100));
    assert_eq!((memory.wake_at().unwrap() - at(100)).num_milliseconds(), 500, "the sooner counts");
}

#[test]
fn what_the_mirror_does_not_show_is_looked_at_again_in_a_minute_unless_it_is_away() {
    let mut memory = Memory::default();
    memory.keep_unread(waiting(1, 10), at(10));
    memory.wait(waiting(2, 10), at(10));
    let soon = memory.wake_at().unwrap();
    memory.take_waiting();
    memory.read_in_time(false, soon);
    assert_eq!((memory.waiting(), memory.wake_at()), (0, Some(at(70))), "not with what else waits");

    memory.read_in_time(true, at(70));
    assert_eq!((memory.waiting(), memory.wake_at()), (0, Some(at(130))));
    memory.read_in_time(false, at(130));
    assert_eq!((memory.waiting(), memory.wake_at()), (1, None));
}
