//! One whole system: its servers, its services, its Spacelift.

use std::{ops::Deref, path::PathBuf};

use bus::{Bus, BusError};
use contracts::subject;
use receivers::{SLACK_TOKEN, Slack};
use serde_json::Value;
use simulator::{Account, Pace, Simulator, WebhookTarget};
use stackly::system::{self, Environment, Installation};
use tokio::sync::SemaphorePermit;
use uuid::Uuid;

use crate::{
    User, accounts,
    fleet::{Fleet, LogsOfAFailure},
    patience::{PATIENCE, eventually},
    servers::Servers,
    turns,
};

/// How many dead letters are looked at.
const LETTERS: usize = 100;

/// What a test wants its system to be.
pub struct Setup {
    /// The Spacelift account.
    pub account: Account,
    /// How long the phases of its runs last.
    pub pace: Pace,
    /// Whether the simulator tells of its runs.
    pub webhooks: bool,
    /// Servers of its own, to be killed.
    pub own_servers: bool,
    /// Each service a process, run by this program.
    pub apart: Option<PathBuf>,
    /// Policies, by file name.
    pub policies: Vec<(&'static str, String)>,
    /// What the services are told besides where everything is.
    pub environment: Vec<(String, String)>,
}

impl Setup {
    /// The apply of this stack waits until somebody approves it.
    pub fn holding(mut self, stack: &str) -> Self {
        let policy = format!(
            r#"policy "hold" {{
              match {{ stacks = ["{stack}"] }}
              approval {{ min_approvers = 1 }}
            }}"#
        );
        self.policies.push(("hold.hcl", policy));
        self
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            account: accounts::diamond(),
            pace: Pace::zero(),
            webhooks: true,
            own_servers: false,
            apart: None,
            policies: Vec::new(),
            environment: Vec::new(),
        }
    }
}

/// One whole system; what can be done to it from outside is in [`User`].
pub struct Pipeline {
    _logs: LogsOfAFailure,
    /// Its servers.
    pub servers: Servers,
    /// Its services.
    pub fleet: Fleet,
    /// Whoever is outside of it.
    pub user: User,
    simulator: Simulator,
    policies: tempfile::TempDir,
    _turn: Option<SemaphorePermit<'static>>,
}

impl Deref for Pipeline {
    type Target = User;

    fn deref(&self) -> &User {
        &self.user
    }
}

impl Pipeline {
    /// The default system: a diamond of stacks, all services in this process.
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// A system as wanted, ready to take a push.
    pub async fn with(setup: Setup) -> Self {
        let heavy = setup.own_servers || setup.apart.is_some();
        let turn = if heavy { Some(turns::turn().await) } else { None };
        let servers = if setup.own_servers { Servers::own().await } else { Servers::Shared };
        let options =
            simulator::Options { pace: setup.pace, ..simulator::Options::new(setup.account) };
        let simulator = Simulator::start(options).await.expect("the simulator starts");
        let policies = tempfile::tempdir().expect("a folder for policies");
        for (name, text) in &setup.policies {
            std::fs::write(policies.path().join(name), text).expect("a policy is written");
        }
        let port = embedded::free_port().expect("a free port");
        let api_key = simulator.api_key();
        let installation = Installation {
            nats_url: servers.nats_url().await,
            prefix: format!("t{}", Uuid::new_v4().simple()),
            database_url: servers.database().await,
            ingest: format!("127.0.0.1:{port}"),
            spacelift_url: simulator.url(),
            api_key_id: api_key.id,
            api_key_secret: api_key.secret,
            github_secret: "It's a Secret to Everybody".into(),
            spacelift_secret: "and so is this".into(),
            policies: policies.path().display().to_string(),
        };
        let environment = environment(&installation, &setup.environment);
        let fleet = match setup.apart {
            None => Fleet::together(&environment),
            Some(program) => Fleet::apart(program, environment),
        };
        let options = bus::Options::at(&installation.nats_url, &installation.prefix);
        let bus = Bus::connect(&options, "test").await.expect("the broker is there");
        let user = User {
            spacelift: simulator.control(),
            bus,
            installation,
            client: reqwest::Client::new(),
        };
        let pipeline = Self {
            _logs: fleet.logs_of_a_failure(),
            servers,
            fleet,
            user,
            simulator,
            policies,
            _turn: turn,
        };
        pipeline.ready().await;
        if setup.webhooks {
            let endpoint = format!("http://{}/webhooks/spacelift", pipeline.installation.ingest);
            let secret = pipeline.installation.spacelift_secret.clone();
            pipeline.spacelift.add_webhook("stackly", &WebhookTarget { endpoint, secret });
        }
        pipeline
    }

