//! The five services of a test: in this process, or each in its own, to be killed.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use embedded::process::{Signal, Spec, Supervised};
use stackly::system::{self, Ended, Environment, SERVICES};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::patience::eventually;

/// At which place a process is to die: `<label>=<nth>`.
pub const FAILPOINT: &str = "STACKLY_FAILPOINT";

/// How long a service may take to end: what it is given to finish its work, and as much again.
const STOP_MAX: Duration = Duration::from_secs(60);

/// The services of one test.
pub enum Fleet {
    /// In this process.
    Together {
        /// Ends them.
        shutdown: CancellationToken,
        /// How they ended.
        running: JoinSet<Ended>,
    },
    /// Each a process.
    Apart {
        /// The program that runs one service.
        program: PathBuf,
        /// What they are told.
        environment: Environment,
        /// Where their logs go.
        logs: tempfile::TempDir,
        /// The processes, by service; further replicas by names of their own.
        processes: Vec<(&'static str, Supervised)>,
    },
}

/// Runs one service as a process does, but so that tests can kill it at labelled places: programs
/// for production know none of that.
pub fn serve(service: &str) -> ExitCode {
    if let Some(order) = service::config::environment().get(FAILPOINT) {
        bus::arm_failpoint(order);
    }
    system::run_service(service, None).unwrap_or_else(|| ExitCode::from(64))
}

/// Keeps the folder of logs when its test fails. Must be dropped before the fleet.
pub struct LogsOfAFailure(Option<PathBuf>);

impl Drop for LogsOfAFailure {
    #[expect(clippy::print_stdout, reason = "whoever sees a failed test needs to know")]
    fn drop(&mut self) {
        let Some(folder) = self.0.take().filter(|_| std::thread::panicking()) else { return };
        let kept = folder.with_extension("failed");
        if std::fs::rename(&folder, &kept).is_ok() {
            println!("what the services wrote is in {}", kept.display());
        }
    }
}

impl Fleet {
    /// All five in this process.
    pub fn together(environment: &Environment) -> Self {
        let (shutdown, mut running) = (CancellationToken::new(), JoinSet::new());
        for service in SERVICES {
            system::start(service, environment, shutdown.clone(), &mut running)
                .expect("the configuration is right");
        }
        Self::Together { shutdown, running }
    }

    /// Each in a process of its own; `program` runs the one its first argument names.
    pub fn apart(program: PathBuf, environment: Environment) -> Self {
        let logs = tempfile::tempdir().expect("a folder for logs");
        let mut fleet = Self::Apart { program, environment, logs, processes: Vec::new() };
        for service in SERVICES {
            fleet.start(service, &[]);
        }
        fleet
    }

    /// Starts a service that does not run, with variables of its own.
    pub fn start(&mut self, service: &'static str, more: &[(&str, &str)]) {
        self.start_as(service, service, more);
    }

    /// Starts a further replica of a service under a name of its own.
    pub fn start_as(&mut self, name: &'static str, service: &str, more: &[(&str, &str)]) {
        let Self::Apart { program, environment, logs, processes } = self else {
            panic!("these services share a process");
        };
        let log = logs.path().join(format!("{name}.log"));
        let mut spec = Spec::new(&*program, log).argument(service);
        for (name, value) in &*environment {
            spec = spec.variable(name, value);
        }
        for (name, value) in more {
            spec = spec.variable(*name, *value);
        }
        let process = Supervised::spawn(&spec).expect("the service starts");
        processes.retain(|(other, _)| *other != name);
        processes.push((name, process));
    }

    /// Kills a process and forgets it.
    pub async fn remove(&mut self, name: &str) {
        self.kill(name).await;
        if let Self::Apart { processes, .. } = self {
            processes.retain(|(other, _)| *other != name);
        }
    }

    /// Waits until a process has written a line with these words, since its log had `after` bytes.
    pub async fn wrote(&self, name: &str, words: &str, after: usize, patience: Duration) {
        eventually(
            &format!("{name} to write {words:?}"),
            patience,
            || async { self.log(name).get(after..).is_some_and(|log| log.contains(words)) },
            |written| *written,
        )
        .await;
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self, service: &str) {
        self.process(service).kill().await;
    }

    /// Waits until a service has died by itself; gives whether it did in time.
    pub async fn died(&mut self, service: &str, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.process(service).exited()).await.is_ok()
    }

    /// Starts a service again, as whoever runs it would, if it has ended by itself: one gives up at its
    /// start if Postgres or NATS goes just then.
    pub async fn restart_if_it_died(&mut self, service: &'static str) {
        if self.died(service, Duration::ZERO).await {
            self.start(service, &[]);
        }
    }

    /// The process of a service.
    pub fn process(&self, service: &str) -> &Supervised {
        let Self::Apart { processes, .. } = self else {
            panic!("these services share a process");
        };
        let found = processes.iter().find(|(name, _)| *name == service);
        &found.expect("there is such a service").1
    }

    /// What keeps the logs if the test fails.
    pub fn logs_of_a_failure(&self) -> LogsOfAFailure {
        LogsOfAFailure(match self {
            Self::Apart { logs, .. } => Some(logs.path().to_owned()),
            Self::Together { .. } => None,
        })
    }

    /// What a service wrote to its log.
    pub fn log(&self, service: &str) -> String {
        match self {
            Self::Apart { logs, .. } => {
                std::fs::read_to_string(logs.path().join(format!("{service}.log")))
                    .unwrap_or_default()
            }
            Self::Together { .. } => String::new(),
        }
    }

    /// Ends all of them in order; panics if one ended badly.
    pub async fn stop(self) {
        match self {
            Self::Together { shutdown, mut running } => {
                shutdown.cancel();
                while let Some(ended) = running.join_next().await {
                    let (service, result) = ended.expect("no service panics");
                    if let Err(error) = result {
                        panic!("{service} ended badly: {error:#}");
                    }
                }
            }
            Self::Apart { processes, .. } => {
                let stops = processes.iter().map(|(name, process)| async move {
                    let ended = process.stop(Signal::SIGTERM, STOP_MAX).await;
                    assert!(ended.success(), "{name} ended badly: {ended}");
                });
                futures::future::join_all(stops).await;
            }
        }
    }
}
