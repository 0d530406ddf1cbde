//! What a sender is told: a status, and a code and a sentence as JSON.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::{delivery::Reply, signature::SignatureError};

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Answer {
    /// The HTTP status.
    #[serde(skip)]
    pub(crate) status: StatusCode,
    /// For machines.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) message: Cow<'static, str>,
    /// The delivery as it is kept; for a duplicate, the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery: Option<Uuid>,
    /// The event that follows from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<Uuid>,
    /// After how many seconds to come back.
    #[serde(skip)]
    pub(crate) retry_after: Option<u16>,
    /// How the sender wants to be answered.
    #[serde(skip)]
    pub(crate) reply: Reply,
}

impl Answer {
    /// An answer of code and sentence.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let message = message.into();
        Self {
            status,
            code,
            message,
            delivery: None,
            event: None,
            retry_after: None,
            reply: Reply::Usual,
        }
    }

    /// The delivery it speaks of.
    #[must_use]
    pub(crate) fn about(mut self, delivery: Uuid) -> Self {
        self.delivery = Some(delivery);
        self
    }

    /// In the way its sender wants it.
    #[must_use]
    pub(crate) fn shaped(self, reply: Reply) -> Self {
        Self { reply, ..self }
    }

    /// With another sentence, for the person who waits for it.
    #[must_use]
    pub(crate) fn saying(self, message: String) -> Self {
        Self { message: message.into(), ..self }
    }

    pub(crate) fn accepted(event: Uuid) -> Self {
        let answer = Self::new(StatusCode::ACCEPTED, "accepted", "accepted; its event follows");
        Self { event: Some(event), ..answer }
    }

    pub(crate) fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", message)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than the {limit} bytes that are taken here");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    pub(crate) fn too_slow() -> Self {
        let message = "the body came too slowly";
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message)
    }

    pub(crate) fn compressed() -> Self {
        let message = "bodies are not decompressed here; send them without Content-Encoding";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding_unsupported", message)
    }

    /// Nothing proves it: said alike of senders that are configured and of those that are not.
    pub(crate) fn unproven() -> Self {
        let message = "there is no signature here that fits the body and a secret of this sender";
        Self::new(StatusCode::UNAUTHORIZED, "bad_signature", message)
    }

    /// Somebody knocks more often than is allowed.
    pub(crate) fn limited(seconds: u16) -> Self {
        let message = "too many requests come from here; nothing was accepted, send it again";
        let answer = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message);
        Self { retry_after: Some(seconds.max(1)), ..answer }
    }

    /// One account sends more often than is allowed.
    pub(crate) fn account_limited(seconds: u16) -> Self {
        let message =
            "too many deliveries are of this account; nothing was accepted, send it again";
        let answer = Self::new(StatusCode::TOO_MANY_REQUESTS, "account_rate_limited", message);
        Self { retry_after: Some(seconds.max(1)), ..answer }
    }

    /// More is coming in than can be committed.
    pub(crate) fn overloaded() -> Self {
        let message = "too many deliveries wait already; nothing was accepted, send it again";
        let answer = Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message);
        Self { retry_after: Some(2), ..answer }
    }

    /// Nothing can be committed just now.
    pub(crate) fn unavailable() -> Self {
        let message = "the delivery could not be kept, so it was not accepted; send it again";
        let answer = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
        Self { retry_after: Some(10), ..answer }
    }
}

impl Answer {
    pub(crate) fn duplicate(first: Uuid) -> Self {
        let message = "this was accepted before, in the delivery named here; nothing follows anew";
        Self::new(StatusCode::OK, "duplicate", message).about(first)
    }

    /// The database refuses what this build wants to write: a fault of ours.
    pub(crate) fn unstorable() -> Self {
        let message = "the delivery could not be kept; the log of this service says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unstorable", message)
    }
}

impl From<SignatureError> for Answer {
    fn from(error: SignatureError) -> Self {
        let (status, code) = match error {
            SignatureError::Missing => (StatusCode::UNAUTHORIZED, "no_signature"),
            SignatureError::Ambiguous => (StatusCode::BAD_REQUEST, "ambiguous_signature"),
            SignatureError::Bad => (StatusCode::UNAUTHORIZED, "bad_signature"),
            SignatureError::Stale => (StatusCode::UNAUTHORIZED, "stale_signature"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let body = match &self.reply {
            Reply::Verbatim(body) if self.status.is_success() => serde_json::to_vec(body),
            Reply::ToPerson if self.status.is_success() => {
                let text = &self.message;
                serde_json::to_vec(&json!({ "response_type": "ephemeral", "text": text }))
            }
            _ => serde_json::to_vec(&self),
        };
        let body = body.expect("an answer is plain data");
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut response = (self.status, [content_type], body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
