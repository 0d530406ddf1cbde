//! The door under conditions it is not built for: beside the service a team would write itself, at
//! twice what it can take, and with connections that say nothing.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use embedded::process::{Spec, Supervised};
use serde::Serialize;
use sqlx::PgPool;
use tokio::{net::TcpStream, process::Command};

use crate::{
    beside::run_to_end,
    client::{Pace, Target, send},
    figures::{Latency, Spread, round},
    health::{self, Health},
    ingest::{Contender, all_published},
    processes::{Named, memory},
    store,
    system::{self, Ground, Setting, System},
    yardstick::{Fsync, fsync},
};

/// Over how many connections twice the capacity is offered: enough that the next request of one does
/// not wait for the answer to the one before. Senders of webhooks know nothing of each other; with
/// fewer, what is offered would sink to what is taken, and nothing had to be refused.
const FLOOD: usize = 4_000;
/// How long twice the capacity is offered, and as much as can be taken before.
const FLOOD_LASTS: Duration = Duration::from_secs(10);
const BUSY_LASTS: Duration = Duration::from_secs(1);
const APP: &str = include_str!("fastapi/app.py");
const REQUIREMENTS: &str = include_str!("fastapi/requirements.txt");

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How often each figure is taken.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// For how many seconds each time.
    #[arg(long, default_value_t = 2.5)]
    seconds: f64,
    /// Over how many connections.
    #[arg(long, default_value_t = 128)]
    connections: usize,
    /// How many connections say nothing.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
}

/// What came out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    beside_fastapi: Beside,
    twice_the_capacity: Flood,
    idle: Idle,
    fsync: Vec<Fsync>,
}

/// Ingest and FastAPI in turn.
#[derive(Debug, Serialize)]
struct Beside {
    /// Ingest's rate over FastAPI's, of the rounds side by side.
    times_fastapi: Spread,
    ingest_per_second: Spread,
    fastapi_per_second: Spread,
}

/// More than can be taken.
#[derive(Debug, Serialize)]
struct Flood {
    offered_per_second: f64,
    /// Of requests answered 202, from when they were due.
    accepted: Latency,
    accepted_per_second: f64,
    refused: usize,
    /// Accepted, and not kept.
    lost: i64,
    /// Ingest's own, on its own port.
    health: Health,
}

/// Connections that say nothing.
#[derive(Debug, Serialize)]
struct Idle {
    connections: usize,
    rss_mib_without: f64,
    rss_mib_with: f64,
    kib_each: f64,
    /// Of pushes sent meanwhile.
    meanwhile: Latency,
}

/// Measures.
pub(crate) async fn measure(options: Options) -> anyhow::Result<Report> {
    let ground = Ground::start(false).await?;
    let database = ground.database("fastapi").await?;
    let health = format!("127.0.0.1:{}", embedded::free_port()?);
    let setting = Setting::without_policies(system::lines(1, 1), simulator::Pace::zero())
        .with(("INGEST__HEALTH__LISTEN", health.clone()));
    let system = System::start(ground, setting, &["ingest"]).await?;
    let secret = system.installation.github_secret.clone();
    let pool = store::ingest(&system.installation.database_url).await?;
    store::ingest(&database).await?.close().await;
    let folder = tempfile::tempdir()?;
    let (fastapi, address) = fastapi(&database, &secret, &folder).await?;
    let server = |address: &str| Contender {
        target: Target { address: address.to_owned(), secret: secret.clone() },
        processes: Named::new(),
    };
    let (ours, theirs) = (server(&system.installation.ingest), server(&address));

    let mut yardstick = vec![fsync().await?];
    let beside_fastapi = beside(&options, &ours, &theirs).await?;
    fastapi.kill_with_children().await;
    yardstick.push(fsync().await?);
    let capacity = beside_fastapi.ingest_per_second.median;
    let flooding = flood(&options, &ours, capacity * 2.0, (&system, &pool, &health));
    let twice_the_capacity = flooding.await?;
    let idle = idle(&options, &ours, &system).await?;
    yardstick.push(fsync().await?);
    pool.close().await;
    system.stop().await;
    Ok(Report { beside_fastapi, twice_the_capacity, idle, fsync: yardstick })
}

