//! The five services of a test: in this process, or each in its own, to be killed.

use std::{path::PathBuf, time::Duration};

use embedded::process::{Signal, Spec, Supervised};
use stackly::system::{self, Ended, Environment, SERVICES};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

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
        /// The processes, by service.
        processes: Vec<(&'static str, Supervised)>,
    },
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
        let Self::Apart { program, environment, logs, processes } = self else {
            panic!("these services share a process");
        };
        let log = logs.path().join(format!("{service}.log"));
        let mut spec = Spec::new(&*program, log).argument(service);
        for (name, value) in &*environment {
            spec = spec.variable(name, value);
        }
        for (name, value) in more {
            spec = spec.variable(*name, *value);
        }
        let process = Supervised::spawn(&spec).expect("the service starts");
        processes.retain(|(name, _)| *name != service);
        processes.push((service, process));
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self, service: &str) {
        self.process(service).kill().await;
    }

    /// Waits until a service has died by itself; gives whether it did in time.
    pub async fn died(&mut self, service: &str, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.process(service).exited()).await.is_ok()
    }

    /// The process of a service.
    pub fn process(&self, service: &str) -> &Supervised {
        let Self::Apart { processes, .. } = self else {
            panic!("these services share a process");
        };
        let found = processes.iter().find(|(name, _)| *name == service);
        &found.expect("there is such a service").1
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
                let stops = processes
                    .iter()
                    .map(|(_, process)| process.stop(Signal::SIGTERM, Duration::from_secs(20)));
                futures::future::join_all(stops).await;
            }
        }
    }
}
