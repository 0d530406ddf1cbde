use contracts::change::{
    ChangeClosed, ChangeLabelled, ChangeProposed, ChangePushed, ChangeReleased, Paths,
};
use serde_json::{Value, json};

use super::*;
use crate::{
    source::Kind,
    testing::{event_of, reading, reading_of, source},
};

const OLD: &str = "95790bf891e76fee5e1747ab589903a6a1f80f22";
const NEW: &str = "da1560886d4f094c3e6c9ef40349f7d38b5d27d7";
const ZERO: &str = "0000000000000000000000000000000000000000";
const HEADERS: &[(&str, &str)] = &[
    ("x-gitlab-event", "Push Hook"),
    ("x-gitlab-event-uuid", "13792a34-cac6-4fda-95a8-c58e00a3954e"),
    ("idempotency-key", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"),
];

fn read(body: &Value) -> Reading {
    reading(Kind::Gitlab, HEADERS, body.to_string().as_bytes())
}

fn push(before: &str, after: &str) -> Value {
    json!({
        "object_kind": "push", "ref": "refs/heads/main", "before": before, "after": after,
        "user_username": "jsmith", "total_commits_count": 1,
        "project": { "id": 15, "path_with_namespace": "acme/platform/infra" },
        "commits": [{ "id": after, "title": "Add a zone", "url": "https://gitlab.example/c/1",
            "added": ["b/main.tf"], "modified": ["a/main.tf"], "removed": [] }],
    })
}

fn merge_request(action: &str, more: &Value) -> Value {
    let mut body = json!({
        "object_kind": "merge_request", "user": { "username": "root" },
        "project": { "id": 1, "path_with_namespace": "acme/infra" },
        "labels": [{ "title": "deploy:now" }],
        "object_attributes": {
            "iid": 16, "title": "Add a zone", "action": action, "target_branch": "main",
            "source_project_id": 1, "target_project_id": 1, "last_commit": { "id": NEW },
            "url": "https://gitlab.example/acme/infra/-/merge_requests/16",
            "updated_at": "2026-11-20 10:00:00 UTC",
        },
    });
    for (key, value) in more.as_object().unwrap() {
        match key.as_str() {
            "changes" => body[key] = value.clone(),
            _ => body["object_attributes"][key] = value.clone(),
        }
    }
    body
}

#[test]
fn a_push_is_told_with_its_paths_if_gitlab_lists_all_commits() {
    let reading = read(&push(OLD, NEW));
    assert_eq!(reading.sender_id.as_deref(), Some("f5e5f430-f57b-4e6e-9fac-d9128cd7232f"));
    assert_eq!(
        reading.content_key,
        format!("push/acme/platform/infra/refs/heads/main/{OLD}/{NEW}")
    );
    let (kind, body) = event_of(&reading);
    let told: ChangePushed = serde_json::from_value(body.clone()).unwrap();
    assert_eq!((kind, told.change.branch.as_str()), ("change.pushed", "main"));
    assert_eq!((told.change.author.as_str(), told.change.title.as_str()), ("jsmith", "Add a zone"));
    assert_eq!(told.paths, Paths::All(vec!["a/main.tf".to_owned(), "b/main.tf".to_owned()]));

    let mut cut = push(OLD, NEW);
    cut["total_commits_count"] = json!(21);
    let told: ChangePushed = serde_json::from_value(event_of(&read(&cut)).1.clone()).unwrap();
    assert_eq!(told.paths, Paths::Unknown);
}

#[test]
fn tags_new_branches_and_deletions_are_told_apart() {
    let mut tag = push(ZERO, NEW);
    tag["object_kind"] = json!("tag_push");
    tag["ref"] = json!("refs/tags/v1");
    let told: ChangePushed = serde_json::from_value(event_of(&read(&tag)).1.clone()).unwrap();
    assert_eq!((told.tag, told.change.branch.as_str(), told.change.previous), (true, "v1", None));
    assert_eq!(told.change.commit.as_str(), NEW);

    // With a message, the tag is an object of its own, and is recognised by that.
    let commit = "1".repeat(40);
    tag["checkout_sha"] = json!(commit);
    tag["commits"] = json!([{ "id": commit, "title": "Cut a release" }]);
    let annotated = read(&tag);
    assert_eq!(
        annotated.content_key,
        format!("push/acme/platform/infra/refs/tags/v1/{ZERO}/{NEW}")
    );
    let told: ChangePushed = serde_json::from_value(event_of(&annotated).1.clone()).unwrap();
    assert_eq!(told.change.commit.as_str(), commit);
    assert_eq!(told.change.title, "Cut a release");

    // What GitLab would check out of a branch is its head; of what is gone, nothing.
    let mut branch = push(OLD, NEW);
    branch["checkout_sha"] = json!("1".repeat(40));
    let told: ChangePushed = serde_json::from_value(event_of(&read(&branch)).1.clone()).unwrap();
    assert_eq!(told.change.commit.as_str(), NEW);
    (tag["before"], tag["after"], tag["checkout_sha"]) = (json!(NEW), json!(ZERO), json!(null));
    let told: ChangePushed = serde_json::from_value(event_of(&read(&tag)).1.clone()).unwrap();
    assert_eq!((told.deleted, told.change.commit.as_str()), (true, NEW));
    let told: ChangePushed =
        serde_json::from_value(event_of(&read(&push(OLD, ZERO))).1.clone()).unwrap();
    assert_eq!((told.deleted, told.change.commit.as_str()), (true, OLD));
}

#[test]
fn merge_requests_are_proposed_labelled_closed_and_merged() {
    for (action, more) in [
        ("open", json!({})),
        ("reopen", json!({})),
        ("update", json!({ "oldrev": OLD })),
        ("update", json!({ "changes": { "draft": { "previous": true, "current": false } } })),
    ] {
        let reading = read(&merge_request(action, &more));
        let (kind, body) = event_of(&reading);
        let told: ChangeProposed = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(
            (kind, told.change.pull_request, told.fork),
            ("change.proposed", Some(16), false)
        );
        assert_eq!(told.change.previous.is_some(), more["oldrev"].is_string());
        assert_eq!(body["updated_at"], "2026-11-20T10:00:00Z");
    }
    let labels = json!({ "changes": { "labels": {
        "previous": [], "current": [{ "title": "deploy:now" }] } } });
    let reading = read(&merge_request("update", &labels));
    let told: ChangeLabelled = serde_json::from_value(event_of(&reading).1.clone()).unwrap();
    assert_eq!((told.label.as_deref(), told.added), (Some("deploy:now"), true));
    for (action, merged) in [("close", false), ("merge", true)] {
        let reading = read(&merge_request(action, &json!({})));
        let (kind, body) = event_of(&reading);
        let told: ChangeClosed = serde_json::from_value(body.clone()).unwrap();
        assert_eq!((kind, told.merged), ("change.closed", merged));
    }
    for (more, expected) in [
        (json!({ "merge_commit_sha": OLD }), Some(OLD)),
        (json!({ "merge_commit_sha": null, "squash_commit_sha": OLD }), Some(OLD)),
        (json!({ "merge_commit_sha": null }), None),
    ] {
        let reading = read(&merge_request("merge", &more));
        assert_eq!(event_of(&reading).1["merged_as"].as_str(), expected, "{more}");
    }
    // GitLab's time has seconds: what one push changes, and what a label put on with it, are two facts.
    let moved = read(&merge_request("update", &json!({ "oldrev": OLD })));
    assert_ne!(moved.content_key, reading.content_key);
    let both = json!({ "oldrev": OLD, "changes": labels["changes"] });
    let both = read(&merge_request("update", &both));
    let kinds: Vec<_> = both.verdict.events().iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["change.proposed", "change.labelled"]);
    let title = read(&merge_request("update", &json!({})));
    assert_eq!(title.verdict.code(), "action_ignored");
    let moved = |to: &str| {
        let changes = json!({ "target_branch": { "previous": "main", "current": to } });
        read(&merge_request("update", &json!({ "target_branch": to, "changes": changes })))
    };
    let told: ChangeProposed =
        serde_json::from_value(event_of(&moved("release/1")).1.clone()).unwrap();
    assert_eq!(told.change.branch, "release/1");
    assert_ne!(moved("release/1").content_key, moved("release/2").content_key);
}

