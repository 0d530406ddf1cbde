//! Branches at GitHub: `GET /repos/{owner}/{repo}/branches/{branch}`.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Head, Host, Tracked, escaped};
use crate::{
    reconcile::{
        Reconciler,
        api::{Answer, Api, Trouble},
    },
    record::Arrival,
    store::heads::Seen,
};

#[derive(Deserialize)]
struct Branch {
    commit: Told,
}

#[derive(Deserialize)]
struct Told {
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
    /// As GitHub writes it, whatever it was asked for as.
    #[serde(default)]
    full_name: Option<String>,
    #[serde(default)]
    pushed_at: Option<DateTime<Utc>>,
}

impl From<Branch> for Head {
    fn from(Branch { commit: Told { sha, html_url, commit, author } }: Branch) -> Self {
        let author = author.map(|author| author.login).filter(|login| !login.is_empty());
        Self { sha, message: commit.message, url: html_url, author }
    }
}

impl Host for Reconciler {
    fn api(&self) -> (&Api, u64) {
        (&self.github, self.quota_reserve)
    }

    async fn head(
        &self,
        tracked: &Tracked,
        etag: Option<&str>,
    ) -> Result<Option<Answer<Head>>, Trouble> {
        let path = format!("repos/{}/branches/{}", tracked.repository, escaped(&tracked.branch));
        let asked = self.github.changed::<Branch>(&self.github.url(&path), etag).await?;
        Ok(asked.map(Answer::into))
    }

    async fn push(
        &self,
        tracked: &Tracked,
        (head, seen): (&Head, &Seen),
        now: DateTime<Utc>,
    ) -> Result<Arrival, Trouble> {
        let repository = &tracked.repository;
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
        let body = push(tracked, (head, seen), forced, &about);
        Ok(tracked.told(
            (head, seen),
            (("x-github-event", "push"), "x-github-delivery"),
            &body,
            now,
        ))
    }
}

/// The push as GitHub would have told it, as far as it can be known: of the files it touches it
/// says nothing. When the repository was pushed to is part of what a push is recognised by, so that
/// the same push is a duplicate when it comes after all.
fn push(
    tracked: &Tracked,
    (head, seen): (&Head, &Seen),
    forced: bool,
    about: &Repository,
) -> Value {
    let mut push = json!({
        "ref": format!("refs/heads/{}", tracked.branch),
        "before": seen.head,
        "after": head.sha,
        "forced": forced,
        "head_commit": { "message": head.message, "url": head.url },
        "repository": { "full_name": about.full_name.as_ref().unwrap_or(&tracked.repository) },
        "pusher": { "name": head.author.as_deref().unwrap_or("unknown") },
    });
    if let Some(at) = about.pushed_at {
        push["repository"]["pushed_at"] = json!(at.timestamp());
    }
    push
}
