use contracts::change::{ChangeClosed, ChangeProposed, ChangePushed};
use serde_json::{Value, json};

use super::*;
use crate::{
    order::{Act, Target, Word},
    source::Kind,
    testing::{commanded_by, event_of, reading, reading_of},
};

const OLD: &str = "ecddabb624f6f5ba43816f5926e580a5f680a932";
const NEW: &str = "178864a7d521b6f5e720b386b2c2b0ef8563e0dc";
const ZERO: &str = "0000000000000000000000000000000000000000";

fn read(event: &str, body: &Value) -> Reading {
    let headers = [("x-event-key", event), ("x-request-id", "r-1")];
    reading(Kind::BitbucketServer, &headers, body.to_string().as_bytes())
}

fn repository(project: &str) -> Value {
    json!({ "slug": "infra", "project": { "key": project } })
}

fn pull_request(project: &str) -> Value {
    json!({ "actor": { "name": "ada" }, "pullRequest": {
        "id": 11, "title": "Add a zone", "updatedDate": 1_505_783_592_000_i64,
        "fromRef": { "id": "refs/heads/zone", "latestCommit": NEW, "repository": repository(project) },
        "toRef": { "id": "refs/heads/main", "latestCommit": OLD, "repository": repository("ACME") },
        "links": { "self": [{ "href": "https://git.example/pr/11" }] } } })
}

#[test]
fn a_push_is_told_ref_by_ref() {
    let change = |name: &str, from: &str, to: &str| {
        json!({ "ref": { "id": name },
        "fromHash": from, "toHash": to })
    };
    let body = json!({ "actor": { "name": "ada" }, "repository": repository("ACME"),
        "toCommit": { "id": NEW, "message": "Add a zone", "author": { "emailAddress": "bob@acme" } },
        "commits": [{ "id": OLD, "author": { "emailAddress": "eve@acme" } }],
        "changes": [change("refs/heads/main", OLD, NEW), change("refs/tags/v1", ZERO, NEW)] });
    let reading = read("repo:refs_changed", &body);
    let events = reading.verdict.events();
    assert_eq!(events.len(), 2);
    let told: ChangePushed = serde_json::from_value(events[0].body.clone()).unwrap();
    assert_eq!(told.change.repository, "ACME/infra");
    assert_eq!((told.change.title.as_str(), told.change.author.as_str()), ("Add a zone", "ada"));
    assert_eq!(told.change.authors, ["bob@acme", "eve@acme"]);
    assert_eq!(events[1].body["tag"], true);
}

#[test]
fn pull_requests_are_proposed_and_closed() {
    let mut moved = pull_request("ACME");
    moved["previousFromHash"] = json!(OLD);
    let reading = read("pr:from_ref_updated", &moved);
    let told: ChangeProposed = serde_json::from_value(event_of(&reading).1.clone()).unwrap();
    assert_eq!((told.fork, told.change.branch.as_str()), (false, "main"));
    assert_eq!(told.change.previous.unwrap().as_str(), OLD);
    let fork = read("pr:opened", &pull_request("~EVE"));
    assert_eq!(event_of(&fork).1["fork"], true);
    assert_eq!(event_of(&fork).1["updated_at"], "2017-09-19T01:13:12Z");
    for (event, merged) in [("pr:merged", true), ("pr:declined", false), ("pr:deleted", false)] {
        let reading = read(event, &pull_request("ACME"));
        let told: ChangeClosed = serde_json::from_value(event_of(&reading).1.clone()).unwrap();
        assert_eq!(told.merged, merged);
    }
}

#[test]
fn a_push_made_again_is_told_apart_by_its_time() {
    let push = |date: &str| {
        let body = json!({ "repository": repository("ACME"), "date": date, "changes": [
            { "ref": { "id": "refs/heads/main" }, "fromHash": OLD, "toHash": NEW }] });
        read("repo:refs_changed", &body)
    };
    let (one, other) = (push("2026-11-20T09:00:00+1000"), push("2026-11-20T09:05:00+1000"));
    assert_ne!(one.content_key, other.content_key);
    assert!(one.turns.is_empty());
}

#[test]
fn a_pull_request_is_its_author_s_whoever_pushes_to_it() {
    let mut body = pull_request("ACME");
    body["actor"]["name"] = json!("bob");
    body["pullRequest"]["author"] = json!({ "user": { "name": "alice" }, "role": "AUTHOR" });
    let reading = read("pr:from_ref_updated", &body);
    let told: ChangeProposed = serde_json::from_value(event_of(&reading).1.clone()).unwrap();
    assert_eq!(
        (told.change.author.as_str(), &told.change.authors[..]),
        ("alice", &["bob".to_owned()][..])
    );
}

#[test]
fn what_a_pull_request_was_merged_as_is_told() {
    let mut body = pull_request("ACME");
    body["pullRequest"]["properties"] =
        json!({ "mergeCommit": { "id": OLD, "displayId": "ecdd" } });
    assert_eq!(event_of(&read("pr:merged", &body)).1["merged_as"], OLD);
}