async fn beside(options: &Options, ours: &Contender, theirs: &Contender) -> anyhow::Result<Beside> {
    let window = Duration::from_secs_f64(options.seconds);
    let (mut ingest, mut fastapi) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds.max(1) {
        for (server, rates) in [(theirs, &mut fastapi), (ours, &mut ingest)] {
            let taken = server.take(options.connections, Pace::Closed, window).await?;
            ensure!(taken.sent.refused == 0, "{} were refused", taken.sent.refused);
            rates.push(taken.sent.per_second);
        }
    }
    Ok(Beside {
        times_fastapi: Spread::of(ingest.iter().zip(&fastapi).map(|(ours, theirs)| ours / theirs)),
        ingest_per_second: Spread::of(ingest),
        fastapi_per_second: Spread::of(fastapi),
    })
}

async fn flood(
    options: &Options,
    ours: &Contender,
    offered: f64,
    (system, pool, health): (&System, &PgPool, &str),
) -> anyhow::Result<Flood> {
    all_published(system, pool).await?;
    let before = store::deliveries(pool).await?;
    // Every answer counts against what is kept.
    let busy = send(&ours.target, options.connections, Pace::Closed, BUSY_LASTS).await?;
    let sending = send(&ours.target, FLOOD, Pace::Open(offered), FLOOD_LASTS);
    let (sent, health) = health::during(health, sending).await;
    let sent = sent?;
    let kept = store::deliveries(pool).await? - before;
    all_published(system, pool).await?;
    Ok(Flood {
        offered_per_second: round(offered),
        accepted_per_second: sent.per_second,
        lost: i64::try_from(busy.latency.count + sent.latency.count)? - kept,
        accepted: sent.latency,
        refused: sent.refused,
        health,
    })
}

async fn idle(options: &Options, ours: &Contender, system: &System) -> anyhow::Result<Idle> {
    let ingest = || -> anyhow::Result<f64> {
        let memory = memory(&system.processes());
        Ok(memory.get("ingest").context("ingest is gone")?.rss_mib)
    };
    let rss_mib_without = ingest()?;
    let mut silent = Vec::with_capacity(options.idle);
    for _ in 0..options.idle {
        let stream = TcpStream::connect(&ours.target.address).await;
        silent.push(stream.context("a connection more; `ulimit -n` may be in the way")?);
    }
    let window = Duration::from_secs_f64(options.seconds);
    let meanwhile = ours.take(8, Pace::Open(100.0), window).await?.sent.latency;
    let rss_mib_with = ingest()?;
    let connections = silent.len();
    Ok(Idle {
        connections,
        rss_mib_without,
        rss_mib_with,
        kib_each: round((rss_mib_with - rss_mib_without) * 1024.0 / connections.max(1) as f64),
        meanwhile,
    })
}

/// FastAPI under uvicorn, a worker for each core; it takes connections when this returns.
async fn fastapi(
    database: &str,
    secret: &str,
    folder: &tempfile::TempDir,
) -> anyhow::Result<(Supervised, String)> {
    let python = environment().await?;
    std::fs::write(folder.path().join("app.py"), APP)?;
    let port = embedded::free_port()?;
    let address = format!("127.0.0.1:{port}");
    let log = folder.path().join("fastapi.log");
    let cores = std::thread::available_parallelism()?.get();
    let given = [
        ("DATABASE_URL", database),
        ("SECRET", secret),
        ("KEEP", store::KEEP),
        ("CONTENT_KEY", store::CONTENT_KEY),
        ("HEADERS", store::HEADERS),
        ("ANSWERS", store::ANSWERS),
    ];
    let arguments = ["-m", "uvicorn", "app:app", "--no-access-log", "--log-level", "warning"];
    let spec = arguments.iter().fold(Spec::new(python, &log), |spec, it| spec.argument(*it));
    let spec = spec.argument("--app-dir").argument(folder.path());
    let spec = spec.argument("--port").argument(port.to_string());
    let spec = spec.argument("--workers").argument(cores.to_string());
    let spec = given.iter().fold(spec, |spec, (name, value)| spec.variable(*name, *value));
    Ok((system::listening(&spec, &address, &log).await?, address))
}

/// The interpreter of a virtual environment with what the application needs, made the first time.
async fn environment() -> anyhow::Result<PathBuf> {
    let pinned = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, REQUIREMENTS.as_bytes());
    let place = embedded::cache_folder().join(format!("fastapi-{pinned}"));
    let python = place.join("bin/python");
    let done = place.join("complete");
    if done.is_file() {
        return Ok(python);
    }
    let mut venv = Command::new("python3");
    run_to_end(venv.args(["-m", "venv", "--clear"]).arg(&place), "python3").await?;
    let wanted = place.join("requirements.txt");
    std::fs::write(&wanted, REQUIREMENTS)?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    run_to_end(Command::new(&python).args(install).arg(&wanted), "pip").await?;
    std::fs::write(&done, "")?;
    Ok(python)
}
