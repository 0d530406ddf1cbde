//! Branches at Bitbucket Data Center: `GET /rest/api/latest/projects/{key}/repos/{slug}/branches`, which
//! takes a part of a name, because a name may have slashes, and gives pages of all that have it.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

use super::{Head, Tracked, escaped};
use crate::{
    bitbucket_server::{DELIVERY, EVENT, PUSHED},
    reconcile::api::{Answer, Api, Trouble},
    record::Arrival,
    store::heads::Seen,
};

/// As many branches as are asked for at once.
const PER_PAGE: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    values: Vec<Branch>,
    #[serde(default)]
    next_page_start: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Branch {
    id: String,
    latest_commit: String,
}

/// `GET …/commits/{id}`.
#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    message: String,
    #[serde(default)]
    author: Writer,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Writer {
    #[serde(default)]
    email_address: Option<String>,
}

/// The project and the name of a repository.
fn both(repository: &str) -> (&str, &str) {
    repository.split_once('/').unwrap_or((repository, ""))
}

fn url(api: &Api, repository: &str, rest: &str) -> String {
    let (project, name) = both(repository);
    let (project, name) = (escaped(project), escaped(name));
    api.url(&format!("rest/api/latest/projects/{project}/repos/{name}/{rest}"))
}

fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// Where a branch is. That one page is still the same would say nothing of the next, so each is read.
pub(super) async fn head(
    api: &Api,
    Tracked { repository, branch }: &Tracked,
) -> Result<Option<Answer<Head>>, Trouble> {
    let (part, reference) = (escaped(branch), reference(branch));
    let mut start = 0;
    loop {
        // Newer servers put what is called exactly so first.
        let page =
            format!("branches?filterText={part}&boostMatches=true&limit={PER_PAGE}&start={start}");
        let asked = api.ask::<Page>(&url(api, repository, &page)).await?;
        let Answer { content: Page { values, next_page_start }, usage, next } = asked;
        if let Some(found) = values.into_iter().find(|one| one.id == reference) {
            let (sha, message) = (found.latest_commit, String::new());
            let content = Head { sha, message, url: None, author: None };
            return Ok(Some(Answer { content, usage, next }));
        }
        start = next_page_start.filter(|next| *next > start).ok_or_else(|| api.not_found())?;
    }
}

/// The push as Bitbucket would have told it, but for who pushed, whom it does not name. Nor does it say
/// when, so the time since which it is looked for is told: a branch may make the same move again.
pub(super) async fn push(
    api: &Api,
    tracked: &Tracked,
    (head, seen): (&Head, &Seen),
    now: DateTime<Utc>,
) -> Result<Arrival, Trouble> {
    let commit = url(api, &tracked.repository, &format!("commits/{}", head.sha));
    let Commit { message, author } = api.ask(&commit).await?.content;
    let (project, slug) = both(&tracked.repository);
    let body = json!({
        "eventKey": PUSHED,
        "date": seen.at.to_rfc3339(),
        "repository": { "slug": slug, "project": { "key": project } },
        "changes": [{ "ref": { "id": reference(&tracked.branch) }, "fromHash": seen.head,
            "toHash": head.sha }],
        "toCommit": { "id": head.sha, "message": message,
            "author": { "emailAddress": author.email_address } },
    });
    Ok(tracked.told((head, seen), ((EVENT, PUSHED), DELIVERY), &body, now))
}
