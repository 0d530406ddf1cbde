use contracts::change::{ChangeClosed, ChangeProposed, ChangePushed};
use serde_json::{Value, json};

use super::*;
use crate::{
    order::{Act, Target, Word},
    source::Kind,
    testing::{commanded_by, event_of, reading, reading_of},
};

const OLD: &str = "aad331d8d3b131fa9ae03cf5e53965b51942618a";
const NEW: &str = "33b55f7cb7e7e245323987634f960cf4a6e6bc74";

fn read(event: &str, resource: &Value) -> Reading {
    let body = json!({ "id": "03c164c2-8912-4d5e-8009-3707d5f83734", "eventType": event,
        "notificationId": 1, "resource": resource });
    reading(Kind::AzureDevops, &[], body.to_string().as_bytes())
}

fn repository() -> Value {
    json!({ "name": "infra", "project": { "name": "Platform" } })
}

fn pull_request(status: &str) -> Value {
    json!({ "pullRequestId": 7, "status": status, "title": "Add a zone",
        "targetRefName": "refs/heads/main", "repository": repository(),
        "lastMergeSourceCommit": { "commitId": NEW }, "createdBy": { "uniqueName": "ada@acme.example" } })
}

#[test]
fn a_push_is_told_with_the_project_as_owner() {
    let resource = json!({ "repository": repository(), "pushedBy": { "uniqueName": "ada@acme.example" },
        "commits": [{ "commitId": NEW, "comment": "Add a zone",
            "author": { "name": "Bob", "email": "bob@acme.example" } }],
        "refUpdates": [{ "name": "refs/heads/main", "oldObjectId": OLD, "newObjectId": NEW }] });
    let reading = read("git.push", &resource);
    assert_eq!(reading.sender_id.as_deref(), Some("03c164c2-8912-4d5e-8009-3707d5f83734"));
    let told: ChangePushed = serde_json::from_value(event_of(&reading).1.clone()).unwrap();
    assert_eq!(told.change.repository, "Platform/infra");
    assert_eq!(told.change.authors, ["bob@acme.example"]);
    assert_eq!(
        (told.change.author.as_str(), told.change.title.as_str()),
        ("ada@acme.example", "Add a zone")
    );
}

#[test]
fn the_status_of_a_pull_request_says_whether_it_is_closed() {
    let reading = read("git.pullrequest.created", &pull_request("active"));
    let told: ChangeProposed = serde_json::from_value(event_of(&reading).1.clone()).unwrap();
    assert_eq!((told.change.pull_request, told.fork), (Some(7), false));
    let mut fork = pull_request("active");
    fork["forkSource"] = json!({ "repository": { "name": "infra" } });
    assert_eq!(event_of(&read("git.pullrequest.updated", &fork)).1["fork"], true);
    for (event, status, merged) in [
        ("git.pullrequest.updated", "abandoned", false),
        ("git.pullrequest.updated", "completed", true),
        ("git.pullrequest.merged", "completed", true),
    ] {
        let reading = read(event, &pull_request(status));
        let told: ChangeClosed = serde_json::from_value(event_of(&reading).1.clone()).unwrap();
        assert_eq!(told.merged, merged, "{event} {status}");
    }
    let mut merged = pull_request("completed");
    merged["lastMergeCommit"] = json!({ "commitId": OLD });
    assert_eq!(event_of(&read("git.pullrequest.merged", &merged)).1["merged_as"], OLD);
    let tried = read("git.pullrequest.merged", &pull_request("active"));
    assert_eq!(tried.verdict.code(), "action_ignored");
}

#[test]
fn a_push_made_again_is_told_apart_by_its_number_and_a_pull_request_can_be_taken_up_again() {
    let push = |id: u64| {
        let resource = json!({ "repository": repository(), "pushId": id,
            "refUpdates": [{ "name": "refs/heads/main", "oldObjectId": OLD, "newObjectId": NEW }] });
        read("git.push", &resource)
    };
    assert_ne!(push(14).content_key, push(16).content_key);
    assert_eq!((push(14).content_key, push(14).turns), (push(14).content_key, Vec::new()));
    // A vote, and the same head taken up again after it was abandoned, are told in the same words.
    let vote = read("git.pullrequest.updated", &pull_request("active"));
    let abandoned = read("git.pullrequest.updated", &pull_request("abandoned"));
    assert_eq!(vote.turns[0].place, "pull_request/Platform/infra/7");
    assert_eq!(vote.turns[0].place, abandoned.turns[0].place);
    assert_ne!(vote.turns[0].went_to, abandoned.turns[0].went_to);
}

