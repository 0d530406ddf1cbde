//! What telemetry says, and what it must not.

use std::{
    io,
    sync::{Arc, Mutex},
};

use opentelemetry_sdk::metrics::SdkMeterProvider;
use serde_json::json;
use tracing_subscriber::fmt::format::FmtSpan;

use super::{
    client,
    listener::{Listener, Reply, run, token},
    trigger,
};

/// Everything that was logged.
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

async fn listener() -> Listener {
    Listener::start(|request, before| match (request.operation.as_str(), before) {
        ("ExchangeApiKey", _) => token("the-very-secret-token"),
        (_, 0) => Reply::Data(json!({"run": run("r1", "QUEUED")})),
        _ => Reply::Status(500, ""),
    })
    .await
}

#[tokio::test]
async fn every_request_has_a_span_and_no_secret_is_logged_at_any_level() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .finish();
    let listener = listener().await;
    {
        // As long as there is but one subscriber, a span that another test's thread is the first to
        // open is switched off for all threads. A second one makes tracing ask them all.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        let _guard = tracing::subscriber::set_default(subscriber);
        let client = client(&listener.address);
        client.trigger(&trigger()).await.unwrap();
        client.trigger(&trigger()).await.unwrap_err();
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!log.contains("the-api-key-secret"));
    assert!(!log.contains("the-very-secret-token"));

    let spans: Vec<serde_json::Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|line| line["fields"]["message"] == "close" && line["span"]["name"] == "spacelift")
        .map(|line| line["span"].clone())
        .collect();
    let told: Vec<_> = spans
        .iter()
        .map(|span| {
            (
                span["graphql.operation.name"].as_str().unwrap(),
                span["otel.kind"].as_str().unwrap(),
                span["http.response.status_code"].as_i64().unwrap(),
                span["error.type"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("ExchangeApiKey", "client", 200, None),
            ("TriggerRun", "client", 200, None),
            ("TriggerRun", "client", 500, Some("uncertain")),
        ]
    );
}

#[tokio::test]
async fn requests_are_counted_by_operation_and_result() {
    let registry = prometheus::Registry::new();
    let exporter =
        opentelemetry_prometheus::exporter().with_registry(registry.clone()).build().unwrap();
    let provider = SdkMeterProvider::builder().with_reader(exporter).build();
    opentelemetry::global::set_meter_provider(provider.clone());

    // The provider is everybody's, so other tests may be counted too: a name of our own is needed.
    let listener = listener().await;
    let client = client(&listener.address);
    client.discard(&"net".into(), &"r1".into(), "").await.unwrap();
    client.discard(&"net".into(), &"r1".into(), "").await.unwrap_err();

    let page = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for result in ["ok", "uncertain"] {
        let counted = page.lines().any(|line| {
            line.starts_with("stackly_spacelift_requests_total{")
                && line.contains("operation=\"DiscardRun\"")
                && line.contains(&format!("result=\"{result}\""))
                && line.ends_with("} 1")
        });
        assert!(counted, "{result} in {page}");
    }
}