#[test]
fn the_connection_test_works_and_strangers_command_nothing() {
    assert_eq!(read("diagnostics:ping", &json!({ "test": true })).verdict.code(), "ping");
    let mut body = pull_request("ACME");
    body["comment"] = json!({ "id": 62, "text": "stackly approve" });
    assert_eq!(read("pr:comment:added", &body).verdict.code(), "commander_unknown");
    body["comment"]["createdDate"] = json!(1_795_165_200_000_i64);
    let source = commanded_by(Kind::BitbucketServer, "ada");
    let headers = [("x-event-key", "pr:comment:added"), ("x-request-id", "r-1")];
    let said = reading_of(&source, &headers, body.to_string().as_bytes());
    let spoken_at = said.order.unwrap().spoken_at.unwrap();
    assert_eq!(spoken_at.timestamp_millis(), 1_795_165_200_000);
    assert_eq!(read("repo:forked", &json!({})).verdict.code(), "event_ignored");
}

#[test]
fn a_review_is_about_the_commit_that_was_seen() {
    let source = commanded_by(Kind::BitbucketServer, "bob");
    let review = |event: &str, status: &str, seen: Option<&str>| {
        let mut body = pull_request("ACME");
        body["date"] = json!("2026-11-20T10:10:01+1000");
        body["participant"] = json!({ "user": { "name": "bob" }, "role": "REVIEWER",
            "lastReviewedCommit": seen, "approved": status == "APPROVED", "status": status });
        let headers = [("x-event-key", event), ("x-request-id", "r-1")];
        reading_of(&source, &headers, body.to_string().as_bytes())
    };
    for (event, status, act) in [
        ("pr:reviewer:approved", "APPROVED", Act::Review(Word::Approve)),
        ("pr:reviewer:unapproved", "UNAPPROVED", Act::Review(Word::Withdraw)),
        ("pr:reviewer:needs_work", "NEEDS_WORK", Act::Review(Word::Reject)),
        ("pr:reviewer:changes_requested", "NEEDS_WORK", Act::Review(Word::Reject)),
    ] {
        for (seen, meant) in [(Some(OLD), OLD), (None, NEW)] {
            let order = review(event, status, seen).order.unwrap();
            assert_eq!((order.act, order.is_review, &*order.by), (act, true, "bob"), "{event}");
            assert_eq!(order.spoken_at.unwrap().to_rfc3339(), "2026-11-20T00:10:01+00:00");
            let Target::PullRequest { commit, repository, .. } = order.target else { panic!() };
            assert_eq!((commit.unwrap().as_str(), &*repository), (meant, "ACME/infra"));
        }
    }
    let body = pull_request("ACME");
    assert_eq!(read("pr:reviewer:approved", &body).verdict.code(), "malformed");
}

#[test]
fn what_happened_is_read_from_the_body_and_not_from_a_header_that_nobody_signed() {
    let source = commanded_by(Kind::BitbucketServer, "bob");
    let mut body = pull_request("ACME");
    body["participant"] = json!({ "user": { "name": "bob" }, "status": "UNAPPROVED" });
    body["eventKey"] = json!("pr:reviewer:unapproved");
    let said = |event: &str, body: &Value| {
        let headers = [("x-event-key", event), ("x-request-id", "r-2")];
        reading_of(&source, &headers, body.to_string().as_bytes())
    };
    let forged = said("pr:reviewer:approved", &body);
    assert_eq!(forged.order.as_ref().unwrap().act, Act::Review(Word::Withdraw));
    assert_eq!(forged.content_key, said("pr:reviewer:unapproved", &body).content_key);
    body["eventKey"] = json!("pr:comment:edited");
    body["comment"] = json!({ "id": 62, "text": "stackly approve" });
    assert_eq!(said("pr:comment:added", &body).verdict.code(), "event_ignored");
}

#[test]
fn a_tag_with_a_message_is_told_at_its_commit_where_the_server_says_which_that_is() {
    let commit = "1".repeat(40);
    let mut body = json!({ "repository": repository("ACME"),
        "changes": [{ "ref": { "id": "refs/tags/v1" }, "fromHash": ZERO, "toHash": NEW }],
        "toCommit": { "id": commit, "message": "Cut a release" } });
    let told = |body: &Value| {
        let reading = read("repo:refs_changed", body);
        assert_eq!(reading.content_key, format!("push/ACME/infra/refs/tags/v1/{ZERO}/{NEW}"));
        serde_json::from_value::<ChangePushed>(event_of(&reading).1.clone()).unwrap().change
    };
    let tag = told(&body);
    assert_eq!((tag.commit.as_str(), tag.title.as_str()), (commit.as_str(), "Cut a release"));
    body["toCommit"] = Value::Null;
    assert_eq!(told(&body).commit.as_str(), NEW);
}

#[test]
fn a_pull_request_that_goes_to_another_branch_is_proposed_for_that() {
    let modified = |from: &str, to: &str| {
        let mut body = pull_request("ACME");
        body["previousTarget"] = json!({ "id": from, "latestCommit": OLD });
        body["pullRequest"]["toRef"]["id"] = json!(to);
        read("pr:modified", &body)
    };
    let moved = modified("refs/heads/main", "refs/heads/release/1");
    let told: ChangeProposed = serde_json::from_value(event_of(&moved).1.clone()).unwrap();
    assert_eq!(told.change.branch, "release/1");
    let on = modified("refs/heads/main", "refs/heads/release/2");
    assert_ne!(moved.content_key, on.content_key);
    let titled = modified("refs/heads/main", "refs/heads/main");
    assert_eq!(titled.verdict.code(), "action_ignored");
}