#[test]
fn strangers_command_nothing_and_other_events_are_kept() {
    let resource = json!({ "pullRequest": pull_request("active"), "comment": { "id": 1,
        "content": "stackly approve", "author": { "uniqueName": "eve@acme.example" } } });
    let event = "ms.vss-code.git-pullrequest-comment-event";
    assert_eq!(read(event, &resource).verdict.code(), "commander_unknown");
    let mut resource = resource;
    resource["comment"]["publishedDate"] = json!("2026-11-20T09:00:00.123Z");
    let body = json!({ "id": "1", "eventType": event, "resource": resource }).to_string();
    let source = commanded_by(Kind::AzureDevops, "eve@acme.example");
    let said = reading_of(&source, &[], body.as_bytes());
    let spoken_at = said.order.unwrap().spoken_at.unwrap();
    assert_eq!(spoken_at.timestamp_millis(), 1_795_165_200_123);
    assert_eq!(read("build.complete", &json!({})).verdict.code(), "event_ignored");
}

/// A vote as a subscription tells it that is for votes alone.
fn vote(text: &str, reviewers: &Value) -> Reading {
    let mut resource = pull_request("active");
    resource["reviewers"] = reviewers.clone();
    let body = json!({ "id": "1", "eventType": "git.pullrequest.updated",
        "message": { "text": text }, "resource": resource,
        "createdDate": "2026-11-20T10:00:00.1234567Z" });
    let source = commanded_by(Kind::AzureDevops, "marley@acme.example");
    reading_of(&source, &[("x-stackly-change", "vote")], body.to_string().as_bytes())
}

fn reviewer(name: &str, login: &str, vote: i64) -> Value {
    json!({ "displayName": name, "uniqueName": login, "vote": vote })
}

#[test]
fn a_vote_is_the_word_of_whoever_voted_just_now() {
    let of = |given: i64| {
        let reviewers = json!([
            reviewer("Bob", "bob@acme.example", 10),
            reviewer("Bob Marley", "marley@acme.example", given),
            { "displayName": "Bob Marley and all", "uniqueName": "group", "vote": 10,
                "isContainer": true },
        ]);
        vote("Bob Marley and all the others", &reviewers)
    };
    for (given, act) in [
        (10, Act::Review(Word::Approve)),
        (5, Act::Review(Word::Approve)),
        (0, Act::Review(Word::Withdraw)),
        (-5, Act::Review(Word::Withdraw)),
        (-10, Act::Review(Word::Reject)),
    ] {
        let order = of(given).order.unwrap();
        assert_eq!((order.act, order.is_review), (act, true), "{given}");
        assert_eq!(order.by, "marley@acme.example", "Bob voted for another head, perhaps");
        let said_at = order.spoken_at.unwrap();
        assert_eq!(said_at.to_rfc3339(), "2026-11-20T10:00:00.123456700+00:00");
        let Target::PullRequest { commit, number: 7, .. } = order.target else { panic!() };
        assert_eq!(commit.unwrap().as_str(), NEW);
    }
    // Who votes back and forth says something new each time: Azure does not say when.
    assert_eq!(of(10).content_key, of(10).content_key);
    assert_ne!(of(10).content_key, of(0).content_key);
    assert_eq!(of(10).turns[0].place, of(0).turns[0].place);
}

#[test]
fn nobody_has_voted_whom_the_message_does_not_name_or_in_another_subscription() {
    let ada = reviewer("Ada", "ada@acme.example", 10);
    let twins = json!([ada, reviewer("Ada", "eve@acme.example", 10)]);
    for (text, reviewers) in [
        ("Ada has approved pull request 7", &twins),
        ("Eve has approved pull request 7", &json!([ada])),
        ("", &json!([ada])),
        ("Ada has approved pull request 7", &json!(null)),
    ] {
        let told = vote(text, reviewers);
        assert_eq!((told.verdict.code(), told.order), ("action_ignored", None), "{text}");
    }
    // A new head brings the votes for the old one along.
    let mut pushed = pull_request("active");
    pushed["reviewers"] = json!([ada]);
    let told = read("git.pullrequest.updated", &pushed);
    assert_eq!((event_of(&told).0, told.order.is_none()), ("change.proposed", true));
}

#[test]
fn a_pull_request_that_goes_to_another_branch_is_proposed_for_that() {
    let to = |branch: &str| {
        let mut request = pull_request("active");
        request["targetRefName"] = json!(format!("refs/heads/{branch}"));
        read("git.pullrequest.updated", &request)
    };
    let (first, other) = (to("main"), to("release/1"));
    assert_ne!(first.content_key, other.content_key);
    assert_eq!(first.content_key, to("main").content_key);
    assert_eq!(event_of(&other).1["change"]["branch"], "release/1");
    // And back again: it has been elsewhere since.
    assert_eq!(first.turns[0].place, other.turns[0].place);
    assert_ne!(first.turns[0].went_to, other.turns[0].went_to);
}
