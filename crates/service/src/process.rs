//! What every `main` does: configuration, telemetry, signals, the exit status.

use std::{io::Write, path::Path, process::ExitCode, time::Duration};

use serde::de::DeserializeOwned;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    arguments::{self, Arguments},
    config::{self, ConfigError, Layers},
    telemetry::{self, Lines},
};

/// The exit status for a configuration that cannot be used (`EX_USAGE`).
const BAD_CONFIG: u8 = 64;
/// How long what is in flight may take to finish after a signal.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// A service as a program of its own: does what its arguments say.
pub fn main<C, F, Fut>(name: &'static str, defaults: &'static str, service: F) -> ExitCode
where
    C: DeserializeOwned,
    F: FnOnce(C, CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    match Arguments::read(name, std::env::args_os().skip(1)) {
        Ok(Arguments::Run(file)) => run(name, defaults, file.as_deref(), service),
        Ok(Arguments::Help) => say(&arguments::help(name, defaults)),
        Ok(Arguments::Version) => say(&arguments::version(name)),
        Err(error) => complain(&error.to_string(), BAD_CONFIG),
    }
}

/// Runs a service in this process: reads its configuration, starts telemetry, runs until SIGINT or
/// SIGTERM, drains.
pub fn run<C, F, Fut>(
    name: &'static str,
    defaults: &'static str,
    file: Option<&Path>,
    service: F,
) -> ExitCode
where
    C: DeserializeOwned,
    F: FnOnce(C, CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let environment = config::environment();
    let loaded = Layers::merge(name, defaults, file, &environment)
        .and_then(|mut layers| Ok((layers.take("telemetry")?, layers.read::<C>()?)));
    let (options, config): (telemetry::Options, C) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return complain(&error.to_string(), BAD_CONFIG),
    };
    let endpoint = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT").map(String::as_str);
    let guard = match telemetry::init(name, &options, endpoint, Lines::Shown) {
        Ok(guard) => guard,
        Err(error) => return complain(&format!("{error:#}"), BAD_CONFIG),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the operating system grants threads");
    let result = runtime.block_on(until_signalled(name, |shutdown| service(config, shutdown)));
    runtime.shutdown_timeout(Duration::from_secs(1));
    // Here and not on a runtime worker: the exporters block.
    guard.shutdown();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<ConfigError>() => complain(&error.to_string(), BAD_CONFIG),
        Err(error) => complain(&format!("{name}: {error:#}"), 1),
    }
}

async fn until_signalled<F, Fut>(name: &str, run: F) -> anyhow::Result<()>
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = run(shutdown.clone());
    tokio::pin!(running);
    tokio::select! {
        result = &mut running => return result,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!(service = name, "stopping: finishing what is in flight");
    shutdown.cancel();
    match tokio::time::timeout(DRAIN_MAX, running).await {
        Ok(result) => result,
        Err(_) => {
            error!("not everything finished in time; the rest comes back after the next start");
            Ok(())
        }
    }
}

fn say(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn complain(text: &str, status: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::from(status)
}
