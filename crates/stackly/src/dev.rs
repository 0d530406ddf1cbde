//! `cargo dev`: the whole pipeline on this machine, with its own servers and a sample account.
//!
//! In this order: servers ([`servers`]), sample repository ([`repository`]), services
//! ([`crate::system`]), a push as GitHub tells it ([`push`]), and what comes of it, live ([`watch`]).

mod address;
mod arguments;
mod folder;
mod log;
mod push;
mod repository;
mod running;
mod servers;
mod signals;
mod state;
mod watch;

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::{Context, anyhow};
use bus::Bus;
use contracts::chain::ChainState;
use tokio_util::sync::CancellationToken;

use crate::system::{Environment, Installation, SERVICES};

pub(crate) use address::listen;
pub use arguments::{DeliverArguments, DevArguments};
pub use push::deliver;
pub use state::DevState;

use folder::DevFolder;
use repository::Repository;
use running::Running;
use servers::Servers;
use watch::Until;

/// Says one line to the person at the terminal.
pub(crate) fn say(line: &str) {
    // Nobody may be reading any more; the pipeline runs on.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Runs `stackly dev`.
pub async fn run(arguments: DevArguments) -> anyhow::Result<ExitCode> {
    let shutdown = signals::watch()?;
    let folder = DevFolder::claim(&arguments.folder)?;
    let telemetry = log::start(&arguments, &folder, &told()).await?;
    let outcome = attend(&arguments, &folder, &shutdown).await;
    log::end(telemetry).await;
    Ok(status(&arguments, outcome?))
}

/// Starts the servers, and what runs on them.
async fn attend(
    arguments: &DevArguments,
    folder: &DevFolder,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<ChainState>> {
    let servers = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(None),
        servers = Servers::start(arguments, folder) => servers?,
    };
    let outcome = serve(arguments, folder, &servers, shutdown).await;
    servers.stop().await;
    outcome
}

/// Runs the services on these servers until there is nothing more to see, or until `shutdown`.
async fn serve(
    arguments: &DevArguments,
    folder: &DevFolder,
    servers: &Servers,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<ChainState>> {
    let repository = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(None),
        repository = sample(folder, servers) => repository?,
    };
    let installation = servers.installation(arguments, folder)?;
    let environment = environment(folder, servers, &installation)?;
    // Ingest looks for its webhook as soon as it runs.
    let local_url = state::local_url(&installation)?;
    servers.send_webhooks_to(&format!("{local_url}/webhooks/spacelift"));
    let mut running = Running::start(arguments, folder, &environment)?;
    let stage = Stage {
        arguments,
        folder,
        servers,
        installation: &installation,
        repository: repository.as_ref(),
        environment: &environment,
    };
    let state = state::write(&stage, &running);
    let outcome = tokio::select! {
        biased;
        () = shutdown.cancelled() => Ok(None),
        outcome = stage.play(state) => outcome,
        end = running.next_end() => Err(anyhow!(end)),
    };
    say("\nStopping.");
    running.stop().await;
    outcome
}

/// The sample repository, for the sample account.
async fn sample(folder: &DevFolder, servers: &Servers) -> anyhow::Result<Option<Repository>> {
    if !servers.is_simulated() {
        return Ok(None);
    }
    repository::create(folder, servers.repository_name()).await.map(Some)
}

/// What there is to be seen.
struct Stage<'a> {
    arguments: &'a DevArguments,
    folder: &'a DevFolder,
    servers: &'a Servers,
    installation: &'a Installation,
    repository: Option<&'a Repository>,
    environment: &'a Environment,
}

impl Stage<'_> {
    /// Waits for the services, makes the sample push, and shows what becomes of it.
    async fn play(&self, state: anyhow::Result<DevState>) -> anyhow::Result<Option<ChainState>> {
        let Installation { nats_url, prefix, .. } = self.installation;
        let state = state?;
        let bus = Bus::connect(&bus::Options::at(nats_url, prefix), "dev").await?;
        running::wait_until_ready(&bus, state.local_address()).await?;
        state.introduce(self.arguments, self.folder);
        let mut watch = watch::Watch::start(&bus, self.servers.slack()).await?;
        let mut until = if self.arguments.once { Until::AnyChain } else { Until::Ever };
        if let Some(repository) = self.repository {
            say(
                "\nA commit is made in the sample repository and told to ingest as GitHub tells it:\n",
            );
            let commit = repository.commit_a_change().await.context("the sample commit")?;
            repository.push().await.context("the sample push")?;
            if self.arguments.once {
                until = Until::ChainOf(commit);
            }
        }
        Ok(watch.follow(&until).await)
    }
}

/// What is said at the end, and the exit status.
fn status(arguments: &DevArguments, outcome: Option<ChainState>) -> ExitCode {
    match outcome {
        Some(ChainState::Finished) => {
            say("\nEvery step ended as it should.");
            ExitCode::SUCCESS
        }
        Some(state) => {
            say(&format!("\nThe chain ended as {state}."));
            ExitCode::FAILURE
        }
        // Ended by a person before there was anything to judge.
        None if arguments.once => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    }
}

/// What the services are told: where everything is, what differs on a developer's machine, and above
/// that whatever the environment of this process says to them.
fn environment(
    folder: &DevFolder,
    servers: &Servers,
    installation: &Installation,
) -> anyhow::Result<Environment> {
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
    let given = told();
    if !given.contains_key("STACKLY__HEALTH__LISTEN") {
        for service in SERVICES {
            environment
                .insert(health_listen(service), format!("127.0.0.1:{}", embedded::free_port()?));
        }
    }
    environment.extend(given);
    // What was said at the command line is above what the environment says.
    environment.insert("INGEST__HTTP__LISTEN".to_owned(), installation.ingest.clone());
    let to_a_service = |name: &str| {
        let prefix = name.split("__").next().unwrap_or_default().to_ascii_lowercase();
        name.contains("__") && (prefix == "stackly" || SERVICES.contains(&prefix.as_str()))
    };
    environment.retain(|name, _| to_a_service(name));
    Ok(environment)
}

/// The variable that says where a service shows how it is.
fn health_listen(service: &str) -> String {
    format!("{}__HEALTH__LISTEN", service.to_ascii_uppercase())
}

/// What the environment of this process says, above what differs on a developer's machine from the
/// defaults for production.
fn told() -> Environment {
    let lively = [
        ("EXECUTOR__RUNS__SILENCE", "3s"),
        ("EXECUTOR__RUNS__POLL_EVERY", "1s"),
        ("PLANNER__CATALOGUE__REFRESH", "30s"),
        ("STACKLY__TELEMETRY__FORMAT", "text"),
    ];
    let lively = lively.map(|(name, value)| (name.to_owned(), value.to_owned()));
    lively.into_iter().chain(service::config::environment()).collect()
}

/// The path as a person would write it.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
