use contracts::change::{
    ChangeClosed, ChangeLabelled, ChangeProposed, ChangePushed, ChangeReleased, Paths,
};
use serde_json::{Value, json};

use super::*;
use crate::{
    source::Kind,
    testing::{event_of, reading, source},
};

const PUSH: &str = include_str!("../../testdata/github/push.json");
const PULL_REQUEST: &str = include_str!("../../testdata/github/pull_request.json");
const PING: &str = include_str!("../../testdata/github/ping.json");
const ZERO: &str = "0000000000000000000000000000000000000000";

fn read(event: &str, body: &[u8]) -> Reading {
    read_with(&[("x-github-event", event), ("x-github-delivery", "d-1")], body)
}

fn read_with(headers: &[(&'static str, &str)], body: &[u8]) -> Reading {
    reading(Kind::Github, headers, body)
}

/// The fixture with some members set (a JSON merge patch).
fn patched(fixture: &str, patch: Value) -> Vec<u8> {
    let mut value: Value = serde_json::from_str(fixture).unwrap();
    merge(&mut value, patch);
    serde_json::to_vec(&value).unwrap()
}

fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch,
    }
}

fn pushed(body: &[u8]) -> ChangePushed {
    match read("push", body).verdict {
        Verdict::Event(event) if event.kind == "change.pushed" => {
            serde_json::from_value(event.body).unwrap()
        }
        other => panic!("no push: {other:?}"),
    }
}

fn proposed(body: &[u8]) -> ChangeProposed {
    match read("pull_request", body).verdict {
        Verdict::Event(event) if event.kind == "change.proposed" => {
            serde_json::from_value(event.body).unwrap()
        }
        other => panic!("no pull request: {other:?}"),
    }
}

fn kept(reading: &Reading) -> (&'static str, &str) {
    match &reading.verdict {
        Verdict::Kept { code, text } => (code, text),
        other => panic!("not kept: {other:?}"),
    }
}

fn malformed(reading: &Reading) -> &str {
    match &reading.verdict {
        Verdict::Malformed(malformed) => &malformed.0,
        other => panic!("not malformed: {other:?}"),
    }
}

#[test]
fn a_push_becomes_a_change_with_all_its_paths() {
    let reading = read("push", PUSH.as_bytes());
    assert_eq!(reading.kind, "push");
    assert_eq!(reading.sender_id.as_deref(), Some("d-1"));
    let push = pushed(PUSH.as_bytes());
    assert_eq!(
        serde_json::to_value(&push).unwrap(),
        json!({
            "change": {
                "repository": "acme/infra",
                "branch": "main",
                "commit": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5",
                "previous": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
                "author": "jane",
                "title": "Grow the node pool",
                "url":
                    "https://github.com/acme/infra/commit/59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5",
            },
            "paths": {"known": "all", "paths": [
                "stacks/cluster/größe.tf",
                "stacks/cluster/old.tf",
                "stacks/network/main.tf",
                "stacks/network/subnets.tf",
            ]},
            "deleted": false,
            "tag": false,
            "forced": false,
        })
    );
}

#[test]
fn a_form_says_the_same_as_its_json() {
    let mut form = b"payload=".to_vec();
    for byte in PUSH.bytes() {
        form.extend(format!("%{byte:02X}").bytes());
    }
    let content_type = ("content-type", "application/x-www-form-urlencoded");
    let headers = [("x-github-event", "push"), ("x-github-delivery", "d-1"), content_type];
    let (from_form, from_json) = (read_with(&headers, &form), read("push", PUSH.as_bytes()));
    assert_eq!(from_form, from_json);
}

