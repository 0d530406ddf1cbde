//! A push, told to ingest as GitHub tells it: its own payload, signed.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::{DeliverArguments, DevState, repository::git, say, state};

/// How long GitHub waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What Git writes for "no commit".
const NOTHING: &str = "0000000000000000000000000000000000000000";

/// Tells the running `stackly dev` of a push.
pub async fn deliver(arguments: DeliverArguments) -> anyhow::Result<()> {
    let state = state::read(&arguments.folder)?;
    let payload = payload(&state, &arguments).await?;
    if state.spacelift_control_url.is_some() {
        teach_simulator(&state, &payload).await?;
    }
    let body = serde_json::to_vec(&payload)?;
    let delivery = Uuid::new_v4();
    let webhook = format!("{}/webhooks/github", state.local_url);
    let response = reqwest::Client::new()
        .post(&webhook)
        .timeout(PATIENCE)
        .header("Content-Type", "application/json")
        .header("User-Agent", "GitHub-Hookshot/stackly-dev")
        .header("X-GitHub-Event", "push")
        .header("X-GitHub-Delivery", delivery.to_string())
        .header("X-Hub-Signature-256", sign(&state.github_secret, &body))
        .body(body)
        .send()
        .await
        .with_context(|| format!("cannot reach ingest at {webhook}"))?;
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    if !status.is_success() {
        bail!("ingest answered {status}: {text}");
    }
    say(&format!("delivery {delivery}: {status} {text}"));
    Ok(())
}

/// The sample repository, as its host would name it.
fn name(state: &DevState) -> anyhow::Result<&str> {
    state
        .repository
        .as_deref()
        .context("this `stackly dev` drives a real account and has no sample repository to tell of")
}

/// `X-Hub-Signature-256` over the raw body.
pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// GitHub's push payload, made from the real commits.
async fn payload(state: &DevState, arguments: &DeliverArguments) -> anyhow::Result<Value> {
    let DeliverArguments { repository, before, after, reference, .. } = arguments;
    let (created, deleted) = (before == NOTHING, after == NOTHING);
    let mut commits = Vec::new();
    if !deleted {
        let range = if created { after.clone() } else { format!("{before}..{after}") };
        let list = git(Some(repository), &["rev-list", "--reverse", &range]).await?;
        for sha in list.lines() {
            commits.push(commit(repository, sha).await?);
        }
    }
    let forced = !created
        && !deleted
        && git(Some(repository), &["merge-base", "--is-ancestor", before, after]).await.is_err();
    let full_name = name(state)?;
    let (owner, name) = full_name.split_once('/').unwrap_or(("acme", full_name));
    Ok(json!({
        "ref": reference,
        "before": before,
        "after": after,
        "created": created,
        "deleted": deleted,
        "forced": forced,
        "base_ref": null,
        "compare": format!("https://github.com/{full_name}/compare/{before}...{after}"),
        "head_commit": commits.last(),
        "commits": commits,
        "pusher": { "name": "jane", "email": "jane@acme.example" },
        "sender": { "login": "jane", "id": 1, "type": "User" },
        "repository": {
            "id": 1,
            "name": name,
            "full_name": full_name,
            "private": true,
            "owner": { "name": owner, "login": owner },
            "html_url": format!("https://github.com/{full_name}"),
            "default_branch": "main",
            // A branch that goes back and forth makes the same move twice; this tells them apart.
            // Finer than GitHub's seconds, because on one machine this takes less than one.
            "pushed_at": Utc::now().timestamp_millis() as f64 / 1000.0,
        },
    }))
}

async fn commit(repository: &Path, sha: &str) -> anyhow::Result<Value> {
    let format = "--format=%an%x00%ae%x00%cI%x00%B";
    let facts = git(Some(repository), &["show", "--no-patch", format, sha]).await?;
    let mut facts = facts.splitn(4, '\0');
    let mut next = || facts.next().unwrap_or_default().trim().to_owned();
    let (name, email, timestamp, message) = (next(), next(), next(), next());
    let changes = ["show", "--format=", "--name-status", "--no-renames", "-z", sha];
    let changes = git(Some(repository), &changes).await?;
    let mut fields = changes.split('\0').filter(|field| !field.is_empty());
    let (mut added, mut removed, mut modified) = (Vec::new(), Vec::new(), Vec::new());
    while let (Some(status), Some(path)) = (fields.next(), fields.next()) {
        match status {
            "A" => added.push(path.to_owned()),
            "D" => removed.push(path.to_owned()),
            _ => modified.push(path.to_owned()),
        }
    }
    let author = json!({ "name": name, "email": email, "username": "jane" });
    Ok(json!({
        "id": sha,
        "tree_id": git(Some(repository), &["rev-parse", &format!("{sha}^{{tree}}")]).await?,
        "distinct": true,
        "message": message,
        "timestamp": timestamp,
        "url": format!("https://github.com/acme/infra/commit/{sha}"),
        "author": author,
        "committer": author,
        "added": added,
        "removed": removed,
        "modified": modified,
    }))
}

/// Spacelift learns of commits from its own integration; the simulator is told here. It starts no
/// runs by itself, as with a push policy that leaves the runs to Stackly.
async fn teach_simulator(state: &DevState, payload: &Value) -> anyhow::Result<()> {
    let head = &payload["head_commit"];
    let branch = payload["ref"].as_str().and_then(|name| name.strip_prefix("refs/heads/"));
    let (Some(url), Some(branch), false) = (&state.spacelift_control_url, branch, head.is_null())
    else {
        return Ok(());
    };
    let body = json!({
        "repository": name(state)?,
        "branch": branch,
        "without_runs": true,
        "commit": {
            "hash": head["id"],
            "message": head["message"],
            "author_name": head["author"]["name"],
        },
    });
    let response = reqwest::Client::new().post(format!("{url}/push")).json(&body).send().await?;
    if !response.status().is_success() {
        bail!("the simulator did not take the commit: {}", response.text().await?);
    }
    Ok(())
}