#[test]
fn a_merge_request_is_its_author_s_whoever_says_something_of_it() {
    let told = |more: Value, action: &str| {
        let mut body = merge_request(action, &more);
        body["user"] = json!({ "id": 2, "username": "bob" });
        body["object_attributes"]["author_id"] = json!(1);
        body["object_attributes"]["last_commit"]["author"] =
            json!({ "name": "Ann", "email": "ann@acme.example" });
        body["assignees"] = more["assignees"].clone();
        let told: ChangeProposed =
            serde_json::from_value(event_of(&read(&body)).1.clone()).unwrap();
        (told.change.author, told.change.authors)
    };
    let mail = "ann@acme.example".to_owned();
    let named = json!({ "assignees": [{ "id": 1, "username": "alice" }] });
    assert_eq!(told(named, "reopen"), ("alice".to_owned(), vec![mail.clone()]));
    // By the number, where no name is told; and who brought a new head wrote something of it.
    let pushed = told(json!({ "oldrev": OLD }), "update");
    assert_eq!(pushed, ("gitlab:1".to_owned(), vec![mail, "bob".to_owned()]));
}

#[test]
fn a_merge_request_from_another_project_or_from_none_is_from_a_fork() {
    for more in [json!({ "source_project_id": 2 }), json!({ "source_project_id": null })] {
        let reading = read(&merge_request("open", &more));
        assert_eq!(event_of(&reading).1["fork"], true, "{more}");
    }
}

