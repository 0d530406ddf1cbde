//! What a request leaves in traces and in logs.

use std::{
    io,
    sync::{Arc, Mutex},
};

use opentelemetry::trace::{SpanKind, TracerProvider};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt};

use crate::testing::{GITHUB_SECRET, House, PUSH, SPACELIFT_SECRET, github, spacelift};

#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// As long as there is one subscriber alone, what another test says first is asked of that test's
/// thread, which has none, and is silent here, too.
fn another() -> tracing::Dispatch {
    tracing::Dispatch::new(tracing_subscriber::registry())
}

#[tokio::test]
async fn a_request_is_one_server_span_that_goes_on_in_its_event() {
    let mut house = House::open().await;
    let spans = Spans::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("ingest"));
    let _another = another();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    let mut request = github("push", "d-1", PUSH);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.headers_mut().insert("traceparent", parent.parse().unwrap());
    house.send(request).await;

    let spans = std::mem::take(&mut *spans.0.lock().unwrap());
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((span.name.as_ref(), &span.span_kind), ("POST /webhooks/github", &SpanKind::Server));
    assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
    let status = span.attributes.iter().find(|a| a.key.as_str() == "http.response.status_code");
    assert_eq!(status.unwrap().value.to_string(), "202");
    let (events, _) = house.events.recv().await.unwrap();
    let id = span.span_context.span_id();
    let expected = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{id}-01");
    assert_eq!(events[0][0].trace.as_ref().unwrap().0, expected);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_log_says_a_secret_a_signature_or_a_body() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _another = another();
    let _guard = tracing::subscriber::set_default(subscriber);
    let house = House::open().await;
    let mark = "words-of-the-body";
    let body = PUSH.replace("Grow the node pool", mark);
    house.send(github("push", "d-1", body.clone())).await;
    house.send(github("push", "d-1", body.clone())).await;
    house.send(github("push", "d-2", format!("{{\"ref\": {{\"{mark}\": 1}}}}"))).await;
    house.send(github("issues", "d-3", format!("{{\"text\": \"{mark}\"}}"))).await;
    house.send(spacelift(format!("{{\"text\": \"{mark}\"}}"))).await;
    let forged = || github("push", "d-4", body.clone());
    let forgery = "sha256=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    for mut forged in [forged(), forged()] {
        forged.headers_mut().insert("x-hub-signature-256", forgery.parse().unwrap());
        house.send(forged).await;
    }

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for code in ["accepted", "duplicate", "malformed", "event_ignored", "bad_signature"] {
        assert!(log.contains(code), "`{code}` should be in the log:\n{log}");
    }
    // A flood of forgeries must not become a flood of warnings.
    assert_eq!(log.matches("is the webhook's secret").count(), 1, "{log}");
    for secret in [GITHUB_SECRET, SPACELIFT_SECRET, mark, "sha256=", "nobody-may-see-this"] {
        assert!(!log.contains(secret), "`{secret}` is in the log:\n{log}");
    }
}