#[test]
fn a_list_of_paths_that_may_be_cut_off_is_not_trusted() {
    let commit = |id: usize| {
        json!({"id": format!("{id:040x}"), "added": [format!("f{id}")],
        "modified": [], "removed": []})
    };
    let head = json!({"id": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5", "added": ["last"],
        "modified": [], "removed": []});
    let many = |count: usize| {
        let mut commits: Vec<_> = (1..count).map(commit).collect();
        commits.push(head.clone());
        commits
    };
    let long = json!({"id": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5", "modified": [],
        "removed": [], "added": (0..3_000).map(|n| format!("{n:0100}")).collect::<Vec<_>>()});
    let unknown = [
        ("cut at the limit", json!({"commits": many(2048)})),
        ("no list", json!({"commits": null})),
        ("empty list", json!({"commits": []})),
        ("new branch, nothing new", json!({"before": ZERO, "created": true, "commits": []})),
        ("without its head", json!({"commits": [commit(1)]})),
        ("a commit without paths", json!({"commits": [{"id": head["id"]}]})),
        ("fewer than stated", json!({"size": 3})),
        ("fewer distinct than stated", json!({"distinct_size": 3})),
        ("forced", json!({"forced": true})),
        ("too long for a message", json!({"commits": [long]})),
    ];
    for (why, patch) in unknown {
        assert_eq!(pushed(&patched(PUSH, patch)).paths, Paths::Unknown, "{why}");
    }
    let Paths::All(paths) = pushed(&patched(PUSH, json!({"commits": many(2047)}))).paths else {
        panic!("a list of 2047 commits is whole");
    };
    assert_eq!(paths.len(), 2047);
}

#[test]
fn new_deleted_forced_and_tagged_are_told_apart() {
    let new = pushed(&patched(PUSH, json!({"before": ZERO, "created": true})));
    assert_eq!((new.change.previous, new.deleted), (None, false));

    let gone = json!({"after": ZERO, "deleted": true, "commits": [], "head_commit": null});
    let gone = pushed(&patched(PUSH, gone));
    assert!(gone.deleted);
    assert_eq!(gone.change.commit.as_str(), "6113728f27ae82c7b1a177c8d03f9e96e0adf246");
    assert_eq!((gone.change.previous, gone.paths), (None, Paths::All(vec![])));
    assert_eq!(gone.change.title, "main was deleted");

    assert!(pushed(&patched(PUSH, json!({"forced": true}))).forced);

    let tag = pushed(&patched(PUSH, json!({"ref": "refs/tags/v1.2", "before": ZERO})));
    assert_eq!((tag.tag, tag.change.branch.as_str()), (true, "v1.2"));
    let branch = pushed(&patched(PUSH, json!({"ref": "refs/heads/feature/a.b"})));
    assert_eq!((branch.tag, branch.change.branch.as_str()), (false, "feature/a.b"));
}

