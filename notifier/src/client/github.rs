//! GitHub's REST API, as far as the notifier needs it: setting a commit status, writing a comment,
//! and writing a check run. Setting the same status again is harmless, so an unknown outcome is
//! simply repeated; comments and check runs are looked for first, by their mark.

use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use github::{AppError, Asker};
use reqwest::{Client, RequestBuilder};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use store::Claim;
use uuid::Uuid;

use crate::{
    call::StatusCall,
    check::{AT_A_TIME, Check},
    comment::Comment,
    config,
    http::{self, Answer, Brake, Trouble},
    overview::OverviewCall,
    status,
};

#[cfg(test)]
mod tests;

/// What to wait when GitHub limits us and does not say for how long.
const LIMITED: Duration = Duration::from_secs(60);

/// How many comments a page has, and how many pages are looked through for one of ours.
const PAGE: usize = 100;
const PAGES_MAX: usize = 5;

/// The REST API, and who asks it.
pub(crate) struct GithubClient {
    client: Client,
    asker: Asker,
    api_base: String,
    brake: Brake,
}

impl GithubClient {
    /// Nobody, if configuration names neither a token nor an app.
    pub(crate) fn new(options: &config::Github, timeout: Duration) -> anyhow::Result<Option<Self>> {
        let asker = Asker::new(&options.app, &options.token, &options.api_base);
        let Some(asker) = asker.context("github.app")? else { return Ok(None) };
        Ok(Some(Self {
            // A renamed repository answers with a redirect that keeps the method.
            client: http::client_builder(timeout)
                .redirect(reqwest::redirect::Policy::limited(3))
                .build()?,
            asker,
            api_base: options.api_base.trim_end_matches('/').to_owned(),
            brake: Brake::default(),
        }))
    }

    /// How long GitHub asked everybody to wait still.
    pub(crate) fn braked(&self, who: Uuid) -> Option<Duration> {
        self.brake.left(who)
    }

    /// Sets a status.
    pub(crate) async fn set(&self, call: &StatusCall, now: DateTime<Utc>) -> Result<(), Trouble> {
        let status = &call.status;
        let Some(path) = status.path() else {
            let text = format!("{} is not a GitHub repository", status.repository);
            return Err(Trouble::Never { text, status: None });
        };
        let mut body = json!({
            "state": status.state.at_github(),
            "description": status.description,
            "context": call.context,
        });
        if let Some(url) = &status.target_url {
            body["target_url"] = json!(url);
        }
        let request = self.client.post(format!("{}/{path}", self.api_base)).json(&body);
        self.call("github create commit status", &path, request, now).await.map(drop)
    }

    /// Writes a comment; looks first if an earlier attempt may have written it already.
    pub(crate) async fn comment(
        &self,
        comment: &Comment,
        claim: &Claim,
        now: DateTime<Utc>,
    ) -> Result<(), Trouble> {
        let Some(path) = comment.path() else {
            let text = format!("{} is not a GitHub repository", comment.repository);
            return Err(Trouble::Never { text, status: None });
        };
        if claim.uncertain && self.find(&path, comment, claim, now).await?.is_some() {
            return Ok(());
        }
        self.write(&path, comment, now).await.map(drop)
    }

    /// Brings the comment that follows a pull request up to date; gives what GitHub calls it. Looks
    /// first if an earlier attempt may have written it already.
    pub(crate) async fn overview(
        &self,
        OverviewCall { comment, at }: &OverviewCall,
        claim: &Claim,
        now: DateTime<Utc>,
    ) -> Result<String, Trouble> {
        let repository = status::repository_path(&comment.repository);
        let Some((path, repository)) = comment.path().zip(repository) else {
            let text = format!("{} is not a GitHub repository", comment.repository);
            return Err(Trouble::Never { text, status: None });
        };
        let id = match (at, claim.uncertain) {
            (Some(id), _) => Some(id.clone()),
            (None, true) => self.find(&path, comment, claim, now).await?,
            (None, false) => None,
        };
        let Some(id) = id else { return self.write(&path, comment, now).await };
        let path = format!("{repository}/issues/comments/{id}");
        let address = format!("{}/{path}", self.api_base);
        let request = self.client.patch(address).json(&json!({ "body": comment.body }));
        let done = self.call("github update comment", &path, request, now).await;
        done.map_err(Trouble::gone).map(|_| id)
    }

