//! `cargo dev`: the whole pipeline on this machine, with its own servers and a sample account.
//!
//! In this order: servers ([`servers`]), sample repository ([`repository`]), services
//! ([`crate::system`]), a push as GitHub tells it ([`push`]), and what comes of it, live ([`watch`]).

mod arguments;
mod folder;
mod push;
mod repository;
mod servers;
mod state;
mod watch;

use std::{io::Write, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use bus::Bus;
use contracts::chain::ChainState;
use embedded::process::{Signal, Supervised};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::system::{self, Ended, Environment, Installation, SERVICES};

pub use arguments::{DeliverArguments, DevArguments};
pub use push::deliver;
pub use state::DevState;

use folder::DevFolder;
use servers::Servers;

/// How long the services may take to be there.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Says one line to the person at the terminal.
pub(crate) fn say(line: &str) {
    // Nobody may be reading any more; the pipeline runs on.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Runs `stackly dev`.
pub async fn run(arguments: DevArguments) -> anyhow::Result<ExitCode> {
    let folder = DevFolder::claim(&arguments.folder)?;
    let shutdown = stop_signals()?;
    let servers = Servers::start(&arguments, &folder).await?;
    let repository = repository::create(&folder, servers.repository_name()).await?;
    let installation = servers.installation(&folder)?;
    let environment = environment(&arguments, &folder, &servers, &installation);
    let mut running = Running::start(&arguments, &folder, &environment, &shutdown)?;
    let state = state::write(&folder, &servers, &installation, &repository, &running)?;
    let bus = Bus::connect(&bus::Options::at(&installation.nats_url, &installation.prefix), "dev")
        .await?;
    tokio::select! {
        result = wait_until_ready(&bus, &installation.ingest) => result?,
        ended = running.next_end() => bail!("{}", describe(ended)),
        () = shutdown.cancelled() => return stop(running, servers, ExitCode::SUCCESS).await,
    }
    servers.send_webhooks_to(&format!("http://{}/webhooks/spacelift", installation.ingest));
    state.introduce();

    let mut watch = watch::Watch::start(&bus, servers.slack()).await?;
    if servers.is_simulated() {
        say("\nA commit is made in the sample repository and told to ingest as GitHub tells it:\n");
        repository.push_a_change().await.context("the sample push")?;
    }
    let outcome = tokio::select! {
        outcome = watch.follow(arguments.once) => outcome,
        ended = running.next_end() => bail!("{}", describe(ended)),
        () = shutdown.cancelled() => None,
    };
    let status = match outcome {
        Some(state) if arguments.once && state != ChainState::Finished => {
            say(&format!("\nThe chain ended as {state}."));
            ExitCode::FAILURE
        }
        Some(_) => {
            say("\nEvery step ended as it should.");
            ExitCode::SUCCESS
        }
        None if arguments.once => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    };
    stop(running, servers, status).await
}

/// What the services are told: where everything is, what differs at the desk, and above that
/// whatever the environment of this process says to them.
fn environment(
    arguments: &DevArguments,
    folder: &DevFolder,
    servers: &Servers,
    installation: &Installation,
) -> Environment {
    let mut environment = installation.environment();
    // A sample repository is read by its path, as it would be by https or ssh.
    environment.insert("PLANNER__GIT__FOLDER".to_owned(), shown(&folder.path("mirrors")));
    environment.insert("PLANNER__VALIDATION__RULES".to_owned(), shown(&folder.path("rules")));
    if servers.is_simulated() {
        environment.insert("PLANNER__GIT__URL".to_owned(), shown(&folder.path("origin.git")));
    }
    for (name, value) in servers.channels() {
        environment.insert(name.to_owned(), value);
    }
    for (name, value) in overrides(arguments) {
        environment.insert(name.to_owned(), value.to_owned());
    }
    let to_a_service = |name: &str| {
        let prefix = name.split("__").next().unwrap_or_default().to_ascii_lowercase();
        name.contains("__") && (prefix == "stackly" || SERVICES.contains(&prefix.as_str()))
    };
    environment
        .extend(service::config::environment().into_iter().filter(|(name, _)| to_a_service(name)));
    environment
}

/// What differs at the desk from the defaults for production.
fn overrides(arguments: &DevArguments) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("EXECUTOR__RUNS__SILENCE", "3s"),
        ("EXECUTOR__RUNS__POLL_EVERY", "1s"),
        ("PLANNER__CATALOGUE__REFRESH", "30s"),
        ("STACKLY__TELEMETRY__FORMAT", "text"),
    ];
    if !arguments.verbose {
        all.push(("STACKLY__TELEMETRY__LOG", "info"));
    }
    all
}

