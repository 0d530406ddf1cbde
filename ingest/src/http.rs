//! The door: one path per source, and the steps every request takes.
//!
//! Cheap refusals come first, so that nobody without a secret can make this process hold or
//! compute much: encoding, signature header, declared size; then the body, the signature, the
//! meaning; and at last the commit, after which alone the answer is 2xx.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::post,
};
use bus::trace;
use chrono::Utc;
use contracts::Trace;
use opentelemetry::{KeyValue, metrics::Counter};
use tracing::{Instrument, Span, debug, field::Empty, info_span, warn};

use crate::{
    answer::Answer,
    body::{self, Budget, Limits},
    config,
    delivery::Source,
    github,
    intake::{Full, Intake, Kept},
    record::{self, Arrival},
    signature::{Keys, Presented, SignatureError, only_value},
    spacelift,
    store::Delivery,
};

/// Bodies above this size are verified and read beside the threads that serve requests.
const LARGE: usize = 256 * 1024;

/// At most this often it is said that a source fails to prove itself.
const ALARM_SECONDS: i64 = 60;

/// Everything the door needs.
pub(crate) struct Gate {
    github: Door,
    spacelift: Door,
    intake: Intake,
    budget: Arc<Budget>,
    answers: Counter<u64>,
}

/// One source: who it is, what it must know, what it may send.
struct Door {
    source: Source,
    keys: Keys,
    sha1_fallback: bool,
    limits: Limits,
    /// When it was last said that this source fails to prove itself; seconds of the epoch.
    alarmed_at: AtomicI64,
}

impl Gate {
    pub(crate) fn new(
        http: &config::Http,
        github: &config::Github,
        spacelift: &config::Spacelift,
        intake: Intake,
    ) -> Self {
        let limits = |bytes_max| Limits {
            bytes_max,
            patience: http.body_patience,
            bytes_per_second_min: http.body_bytes_per_second_min,
        };
        let answers = opentelemetry::global::meter("ingest")
            .u64_counter("stackly_deliveries")
            .with_description("Answers to webhook requests, by source and code.")
            .build();
        Self {
            github: Door {
                source: Source::Github,
                keys: Keys::new(&github.secrets),
                sha1_fallback: false,
                limits: limits(github.body_bytes_max),
                alarmed_at: AtomicI64::new(0),
            },
            spacelift: Door {
                source: Source::Spacelift,
                keys: Keys::new(&spacelift.secrets),
                sha1_fallback: spacelift.sha1_fallback,
                limits: limits(spacelift.body_bytes_max),
                alarmed_at: AtomicI64::new(0),
            },
            intake,
            budget: Budget::new(http.in_flight_bytes_max),
            answers,
        }
    }

    fn door(&self, source: Source) -> &Door {
        match source {
            Source::Github => &self.github,
            Source::Spacelift => &self.spacelift,
        }
    }
}

/// The paths of the door.
pub(crate) fn router(gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/webhooks/github", post(|state, request| serve(state, Source::Github, request)))
        .route(
            "/webhooks/spacelift",
            post(|state, request| serve(state, Source::Spacelift, request)),
        )
        .fallback(async || {
            let message = "webhooks are taken at /webhooks/github and /webhooks/spacelift";
            Answer::new(StatusCode::NOT_FOUND, "not_found", message)
        })
        .method_not_allowed_fallback(async || {
            let message = "webhooks are sent with POST";
            Answer::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        })
        .with_state(gate)
}

