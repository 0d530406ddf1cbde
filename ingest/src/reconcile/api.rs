//! The API of a host of repositories, asked politely: with patience, conditionally, and no further
//! when the host wants to be left alone.

use std::time::Duration;

use anyhow::{Context, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use github::Asker;
use reqwest::{
    Client, Method, Response, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;

const PATIENCE: Duration = Duration::from_secs(15);
/// The largest answer taken: a payload has 25 MiB at most.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What to wait when a host limits us and does not say for how long.
const LIMITED: TimeDelta = TimeDelta::seconds(60);

/// Why nothing could be read.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The host wants to be left alone.
    Held(Hold),
    /// There is no such thing, or the token may not see it.
    NotFound { host: &'static str },
    /// What was asked for cannot be done.
    CannotBe { host: &'static str },
    /// It is there, and will never be what it should be.
    Unreadable(anyhow::Error),
    /// Anything else; the next round tries again.
    Failed(anyhow::Error),
}

/// For how long a host is left alone, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) until: DateTime<Utc>,
    /// Why, for machines.
    pub(super) code: &'static str,
    /// Why, for people.
    pub(super) text: String,
}

/// What is left of the quota is others'.
const QUOTA_RESERVED: &str = "quota_reserved";
/// The host refuses to be asked so often.
const HOST_LIMITS: &str = "host_limits";
/// More of a refusal is not read.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;

impl Trouble {
    /// As text for people; `what` is what was looked at.
    pub(super) fn of(self, what: &str) -> String {
        let text = self.text(what);
        tracing::warn!(text, "what never arrived could not be looked for");
        text
    }

    /// The same, where somebody waits for it.
    pub(super) fn text(self, what: &str) -> String {
        match self {
            Self::Held(hold) => hold.text,
            Self::NotFound { host } => format!("{what}: {host} shows no such thing to our token"),
            Self::CannotBe { host } => format!("{what}: {host} says that this cannot be done"),
            Self::Unreadable(error) | Self::Failed(error) => format!("{what}: {error:#}"),
        }
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
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
        Self {
            etag: text(headers, "etag").map(str::to_owned),
            quota_left: quota(headers, "remaining"),
            quota_reset: quota(headers, "reset").and_then(moment),
        }
    }
}

/// What one request gave.
#[derive(Debug)]
pub(super) struct Answer<T> {
    pub(super) content: T,
    pub(super) usage: Usage,
    /// Where the next page is, if there is one.
    pub(super) next: Option<String>,
}

impl<T> Answer<T> {
    /// The same, as something else.
    pub(super) fn into<U: From<T>>(self) -> Answer<U> {
        Answer { content: self.content.into(), usage: self.usage, next: self.next }
    }
}

/// An API, and who asks it.
pub(super) struct Api {
    client: Client,
    /// What people call it.
    host: &'static str,
    base: String,
    asker: Asker,
    /// What it gives is a password.
    is_basic: bool,
    headers: HeaderMap,
}

impl Api {
    pub(super) fn new(
        host: &'static str,
        base: &str,
        asker: Asker,
        headers: &[(&'static str, &'static str)],
    ) -> anyhow::Result<Self> {
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("stackly-ingest/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let base = base.trim_end_matches('/').to_owned();
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Ok(Self { client, host, base, asker, is_basic: false, headers: headers.collect() })
    }

    /// The same, with the token as a password of nobody.
    pub(super) fn with_basic(self) -> Self {
        Self { is_basic: true, ..self }
    }

    /// The address of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/{}", self.base, path.trim_matches('/'))
    }

    /// That there is no such thing, where that is not said by a status.
    pub(super) const fn not_found(&self) -> Trouble {
        Trouble::NotFound { host: self.host }
    }

    /// What is there; nothing if it is still what it was.
    pub(super) async fn changed<T: DeserializeOwned>(
        &self,
        url: &str,
        etag: Option<&str>,
    ) -> Result<Option<Answer<T>>, Trouble> {
        let response = self.call(Method::GET, url, etag).await?;
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        self.read(url, response).await.map(Some)
    }

    /// What is there.
    pub(super) async fn ask<T: DeserializeOwned>(&self, url: &str) -> Result<Answer<T>, Trouble> {
        let response = self.call(Method::GET, url, None).await?;
        self.read(url, response).await
    }

    /// Has something done that gives nothing back.
    pub(super) async fn act(&self, url: &str) -> Result<(), Trouble> {
        self.call(Method::POST, url, None).await?;
        Ok(())
    }

    async fn call(
        &self,
        method: Method,
        url: &str,
        etag: Option<&str>,
    ) -> Result<Response, Trouble> {
        let host = self.host;
        let path = url.strip_prefix(&self.base).unwrap_or(url);
        let mut response = self.send(&method, url, (path, etag)).await?;
        // What an app was given may have been taken back before its time.
        if response.status() == StatusCode::UNAUTHORIZED && self.asker.forget(path) {
            response = self.send(&method, url, (path, etag)).await?;
        }
        let status = response.status();
        // Azure shows the page where people sign in to whom it does not know.
        if status == StatusCode::NON_AUTHORITATIVE_INFORMATION {
            return Err(anyhow!("{host} does not take our token").into());
        }
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let now = Utc::now();
        let mut until = limit(status, response.headers(), now);
        // Some limits are told in words alone.
        if until.is_none() && status == StatusCode::FORBIDDEN && speaks_of_a_limit(response).await {
            until = Some(now + LIMITED);
        }
        match until {
            Some(until) => {
                let text = format!("{host} limits our requests until {until} (HTTP {status})");
                Err(Trouble::Held(Hold { until, code: HOST_LIMITS, text }))
            }
            None if status == StatusCode::NOT_FOUND => Err(Trouble::NotFound { host }),
            None if status == StatusCode::UNPROCESSABLE_ENTITY => Err(Trouble::CannotBe { host }),
            None => Err(anyhow!("{host} answers HTTP {status}").into()),
        }
    }

    async fn send(
        &self,
        method: &Method,
        url: &str,
        (path, etag): (&str, Option<&str>),
    ) -> anyhow::Result<Response> {
        let bearer = self.asker.bearer(path).await?;
        let mut request = self.client.request(method.clone(), url).headers(self.headers.clone());
        request = match self.is_basic {
            true => request.basic_auth("", Some(bearer.expose_secret())),
            false => request.bearer_auth(bearer.expose_secret()),
        };
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
        }
        let response = request.send().await;
        response.with_context(|| format!("{} does not answer", self.host))
    }

    async fn read<T: DeserializeOwned>(
        &self,
        url: &str,
        response: Response,
    ) -> Result<Answer<T>, Trouble> {
        let usage = Usage::read(response.headers());
        let next = text(response.headers(), "link").and_then(next_query);
        // Who asks goes by the path, and the host may write another one for the same. So it is also
        // the host itself that is asked on: the token goes with each request.
        let asked = url.split_once('?').map_or(url, |(asked, _)| asked);
        let next = next.map(|query| format!("{asked}?{query}"));
        let body = self.body(response).await?;
        let content = serde_json::from_slice(&body);
        let unexpected = || {
            let path = url.strip_prefix(&self.base).unwrap_or(url);
            format!("{} describes {path} unexpectedly", self.host)
        };
        match content.with_context(unexpected) {
            Ok(content) => Ok(Answer { content, usage, next }),
            Err(error) => Err(Trouble::Unreadable(error)),
        }
    }

    async fn body(&self, mut response: Response) -> anyhow::Result<Vec<u8>> {
        let host = self.host;
        let mut body = Vec::new();
        let broken = || format!("{host}'s answer broke off");
        while let Some(chunk) = response.chunk().await.with_context(broken)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(anyhow!("{host}'s answer is larger than {ANSWER_BYTES_MAX} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Leaves to others what is theirs of the quota.
    pub(super) fn spare(&self, usage: &Usage, reserve: u64) -> Result<(), Trouble> {
        match (usage.quota_left, usage.quota_reset) {
            (Some(left), Some(until)) if left < reserve => {
                let text = format!(
                    "{} grants {left} more requests until {until}, and {reserve} are left to \
                     others",
                    self.host
                );
                Err(Trouble::Held(Hold { until, code: QUOTA_RESERVED, text }))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a refusal says that it is for the number of requests: GitHub's secondary limits.
async fn speaks_of_a_limit(mut refusal: Response) -> bool {
    let mut said = Vec::new();
    while let Ok(Some(chunk)) = refusal.chunk().await
        && said.len() < REFUSAL_BYTES_MAX
    {
        said.extend_from_slice(&chunk);
    }
    String::from_utf8_lossy(&said).to_ascii_lowercase().contains("rate limit")
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

/// `X-RateLimit-…` as GitHub writes it, or `RateLimit-…` as GitLab does.
fn quota(headers: &HeaderMap, name: &str) -> Option<u64> {
    let short = format!("ratelimit-{name}");
    number(headers, &format!("x-{short}")).or_else(|| number(headers, &short))
}

fn moment(seconds: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)
}

/// What names the next page in `<https://…?…>; rel="next", <https://…>; rel="last"`.
fn next_query(links: &str) -> Option<&str> {
    let link = links.split(',').find(|link| link.contains("rel=\"next\""))?;
    let (_, url) = link.split_once('<')?;
    Some(url.split_once('>')?.0.split_once('?')?.1)
}

/// Until when the host wants to be left alone: some limits say `Retry-After`, others name the second
/// at which they end.
fn limit(status: StatusCode, headers: &HeaderMap, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if !matches!(status.as_u16(), 403 | 429) {
        return None;
    }
    if let Some(seconds) = number(headers, "retry-after") {
        let seconds = i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds);
        return now.checked_add_signed(seconds.unwrap_or(LIMITED));
    }
    if quota(headers, "remaining") == Some(0) {
        return quota(headers, "reset").and_then(moment);
    }
    (status == StatusCode::TOO_MANY_REQUESTS).then(|| now + LIMITED)
}
