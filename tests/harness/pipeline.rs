//! One whole system, and what a test can do to it and ask of it.

use std::{path::PathBuf, time::Duration};

use bus::Bus;
use contracts::{ChainId, chain::ChainState, subject};
use executor::{ChainLine, ChainPage};
use serde_json::{Value, json};
use simulator::{Account, Control, Simulator, WebhookTarget};
use stackly::system::{Environment, Installation, SERVICES};
use uuid::Uuid;

use crate::{
    accounts,
    checker::{self, Violation},
    fleet::Fleet,
    github,
    patience::{PATIENCE, eventually},
    servers::Servers,
};

/// What a test wants its system to be.
pub struct Setup {
    /// The Spacelift account.
    pub account: Account,
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

impl Default for Setup {
    fn default() -> Self {
        Self {
            account: accounts::diamond(),
            webhooks: true,
            own_servers: false,
            apart: None,
            policies: Vec::new(),
            environment: Vec::new(),
        }
    }
}

/// One whole system.
pub struct Pipeline {
    /// Its servers.
    pub servers: Servers,
    /// Its services.
    pub fleet: Fleet,
    /// Its Spacelift.
    pub spacelift: Control,
    /// A connection to its broker.
    pub bus: Bus,
    /// Where everything is.
    pub installation: Installation,
    /// Speaks HTTP.
    pub client: reqwest::Client,
    simulator: Simulator,
    policies: tempfile::TempDir,
}

impl Pipeline {
    /// The default system: a diamond of stacks, all services in this process.
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// A system as wanted, ready to take a push.
    pub async fn with(setup: Setup) -> Self {
        let servers = if setup.own_servers { Servers::own().await } else { Servers::Shared };
        let simulator = Simulator::start(simulator::Options::new(setup.account))
            .await
            .expect("the simulator starts");
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
        let pipeline = Self {
            servers,
            fleet,
            spacelift: simulator.control(),
            bus,
            installation,
            client: reqwest::Client::new(),
            simulator,
            policies,
        };
        pipeline.ready().await;
        if setup.webhooks {
            let endpoint = format!("http://{}/webhooks/spacelift", pipeline.installation.ingest);
            let secret = pipeline.installation.spacelift_secret.clone();
            pipeline.spacelift.add_webhook("stackly", &WebhookTarget { endpoint, secret });
        }
        pipeline
    }

    /// Waits until every service answers, ingest takes connections and the catalogue is known.
    pub async fn ready(&self) {
        eventually(
            "every service to answer",
            PATIENCE,
            || self.missing(),
            |missing: &Vec<String>| missing.is_empty(),
        )
        .await;
    }

    async fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for service in SERVICES {
            let nobody = json!({ "correlation": Uuid::nil() });
            let asked = self.bus.request(&subject::question(service, "trace"), &nobody).await;
            if !matches!(asked, Ok(Ok(_))) {
                missing.push(service.to_owned());
            }
        }
        if tokio::net::TcpStream::connect(&self.installation.ingest).await.is_err() {
            missing.push("ingest's door".to_owned());
        }
        missing
    }

    /// Pushes a commit that modifies these files; it must be accepted. Gives the commit.
    pub async fn push(&self, paths: &[&str]) -> String {
        let commit = github::commit();
        let (status, answer) = self.deliver("push", &github::push(&commit, paths)).await;
        assert!((200..300).contains(&status), "the push was answered {status}: {answer}");
        commit
    }

    /// Delivers a GitHub event until ingest answers: a sender that tries again.
    pub async fn deliver(&self, event: &str, payload: &Value) -> (u16, Value) {
        let secret = &self.installation.github_secret;
        let tried = eventually(
            "ingest to answer",
            PATIENCE,
            || async {
                github::deliver(&self.client, &self.installation.ingest, secret, event, payload)
                    .await
                    .ok()
            },
            |answer| matches!(answer, Some((status, _)) if *status != 503),
        );
        tried.await.expect("it was waited for")
    }

