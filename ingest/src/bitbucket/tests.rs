use contracts::change::{ChangeClosed, ChangeProposed, ChangePushed};
use serde_json::{Value, json};

use super::*;
use crate::{
    order::{Act, Target, Word},
    source::Kind,
    testing::{commanded_by, event_of, reading, reading_of},
};

const OLD: &str = "1e65c05c1d5171631d92438a13901ca7dae9618c";
const NEW: &str = "709d658dc5b6d6afcd46049c2f332ee3f515a67d";

fn read(event: &str, body: &Value) -> Reading {
    let headers = [("x-event-key", event), ("x-request-uuid", "84e51dd2")];
    reading(Kind::Bitbucket, &headers, body.to_string().as_bytes())
}

fn side(kind: &str, name: &str, hash: &str) -> Value {
    json!({ "type": kind, "name": name, "target": { "hash": hash, "message": "Add a zone\n",
        "links": { "html": { "href": "https://bitbucket.org/acme/infra/commits/1" } } } })
}

fn push(changes: &Value) -> Value {
    json!({ "actor": { "nickname": "boss", "account_id": "557058:ada" },
        "repository": { "full_name": "acme/infra" }, "push": { "changes": changes } })
}

fn pull_request(head: &Value) -> Value {
    json!({
        "actor": { "account_id": "557058:ada" }, "repository": { "full_name": "acme/infra" },
        "pullrequest": { "id": 3, "title": "Add a zone", "updated_on": "2026-11-20T10:00:00Z",
            "source": { "branch": { "name": "zone" }, "commit": { "hash": "709d658dc5b6" },
                "repository": head },
            "destination": { "branch": { "name": "main" }, "commit": { "hash": "1e65c05c1d51" },
                "repository": { "full_name": "acme/infra" } } },
    })
}

#[test]
fn one_push_may_tell_of_several_refs_each_an_event() {
    let changes = json!([
        { "old": side("branch", "main", OLD), "new": side("branch", "main", NEW), "forced": true },
        { "old": null, "new": side("tag", "v1", NEW) },
        { "old": side("branch", "gone", OLD), "new": null },
    ]);
    let reading = read("repo:push", &push(&changes));
    assert_eq!(reading.sender_id.as_deref(), Some("84e51dd2"));
    let told: Vec<ChangePushed> = reading
        .verdict
        .events()
        .iter()
        .map(|event| serde_json::from_value(event.body.clone()).unwrap())
        .collect();
    let refs: Vec<_> =
        told.iter().map(|one| (one.change.branch.as_str(), one.tag, one.deleted)).collect();
    assert_eq!(refs, [("main", false, false), ("v1", true, false), ("gone", false, true)]);
    assert!(told[0].forced);
    // Nicknames can be chosen; accounts cannot.
    assert_eq!(told[0].change.author, "bitbucket:557058:ada");
    assert_eq!(told[0].change.title, "Add a zone");
}

#[test]
fn pull_requests_are_proposed_with_the_short_commit_there_is_and_forks_marked() {
    let own = json!({ "full_name": "acme/infra" });
    for (head, fork) in
        [(own, false), (json!({ "full_name": "eve/infra" }), true), (json!(null), true)]
    {
        let reading = read("pullrequest:created", &pull_request(&head));
        let told: ChangeProposed = serde_json::from_value(event_of(&reading).1.clone()).unwrap();
        assert_eq!((told.fork, told.change.commit.as_str()), (fork, "709d658dc5b6"));
        assert_eq!(event_of(&reading).1["updated_at"], "2026-11-20T10:00:00Z");
    }
    for (event, merged) in [("pullrequest:fulfilled", true), ("pullrequest:rejected", false)] {
        let reading = read(event, &pull_request(&json!(null)));
        let told: ChangeClosed = serde_json::from_value(event_of(&reading).1.clone()).unwrap();
        assert_eq!(told.merged, merged);
    }
}

