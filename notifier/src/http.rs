//! One HTTP call, as all channels make it: with a time-out, a span, and an answer of bounded size.
//!
//! Neither addresses nor bodies nor headers get into logs, spans or errors: the address of a
//! webhook may be a secret.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use contracts::phrase::with_causes;
use reqwest::{Client, ClientBuilder, Request, RequestBuilder, Response, header::HeaderMap};
use serde_json::Value;
use tracing::{Instrument, Span, field::Empty, info_span};
use uuid::Uuid;

#[cfg(test)]
mod tests;

/// More is not read of any answer.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The longest wait between two attempts when the other side does not say.
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// Whoever asks us to wait for longer than this is not heeded: the header may be a mistake.
const ASKED_MAX: Duration = Duration::from_secs(24 * 3_600);
/// The shortest wait for a person to mend something.
const MENDING_MIN: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The request never left: it cannot have had an effect.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It left, and what became of it is unknown.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// Why a call did not do what it should, by what is to be done now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// Try again.
    #[error("{text}")]
    NotNow {
        text: String,
        status: Option<u16>,
        /// What the other side asked for.
        after: Option<Duration>,
        /// The call may have taken effect.
        uncertain: bool,
    },
    /// They do not let us in, or not here: a person must mend a credential or a channel, and then
    /// the same call goes through.
    #[error("{text}")]
    Barred {
        text: String,
        status: Option<u16>,
        /// Whoever calls is not known there: nothing at all goes through.
        credential: bool,
    },
    /// Trying again cannot help: this call is not what they take.
    #[error("{text}")]
    Never { text: String, status: Option<u16> },
    /// What was to be changed is not there any more.
    #[error("{text}")]
    Gone { text: String },
    /// What was to be changed cannot be changed any more.
    #[error("{text}")]
    Sealed { text: String },
}

impl Trouble {
    /// What no host is asked: it is nothing that could be there.
    pub(crate) fn never(text: String) -> Self {
        Self::Never { text, status: None }
    }

    /// The same of a call about what only we have made: if it is not there, somebody deleted it.
    pub(crate) fn gone(self) -> Self {
        match self {
            Self::Never { text, status: Some(404 | 410) } => Self::Gone { text },
            other => other,
        }
    }

    /// The same, in the middle of something: what was begun must be looked for.
    pub(crate) fn begun(self) -> Self {
        match self {
            Self::NotNow { text, status, after, .. } => {
                Self::NotNow { text, status, after, uncertain: true }
            }
            other => other,
        }
    }
}

/// Remembers that the other side asked everybody to wait.
#[derive(Debug, Default)]
pub(crate) struct Brake(Mutex<Option<Instant>>);

/// What all clients have in common.
pub(crate) fn client_builder(timeout: Duration) -> ClientBuilder {
    Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(5)))
        .user_agent(concat!("stackly-notifier/", env!("CARGO_PKG_VERSION")))
}

/// A client of an API that moves nothing: to follow a redirect would show the token to others.
pub(crate) fn client(timeout: Duration) -> reqwest::Result<Client> {
    client_builder(timeout).redirect(reqwest::redirect::Policy::none()).build()
}

/// Makes one call. `operation` names it in traces.
pub(crate) async fn call(operation: &str, request: RequestBuilder) -> Result<Answer, CallError> {
    let (client, request) = request.build_split();
    let request = request?;
    let span = info_span!(
        "call",
        otel.name = operation,
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = request.method().as_str(),
        http.response.status_code = Empty,
        error.r#type = Empty,
    );
    async {
        let result = answer(&client, request).await;
        let span = Span::current();
        match &result {
            Ok(answer) => {
                span.record("http.response.status_code", answer.status);
                if answer.status >= 400 {
                    span.record("otel.status_code", "ERROR");
                }
            }
            Err(error) => {
                span.record("otel.status_code", "ERROR");
                span.record("error.type", error.kind());
            }
        }
        result
    }
    .instrument(span)
    .await
}

async fn answer(client: &Client, request: Request) -> Result<Answer, CallError> {
    let response = client.execute(request).await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = read(response).await?;
    Ok(Answer { status, headers, body })
}

async fn read(mut response: Response) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(CallError::from)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(CallError::NoAnswer(format!("more than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

impl Answer {
    /// `Retry-After` in seconds, as far as it is heeded; the form with a date is not used by those
    /// we call.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.number("retry-after").map(heeded)
    }

    /// A header that is a whole number.
    pub(crate) fn number(&self, header: &str) -> Option<u64> {
        self.headers.get(header)?.to_str().ok()?.trim().parse().ok()
    }

    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// A wait in seconds that somebody else asks for, as far as it is heeded.
pub(crate) fn heeded(seconds: u64) -> Duration {
    Duration::from_secs(seconds).min(ASKED_MAX)
}

impl CallError {
    const fn kind(&self) -> &'static str {
        match self {
            Self::NotSent(_) => "not_sent",
            Self::NoAnswer(_) => "no_answer",
        }
    }
}

impl From<reqwest::Error> for CallError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let never_left = error.is_connect() || error.is_builder();
        let text = with_causes(&error);
        if never_left { Self::NotSent(text) } else { Self::NoAnswer(text) }
    }
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        let uncertain = matches!(error, CallError::NoAnswer(_));
        Self::NotNow { text: error.to_string(), status: None, after: None, uncertain }
    }
}

impl Brake {
    /// Everybody waits from now on.
    pub(crate) fn pull(&self, after: Duration) {
        let now = Instant::now();
        let until = now.checked_add(after).unwrap_or(now + ASKED_MAX);
        let mut held = self.0.lock().expect("no holder panics");
        *held = Some(held.map_or(until, |known| known.max(until)));
    }

    /// For how long to wait still. Not all at the same moment: `who` spreads them.
    pub(crate) fn left(&self, who: Uuid) -> Option<Duration> {
        let until = (*self.0.lock().expect("no holder panics"))?;
        let left = until.checked_duration_since(Instant::now())?;
        Some(left + Duration::from_millis(20) * u32::from(who.as_bytes()[15]))
    }
}

/// The wait before the next attempt, when the other side does not say.
pub(crate) fn backoff(attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(16);
    (Duration::from_secs(1) * 2_u32.pow(doublings)).min(BACKOFF_MAX)
}

/// The wait before the next attempt, when a person has to mend something first.
pub(crate) fn mending(attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(8);
    (MENDING_MIN * 2_u32.pow(doublings)).min(BACKOFF_MAX)
}