    /// The chain of a commit, once it has ended.
    pub async fn ended(&self, commit: &str) -> ChainPage {
        self.chain_when(commit, PATIENCE, |page| page.line.state.is_terminal()).await
    }

    /// The chain of a commit, once it is as wanted.
    pub async fn chain_when(
        &self,
        commit: &str,
        patience: Duration,
        wanted: impl Fn(&ChainPage) -> bool,
    ) -> ChainPage {
        let page = eventually(
            &format!("the chain of {commit}"),
            patience,
            || self.chain_of(commit),
            |page: &Option<ChainPage>| page.as_ref().is_some_and(&wanted),
        )
        .await;
        page.expect("it was waited for")
    }

    /// The chain of a commit as it stands, if it is known and the executor answers.
    pub async fn chain_of(&self, commit: &str) -> Option<ChainPage> {
        let line = self
            .chains()
            .await?
            .into_iter()
            .find(|line| line.change.commit.as_str() == commit)?;
        self.chain(line.chain).await
    }

    /// Every chain, if the executor answers.
    pub async fn chains(&self) -> Option<Vec<ChainLine>> {
        let subject = subject::question("executor", "chains");
        let answer = self.bus.request(&subject, &json!({ "limit": 500 })).await.ok()?.ok()?;
        serde_json::from_value(answer).ok()
    }

    /// One chain, if the executor answers.
    pub async fn chain(&self, chain: ChainId) -> Option<ChainPage> {
        let subject = subject::question("executor", "chain");
        let answer = self.bus.request(&subject, &json!({ "chain": chain })).await.ok()?.ok()?;
        serde_json::from_value(answer).ok()
    }

    /// Waits until every commit has a chain that has ended; gives them.
    pub async fn all_ended(&self, commits: &[String], patience: Duration) -> Vec<ChainPage> {
        eventually(
            "every accepted change to end",
            patience,
            || async {
                let lines = self.chains().await.unwrap_or_default();
                let open = commits.iter().filter(|commit| {
                    !lines.iter().any(|line| {
                        line.change.commit.as_str() == commit.as_str() && line.state.is_terminal()
                    })
                });
                open.cloned().collect::<Vec<_>>()
            },
            |open: &Vec<String>| open.is_empty(),
        )
        .await;
        let mut pages = Vec::new();
        for commit in commits {
            pages.push(self.chain_of(commit).await.expect("it has ended"));
        }
        pages
    }

    /// What must never happen, held against Spacelift's journal.
    pub fn violations(&self, chains: &[ChainPage]) -> Vec<Violation> {
        checker::check(&self.spacelift.journal(0), chains)
    }

    /// Asserts that the chains ended well and nothing happened that must not.
    pub fn assert_all_well(&self, chains: &[ChainPage]) {
        for page in chains {
            assert_eq!(page.line.state, ChainState::Finished, "{page:#?}");
        }
        let violations = self.violations(chains);
        assert!(violations.is_empty(), "{violations:#?}");
    }

    /// Ends the system; a service that ended badly fails the test.
    pub async fn stop(self) {
        self.fleet.stop().await;
        self.simulator.stop().await;
        drop(self.policies);
    }
}

/// What the services are told in tests: as in production, only less patient.
fn environment(installation: &Installation, more: &[(String, String)]) -> Environment {
    let mut environment = installation.environment();
    for (name, value) in [
        ("STACKLY__BUS__ACK_WAIT", "3s"),
        ("STACKLY__STORE__LEASE", "4s"),
        ("STACKLY__STORE__CONNECTIONS_MAX", "6"),
        ("STACKLY__HEALTH__LISTEN", ""),
        ("STACKLY__TELEMETRY__LOG", "info"),
        ("EXECUTOR__SPACELIFT__TIMEOUT", "2s"),
        ("EXECUTOR__SPACELIFT__REQUESTS_PER_SECOND", "2000"),
        ("EXECUTOR__SPACELIFT__REQUESTS_BURST", "2000"),
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