#[test]
fn a_pull_request_is_its_author_s_whoever_edits_it() {
    let mut body = pull_request(&json!({ "full_name": "acme/infra" }));
    body["actor"] = json!({ "account_id": "557058:bob" });
    body["pullrequest"]["author"] = json!({ "account_id": "557058:alice" });
    let reading = read("pullrequest:updated", &body);
    let told: ChangeProposed = serde_json::from_value(event_of(&reading).1.clone()).unwrap();
    assert_eq!(told.change.author, "bitbucket:557058:alice");
    // It may have been a push.
    assert_eq!(told.change.authors, ["bitbucket:557058:bob"]);
}

#[test]
fn what_a_pull_request_was_merged_as_is_told() {
    let mut body = pull_request(&json!({ "full_name": "acme/infra" }));
    body["pullrequest"]["merge_commit"] = json!({ "hash": "764413d85e29" });
    let reading = read("pullrequest:fulfilled", &body);
    assert_eq!(event_of(&reading).1["merged_as"], "764413d85e29");
}

#[test]
fn comments_of_strangers_command_nothing_and_other_events_are_kept() {
    let mut body = pull_request(&json!(null));
    body["comment"] = json!({ "id": 5, "content": { "raw": "stackly approve" } });
    assert_eq!(read("pullrequest:comment_created", &body).verdict.code(), "commander_unknown");
    body["comment"]["created_on"] = json!("2026-11-20T09:00:00.000000+00:00");
    let source = commanded_by(Kind::Bitbucket, "bitbucket:557058:ada");
    let headers = [("x-event-key", "pullrequest:comment_created"), ("x-request-uuid", "r-1")];
    let said = reading_of(&source, &headers, body.to_string().as_bytes());
    let spoken_at = said.order.unwrap().spoken_at.unwrap();
    assert_eq!(spoken_at.to_rfc3339(), "2026-11-20T09:00:00+00:00");
    assert_eq!(read("repo:fork", &json!({})).verdict.code(), "event_ignored");
    let neither = push(&json!([{ "old": null, "new": null }]));
    assert_eq!(read("repo:push", &neither).verdict.code(), "malformed");
}

#[test]
fn who_wrote_the_commits_of_a_push_is_told_by_account_else_by_address() {
    let mut new = side("branch", "main", NEW);
    new["target"]["author"] =
        json!({ "raw": "Bob <bob@acme.example>", "user": { "account_id": "557058:bob" } });
    let older = json!([{ "hash": OLD, "author": { "raw": "Eve <eve@acme.example>" } }]);
    let changes = json!([{ "old": side("branch", "main", OLD), "new": new, "commits": older }]);
    let reading = read("repo:push", &push(&changes));
    let told: ChangePushed = serde_json::from_value(event_of(&reading).1.clone()).unwrap();
    assert_eq!(told.change.author, "bitbucket:557058:ada");
    assert_eq!(told.change.authors, ["bitbucket:557058:bob", "eve@acme.example"]);
}

#[test]
fn two_pushes_that_moved_nothing_are_two() {
    let of = |repository: &str| {
        let mut body = push(&json!([]));
        body["repository"]["full_name"] = repository.into();
        read("repo:push", &body)
    };
    let (one, other) = (of("acme/infra"), of("acme/shop"));
    assert_eq!(one.verdict.code(), "nothing_moved");
    assert!(!one.content_key.is_empty());
    assert_ne!(one.content_key, other.content_key);
}

