//! What `stackly dev` and the services within it tell of themselves: log lines, traces, metrics.

use std::fs::File;

use anyhow::Context;
use service::{
    config::Layers,
    telemetry::{self, Guard, Lines},
};

use super::{DevArguments, DevFolder};
use crate::system::Environment;

/// The name of this process among those that tell of themselves.
const NAME: &str = "stackly-dev";

/// Starts telemetry for this process, as every service does for its own: the lines go to
/// `logs/dev.log`, and to standard error if a person wants to see them.
pub(super) async fn start(
    arguments: &DevArguments,
    folder: &DevFolder,
    environment: &Environment,
) -> anyhow::Result<Guard> {
    let options = Layers::merge("dev", "", None, environment)?.take("telemetry")?;
    let path = folder.log("dev");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let lines = if arguments.verbose { Lines::KeptAndShown(file) } else { Lines::Kept(file) };
    let endpoint = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT").cloned();
    // Not on a worker of the runtime: the exporters block.
    tokio::task::spawn_blocking(move || telemetry::init(NAME, &options, endpoint.as_deref(), lines))
        .await?
        .context("telemetry")
}

/// Sends what is left.
pub(super) async fn end(guard: Guard) {
    let _ = tokio::task::spawn_blocking(|| guard.shutdown()).await;
}