#[test]
fn a_comment_commands_if_configuration_lets_its_author() {
    let body = json!({
        "object_kind": "note", "user": { "username": "grace" },
        "project": { "path_with_namespace": "acme/infra" },
        "object_attributes": { "id": 1244, "note": "stackly reject too wide", "system": false,
            "created_at": "2026-11-20 09:00:00 UTC" },
        "merge_request": { "iid": 16, "last_commit": { "id": NEW } },
    });
    assert_eq!(read(&body).verdict.code(), "commander_unknown");
    let mut senders = crate::testing::Settings::default().senders;
    senders.gitlab.commanders = vec!["grace".to_owned()];
    let gitlab =
        crate::source::Source::forge(Kind::Gitlab, &senders, &senders.gitlab.forge()).unwrap();
    let reading = reading_of(&gitlab, HEADERS, body.to_string().as_bytes());
    assert_eq!(event_of(&reading).1["commit"], NEW);
    let mut merged = body;
    merged["merge_request"]["merge_commit_sha"] = json!(OLD);
    let merged = reading_of(&gitlab, HEADERS, merged.to_string().as_bytes());
    assert_eq!(event_of(&merged).1["commit"], OLD);
    let order = reading.order.unwrap();
    assert_eq!(
        (order.act, order.note.as_deref()),
        (crate::order::Act::Review(crate::order::Word::Reject), Some("too wide"))
    );
    assert_eq!(order.spoken_at.unwrap().to_rfc3339(), "2026-11-20T09:00:00+00:00");
}

#[test]
fn an_approval_is_a_word_about_its_head_and_one_taken_back_takes_it_back() {
    use crate::order::{Act, Target, Word};
    let say = |action: &str, more: Value| read(&merge_request(action, &more));
    for (action, act) in [
        ("approved", Act::Review(Word::Approve)),
        ("approval", Act::Review(Word::Approve)),
        ("unapproved", Act::Review(Word::Withdraw)),
        ("unapproval", Act::Review(Word::Withdraw)),
    ] {
        let reading = say(action, json!({}));
        let (kind, body) = event_of(&reading);
        assert_eq!(
            (kind, &body["commit"], &body["by"]),
            ("change.commanded", &json!(NEW), &json!("root"))
        );
        let order = reading.order.unwrap();
        assert_eq!(
            (order.act, order.by.as_str(), order.is_review),
            (act, "root", true),
            "{action}"
        );
        assert_eq!(order.pull_request, Some(("acme/infra".to_owned(), 16)));
        let Target::PullRequest { number: 16, commit: Some(commit), .. } = order.target else {
            panic!("{:?}", order.target)
        };
        assert_eq!(commit.as_str(), NEW);
    }
    // When it was said is not told; of one that is found long afterwards, not before this.
    let at = "2026-11-20T09:00:00Z";
    let body = merge_request("approved", &json!({ "updated_at": at })).to_string();
    let said_at = |body: &str, found| {
        let gitlab = source(Kind::Gitlab);
        let headers = HEADERS.iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), value.parse().unwrap())
        });
        let (headers, received_at) = (headers.collect(), chrono::Utc::now());
        let body = body.as_bytes();
        let signed = Signed { source: &gitlab, headers: &headers, body, received_at, found };
        signed.read().order.unwrap().spoken_at
    };
    assert_eq!((said_at(&body, false), said_at(&body, true)), (None, at.parse().ok()));
    // What is taken back is newer than what it takes back, which counts from when it came.
    let body = merge_request("unapproved", &json!({ "updated_at": at })).to_string();
    assert_eq!((said_at(&body, false), said_at(&body, true)), (None, None));
    // The last approval that is needed is told as another action, and is the same word.
    let key = |action: &str, at: &str| say(action, json!({ "updated_at": at })).content_key;
    assert_eq!(key("approved", "1"), key("approval", "1"));
    assert_ne!(key("approved", "1"), key("unapproved", "1"));
    assert_ne!(key("approved", "1"), key("approved", "2"), "said again after it was taken back");

    let reset =
        say("unapproved", json!({ "system": true, "system_action": "approvals_reset_on_push" }));
    assert_eq!((reset.verdict.code(), reset.order), ("action_ignored", None));
}

#[test]
fn a_release_is_told_and_everything_else_is_kept() {
    let release = json!({ "object_kind": "release", "action": "create", "tag": "v1.1",
        "name": "One one", "project": { "path_with_namespace": "acme/infra" } });
    let reading = read(&release);
    let told: ChangeReleased = serde_json::from_value(event_of(&reading).1.clone()).unwrap();
    assert_eq!((told.tag.as_str(), told.name.as_str()), ("v1.1", "One one"));
    assert_eq!(read(&json!({ "object_kind": "pipeline" })).verdict.code(), "event_ignored");
    let nameless = reading_of(&source(Kind::Gitlab), &[], b"{\"object_kind\":\"push\"}");
    assert_eq!(nameless.verdict.code(), "malformed");
}

#[test]
fn who_wrote_the_commits_of_a_push_is_told_by_address() {
    let mut body = push(OLD, NEW);
    body["commits"][0]["author"] = json!({ "name": "Ann", "email": "ann@acme.example" });
    body["commits"][0]["message"] = json!("Add a zone\n\nCo-authored-by: Dan <dan@acme.example>");
    let told: ChangePushed = serde_json::from_value(event_of(&read(&body)).1.clone()).unwrap();
    assert_eq!(told.change.author, "jsmith");
    assert_eq!(told.change.authors, ["ann@acme.example", "dan@acme.example"]);
}
