//! GitHub's side: payloads as it writes them, signed as it signs them.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use crate::accounts::REPOSITORY;

/// A push of one commit to `main` that modifies these files.
pub fn push(commit: &str, paths: &[&str]) -> Value {
    push_to("refs/heads/main", commit, paths)
}

/// A push of one commit that modifies these files.
pub fn push_to(reference: &str, commit: &str, paths: &[&str]) -> Value {
    let head = json!({
        "id": commit,
        "message": format!("Change {}", paths.join(", ")),
        "timestamp": "2026-11-20T10:00:00Z",
        "url": format!("https://github.com/{REPOSITORY}/commit/{commit}"),
        "author": { "name": "Jane Doe", "email": "jane@acme.example", "username": "jane" },
        "added": [],
        "removed": [],
        "modified": paths,
    });
    json!({
        "ref": reference,
        "before": "1111111111111111111111111111111111111111",
        "after": commit,
        "created": false,
        "deleted": false,
        "forced": false,
        "head_commit": head,
        "commits": [head],
        "pusher": { "name": "jane" },
        "sender": { "login": "jane" },
        "repository": { "full_name": REPOSITORY, "name": "infra", "owner": { "login": "acme" } },
    })
}

/// A pull request to `main` that was opened; GitHub does not say which files it changes.
pub fn pull_request(number: u64, commit: &str) -> Value {
    let repository =
        json!({ "full_name": REPOSITORY, "name": "infra", "owner": { "login": "acme" } });
    json!({
        "action": "opened",
        "number": number,
        "pull_request": {
            "number": number,
            "title": "Try something",
            "html_url": format!("https://github.com/{REPOSITORY}/pull/{number}"),
            "user": { "login": "jane" },
            "updated_at": "2026-11-20T10:00:00Z",
            "head": { "ref": "feature", "sha": commit, "repo": repository },
            "base": { "ref": "main", "sha": "1111111111111111111111111111111111111111",
                "repo": repository },
        },
        "repository": repository,
        "sender": { "login": "jane" },
    })
}

/// A merge queue that asks about a group for `main`.
pub fn merge_group(base: &str, head: &str) -> Value {
    json!({
        "action": "checks_requested",
        "merge_group": {
            "head_sha": head,
            "head_ref": "refs/heads/gh-readonly-queue/main/pr-7",
            "base_sha": base,
            "base_ref": "refs/heads/main",
            "head_commit": { "id": head, "message": "Merge pull request #7" },
        },
        "repository": { "full_name": REPOSITORY, "name": "infra", "owner": { "login": "acme" } },
        "sender": { "login": "jane" },
    })
}

/// A comment that a member of the organisation writes at a pull request.
pub fn comment(number: u64, text: &str) -> Value {
    json!({
        "action": "created",
        "issue": { "number": number, "pull_request": { "url": "https://api.github.com/" } },
        "comment": {
            "id": Uuid::new_v4().as_u128() as u64 >> 11,
            "body": text,
            "user": { "login": "grace" },
            "author_association": "MEMBER",
            "html_url": format!("https://github.com/{REPOSITORY}/pull/{number}#issuecomment-1"),
        },
        "repository": { "full_name": REPOSITORY, "name": "infra", "owner": { "login": "acme" } },
        "sender": { "login": "grace" },
    })
}

/// A commit id nobody has used.
pub fn commit() -> String {
    let id = Uuid::new_v4().simple().to_string();
    format!("{id}{}", &id[..8])
}

/// `X-Hub-Signature-256`.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// Delivers an event to ingest; gives status and body.
pub async fn deliver(
    client: &reqwest::Client,
    ingest: &str,
    secret: &str,
    event: &str,
    payload: &Value,
) -> reqwest::Result<(u16, Value)> {
    let body = serde_json::to_vec(payload).expect("a JSON value is JSON");
    let response = client
        .post(format!("http://{ingest}/webhooks/github"))
        .header("Content-Type", "application/json")
        .header("X-GitHub-Event", event)
        .header("X-GitHub-Delivery", Uuid::new_v4().to_string())
        .header("X-Hub-Signature-256", sign(secret, &body))
        .body(body)
        .send()
        .await?;
    let status = response.status().as_u16();
    Ok((status, response.json().await.unwrap_or(Value::Null)))
}
