//! Heads of tracked branches: where a branch has moved and no push told of it, the push is taken in
//! as GitHub would have sent it, marked as found.
//!
//! A branch that is looked at for the first time is only noted: nobody missed what was there
//! before.

use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    GRACE, Reconciler,
    api::{Answer, Trouble},
};
use crate::{
    record::Arrival,
    store::heads::{self, Seen},
};

/// A branch as configuration names it: `owner/name@branch`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Tracked {
    repository: String,
    branch: String,
}

impl Tracked {
    pub(super) fn read(text: &str) -> anyhow::Result<Self> {
        match text.split_once('@') {
            Some((repository, branch)) if repository.contains('/') && !branch.is_empty() => {
                Ok(Self { repository: repository.to_owned(), branch: branch.to_owned() })
            }
            _ => anyhow::bail!(
                "reconcile.github_branches: `{text}` is no branch; write `owner/name@branch`"
            ),
        }
    }

    fn place(&self) -> (&str, &str) {
        (&self.repository, &self.branch)
    }

    /// What one of its pages is remembered by.
    pub(super) fn page(&self) -> String {
        format!("{}@{}", self.repository, self.branch)
    }
}

/// `GET /repos/{owner}/{repo}/branches/{branch}`, as far as it is used.
#[derive(Deserialize)]
struct Branch {
    commit: Head,
}

#[derive(Deserialize)]
struct Head {
    sha: String,
    #[serde(default)]
    html_url: Option<String>,
    commit: Commit,
    #[serde(default)]
    author: Option<Account>,
}

#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    login: String,
}

#[derive(Deserialize)]
struct Compared {
    status: String,
}

#[derive(Deserialize)]
struct Repository {
    #[serde(default)]
    pushed_at: Option<DateTime<Utc>>,
}

impl Reconciler {
    /// Looks once at one branch.
    pub(super) async fn look_at_branch(
        &self,
        tracked: &Tracked,
        now: DateTime<Utc>,
    ) -> Result<(), Trouble> {
        let page = tracked.page();
        let etag = self.with(|state| state.etags.get(&page).cloned());
        let path = format!("repos/{}/branches/{}", tracked.repository, escaped(&tracked.branch));
        let asked = self.github.changed(&self.github.url(&path), etag.as_deref()).await?;
        let Some(Answer::<Branch> { content: branch, usage, .. }) = asked else { return Ok(()) };
        self.github.spare(&usage, self.quota_reserve)?;
        let head = branch.commit;
        let failed = |error: sqlx::Error| Trouble::Failed(error.into());
        let seen = heads::seen(&self.finder.pool, tracked.place()).await.map_err(failed)?;
        let is_settled = match seen {
            None => true,
            Some(seen) if seen.head == head.sha => {
                self.settle(&page, usage.etag);
                return Ok(());
            }
            Some(seen) => {
                let arrived =
                    heads::arrived(&self.finder.pool, tracked.place(), &head.sha, seen.at).await;
                arrived.map_err(failed)? || self.missed(tracked, &head, &seen, now).await?
            }
        };
        if is_settled {
            let seen = Seen { head: head.sha, at: now };
            heads::note(&self.finder.pool, tracked.place(), &seen).await.map_err(failed)?;
            self.settle(&page, usage.etag);
        }
        Ok(())
    }

    /// From now on the same page costs no quota.
    fn settle(&self, page: &str, etag: Option<String>) {
        self.with(|state| {
            state.unheard.remove(page);
            if let Some(etag) = etag {
                state.etags.insert(page.to_owned(), etag);
            }
        });
    }

    /// Takes in a push that nobody told of; whether it is in. What GitHub is about to deliver is
    /// not missed yet.
    async fn missed(
        &self,
        tracked: &Tracked,
        head: &Head,
        seen: &Seen,
        now: DateTime<Utc>,
    ) -> Result<bool, Trouble> {
        let first = self.with(|state| {
            let unheard =
                state.unheard.entry(tracked.page()).or_insert_with(|| (head.sha.clone(), now));
            if unheard.0 != head.sha {
                *unheard = (head.sha.clone(), now);
            }
            unheard.1
        });
        if now < first + GRACE {
            return Ok(false);
        }
        let Tracked { repository, branch } = tracked;
        let path = format!("repos/{repository}/compare/{}...{}", seen.head, head.sha);
        // An old head that is gone cannot be compared with: then history was rewritten.
        let compared = self.github.ask::<Compared>(&self.github.url(&path)).await;
        let forced = match compared {
            Ok(compared) => compared.content.status != "ahead",
            Err(Trouble::NotFound { .. }) => true,
            Err(trouble) => return Err(trouble),
        };
        let about = self.github.url(&format!("repos/{repository}"));
        let about = self.github.ask::<Repository>(&about).await?.content;
        let body = push(tracked, head, seen, (forced, about.pushed_at));
        let what = format!("{repository}@{branch} at {}", head.sha);
        Ok(self.finder.take_in(arrival(tracked, head, &body, now), &what).await)
    }
}

/// The push as GitHub would have told it, as far as it can be known: of the files it touches it
/// says nothing. When the repository was pushed to is part of what a push is recognised by, so that
/// the same push is a duplicate when it comes after all.
fn push(
    tracked: &Tracked,
    head: &Head,
    seen: &Seen,
    (forced, pushed_at): (bool, Option<DateTime<Utc>>),
) -> Value {
    let login = head.author.as_ref().map(|author| author.login.as_str());
    let login = login.filter(|login| !login.is_empty()).unwrap_or("unknown");
    let mut push = json!({
        "ref": format!("refs/heads/{}", tracked.branch),
        "before": seen.head,
        "after": head.sha,
        "forced": forced,
        "head_commit": { "message": head.commit.message, "url": head.html_url },
        "repository": { "full_name": tracked.repository },
        "pusher": { "name": login },
    });
    if let Some(at) = pushed_at {
        push["repository"]["pushed_at"] = json!(at.timestamp());
    }
    push
}

fn arrival(tracked: &Tracked, head: &Head, body: &Value, now: DateTime<Utc>) -> Arrival {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("x-github-event", HeaderValue::from_static("push"));
    let id = format!("head/{}/{}", tracked.page(), head.sha);
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-github-delivery", id);
    }
    let body = Bytes::from(body.to_string());
    Arrival { headers, body, received_at: now, found: true, trace: None }
}

/// A branch as one segment of a path.
fn escaped(branch: &str) -> String {
    let mut text = String::with_capacity(branch.len());
    for byte in branch.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