    /// Waits until every service has begun, ingest takes connections and the catalogue is known.
    pub async fn ready(&self) {
        eventually(
            "every service to begin",
            PATIENCE,
            || self.missing(),
            |missing: &Vec<String>| missing.is_empty(),
        )
        .await;
    }

    async fn missing(&self) -> Vec<String> {
        let missing = system::not_begun(&self.bus).await;
        let mut missing: Vec<_> = missing.into_iter().map(str::to_owned).collect();
        if tokio::net::TcpStream::connect(&self.installation.ingest).await.is_err() {
            missing.push("ingest's door".to_owned());
        }
        if !self.knows_the_account().await {
            missing.push("the planner's catalogue".to_owned());
        }
        missing
    }

    /// Whether the account was read once: before, nothing that happens in it is a change.
    async fn knows_the_account(&self) -> bool {
        let subject = subject::question("planner", "status");
        let status = self.bus.request(&subject, &Value::Null).await;
        status.ok().and_then(Result::ok).is_some_and(|status| status["version"] != 0)
    }

    /// Ends the system. A message that was given up or that nobody is done with fails the test, and
    /// so does a service that ended badly.
    pub async fn stop(self) {
        self.settled().await;
        let letters = self.bus.dead_letters(LETTERS).await.expect("the broker is there");
        assert!(letters.is_empty(), "given up: {letters:#?}");
        self.stop_undone().await;
    }

    /// Waits until every consumer is done with what was sent.
    pub async fn settled(&self) {
        let behind =
            || async { self.behind().await.unwrap_or_else(|error| vec![error.to_string()]) };
        eventually("every message to be done with", PATIENCE, behind, Vec::is_empty).await;
    }

    /// The consumers that are not done with their messages.
    async fn behind(&self) -> Result<Vec<String>, BusError> {
        let consumers = self.bus.streams().await?.into_iter().flat_map(|stream| stream.consumers);
        let behind = consumers.filter(|(_, pending, unacknowledged)| pending + unacknowledged > 0);
        Ok(behind.map(|consumer| format!("{consumer:?}")).collect())
    }

    /// Ends the system as it is, where messages are left by intent; a service that ended badly fails
    /// the test.
    pub async fn stop_undone(self) {
        self.fleet.stop().await;
        self.simulator.stop().await;
        drop(self.policies);
    }
}

/// What the services are told in tests: as in production, only less patient.
/// What has the notifier tell people in a channel of this Slack.
pub fn telling(slack: &Slack) -> Vec<(String, String)> {
    [
        ("NOTIFIER__SLACK__TOKEN", SLACK_TOKEN),
        ("NOTIFIER__SLACK__CHANNEL", "deploys"),
        ("NOTIFIER__SLACK__API_BASE", &slack.api_base),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn environment(installation: &Installation, more: &[(String, String)]) -> Environment {
    let mut environment = installation.environment();
    for (name, value) in [
        ("STACKLY__BUS__ACK_WAIT", "3s"),
        ("STACKLY__STORE__LEASE", "4s"),
        ("STACKLY__STORE__CONNECTIONS_MAX", "6"),
        ("STACKLY__HEALTH__LISTEN", ""),
        ("STACKLY__TELEMETRY__LOG", "info"),
        ("EXECUTOR__SPACELIFT__TIMEOUT", "2s"),
        ("EXECUTOR__SPACELIFT__BREAKER_WAIT", "1s"),
        ("EXECUTOR__SPACELIFT__REQUESTS_PER_SECOND", "10000"),
        ("EXECUTOR__SPACELIFT__REQUESTS_BURST", "10000"),
        ("PLANNER__SPACELIFT__REQUESTS_PER_SECOND", "200"),
        ("EXECUTOR__RUNS__SILENCE", "1s"),
        ("EXECUTOR__RUNS__POLL_EVERY", "200ms"),
        ("EXECUTOR__RUNS__SETTLE", "300ms"),
        ("PLANNER__CATALOGUE__PAUSE", "200ms"),
    ] {
        environment.insert(name.to_owned(), value.to_owned());
    }
    environment.extend(more.iter().cloned());
    environment
}
