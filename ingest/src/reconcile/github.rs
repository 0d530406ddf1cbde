//! GitHub's API, as far as deliveries of webhooks and heads of branches go.

use std::time::Duration;

use anyhow::{Context, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, Response, StatusCode, header::HeaderMap};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, value::RawValue};

const PATIENCE: Duration = Duration::from_secs(15);
/// The largest answer taken: a payload has 25 MiB at most.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What to wait when GitHub limits us and does not say for how long.
const LIMITED: TimeDelta = TimeDelta::seconds(60);

/// Why nothing could be read.
#[derive(Debug)]
pub(super) enum Trouble {
    /// GitHub wants to be left alone.
    Held { until: DateTime<Utc>, text: String },
    /// There is no such thing, or the token may not see it.
    NotFound,
    /// Anything else; the next round tries again.
    Failed(anyhow::Error),
}

impl Trouble {
    /// As text for people; `what` is what was looked at.
    pub(super) fn of(self, what: &str) -> String {
        let text = match self {
            Self::Held { text, .. } => text,
            Self::NotFound => format!("{what}: GitHub shows no such thing to our token"),
            Self::Failed(error) => format!("{what}: {error:#}"),
        };
        tracing::warn!(text, "what never arrived could not be looked for");
        text
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// One page of deliveries, the newest first.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) deliveries: Vec<Delivery>,
    pub(super) next: Option<String>,
    pub(super) usage: Usage,
}

/// What an answer says beside what was asked.
#[derive(Debug)]
pub(super) struct Usage {
    /// What the same answer is known by.
    pub(super) etag: Option<String>,
    pub(super) quota_left: Option<u64>,
    pub(super) quota_reset: Option<DateTime<Utc>>,
}

impl Usage {
    fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
        Self {
            etag: text("etag").map(str::to_owned),
            quota_left: number("x-ratelimit-remaining"),
            quota_reset: number("x-ratelimit-reset").and_then(moment),
        }
    }
}

/// One attempt to deliver.
#[derive(Debug, Deserialize)]
pub(super) struct Delivery {
    pub(super) id: u64,
    /// The same for all attempts: what the webhook has as `X-GitHub-Delivery`.
    pub(super) guid: String,
    pub(super) delivered_at: DateTime<Utc>,
}

/// What was, or should have been, delivered.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    pub(super) headers: Map<String, Value>,
    pub(super) payload: Box<RawValue>,
}

#[derive(Deserialize)]
struct Detail {
    request: Request,
}

pub(super) struct Github {
    client: Client,
    base: String,
    token: SecretString,
}

impl Github {
    pub(super) fn new(base: &str, token: &SecretString) -> anyhow::Result<Self> {
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("stackly-ingest/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { client, base, token: token.clone() })
    }

    /// The newest page; nothing if it is still what it was.
    pub(super) async fn newest(
        &self,
        hook: &str,
        etag: Option<&str>,
    ) -> Result<Option<Page>, Trouble> {
        let url = format!("{}/{}/deliveries?per_page=100", self.base, hook.trim_matches('/'));
        let response = self.get(&url, etag).await?;
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        self.read_page(response).await.map(Some)
    }

    /// A further page.
    pub(super) async fn page(&self, url: &str) -> Result<Page, Trouble> {
        let response = self.get(url, None).await?;
        self.read_page(response).await
    }

    /// One delivery, whole.
    pub(super) async fn delivery(&self, hook: &str, id: u64) -> Result<Request, Trouble> {
        let url = format!("{}/{}/deliveries/{id}", self.base, hook.trim_matches('/'));
        let body = body(self.get(&url, None).await?).await?;
        let detail: Detail = serde_json::from_slice(&body)
            .with_context(|| format!("GitHub describes delivery {id} unexpectedly"))?;
        Ok(detail.request)
    }

    /// Anything else, by its path; nothing if it is still what it was.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        etag: Option<&str>,
    ) -> Result<Option<(T, Usage)>, Trouble> {
        let response = self.get(&format!("{}/{path}", self.base), etag).await?;
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let usage = Usage::read(response.headers());
        let body = body(response).await?;
        let read = serde_json::from_slice(&body);
        let read = read.with_context(|| format!("GitHub describes {path} unexpectedly"))?;
        Ok(Some((read, usage)))
    }

    async fn get(&self, url: &str, etag: Option<&str>) -> Result<Response, Trouble> {
        let mut request = self
            .client
            .get(url)
            .bearer_auth(self.token.expose_secret())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28");
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
        }
        let response = request.send().await.context("GitHub does not answer")?;
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        match limit(status, response.headers(), Utc::now()) {
            Some(until) => {
                let text = format!("GitHub limits our requests until {until} (HTTP {status})");
                Err(Trouble::Held { until, text })
            }
            None if status == StatusCode::NOT_FOUND => Err(Trouble::NotFound),
            None => Err(anyhow!("GitHub answers HTTP {status}").into()),
        }
    }

    async fn read_page(&self, response: Response) -> Result<Page, Trouble> {
        let usage = Usage::read(response.headers());
        let links = response.headers().get("link").and_then(|value| value.to_str().ok());
        // Only GitHub itself is asked on: the token goes with each request.
        let next = links.and_then(next_link);
        let next = next.filter(|url| url.starts_with(&format!("{}/", self.base)));
        let body = body(response).await?;
        let deliveries =
            serde_json::from_slice(&body).context("GitHub lists deliveries unexpectedly")?;
        Ok(Page { deliveries, next, usage })
    }
}

async fn body(mut response: Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.context("GitHub's answer broke off")? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(anyhow!("GitHub's answer is larger than {ANSWER_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn moment(seconds: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)
}

/// `<https://…>; rel="next", <https://…>; rel="last"`.
fn next_link(links: &str) -> Option<String> {
    let link = links.split(',').find(|link| link.contains("rel=\"next\""))?;
    let (_, rest) = link.split_once('<')?;
    Some(rest.split_once('>')?.0.to_owned())
}

/// Until when GitHub wants to be left alone: the secondary limit says `Retry-After`, the primary
/// one names the second at which it ends.
fn limit(status: StatusCode, headers: &HeaderMap, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if !matches!(status.as_u16(), 403 | 429) {
        return None;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    if let Some(seconds) = number("retry-after") {
        return Some(now + TimeDelta::seconds(i64::try_from(seconds).unwrap_or(60)));
    }
    if number("x-ratelimit-remaining") == Some(0) {
        return number("x-ratelimit-reset").and_then(moment);
    }
    (status == StatusCode::TOO_MANY_REQUESTS).then(|| now + LIMITED)
}