/// The services, in this process or each in its own.
pub(crate) struct Running {
    here: JoinSet<Ended>,
    apart: Vec<(&'static str, Supervised)>,
    shutdown: CancellationToken,
}

impl Running {
    fn start(
        arguments: &DevArguments,
        folder: &DevFolder,
        environment: &Environment,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let shutdown = shutdown.child_token();
        let mut running = Self { here: JoinSet::new(), apart: Vec::new(), shutdown };
        let program = std::env::current_exe().context("this program's own path")?;
        for service in SERVICES {
            if arguments.separate {
                let log = folder.log(service);
                let process = system::spawn(&program, service, environment, &log)?;
                running.apart.push((service, process));
            } else {
                system::start(service, environment, running.shutdown.clone(), &mut running.here)?;
            }
        }
        Ok(running)
    }

    /// The process ids of the services.
    pub(crate) fn processes(&self) -> Vec<(&'static str, u32)> {
        match self.apart.is_empty() {
            true => SERVICES.iter().map(|service| (*service, std::process::id())).collect(),
            false => self.apart.iter().map(|(name, process)| (*name, process.pid())).collect(),
        }
    }

    /// Waits until a service ends, which none should.
    async fn next_end(&mut self) -> (String, String) {
        if self.apart.is_empty() {
            return match self.here.join_next().await {
                Some(Ok((service, Err(error)))) => (service.to_owned(), format!("{error:#}")),
                Some(Ok((service, Ok(())))) => (service.to_owned(), "it stopped".to_owned()),
                Some(Err(error)) => ("a service".to_owned(), error.to_string()),
                None => ("every service".to_owned(), "it stopped".to_owned()),
            };
        }
        let ends = self.apart.iter().map(|(service, process)| {
            Box::pin(async move { ((*service).to_owned(), process.exited().await.to_string()) })
        });
        futures::future::select_all(ends).await.0
    }

    async fn stop(mut self) {
        self.shutdown.cancel();
        while self.here.join_next().await.is_some() {}
        let stops = self
            .apart
            .iter()
            .map(|(_, process)| process.stop(Signal::SIGTERM, Duration::from_secs(20)));
        futures::future::join_all(stops).await;
    }
}

fn describe((service, why): (String, String)) -> String {
    format!("{service} ended: {why}")
}

async fn stop(running: Running, servers: Servers, status: ExitCode) -> anyhow::Result<ExitCode> {
    say("\nStopping.");
    running.stop().await;
    servers.stop().await;
    Ok(status)
}

/// Waits until every service answers and ingest takes connections.
async fn wait_until_ready(bus: &Bus, ingest: &str) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let mut missing = Vec::new();
    let ready = async {
        loop {
            ticks.tick().await;
            missing = missing_services(bus).await;
            if missing.is_empty() && tokio::net::TcpStream::connect(ingest).await.is_ok() {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(START_PATIENCE, ready).await;
    waited.map_err(|_| anyhow::anyhow!("not there after a minute: {}", missing.join(", ")))
}

async fn missing_services(bus: &Bus) -> Vec<&'static str> {
    let nobody = serde_json::json!({ "correlation": uuid::Uuid::nil() });
    let mut missing = Vec::new();
    for service in SERVICES {
        let asked = bus.request(&contracts::subject::question(service, "trace"), &nobody).await;
        if !matches!(asked, Ok(Ok(_))) {
            missing.push(service);
        }
    }
    missing
}

/// Cancelled by Ctrl-C, SIGTERM, a closed terminal, or the death of whoever started this process.
fn stop_signals() -> anyhow::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let parent = nix::unistd::getppid();
    let token = shutdown.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(500));
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hangup.recv() => break,
                _ = ticks.tick() => if nix::unistd::getppid() != parent { break },
            }
        }
        token.cancel();
    });
    Ok(shutdown)
}

/// The path as a person would write it.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
