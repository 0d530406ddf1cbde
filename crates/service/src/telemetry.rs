//! Logs, traces and metrics of a process.

use std::{
    fs::File,
    io::{self, IsTerminal},
    sync::{Arc, OnceLock},
};

use anyhow::Context;
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider, trace::SdkTracerProvider};
use serde::Deserialize;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    fmt::writer::{BoxMakeWriter, MakeWriterExt},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

mod fields;

static REGISTRY: OnceLock<prometheus::Registry> = OnceLock::new();
static LOG_LEVEL: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// What a process tells about itself, and where.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// What is logged: a level, or directives such as `info,planner=debug`.
    pub log: String,
    /// How: JSON lines or readable text.
    pub format: Format,
    /// Where traces and metrics go by OTLP over HTTP; empty for nowhere.
    pub otlp_endpoint: String,
    /// The `deployment.environment.name`.
    pub environment: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// For people at a developer's machine.
    Text,
}

/// Where log lines go.
#[derive(Debug)]
pub enum Lines {
    /// To standard error.
    Shown,
    /// To a file.
    Kept(File),
    /// To a file and to standard error.
    KeptAndShown(File),
}

impl Lines {
    fn writer(self) -> BoxMakeWriter {
        match self {
            Self::Shown => BoxMakeWriter::new(io::stderr),
            Self::Kept(file) => BoxMakeWriter::new(Arc::new(file)),
            Self::KeptAndShown(file) => BoxMakeWriter::new(Arc::new(file).and(io::stderr)),
        }
    }
}

/// Keeps the exporters alive; what they hold is sent when [`Guard::shutdown`] is called.
#[derive(Debug, Default)]
pub struct Guard {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
}

impl Guard {
    /// Sends what is left. Blocks: the exporters run on threads of their own.
    pub fn shutdown(self) {
        if let Some(traces) = self.traces {
            let _ = traces.shutdown();
        }
        if let Some(metrics) = self.metrics {
            let _ = metrics.shutdown();
        }
    }
}

/// Starts logs, traces and metrics for this process. Once per process.
pub fn init(
    name: &'static str,
    options: &Options,
    endpoint: Option<&str>,
    lines: Lines,
) -> anyhow::Result<Guard> {
    let endpoint = match options.otlp_endpoint.as_str() {
        "" => endpoint,
        given => Some(given),
    };
    let resource = Resource::builder()
        .with_service_name(name)
        .with_attributes([
            KeyValue::new("service.namespace", "stackly"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("deployment.environment.name", options.environment.clone()),
        ])
        .build();
    let metrics = meters(resource.clone(), endpoint)?;
    opentelemetry::global::set_meter_provider(metrics.clone());
    let traces = endpoint.map(|endpoint| tracers(resource, endpoint)).transpose()?;

    let filter = EnvFilter::try_new(&options.log)
        .with_context(|| format!("telemetry.log = {:?} is not a log filter", options.log))?;
    let (filter, handle) = reload::Layer::new(filter);
    let _ = LOG_LEVEL.set(handle);
    // A file that is searched holds no colours.
    let coloured = matches!(lines, Lines::Shown) && io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(lines.writer());
    let lines = if coloured { lines } else { lines.with_ansi(false) };
    let lines = match options.format {
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            lines.fmt_fields(fields::JsonObject).boxed()
        }
        Format::Text => lines.with_target(false).boxed(),
    };
    let spans = traces.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("stackly"))
            .with_filter(EnvFilter::new(SPANS))
    });
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).init();
    Ok(Guard { traces, metrics: Some(metrics) })
}

/// Which spans are exported, whatever is logged: ours, not those of our libraries.
const SPANS: &str = "off,bus=info,store=info,service=info,spacelift=info,ingest=info,planner=info,\
    policy=info,executor=info,notifier=info,stackly=info";

fn tracers(resource: Resource, endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .context("the trace exporter")?;
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

fn meters(resource: Resource, endpoint: Option<&str>) -> anyhow::Result<SdkMeterProvider> {
    let registry = REGISTRY.get_or_init(prometheus::Registry::new).clone();
    let page = opentelemetry_prometheus::exporter().with_registry(registry).build()?;
    let mut builder = SdkMeterProvider::builder().with_resource(resource).with_reader(page);
    if let Some(endpoint) = endpoint {
        let exporter = MetricExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/metrics", endpoint.trim_end_matches('/')))
            .build()
            .context("the metric exporter")?;
        builder = builder.with_periodic_exporter(exporter);
    }
    Ok(builder.build())
}

/// The metrics page of this process, in Prometheus' text format.
pub(crate) fn metrics_page() -> String {
    let families = REGISTRY.get().map(prometheus::Registry::gather).unwrap_or_default();
    prometheus::TextEncoder::new().encode_to_string(&families).unwrap_or_default()
}

/// Changes what is logged, while the process runs.
pub(crate) fn set_log(directives: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| format!("`{directives}` is not a log filter: {error}"))?;
    match LOG_LEVEL.get() {
        Some(handle) => handle.reload(filter).map_err(|error| error.to_string()),
        None => Err("this process does not log".to_owned()),
    }
}
