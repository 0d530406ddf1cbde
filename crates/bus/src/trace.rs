//! Trace contexts in and out of messages (W3C `traceparent`).

use contracts::Trace;
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Makes `span` a child of the span a message came from.
pub fn continue_from(span: &Span, trace: Option<&Trace>) {
    if let Some(remote) = trace.and_then(read) {
        // Fails only if the span was started already or no exporter listens: nothing to continue.
        let _ = span.set_parent(Context::new().with_remote_span_context(remote));
    }
}

/// The context of a span, to be carried in a message; absent when nobody collects traces.
pub fn of(span: &Span) -> Option<Trace> {
    let context = span.context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| {
        Trace(format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags()))
    })
}

fn read(trace: &Trace) -> Option<SpanContext> {
    let mut parts = trace.0.split('-');
    let (_version, trace_id, span_id, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let context = SpanContext::new(
        TraceId::from_hex(trace_id).ok()?,
        SpanId::from_hex(span_id).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}
