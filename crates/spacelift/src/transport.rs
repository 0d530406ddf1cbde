//! One request over HTTP, and what its status means.

mod timely;

#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{
    Body, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect,
};
use secrecy::ExposeSecret;
use serde_json::{json, value::RawValue};
use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::{
    Error, Options,
    answer::{self, Nature},
    budget::Budget,
    patience::{Patience, pause},
    telemetry::Telemetry,
    token::Token,
};
use timely::Timely;

/// Free text that Spacelift shows to policies as the run's metadata.
const MARK: &str = "Spacelift-User-Provided-Run-Metadata";

/// How long we are quiet when Spacelift says "too many" and not until when.
const QUIET: Duration = Duration::from_secs(1);

/// However long Spacelift asks us to be quiet, we look again after this.
const QUIET_MAX: Duration = Duration::from_secs(600);

/// The longest wait that is told to whoever asked, whatever a server says.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Shorter than what load balancers allow, so that a mutation is rarely sent on a connection that
/// is just being closed: that would leave it uncertain.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// One operation with its variables.
pub(crate) struct Call {
    pub(crate) operation: &'static str,
    pub(crate) document: String,
    pub(crate) variables: serde_json::Value,
    pub(crate) nature: Nature,
    pub(crate) mark: Option<HeaderValue>,
    /// It is not to be sent after this time.
    pub(crate) until: Option<DateTime<Utc>>,
}

impl Call {
    /// For how long it may still be sent, of the time that a request has.
    fn timely(&self, timeout: Duration) -> Duration {
        let left = |until: DateTime<Utc>| (until - Utc::now()).to_std().unwrap_or_default();
        self.until.map_or(timeout, |until| left(until).min(timeout))
    }
}

/// The way to one account.
pub(crate) struct Transport {
    http: reqwest::Client,
    url: Url,
    budget: Budget,
    telemetry: Telemetry,
}

impl Transport {
    pub(crate) fn new(base: &str, options: &Options) -> Result<Self, Error> {
        let misconfigured = |reason: String| Error::Misconfigured { reason };
        let url = Url::parse(&format!("{base}/graphql"))
            .map_err(|error| misconfigured(format!("{base}/graphql is not an address: {error}")))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("stackly/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Patience::for_connecting(options.timeout))
            .pool_idle_timeout(IDLE_MAX)
            // A redirected POST would become a GET: better an error that names the status.
            .redirect(redirect::Policy::none());
        if matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]") {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| misconfigured(error.to_string()))?;
        let budget =
            Budget::new(options.requests_per_second, options.requests_burst, Instant::now());
        Ok(Self { http, url, budget, telemetry: Telemetry::new(host) })
    }

    /// Sends only its part of what the rate allows, one of so many.
    pub(crate) fn share_among(&self, processes: u32) {
        self.budget.share_among(processes);
    }

    /// Sends `call` once, when the rate allows it.
    pub(crate) async fn send(
        &self,
        call: &Call,
        token: Option<&Token>,
        patience: &Patience,
    ) -> Result<Box<RawValue>, Error> {
        let wait = self
            .budget
            .reserve(Instant::now(), patience.for_waiting())
            .map_err(|wait| Error::RateLimited { retry_after: Some(wait) })?;
        pause(wait).await;
        let timeout = patience.for_sending()?;

        let kind = if call.document.starts_with("mutation") { "mutation" } else { "query" };
        let span = self.telemetry.span(call.operation, kind);
        let answer = self.post(call, token, timeout).instrument(span.clone()).await;
        self.telemetry.ended(&span, call.operation, answer.as_ref().err());
        if let Err(Error::RateLimited { retry_after }) = &answer {
            let quiet = retry_after.unwrap_or(QUIET).min(QUIET_MAX);
            let now = Instant::now();
            self.budget.be_quiet(now, now + quiet);
        }
        answer
    }

    async fn post(
        &self,
        call: &Call,
        token: Option<&Token>,
        timeout: Duration,
    ) -> Result<Box<RawValue>, Error> {
        let body = json!({
            "operationName": call.operation,
            "query": call.document,
            "variables": call.variables,
        });
        let body = Timely::new(body.to_string(), Instant::now() + call.timely(timeout));
        let mut request = self
            .http
            .post(self.url.clone())
            .timeout(timeout)
            .header(CONTENT_TYPE, "application/json")
            .body(Body::wrap(body));
        if let Some(token) = token {
            request = request.bearer_auth(token.jwt.expose_secret());
        }
        if let Some(mark) = &call.mark {
            request = request.header(MARK, mark);
        }
        let response = request.send().await.map_err(|error| not_answered(error, call.nature))?;
        let status = response.status();
        Span::current().record("http.response.status_code", status.as_u16());
        read(response, status, call.nature).await
    }
}

/// A connection that did not come about carried nothing; after any other fault the request may have
/// arrived.
fn not_answered(error: reqwest::Error, nature: Nature) -> Error {
    if error.is_connect() || error.is_builder() {
        Error::Unreachable { source: error.into() }
    } else {
        nature.in_trouble(error)
    }
}

async fn read(
    response: Response,
    status: StatusCode,
    nature: Nature,
) -> Result<Box<RawValue>, Error> {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Error::Unauthorized),
        StatusCode::TOO_MANY_REQUESTS => {
            let retry_after = retry_after(response.headers(), Utc::now());
            return Err(Error::RateLimited { retry_after });
        }
        _ if status.is_server_error() => {
            return Err(nature.in_trouble(format!("spacelift answered {status}")));
        }
        _ => {}
    }
    let body = response.bytes().await.map_err(|error| nature.in_trouble(error))?;
    if status.is_success() { answer::judge(&body, nature) } else { Err(turned_away(status, &body)) }
}

/// A request that was turned away before it was executed.
fn turned_away(status: StatusCode, body: &[u8]) -> Error {
    let answered = format!("spacelift answered {status}");
    match (answer::complaint(body), status) {
        (Some(complaint), _) => Error::Refused { reason: complaint },
        // What stands in front of Spacelift says so while it is being replaced. It must not be
        // taken for an answer about the thing that was asked for.
        (None, StatusCode::NOT_FOUND | StatusCode::REQUEST_TIMEOUT) => {
            Error::Unavailable { source: answered.into() }
        }
        (None, _) => Error::Refused { reason: answered },
    }
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.to_utc() - now).to_std().unwrap_or_default().min(RETRY_AFTER_MAX))
}