async fn serve(State(gate): State<Arc<Gate>>, source: Source, request: Request) -> Response {
    let span = info_span!(
        "webhook",
        otel.kind = "server",
        otel.name = match source {
            Source::Github => "POST /webhooks/github",
            Source::Spacelift => "POST /webhooks/spacelift",
        },
        http.request.method = "POST",
        http.route = match source {
            Source::Github => "/webhooks/github",
            Source::Spacelift => "/webhooks/spacelift",
        },
        http.response.status_code = Empty,
        delivery.id = Empty,
        outcome = Empty,
    );
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    if let Some(traceparent) = traceparent {
        trace::continue_from(&span, Some(&Trace(traceparent.to_owned())));
    }
    let door = gate.door(source);
    let answer = match door.take(&gate, request).instrument(span.clone()).await {
        Ok(answer) | Err(answer) => answer,
    };
    // At once: a log in JSON writes all fields of a span anew for each call.
    tracing::record_all!(
        span,
        http.response.status_code = answer.status.as_u16(),
        outcome = answer.code,
        delivery.id = answer.delivery.map(tracing::field::display),
    );
    span.in_scope(|| {
        debug!(source = source.as_str(), code = answer.code, "answered");
        door.alarm(&answer);
    });
    gate.answers
        .add(1, &[KeyValue::new("source", source.as_str()), KeyValue::new("code", answer.code)]);
    answer.into_response()
}

impl Door {
    async fn take(&self, gate: &Arc<Gate>, request: Request) -> Result<Answer, Answer> {
        let received_at = Utc::now();
        let (Parts { headers, .. }, body) = request.into_parts();
        if is_encoded(&headers) {
            return Err(Answer::compressed());
        }
        self.presented(&headers)?;
        let (body, reservation) = body::receive(body, self.limits, &gate.budget).await?;
        let arrival = Arrival { headers, body, received_at, trace: trace::of(&Span::current()) };
        let (delivery, answer) = self.examine(gate, arrival).await?;
        let id = delivery.id;
        match gate.intake.keep(delivery, reservation).await.map_err(|Full| Answer::overloaded())? {
            Kept::Now => Ok(answer.about(id)),
            // Unreadable it stays, however often it comes.
            Kept::Before(first) if answer.status.is_client_error() => Ok(answer.about(first)),
            Kept::Before(first) => Ok(Answer::duplicate(first)),
            Kept::Not => Err(Answer::unavailable()),
            Kept::Never => Err(Answer::unstorable()),
        }
    }

    /// Says that a source fails to prove itself, but not each time: the likeliest cause is a secret
    /// that was mistyped, and strangers must not be able to fill the log.
    fn alarm(&self, answer: &Answer) {
        if answer.status != StatusCode::UNAUTHORIZED {
            return;
        }
        let (now, last) = (Utc::now().timestamp(), self.alarmed_at.load(Ordering::Relaxed));
        if now - last < ALARM_SECONDS {
            return;
        }
        let first =
            self.alarmed_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        if first.is_ok() {
            warn!(
                source = self.source.as_str(),
                code = answer.code,
                "refused a delivery; is the webhook's secret among those configured here?"
            );
        }
    }

    /// Verifies and reads a body, beside the threads that serve requests if it is large.
    async fn examine(
        &self,
        gate: &Arc<Gate>,
        arrival: Arrival,
    ) -> Result<(Delivery, Answer), Answer> {
        if arrival.body.len() <= LARGE {
            return Ok(self.verified(arrival)?);
        }
        let (gate, source) = (gate.clone(), self.source);
        let examined = tokio::task::spawn_blocking(move || gate.door(source).verified(arrival));
        Ok(examined.await.map_err(|_| Answer::unavailable())??)
    }

    fn verified(&self, arrival: Arrival) -> Result<(Delivery, Answer), SignatureError> {
        let presented = self.presented(&arrival.headers)?;
        let secret = self.keys.verify(presented, &arrival.body)?;
        Ok(record::record(self.source, arrival, secret))
    }

    /// The signature that counts for this source.
    fn presented<'h>(&self, headers: &'h HeaderMap) -> Result<Presented<'h>, SignatureError> {
        let name = match self.source {
            Source::Github => github::SIGNATURE,
            Source::Spacelift => spacelift::SIGNATURE,
        };
        if let Some(value) = only_value(headers, name)? {
            return Ok(Presented::Sha256(value));
        }
        if self.sha1_fallback
            && let Some(value) = only_value(headers, spacelift::SIGNATURE_SHA1)?
        {
            return Ok(Presented::Sha1(value));
        }
        Err(SignatureError::Missing)
    }
}

/// Whether the body comes in an encoding that would have to be undone: small ones can be huge.
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests;