#[test]
fn a_review_is_a_word_about_the_head_it_was_given_for() {
    let source = commanded_by(Kind::Bitbucket, "bitbucket:557058:bob");
    let said = |event: &str, body: &Value| {
        let headers = [("x-event-key", event), ("x-request-uuid", "r-1")];
        reading_of(&source, &headers, body.to_string().as_bytes())
    };
    let review = |word: &str, date: &str| {
        let mut body = pull_request(&json!(null));
        let bob = json!({ "nickname": "boss", "account_id": "557058:bob" });
        (body["actor"], body[word]) = (bob.clone(), json!({ "date": date, "user": bob }));
        body
    };
    let first = "2026-11-20T09:00:00.595330+00:00";
    for (event, word, act) in [
        ("pullrequest:approved", "approval", Act::Review(Word::Approve)),
        ("pullrequest:unapproved", "approval", Act::Review(Word::Withdraw)),
        ("pullrequest:changes_request_created", "changes_request", Act::Review(Word::Reject)),
        ("pullrequest:changes_request_removed", "changes_request", Act::Review(Word::Withdraw)),
    ] {
        let order = said(event, &review(word, first)).order.unwrap();
        assert_eq!((order.act, order.is_review), (act, true), "{event}");
        assert_eq!(order.by, "bitbucket:557058:bob");
        let Target::PullRequest { number: 3, commit, .. } = order.target else { panic!("{event}") };
        assert_eq!(commit.unwrap().as_str(), "709d658dc5b6");
        assert_eq!(order.spoken_at.is_some(), act != Act::Review(Word::Withdraw), "{event}");
    }
    let key = |event: &str, date: &str| said(event, &review("approval", date)).content_key;
    let approved = key("pullrequest:approved", first);
    assert_eq!(approved, key("pullrequest:approved", first));
    assert_ne!(approved, key("pullrequest:unapproved", first));
    assert_ne!(approved, key("pullrequest:approved", "2026-11-20T10:00:00+00:00"));

    let mut merged = review("approval", first);
    merged["pullrequest"]["merge_commit"] = json!({ "hash": "1e65c05c1d51" });
    let order = said("pullrequest:approved", &merged).order.unwrap();
    assert!(matches!(order.target, Target::PullRequest { commit: Some(commit), .. }
        if commit.as_str() == "1e65c05c1d51"));
    let stranger = read("pullrequest:approved", &review("approval", first));
    assert_eq!((stranger.verdict.code(), stranger.order), ("commander_unknown", None));
}

#[test]
fn a_header_that_nobody_signed_makes_no_other_word_of_a_body() {
    let source = commanded_by(Kind::Bitbucket, "bitbucket:557058:bob");
    let said = |event: &str, body: &Value| {
        let headers = [("x-event-key", event), ("x-request-uuid", "r-2")];
        reading_of(&source, &headers, body.to_string().as_bytes())
    };
    let bob = json!({ "account_id": "557058:bob" });
    let review = |field: &str, state: Value| {
        let mut body = pull_request(&json!(null));
        (body["actor"], body[field]) =
            (bob.clone(), json!({ "date": "2026-11-20T09:00:00+00:00", "user": bob }));
        body["pullrequest"]["participants"] = json!([{ "user": bob, "state": state }]);
        body
    };
    let approval = review("approval", json!("approved"));
    let unapproval = review("approval", json!(null));
    let against = review("changes_request", json!("changes_requested"));
    let not_against = review("changes_request", json!(null));
    let all = [
        ("pullrequest:approved", &approval),
        ("pullrequest:unapproved", &unapproval),
        ("pullrequest:changes_request_created", &against),
        ("pullrequest:changes_request_removed", &not_against),
    ];
    for (event, body) in all {
        for (header, _) in all {
            let is_taken = said(header, body).order.is_some();
            // Taken back is taken back, of whichever word.
            let is_alike = body["pullrequest"]["participants"][0]["state"].is_null()
                && (header.ends_with("unapproved") || header.ends_with("removed"));
            assert_eq!(is_taken, header == event || is_alike, "{event} as {header}");
        }
    }
    let talk = pull_request(&json!(null));
    assert_eq!(said("pullrequest:approved", &talk).verdict.code(), "malformed");
}

#[test]
fn how_a_pull_request_stands_is_read_from_its_body() {
    let with = |event: &str, state: &str| {
        let mut body = pull_request(&json!({ "full_name": "acme/infra" }));
        body["pullrequest"]["state"] = json!(state);
        read(event, &body)
    };
    for (state, kind, event) in [
        ("OPEN", "change.proposed", "pullrequest:updated"),
        ("MERGED", "change.closed", "pullrequest:fulfilled"),
        ("DECLINED", "change.closed", "pullrequest:rejected"),
    ] {
        let told = with(event, state);
        for header in ["pullrequest:created", "pullrequest:fulfilled", "pullrequest:rejected"] {
            let other = with(header, state);
            assert_eq!(event_of(&other).0, kind, "{state} as {header}");
            assert_eq!(other.content_key, told.content_key, "{state} as {header}");
        }
    }
}
