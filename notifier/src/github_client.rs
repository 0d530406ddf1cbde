//! GitHub's REST API, as far as the notifier needs it: setting a commit status. Setting the same
//! status again is harmless, so an unknown outcome is simply repeated.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use uuid::Uuid;

use crate::{
    call::GithubCall,
    config,
    http::{self, Answer, Brake, Trouble},
};

#[cfg(test)]
mod tests;

/// What to wait when GitHub limits us and does not say for how long.
const LIMITED: Duration = Duration::from_secs(60);

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
        let request = self
            .client
            .post(format!("{}/{path}", self.api_base))
            .bearer_auth(self.token.expose_secret())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
            .json(&body);
        let answer = http::call("github create commit status", request).await?;
        let judged = judge(&answer, now);
        if let Err(Trouble::NotNow { after: Some(after), .. }) = &judged {
            self.brake.pull(*after);
        }
        judged
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
