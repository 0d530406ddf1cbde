//! What is told about a request: a span, and a count.

use opentelemetry::{KeyValue, metrics::Counter};
use tracing::{Span, field::Empty, info_span};

use crate::Error;

/// Counts requests by operation and result.
#[derive(Clone)]
pub(crate) struct Telemetry {
    requests: Counter<u64>,
    server: String,
}

impl Telemetry {
    pub(crate) fn new(server: String) -> Self {
        let requests = opentelemetry::global::meter("spacelift")
            .u64_counter("stackly_spacelift_requests")
            .with_description("Requests to Spacelift, by operation and result")
            .build();
        Self { requests, server }
    }

    /// The span of one request; neither the variables nor the answer are in it.
    pub(crate) fn span(&self, operation: &str, kind: &str) -> Span {
        info_span!(
            "spacelift",
            otel.name = format!("{kind} {operation}"),
            otel.kind = "client",
            otel.status_code = Empty,
            graphql.operation.name = operation,
            graphql.operation.type = kind,
            http.request.method = "POST",
            http.response.status_code = Empty,
            server.address = self.server,
            error.type = Empty,
        )
    }

    /// Ends the request in its span and in the count.
    pub(crate) fn ended(&self, span: &Span, operation: &'static str, error: Option<&Error>) {
        let result = error.map_or("ok", Error::code);
        if error.is_some() {
            span.record("error.type", result);
            span.record("otel.status_code", "ERROR");
        }
        self.requests
            .add(1, &[KeyValue::new("operation", operation), KeyValue::new("result", result)]);
    }
}
