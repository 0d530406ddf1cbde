//! GitHub's REST API, as far as the notifier needs it: setting a commit status, and writing a
//! comment. Setting the same status again is harmless, so an unknown outcome is simply repeated; a
//! comment is looked for first, by its mark.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use store::Claim;
use uuid::Uuid;

use crate::{
    call::GithubCall,
    comment::Comment,
    config,
    http::{self, Answer, Brake, Trouble},
};

#[cfg(test)]
mod tests;

/// What to wait when GitHub limits us and does not say for how long.
const LIMITED: Duration = Duration::from_secs(60);

/// How many comments a page has, and how many pages are looked through for one of ours.
const PAGE: usize = 100;
const PAGES_MAX: usize = 5;

/// The REST API under one token.
pub(crate) struct GithubClient {
    client: Client,
    token: SecretString,
    api_base: String,
    brake: Brake,
}

impl GithubClient {
    pub(crate) fn new(options: &config::Github, timeout: Duration) -> reqwest::Result<Self> {
        Ok(Self {
            // A renamed repository answers with a redirect that keeps the method.
            client: http::client_builder(timeout)
                .redirect(reqwest::redirect::Policy::limited(3))
                .build()?,
            token: options.token.clone(),
            api_base: options.api_base.trim_end_matches('/').to_owned(),
            brake: Brake::default(),
        })
    }

    /// How long GitHub asked everybody to wait still.
    pub(crate) fn braked(&self, who: Uuid) -> Option<Duration> {
        self.brake.left(who)
    }

    /// Sets a status.
    pub(crate) async fn set(&self, call: &GithubCall, now: DateTime<Utc>) -> Result<(), Trouble> {
        let status = &call.status;
        let Some(path) = status.path() else {
            let text = format!("{} is no GitHub repository", status.repository);
            return Err(Trouble::Never { text, status: None });
        };
        let mut body = json!({
            "state": status.state,
            "description": status.description,
            "context": call.context,
        });
        if let Some(url) = &status.target_url {
            body["target_url"] = json!(url);
        }
        let request = self.client.post(format!("{}/{path}", self.api_base)).json(&body);
        self.call("github create commit status", request, now).await.map(drop)
    }

    /// Writes a comment; looks first if an earlier attempt may have written it already.
    pub(crate) async fn comment(
        &self,
        comment: &Comment,
        claim: &Claim,
        now: DateTime<Utc>,
    ) -> Result<(), Trouble> {
        let Some(path) = comment.path() else {
            let text = format!("{} is no GitHub repository", comment.repository);
            return Err(Trouble::Never { text, status: None });
        };
        let address = format!("{}/{path}", self.api_base);
        if claim.uncertain && self.is_written(&address, comment, claim, now).await? {
            return Ok(());
        }
        let request = self.client.post(address).json(&json!({ "body": comment.body }));
        self.call("github create comment", request, now).await.map(drop)
    }

    /// Whether a comment with our mark is there, among those since the answer was decided upon.
    async fn is_written(
        &self,
        address: &str,
        comment: &Comment,
        claim: &Claim,
        now: DateTime<Utc>,
    ) -> Result<bool, Trouble> {
        // GitHub's clock may be behind ours.
        let since = (claim.created_at - TimeDelta::minutes(10))
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        for page in 1..=PAGES_MAX {
            let address = format!("{address}?since={since}&per_page={PAGE}&page={page}");
            let answer = self.call("github list comments", self.client.get(address), now).await?;
            let found = answer.json();
            let found = found.as_array().map_or(&[][..], Vec::as_slice);
            let is_ours =
                |it: &Value| it["body"].as_str().is_some_and(|it| it.contains(&comment.mark));
            if found.iter().any(is_ours) {
                return Ok(true);
            }
            if found.len() < PAGE {
                return Ok(false);
            }
        }
        Ok(false)
    }

    async fn call(
        &self,
        what: &str,
        request: RequestBuilder,
        now: DateTime<Utc>,
    ) -> Result<Answer, Trouble> {
        let request = request
            .bearer_auth(self.token.expose_secret())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28");
        let answer = http::call(what, request).await?;
        let judged = judge(&answer, now);
        if let Err(Trouble::NotNow { after: Some(after), .. }) = &judged {
            self.brake.pull(*after);
        }
        judged.map(|()| answer)
    }
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
        403 | 429 => match limit(answer, now).or_else(|| (status == 429).then_some(LIMITED)) {
            Some(after) => Err(Trouble::NotNow {
                text,
                status: Some(status),
                after: Some(after),
                uncertain: false,
            }),
            None => Err(Trouble::Never { text, status: Some(status) }),
        },
        500.. => {
            let after = answer.retry_after();
            Err(Trouble::NotNow { text, status: Some(status), after, uncertain: true })
        }
        _ => Err(Trouble::Never { text, status: Some(status) }),
    }
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
        let seconds = u64::try_from(reset - now.timestamp()).unwrap_or(0);
        Some(Duration::from_secs(seconds.max(1)))
    })
}
