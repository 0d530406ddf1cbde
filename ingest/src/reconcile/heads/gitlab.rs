//! Branches at GitLab: `GET /projects/:id/repository/branches/:branch`.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;

use super::{Head, Host, Tracked, escaped};
use crate::{
    gitlab::DELIVERY,
    reconcile::{
        Recent,
        api::{Answer, Api, Trouble},
    },
    record::Arrival,
    store::heads::Seen,
};

#[derive(Deserialize)]
struct Branch {
    commit: Commit,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    author_email: Option<String>,
    #[serde(default)]
    web_url: Option<String>,
}

impl From<Branch> for Head {
    fn from(Branch { commit: Commit { id, message, author_email, web_url } }: Branch) -> Self {
        Self { sha: id, message, url: web_url, author: author_email }
    }
}

impl Host for Recent {
    fn api(&self) -> (&Api, u64) {
        (&self.api, self.quota_reserve)
    }

    async fn head(
        &self,
        tracked: &Tracked,
        etag: Option<&str>,
    ) -> Result<Option<Answer<Head>>, Trouble> {
        let (project, branch) = (escaped(&tracked.repository), escaped(&tracked.branch));
        let path = format!("projects/{project}/repository/branches/{branch}");
        let asked = self.api.changed::<Branch>(&self.api.url(&path), etag).await?;
        Ok(asked.map(Answer::into))
    }

    /// As far as it can be known: the one commit that is listed is not all of them, so of the files it
    /// touches nothing is said. Who pushed it GitLab does not tell, only who wrote its head.
    async fn push(
        &self,
        tracked: &Tracked,
        (head, seen): (&Head, &Seen),
        now: DateTime<Utc>,
    ) -> Result<Arrival, Trouble> {
        let body = json!({
            "object_kind": "push",
            "ref": format!("refs/heads/{}", tracked.branch),
            "before": seen.head,
            "after": head.sha,
            "project": { "path_with_namespace": tracked.repository },
            "commits": [{
                "id": head.sha,
                "message": head.message,
                "title": head.message.lines().next(),
                "url": head.url,
                "author": { "email": head.author },
            }],
        });
        Ok(tracked.told((head, seen), (("x-gitlab-event", "Push Hook"), DELIVERY[0]), &body, now))
    }
}