#[test]
fn the_same_push_has_one_key_and_the_same_move_at_another_time_another() {
    let key = |patch| read("push", &patched(PUSH, patch)).content_key;
    let first = key(json!({}));
    assert_eq!(first, key(json!({"installation": {"id": 1}, "sender": {"login": "bot"}})));
    for other in [
        json!({"repository": {"full_name": "acme/other"}}),
        json!({"ref": "refs/heads/next"}),
        json!({"before": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5"}),
        json!({"after": "6113728f27ae82c7b1a177c8d03f9e96e0adf246"}),
        json!({"repository": {"pushed_at": 1_788_256_999}}),
    ] {
        assert_ne!(first, key(other.clone()), "{other}");
    }
}

#[test]
fn a_pull_request_becomes_a_proposed_change() {
    for action in ["opened", "reopened", "ready_for_review"] {
        let body = patched(PULL_REQUEST, json!({"action": action}));
        assert_eq!(read("pull_request", &body).kind, format!("pull_request.{action}"));
        assert_eq!(
            serde_json::to_value(proposed(&body)).unwrap(),
            json!({
                "change": {
                    "repository": "acme/infra",
                    "branch": "main",
                    "commit": "ec26c3e57ca3a959ca5aad62de7213c562f8c821",
                    "author": "jane",
                    "title": "Grow the node pool",
                    "url": "https://github.com/acme/infra/pull/41",
                    "pull_request": 41,
                },
                "paths": {"known": "unknown"},
                "fork": false,
                "updated_at": "2026-09-01T10:00:00Z",
            })
        );
    }
    let before = "0123456789012345678901234567890123456789";
    let body = patched(PULL_REQUEST, json!({"action": "synchronize", "before": before}));
    assert_eq!(proposed(&body).change.previous.unwrap().as_str(), before);
}

#[test]
fn a_pull_request_that_goes_to_another_branch_is_proposed_for_that() {
    let edited = |base: &str, changes| {
        let event = json!({"action": "edited", "changes": changes,
            "pull_request": {"base": {"ref": base}}});
        patched(PULL_REQUEST, event)
    };
    let moved = json!({"base": {"ref": {"from": "main"}, "sha": {"from": ZERO}}});
    let body = edited("release/1", moved.clone());
    assert_eq!(proposed(&body).change.branch, "release/1");
    let key = |body: &[u8]| read("pull_request", body).content_key;
    assert_ne!(key(&body), key(&edited("release/2", moved)), "within one second, too");
    let title = edited("main", json!({"title": {"from": "Grow"}}));
    assert_eq!(kept(&read("pull_request", &title)).0, "action_ignored");
}

#[test]
fn whoever_adds_to_the_pull_request_of_another_is_an_author_of_it() {
    let before = "0123456789012345678901234567890123456789";
    let event = |sender: &str| {
        let event = json!({"action": "synchronize", "before": before, "sender": {"login": sender}});
        proposed(&patched(PULL_REQUEST, event)).change
    };
    let author = proposed(PULL_REQUEST.as_bytes()).change.author;
    let added = event("mallory");
    assert_eq!((&added.author, added.authors), (&author, vec!["mallory".to_owned()]));
    assert!(event(&author).authors.is_empty());
}

#[test]
fn a_fork_is_told_even_when_it_is_gone() {
    let fork = json!({"pull_request": {"head": {"repo": {"full_name": "mallory/infra"}}}});
    assert!(proposed(&patched(PULL_REQUEST, fork)).fork);
    let gone = json!({"pull_request": {"head": {"repo": null}}});
    assert!(proposed(&patched(PULL_REQUEST, gone)).fork);
}

#[test]
fn a_pull_request_and_a_push_of_one_head_are_two_facts() {
    let head = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
    let push = patched(PUSH, json!({"after": head, "ref": "refs/heads/bigger-pool"}));
    let pull = patched(PULL_REQUEST, json!({"action": "synchronize"}));
    let opened = read("pull_request", PULL_REQUEST.as_bytes());
    let keys = [read("push", &push), read("pull_request", &pull), opened];
    let ids: std::collections::HashSet<_> =
        keys.iter().map(|reading| reading.fact_id("github")).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn what_gives_no_event_is_kept_with_a_reason() {
    let ping = read("ping", PING.as_bytes());
    assert_eq!(kept(&ping).0, "ping");
    assert!(kept(&ping).1.contains("will be taken from here"), "{ping:?}");
    let mute = read("ping", &patched(PING, json!({"hook": {"events": ["issues"]}})));
    assert!(kept(&mute).1.contains("does not send `push`, only: issues"), "{mute:?}");

    let issue = read("issues", br#"{"action":"opened"}"#);
    assert_eq!(kept(&issue).0, "event_ignored");
    assert!(kept(&issue).1.contains("`issues`"));
    assert!(issue.content_key.starts_with("body/"));

    for action in ["assigned", "review_requested", "converted_to_draft", "something_new"] {
        let reading = read("pull_request", &patched(PULL_REQUEST, json!({"action": action})));
        assert_eq!(kept(&reading).0, "action_ignored");
        assert!(kept(&reading).1.contains(action));
    }
    let note = read("push", &patched(PUSH, json!({"ref": "refs/notes/commits"})));
    assert_eq!(kept(&note).0, "ref_ignored");
}

#[test]
fn what_cannot_be_read_is_malformed_and_says_why() {
    let push = |patch| read("push", &patched(PUSH, patch));
    let cases = [
        (read("push", b"{"), "ends too early"),
        (read("issues", b"nonsense"), "not a JSON object"),
        (read("issues", b"{]"), "not JSON"),
        (read("push", b"[]"), "not a JSON object"),
        (read("ping", b""), "ends too early"),
        (read("push", b"{}"), "missing field `ref`"),
        (push(json!({"after": "abc"})), "`after` is not a commit id"),
        (push(json!({"before": "Z".repeat(40)})), "`before` is not a commit id"),
        (push(json!({"before": ZERO, "after": ZERO})), "from nothing to nothing"),
        (push(json!({"repository": {"full_name": ""}})), "`repository.full_name`"),
        (push(json!({"repository": {"full_name": "a\0b"}})), "`repository.full_name`"),
        (push(json!({"ref": "refs/heads/a\nb"})), "`ref`"),
        (read_with(&[("x-github-delivery", "d")], b"{}"), "`x-github-event` is missing"),
        (read_with(&[("x-github-event", "push")], b"{}"), "`x-github-delivery` is missing"),
        (
            read_with(
                &[
                    ("x-github-event", "push"),
                    ("x-github-event", "ping"),
                    ("x-github-delivery", "d"),
                ],
                b"{}",
            ),
            "`x-github-event` comes twice",
        ),
        (
            read_with(&[("x-github-event", &"e".repeat(101)), ("x-github-delivery", "d")], b"{}"),
            "too long",
        ),
    ];
    for (reading, expected) in cases {
        let text = malformed(&reading);
        assert!(text.contains(expected), "{text:?} should contain {expected:?}");
        assert!(reading.content_key.starts_with("malformed/"));
    }
}

#[test]
fn a_key_that_comes_twice_is_refused_where_it_is_read() {
    let twice = PUSH.replacen("\"ref\":", "\"ref\": \"refs/heads/other\", \"ref\":", 1);
    assert!(malformed(&read("push", twice.as_bytes())).contains("duplicate field `ref`"));
    let nested = PUSH.replacen("\"full_name\":", "\"full_name\": \"x/y\", \"full_name\":", 1);
    assert!(malformed(&read("push", nested.as_bytes())).contains("duplicate field `full_name`"));
}

#[test]
fn text_that_postgres_cannot_keep_is_mended() {
    let push = pushed(&patched(
        PUSH,
        json!({
            "head_commit": {"message": "a\u{0}b\nsecond line"},
            "sender": {"login": "x\u{0}"},
        }),
    ));
    assert_eq!(push.change.title, "a\u{fffd}b");
    assert_eq!(push.change.author, "x\u{fffd}");
}

fn comment(body: &str, association: &str) -> Vec<u8> {
    json!({
        "action": "created",
        "issue": { "number": 42, "pull_request": { "url": "https://api.github.com/pulls/42" } },
        "comment": {
            "id": 7,
            "body": body,
            "user": { "login": "grace" },
            "author_association": association,
            "html_url": "https://github.com/acme/infra/pull/42#issuecomment-7",
            "created_at": "2026-11-20T09:00:00Z",
        },
        "repository": { "full_name": "acme/infra" },
    })
    .to_string()
    .into_bytes()
}

#[test]
fn a_member_who_approves_at_a_pull_request_gives_an_event_and_an_order() {
    let reading = read("issue_comment", &comment("Fine!\n\nstackly approve looks right", "MEMBER"));
    assert_eq!(reading.kind, "issue_comment.created");
    assert_eq!(reading.content_key, "comment/acme/infra/7");
    let (kind, body) = event_of(&reading);
    assert_eq!((kind, body["command"].as_str()), ("change.commanded", Some("approve")));
    assert_eq!((body["by"].as_str(), body["pull_request"].as_u64()), (Some("grace"), Some(42)));
    let order = reading.order.clone().unwrap();
    assert_eq!(order.act, crate::order::Act::Review(crate::order::Word::Approve));
    assert_eq!((order.by.as_str(), order.note.as_deref()), ("grace", Some("looks right")));
    assert_eq!(
        order.target,
        crate::order::Target::PullRequest {
            repository: "acme/infra".to_owned(),
            number: 42,
            stack: None,
            commit: None,
        }
    );
    assert_eq!(order.pull_request, Some(("acme/infra".to_owned(), 42)));
    assert_eq!(order.spoken_at.unwrap().to_rfc3339(), "2026-11-20T09:00:00+00:00");
    let bound = read("issue_comment", &comment("stackly approve 59b20b8 fine", "MEMBER"));
    let order = bound.order.unwrap();
    let meant = order.target.of_commit("59b20b8".into());
    assert_eq!((order.target, order.note.as_deref()), (meant, Some("fine")));
}

/// A review of a pull request, as GitHub delivers it.
fn review(action: &str, state: &str, association: &str) -> Vec<u8> {
    json!({
        "action": action,
        "review": {
            "id": 80, "user": { "login": "grace" }, "body": "stackly retry", "state": state,
            "commit_id": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5",
            "submitted_at": "2026-11-20T10:00:00Z",
            "html_url": "https://github.com/acme/infra/pull/42#pullrequestreview-80",
            "author_association": association,
        },
        "pull_request": { "number": 42, "head": { "sha": "ffff", "ref": "x" } },
        "repository": { "full_name": "acme/infra" },
        "sender": { "login": "mona" },
    })
    .to_string()
    .into_bytes()
}

#[test]
fn a_review_is_a_word_about_its_commit_and_a_dismissed_one_takes_it_back() {
    for (action, state, act, command) in [
        (
            "submitted",
            "approved",
            crate::order::Act::Review(crate::order::Word::Approve),
            "approve",
        ),
        (
            "submitted",
            "changes_requested",
            crate::order::Act::Review(crate::order::Word::Reject),
            "reject",
        ),
        (
            "dismissed",
            "dismissed",
            crate::order::Act::Review(crate::order::Word::Withdraw),
            "withdraw",
        ),
    ] {
        let reading = read("pull_request_review", &review(action, state, "MEMBER"));
        assert_eq!(reading.content_key, format!("review/acme/infra/80/{action}"));
        let (kind, body) = event_of(&reading);
        assert_eq!((kind, body["command"].as_str()), ("change.commanded", Some(command)));
        let order = reading.order.clone().unwrap();
        assert_eq!((order.act, order.by.as_str(), order.is_review), (act, "grace", true));
        let commit = "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5".into();
        assert_eq!(order.target, order.target.of_commit(commit));
        assert_eq!(order.pull_request, Some(("acme/infra".to_owned(), 42)));
        // When it was dismissed is not told.
        assert_eq!(order.spoken_at.is_some(), action == "submitted");
    }
    // Of one that is found long afterwards: not before the review, nor before the pull request changed.
    let headers = [("x-github-event", "pull_request_review"), ("x-github-delivery", "d-1")];
    let headers = headers
        .map(|(name, value)| (axum::http::HeaderName::from_static(name), value.parse().unwrap()));
    let (headers, source) = (headers.into_iter().collect(), source(Kind::Github));
    for (changed, expected) in [
        (json!("2026-11-20T12:00:00Z"), "2026-11-20T12:00:00+00:00"),
        (json!("2026-11-20T09:00:00Z"), "2026-11-20T10:00:00+00:00"),
        (json!(null), "2026-11-20T10:00:00+00:00"),
    ] {
        let dismissed = String::from_utf8(review("dismissed", "dismissed", "MEMBER")).unwrap();
        let body = patched(&dismissed, json!({ "pull_request": { "updated_at": changed } }));
        let (body, received_at) = (&body[..], chrono::Utc::now());
        let signed = Signed { source: &source, headers: &headers, body, received_at, found: true };
        let said_at = signed.read().order.unwrap().spoken_at.unwrap();
        assert_eq!(said_at.to_rfc3339(), expected);
    }
    let comment = read("pull_request_review", &review("submitted", "commented", "OWNER"));
    assert_eq!(
        comment.order.unwrap().act,
        crate::order::Act::Chain(crate::order::ChainOrder::Retry)
    );
    let stranger = read("pull_request_review", &review("submitted", "approved", "NONE"));
    assert_eq!((stranger.verdict.code(), &stranger.order), ("commander_unknown", &None));
    let edited = read("pull_request_review", &review("edited", "approved", "MEMBER"));
    assert_eq!((edited.verdict.code(), &edited.order), ("action_ignored", &None));
}

#[test]
fn strangers_command_nothing_and_edited_comments_neither() {
    let stranger = read("issue_comment", &comment("stackly approve", "CONTRIBUTOR"));
    assert_eq!((stranger.verdict.code(), &stranger.order), ("commander_unknown", &None));
    let talk = read("issue_comment", &comment("I like stackly", "OWNER"));
    assert_eq!((talk.verdict.code(), &talk.order), ("comment_ignored", &None));
    let mistyped = read("issue_comment", &comment("stackly aprove", "OWNER"));
    assert_eq!((mistyped.verdict.code(), &mistyped.order), ("command_unknown", &None));
    let text = String::from_utf8(comment("stackly approve", "OWNER")).unwrap();
    let edited = read("issue_comment", text.replace("created", "edited").as_bytes());
    assert_eq!((edited.verdict.code(), &edited.order), ("action_ignored", &None));
}

#[test]
fn a_pull_request_that_is_labelled_closed_or_merged_is_told() {
    let label = json!({ "name": "deploy:now" });
    let labelled = json!({ "action": "labeled", "label": label,
        "pull_request": { "labels": [label] } });
    let reading = read("pull_request", &patched(PULL_REQUEST, labelled));
    let (kind, body) = event_of(&reading);
    assert_eq!(kind, "change.labelled");
    let told: ChangeLabelled = serde_json::from_value(body.clone()).unwrap();
    assert_eq!((told.label.as_deref(), told.added), (Some("deploy:now"), true));
    assert_eq!(told.labels, ["deploy:now"]);
    assert!(reading.content_key.ends_with("/deploy:now"), "{}", reading.content_key);

    for (merged, action) in [(true, "closed"), (false, "closed")] {
        let sha = "b".repeat(40);
        let patch = json!({ "action": action,
            "pull_request": { "merged": merged, "merge_commit_sha": sha } });
        let reading = read("pull_request", &patched(PULL_REQUEST, patch));
        let (kind, body) = event_of(&reading);
        let told: ChangeClosed = serde_json::from_value(body.clone()).unwrap();
        assert_eq!((kind, told.merged), ("change.closed", merged));
        assert_eq!(told.merged_as.map(|sha| sha.0), merged.then_some(sha));
    }
}

#[test]
fn a_tag_is_pushed_at_the_commit_it_stands_for() {
    let commit = "c".repeat(40);
    let head = json!({"id": commit, "message": "x"});
    let tag = pushed(&patched(PUSH, json!({"ref": "refs/tags/v1", "head_commit": head})));
    assert!(tag.tag);
    assert_eq!(tag.change.commit.as_str(), commit);
}

#[test]
fn the_branches_of_a_merge_queue_are_no_branches() {
    let queue = json!({"ref": "refs/heads/gh-readonly-queue/main/pr-7-bbbb"});
    let reading = read("push", &patched(PUSH, queue));
    let (code, text) = kept(&reading);
    assert!(code == "ref_ignored" && text.contains("`merge_group` tells"), "{text}");
}

#[test]
fn a_release_is_told_when_it_is_published() {
    let body = |action: &str| {
        let release = json!({ "tag_name": "v1.2.0", "name": "", "prerelease": true,
            "html_url": "https://github.com/acme/infra/releases/tag/v1.2.0" });
        json!({ "action": action, "release": release, "sender": { "login": "ada" },
            "repository": { "full_name": "acme/infra" } })
        .to_string()
        .into_bytes()
    };
    let published = read("release", &body("published"));
    let (kind, told) = event_of(&published);
    let told: ChangeReleased = serde_json::from_value(told.clone()).unwrap();
    assert_eq!(
        (kind, told.tag.as_str(), told.name.as_str()),
        ("change.released", "v1.2.0", "v1.2.0")
    );
    assert!(told.prerelease);
    assert_eq!(read("release", &body("created")).verdict.code(), "action_ignored");
}

#[test]
fn who_wrote_the_commits_of_a_push_is_told_beside_who_pushed_it() {
    let commit = |username: Value, email: &str, message: &str| {
        json!({"id": format!("{:040x}", 7), "message": message, "added": [], "modified": [],
            "removed": [], "author": {"name": "x", "email": email, "username": username}})
    };
    let commits = [
        commit(json!("jane"), "jane@acme.example", "one"),
        commit(json!("carol"), "carol@acme.example", "two"),
        commit(
            json!(null),
            "eve@acme.example",
            "three\n\nCo-authored-by: Dan <7+dan@users.noreply.github.com>",
        ),
    ];
    let head = json!({"message": "Merge", "url": null, "author": {"username": "bob"}});
    let push = pushed(&patched(PUSH, json!({"commits": commits, "head_commit": head})));
    assert_eq!(push.change.author, "jane");
    assert_eq!(push.change.authors, ["carol", "eve@acme.example", "dan", "bob"]);
}
