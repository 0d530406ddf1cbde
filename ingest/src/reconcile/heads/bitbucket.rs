//! Branches at Bitbucket Cloud: `GET /repositories/{workspace}/{name}/refs/branches`, of which one is
//! asked for by its name, because a name may have slashes.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

use super::{Head, Tracked, escaped};
use crate::{
    bitbucket::{DELIVERY, EVENT},
    reconcile::api::{Answer, Api, Trouble},
    record::Arrival,
    store::heads::Seen,
};

#[derive(Deserialize)]
struct Found {
    values: Vec<Branch>,
}

#[derive(Deserialize)]
struct Branch {
    target: Commit,
}

#[derive(Deserialize)]
struct Commit {
    hash: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    author: Writer,
    #[serde(default)]
    links: Links,
}

#[derive(Default, Deserialize)]
struct Writer {
    /// `Jane Doe <jane@acme.example>`.
    #[serde(default)]
    raw: Option<String>,
}

#[derive(Default, Deserialize)]
struct Links {
    #[serde(default)]
    html: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

/// `GET …/merge-base/{one}..{other}`.
#[derive(Deserialize)]
struct Ancestor {
    hash: String,
}

impl From<Commit> for Head {
    fn from(Commit { hash, message, author, links }: Commit) -> Self {
        Self { sha: hash, message, url: links.html.map(|link| link.href), author: author.raw }
    }
}

/// Where a branch is.
pub(super) async fn head(
    api: &Api,
    Tracked { repository, branch }: &Tracked,
    etag: Option<&str>,
) -> Result<Option<Answer<Head>>, Trouble> {
    let named = escaped(&format!("name=\"{}\"", branch.replace('"', "\\\"")));
    let path = format!("repositories/{repository}/refs/branches?q={named}");
    let asked = api.changed::<Found>(&api.url(&path), etag).await?;
    let Some(Answer { content: Found { values }, usage, next }) = asked else { return Ok(None) };
    let branch = values.into_iter().next().ok_or_else(|| api.not_found())?;
    Ok(Some(Answer { content: branch.target.into(), usage, next }))
}

/// The push as Bitbucket would have told it, but for who pushed, whom it does not name.
pub(super) async fn push(
    api: &Api,
    tracked: &Tracked,
    (head, seen): (&Head, &Seen),
    now: DateTime<Utc>,
) -> Result<Arrival, Trouble> {
    let Tracked { repository, branch } = tracked;
    let path = format!("repositories/{repository}/merge-base/{}..{}", seen.head, head.sha);
    // An old head that is gone has nothing in common with anything: then history was rewritten.
    let forced = match api.ask::<Ancestor>(&api.url(&path)).await {
        Ok(ancestor) => ancestor.content.hash != seen.head,
        Err(Trouble::NotFound { .. }) => true,
        Err(trouble) => return Err(trouble),
    };
    let at = |target| json!({ "type": "branch", "name": branch, "target": target });
    let new = json!({ "hash": head.sha, "message": head.message,
        "author": { "raw": head.author }, "links": { "html": { "href": head.url } } });
    let change =
        json!({ "old": at(json!({ "hash": seen.head })), "new": at(new), "forced": forced });
    let body = json!({
        "repository": { "full_name": repository },
        "push": { "changes": [change] },
    });
    Ok(tracked.told((head, seen), ((EVENT, "repo:push"), DELIVERY), &body, now))
}