    async fn write(
        &self,
        path: &str,
        comment: &Comment,
        now: DateTime<Utc>,
    ) -> Result<String, Trouble> {
        let address = format!("{}/{path}", self.api_base);
        let request = self.client.post(address).json(&json!({ "body": comment.body }));
        let answer = self.call("github create comment", path, request, now).await?;
        id(&answer.json()).ok_or_else(|| garbled("comment"))
    }

    /// The comment with our mark, among those since the answer was decided upon.
    async fn find(
        &self,
        path: &str,
        comment: &Comment,
        claim: &Claim,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, Trouble> {
        // GitHub's clock may be behind ours.
        let since = (claim.created_at - TimeDelta::minutes(10))
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        for page in 1..=PAGES_MAX {
            let address =
                format!("{}/{path}?since={since}&per_page={PAGE}&page={page}", self.api_base);
            let request = self.client.get(address);
            let answer = self.call("github list comments", path, request, now).await?;
            let found = answer.json();
            let found = found.as_array().map_or(&[][..], Vec::as_slice);
            let is_ours =
                |it: &&Value| it["body"].as_str().is_some_and(|it| it.contains(&comment.mark));
            if let Some(found) = found.iter().find(is_ours) {
                return Ok(id(found));
            }
            if found.len() < PAGE {
                break;
            }
        }
        Ok(None)
    }

    /// Writes a check run with all its annotations, as many at a time as GitHub takes; looks first
    /// how far an earlier attempt may have come.
    pub(crate) async fn check(
        &self,
        check: &Check,
        claim: &Claim,
        now: DateTime<Utc>,
    ) -> Result<(), Trouble> {
        let Some(path) = check.path() else {
            let text = format!("{} is not a GitHub repository", check.repository);
            return Err(Trouble::Never { text, status: None });
        };
        let address = format!("{}/{path}/check-runs", self.api_base);
        let begun = match claim.uncertain {
            true => self.begun(&path, check, claim, now).await?,
            false => None,
        };
        let (run, mut sent) = match begun {
            Some(begun) => begun,
            None => {
                let request = self.client.post(&address).json(&json!({
                    "name": check.name,
                    "head_sha": check.commit,
                    "external_id": claim.id,
                    "status": "completed",
                    "conclusion": check.conclusion,
                    "output": check.output(0),
                }));
                let answer = self.call("github create check run", &path, request, now).await?;
                let run = answer.json()["id"].as_u64().ok_or_else(|| garbled("check run"))?;
                (run, AT_A_TIME)
            }
        };
        while sent < check.annotations.len() {
            let update = json!({ "output": check.output(sent) });
            let request = self.client.patch(format!("{address}/{run}")).json(&update);
            let done = self.call("github update check run", &path, request, now).await;
            done.map_err(Trouble::begun)?;
            sent += AT_A_TIME;
        }
        Ok(())
    }

    /// The check run of an earlier attempt, and how many annotations it has.
    async fn begun(
        &self,
        path: &str,
        check: &Check,
        claim: &Claim,
        now: DateTime<Utc>,
    ) -> Result<Option<(u64, usize)>, Trouble> {
        let address = format!("{}/{path}/commits/{}/check-runs", self.api_base, check.commit);
        let query = [("check_name", &*check.name), ("filter", "all"), ("per_page", "100")];
        let request = self.client.get(address).query(&query);
        let answer = self.call("github list check runs", path, request, now).await?.json();
        let mark = claim.id.to_string();
        let runs = answer["check_runs"].as_array().map_or(&[][..], Vec::as_slice);
        let ours = runs.iter().find(|run| run["external_id"] == mark.as_str());
        Ok(ours.and_then(|run| {
            let sent = run["output"]["annotations_count"].as_u64().unwrap_or_default();
            Some((run["id"].as_u64()?, usize::try_from(sent).unwrap_or(usize::MAX)))
        }))
    }

    async fn call(
        &self,
        what: &str,
        path: &str,
        request: RequestBuilder,
        now: DateTime<Utc>,
    ) -> Result<Answer, Trouble> {
        let bearer = self.asker.bearer(path).await.map_err(nothing_given)?;
        let request = request.bearer_auth(bearer.expose_secret()).headers(github::headers());
        let answer = http::call(what, request).await?;
        let judged = judge(&answer, now);
        if let Err(Trouble::NotNow { after: Some(after), .. }) = &judged {
            self.brake.pull(*after);
        }
        match judged {
            // What an app was given may have been taken back before its time.
            Err(Trouble::Barred { text, status: Some(401), .. }) if self.asker.forget(path) => {
                Err(Trouble::NotNow { text, status: Some(401), after: None, uncertain: false })
            }
            judged => judged.map(|()| answer),
        }
    }
}

/// That an app was given no token: GitHub is away, or a person must mend something.
fn nothing_given(error: AppError) -> Trouble {
    let text = error.to_string();
    match error {
        AppError::Unreachable { .. } => {
            Trouble::NotNow { text, status: None, after: None, uncertain: false }
        }
        AppError::Refused { .. } => Trouble::Barred { text, status: None, credential: true },
    }
}

fn id(comment: &Value) -> Option<String> {
    comment["id"].as_u64().map(|id| id.to_string())
}

fn garbled(what: &str) -> Trouble {
    let text = format!("GitHub's answer names no {what}");
    Trouble::NotNow { text, status: None, after: None, uncertain: true }
}

/// What an answer means.
fn judge(answer: &Answer, now: DateTime<Utc>) -> Result<(), Trouble> {
    let status = answer.status;
    let body = answer.json();
    let message = body["message"].as_str().unwrap_or("no reason");
    let text = format!("GitHub says {message} (HTTP {status})");
    match status {
        200..=299 => Ok(()),
        // A 403 is a limit only if it says so; otherwise the token may not do this.
        403 | 429 => match limit(answer, now).or_else(|| says_so(status, message)) {
            Some(after) => Err(Trouble::NotNow {
                text,
                status: Some(status),
                after: Some(after),
                uncertain: false,
            }),
            None => Err(Trouble::Barred { text, status: Some(status), credential: false }),
        },
        401 => Err(Trouble::Barred { text, status: Some(status), credential: true }),
        500.. => {
            let after = answer.retry_after();
            Err(Trouble::NotNow { text, status: Some(status), after, uncertain: true })
        }
        _ => Err(Trouble::Never { text, status: Some(status) }),
    }
}

/// A limit may come without a header: then its words alone tell.
fn says_so(status: u16, message: &str) -> Option<Duration> {
    let is_limit = status == 429 || message.to_ascii_lowercase().contains("rate limit");
    is_limit.then_some(LIMITED)
}

/// For how long GitHub wants to be left alone: the secondary limit says `Retry-After`, the primary
/// one names the second at which it ends.
fn limit(answer: &Answer, now: DateTime<Utc>) -> Option<Duration> {
    let asked = answer.retry_after();
    asked.or_else(|| {
        if answer.number("x-ratelimit-remaining") != Some(0) {
            return None;
        }
        let reset = i64::try_from(answer.number("x-ratelimit-reset")?).ok()?;
        let seconds = u64::try_from(reset.saturating_sub(now.timestamp())).unwrap_or(0);
        Some(http::heeded(seconds.max(1)))
    })
}
