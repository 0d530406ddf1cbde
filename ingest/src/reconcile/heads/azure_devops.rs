//! Branches at Azure DevOps: `GET /{project}/_apis/git/repositories/{name}/stats/branches`.

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Head, Tracked, escaped};
use crate::{
    reconcile::{
        api::{Answer, Api, Trouble},
        hooks::VERSION,
    },
    record::Arrival,
    store::heads::Seen,
};

#[derive(Deserialize)]
struct Branch {
    commit: Commit,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commit {
    commit_id: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    author: Writer,
}

#[derive(Default, Deserialize)]
struct Writer {
    #[serde(default)]
    email: Option<String>,
}

/// `GET …/pushes`, the newest first.
#[derive(Deserialize)]
struct Pushes {
    value: Vec<Pushed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pushed {
    push_id: u64,
    #[serde(default)]
    pushed_by: Value,
    #[serde(default)]
    ref_updates: Vec<RefUpdate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefUpdate {
    new_object_id: String,
}

impl From<Branch> for Head {
    fn from(Branch { commit: Commit { commit_id, comment, author } }: Branch) -> Self {
        Self { sha: commit_id, message: comment, url: None, author: author.email }
    }
}

/// The project and the name of a repository.
fn both(repository: &str) -> (&str, &str) {
    repository.split_once('/').unwrap_or((repository, ""))
}

fn url(api: &Api, repository: &str, rest: &str) -> String {
    let (project, name) = both(repository);
    let (project, name) = (escaped(project), escaped(name));
    api.url(&format!("{project}/_apis/git/repositories/{name}/{rest}&{VERSION}"))
}

/// Where a branch is.
pub(super) async fn head(
    api: &Api,
    Tracked { repository, branch }: &Tracked,
    etag: Option<&str>,
) -> Result<Option<Answer<Head>>, Trouble> {
    let url = url(api, repository, &format!("stats/branches?name={}", escaped(branch)));
    Ok(api.changed::<Branch>(&url, etag).await?.map(Answer::into))
}

/// The push as Azure would have told it. Its number is part of what a push is recognised by, so that
/// the same push is a duplicate when it comes after all.
pub(super) async fn push(
    api: &Api,
    tracked: &Tracked,
    (head, seen): (&Head, &Seen),
    now: DateTime<Utc>,
) -> Result<Arrival, Trouble> {
    let reference = format!("refs/heads/{}", tracked.branch);
    let newest = format!(
        "pushes?searchCriteria.refName={}&searchCriteria.includeRefUpdates=true&$top=1",
        escaped(&reference)
    );
    let newest = api.ask::<Pushes>(&url(api, &tracked.repository, &newest)).await?.content;
    let is_it = |push: &Pushed| push.ref_updates.iter().any(|it| it.new_object_id == head.sha);
    let pushed = newest.value.into_iter().find(is_it);
    let (push_id, by) = pushed.map(|it| (it.push_id, it.pushed_by)).unzip();
    let pushed_by = by.filter(|by| by["uniqueName"].is_string());
    let (project, name) = both(&tracked.repository);
    let commit = json!({ "commitId": head.sha, "comment": head.message,
        "author": { "email": head.author } });
    let body = json!({
        "id": tracked.delivery((head, seen)),
        "eventType": "git.push",
        "resource": {
            "pushId": push_id,
            "pushedBy": pushed_by,
            "repository": { "name": name, "project": { "name": project } },
            "refUpdates": [{ "name": reference, "oldObjectId": seen.head, "newObjectId": head.sha }],
            "commits": [commit],
        },
    });
    Ok(Arrival::found(HeaderMap::new(), body.to_string(), now))
}
