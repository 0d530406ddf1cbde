//! The five services as one system: how each is told where everything is, and how they are run,
//! in one process or each in its own.

use std::{collections::BTreeMap, path::Path, process::ExitCode};

use anyhow::Context;
use bus::Bus;
use contracts::subject;
use embedded::process::{Spec, Supervised};
use serde_json::Value;
use service::{config::Layers, health::Readiness};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The services, in the order of the way.
pub const SERVICES: [&str; 5] = ["ingest", "planner", "policy", "executor", "notifier"];

/// What the services are told, as variables of their environment: `EXECUTOR__RUNS__SILENCE` sets
/// `silence` in table `runs` of the executor, `STACKLY__BUS__URL` the same key for all.
pub type Environment = BTreeMap<String, String>;

/// How a service ended: its name, and why.
pub type Ended = (&'static str, anyhow::Result<()>);

/// Runs a service in this process until `shutdown`.
pub fn start(
    service: &'static str,
    environment: &Environment,
    shutdown: CancellationToken,
    running: &mut JoinSet<Ended>,
) -> anyhow::Result<()> {
    macro_rules! start {
        ($library:ident) => {{
            let layers = Layers::merge(service, $library::DEFAULTS, None, environment)?;
            let config = layers.read()?;
            running.spawn(async move {
                (service, Box::pin($library::run(config, shutdown)).await.context(service))
            });
        }};
    }
    match service {
        "ingest" => start!(ingest),
        "planner" => start!(planner),
        "policy" => start!(policy),
        "executor" => start!(executor),
        "notifier" => start!(notifier),
        other => anyhow::bail!("there is no service {other}; there are {}", SERVICES.join(", ")),
    }
    Ok(())
}

/// The services that have not begun all they do, so that not everything asked of them is answered.
pub async fn not_begun(bus: &Bus) -> Vec<&'static str> {
    let mut missing = Vec::new();
    for service in SERVICES {
        let asked = bus.request(&subject::question(service, "ready"), &Value::Null).await;
        let answer = asked.ok().and_then(Result::ok);
        let readiness = answer.and_then(|answer| serde_json::from_value(answer).ok());
        if !readiness.is_some_and(|readiness: Readiness| readiness.has_begun()) {
            missing.push(service);
        }
    }
    missing
}

/// Starts a service as a process of its own: this very program, as `stackly service <name>`. It
/// dies with this process.
pub fn spawn(
    program: &Path,
    service: &str,
    environment: &Environment,
    log: &Path,
) -> anyhow::Result<Supervised> {
    let spec = Spec::new(program, log).argument("service").argument(service);
    let spec = environment.iter().fold(spec, |spec, (name, value)| spec.variable(name, value));
    Supervised::spawn(&spec).with_context(|| format!("cannot start {service} as a process"))
}

/// What `stackly service <name>` does: the whole program of that service, with this file over its
/// defaults.
pub fn run_service(service: &str, file: Option<&Path>) -> Option<ExitCode> {
    Some(match service {
        "ingest" => service::run("ingest", ingest::DEFAULTS, file, ingest::run),
        "planner" => service::run("planner", planner::DEFAULTS, file, planner::run),
        "policy" => service::run("policy", policy::DEFAULTS, file, policy::run),
        "executor" => service::run("executor", executor::DEFAULTS, file, executor::run),
        "notifier" => service::run("notifier", notifier::DEFAULTS, file, notifier::run),
        _ => return None,
    })
}

/// Where everything is that the services need.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The broker.
    pub nats_url: String,
    /// In front of every subject and stream.
    pub prefix: String,
    /// The database.
    pub database_url: String,
    /// Where ingest listens: `host:port`.
    pub ingest: String,
    /// The Spacelift account.
    pub spacelift_url: String,
    /// Its API key's id.
    pub api_key_id: String,
    /// Its API key's secret.
    pub api_key_secret: String,
    /// What GitHub signs with.
    pub github_secret: String,
    /// What Spacelift signs with.
    pub spacelift_secret: String,
    /// The folder of policies.
    pub policies: String,
}

impl Installation {
    /// The installation as the services are told.
    pub fn environment(&self) -> Environment {
        let list = |secret: &str| format!("[{}]", toml::Value::String(secret.to_owned()));
        let mut environment: Environment = [
            ("STACKLY__BUS__URL", self.nats_url.clone()),
            ("STACKLY__BUS__PREFIX", self.prefix.clone()),
            ("STACKLY__STORE__URL", self.database_url.clone()),
            ("STACKLY__HEALTH__LISTEN", "127.0.0.1:0".to_owned()),
            ("INGEST__HTTP__LISTEN", self.ingest.clone()),
            ("INGEST__GITHUB__SECRETS", list(&self.github_secret)),
            ("INGEST__SPACELIFT__SECRETS", list(&self.spacelift_secret)),
            ("POLICY__POLICIES__FOLDER", self.policies.clone()),
            // Who has repositories besides says where.
            ("PLANNER__GIT__FOLDER", String::new()),
            ("NOTIFIER__DELIVERY__ALLOW_PRIVATE", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for service in ["PLANNER", "EXECUTOR"] {
            for (key, value) in [
                ("ENDPOINT", &self.spacelift_url),
                ("API_KEY_ID", &self.api_key_id),
                ("API_KEY_SECRET", &self.api_key_secret),
            ] {
                environment.insert(format!("{service}__SPACELIFT__{key}"), value.clone());
            }
        }
        for (key, value) in [
            ("ENDPOINT", &self.spacelift_url),
            ("API_KEY_ID", &self.api_key_id),
            ("API_KEY_SECRET", &self.api_key_secret),
        ] {
            environment.insert(format!("INGEST__RECONCILE__SPACELIFT_{key}"), value.clone());
        }
        environment
    }
}
