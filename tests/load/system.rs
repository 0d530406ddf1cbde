//! What is measured, started for one measurement and gone after it: durable servers, the services
//! as processes of their own, and a Spacelift.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use bus::Bus;
use contracts::subject;
use embedded::{
    Nats, NatsOptions, Postgres, PostgresOptions,
    process::{Spec, Supervised},
};
use harness::{accounts, fleet::Fleet};
use serde_json::json;
use simulator::{Account, Pace, RunState, Simulator, WebhookTarget};
use stackly::{
    command::connect::PASSING,
    system::{Installation, SERVICES},
};
use uuid::Uuid;

use crate::{SERVE, processes::Named, store};

/// What this process is to whoever is measured: their Spacelift, and who gives them work.
pub(crate) const SIMULATOR: &str = "simulator and driver";
const DATABASE: &str = "stackly";
/// The executors, the first of which is always there.
const EXECUTORS: [&str; 4] = ["executor", "executor-2", "executor-3", "executor-4"];
/// How long anything may take to be there.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);

/// A Postgres that flushes, and a nats-server as it comes.
pub(crate) struct Ground {
    pub(crate) nats: Nats,
    pub(crate) postgres: Postgres,
    statements: bool,
}

impl Ground {
    pub(crate) async fn start(statements: bool) -> anyhow::Result<Self> {
        let nats = Nats::start(NatsOptions::default()).await.context("nats-server")?;
        let options = PostgresOptions { durable: true, ..PostgresOptions::default() };
        let mut postgres = Postgres::start(options).await.context("Postgres")?;
        if statements {
            store::want_statements(&postgres.url("postgres")).await?;
            postgres.restart_fast().await?;
        }
        store::season(&postgres.url("postgres")).await?;
        Ok(Self { nats, postgres, statements })
    }

    /// A new database; gives its address.
    pub(crate) async fn database(&self, name: &str) -> anyhow::Result<String> {
        self.postgres.create_database(name).await.context("a database")?;
        Ok(self.postgres.url(name))
    }

    pub(crate) fn processes(&self) -> Named {
        vec![("nats-server", self.nats.pid()), ("postgres", self.postgres.pid())]
    }

    /// What Postgres spent its time on, if it was asked to count.
    pub(crate) async fn statements(&self) -> anyhow::Result<Vec<store::Statement>> {
        match self.statements {
            true => store::statements(&self.postgres.url("postgres")).await,
            false => Ok(Vec::new()),
        }
    }

    pub(crate) async fn stop(self) {
        self.nats.stop().await;
        self.postgres.stop().await;
    }
}

/// What the system is to work on.
pub(crate) struct Setting {
    pub(crate) account: Account,
    pub(crate) pace: Pace,
    /// In HCL; empty for none.
    pub(crate) policies: String,
    /// What the services are told besides.
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Setting {
    pub(crate) fn new(account: Account, pace: Pace, policies: String) -> Self {
        Self { account, pace, policies, environment: Vec::new() }
    }

    pub(crate) fn without_policies(account: Account, pace: Pace) -> Self {
        Self::new(account, pace, String::new())
    }

    /// The same, with the services told this as well.
    pub(crate) fn with(mut self, told: (&'static str, String)) -> Self {
        self.environment.push(told);
        self
    }
}

/// The services, each a process, and the simulator in this one.
pub(crate) struct System {
    pub(crate) ground: Ground,
    pub(crate) installation: Installation,
    pub(crate) simulator: Simulator,
    pub(crate) bus: Bus,
    pub(crate) client: reqwest::Client,
    fleet: Fleet,
    services: Vec<&'static str>,
    _folder: tempfile::TempDir,
}

impl System {
    /// Starts these services and waits until they answer.
    pub(crate) async fn start(
        ground: Ground,
        Setting { account, pace, policies: text, environment: told }: Setting,
        services: &[&'static str],
    ) -> anyhow::Result<Self> {
        let simulator =
            Simulator::start(simulator::Options { pace, ..simulator::Options::new(account) })
                .await?;
        let folder = tempfile::tempdir()?;
        let policies = folder.path().join("policies");
        std::fs::create_dir(&policies)?;
        std::fs::write(policies.join("load.hcl"), text)?;
        let api_key = simulator.api_key();
        let installation = Installation {
            nats_url: ground.nats.url(),
            prefix: String::new(),
            database_url: ground.database(DATABASE).await?,
            ingest: format!("127.0.0.1:{}", embedded::free_port()?),
            spacelift_url: simulator.url(),
            api_key_id: api_key.id,
            api_key_secret: api_key.secret,
            github_secret: Uuid::new_v4().to_string(),
            spacelift_secret: Uuid::new_v4().to_string(),
            policies: policies.display().to_string(),
        };
        let mut environment = installation.environment();
        environment.extend(told.into_iter().map(|(name, value)| (name.to_owned(), value)));
        if services.len() > 1 {
            // More processes than cores: more threads would only wake one another.
            environment.insert("TOKIO_WORKER_THREADS".to_owned(), "1".to_owned());
        }
        let mut fleet = Fleet::Apart {
            program: as_service(&folder)?,
            environment,
            logs: tempfile::tempdir()?,
            processes: Vec::new(),
        };
        for service in services {
            fleet.start(service, &QUICK);
        }
        let options = bus::Options::at(&installation.nats_url, &installation.prefix);
        let bus = Bus::connect(&options, "load").await?;
        let system = Self {
            ground,
            installation,
            simulator,
            bus,
            client: reqwest::Client::new(),
            fleet,
            services: services.to_vec(),
            _folder: folder,
        };
        system.ready().await?;
        Ok(system)
    }

    /// All five services, told of every run what `stackly connect` lets Spacelift tell.
    pub(crate) async fn whole(ground: Ground, setting: Setting) -> anyhow::Result<Self> {
        let stacks = setting.account.stacks.len();
        let system = Self::start(ground, setting, &SERVICES).await?;
        let endpoint = format!("http://{}/webhooks/spacelift", system.installation.ingest);
        let secret = system.installation.spacelift_secret.clone();
        let target = WebhookTarget { endpoint, secret };
        system.simulator.control().add_webhook_but_for("stackly", &target, &untold());
        let known = format!("the planner to know {stacks} stacks");
        eventually(&known, || system.knows(stacks)).await?;
        Ok(system)
    }

    /// Starts more executors, until there are so many.
    pub(crate) async fn want_executors(&mut self, number: usize) -> anyhow::Result<()> {
        ensure!((1..=EXECUTORS.len()).contains(&number), "1 to {} executors", EXECUTORS.len());
        for name in &EXECUTORS[1..number] {
            self.fleet.start_as(name, "executor", &QUICK);
            self.services.push(name);
            let started = || async { self.fleet.log(name).contains("started") };
            eventually(&format!("{name} to start"), started)
                .await
                .with_context(|| self.fleet.log(name))?;
        }
        Ok(())
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self, service: &str) {
        self.fleet.kill(service).await;
    }

    /// Starts an executor again that was killed, under its name.
    pub(crate) fn start_again(&mut self, name: &'static str) {
        self.fleet.start_as(name, "executor", &QUICK);
    }

    async fn ready(&self) -> anyhow::Result<()> {
        for service in &self.services {
            let nobody = json!({ "correlation": Uuid::nil() });
            let subject = subject::question(service, "trace");
            let asked = || async { matches!(self.bus.request(&subject, &nobody).await, Ok(Ok(_))) };
            eventually(&format!("{service} to answer"), asked)
                .await
                .with_context(|| self.fleet.log(service))?;
        }
        Ok(())
    }

    async fn knows(&self, stacks: usize) -> bool {
        let subject = subject::question("planner", "status");
        let asked = self.bus.request(&subject, &json!(null)).await;
        matches!(asked, Ok(Ok(status)) if status["stacks"].as_u64() == Some(stacks as u64))
    }

    /// Pushes a commit that touches the first stack of a line.
    pub(crate) async fn push(&self, line: usize) -> anyhow::Result<String> {
        self.push_to(&format!("s{line}-0")).await
    }

    /// Pushes a commit that touches this stack.
    pub(crate) async fn push_to(&self, stack: &str) -> anyhow::Result<String> {
        let commit = harness::github::commit();
        let path = format!("stacks/{stack}/main.tf");
        let payload = harness::github::push(&commit, &[&path]);
        let (ingest, secret) = (&self.installation.ingest, &self.installation.github_secret);
        let delivered =
            harness::github::deliver(&self.client, ingest, secret, "push", &payload).await;
        let (status, answer) = delivered?;
        ensure!(status == 202, "a push was answered {status}: {answer}");
        Ok(commit)
    }

    /// Every process that takes part; this one is the simulator, and whoever pushes.
    pub(crate) fn processes(&self) -> Named {
        let services = self.services.iter().map(|name| (*name, self.fleet.process(name).pid()));
        let own = ("simulator and driver", std::process::id());
        services.chain(self.ground.processes()).chain([own]).collect()
    }

    /// The first warnings and errors each service wrote to its log.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let lines = self.services.iter().flat_map(|service| {
            let log = self.fleet.log(service);
            let lines = log.lines().filter(|line| !line.contains(r#""level":"INFO""#));
            lines.map(|line| format!("{service}: {line}")).take(5).collect::<Vec<_>>()
        });
        lines.collect()
    }

    /// Ends everything in order.
    pub(crate) async fn stop(self) {
        self.fleet.stop().await;
        self.simulator.stop().await;
        self.ground.stop().await;
    }
}

/// What a measurement needs to be different from the defaults: no bound on calls to Spacelift, which
/// is next door and ours, and none on connections, which all come from one address.
const QUICK: [(&str, &str); 8] = [
    ("INGEST__HTTP__CONNECTIONS_MAX", "20000"),
    ("INGEST__HTTP__CONNECTIONS_PER_ADDRESS_MAX", "0"),
    ("INGEST__HTTP__HEAD_PATIENCE", "1m"),
    ("EXECUTOR__SPACELIFT__REQUESTS_PER_SECOND", "1000000"),
    ("EXECUTOR__SPACELIFT__REQUESTS_BURST", "1000000"),
    ("PLANNER__SPACELIFT__REQUESTS_PER_SECOND", "1000"),
    ("PLANNER__SPACELIFT__REQUESTS_BURST", "1000"),
    ("PLANNER__CATALOGUE__PAUSE", "200ms"),
];

/// The states of a run of ours that Spacelift does not tell, once it is connected.
pub(crate) fn untold() -> Vec<RunState> {
    let passing: Vec<RunState> =
        serde_json::from_value(json!(PASSING)).expect("they are states of a run");
    passing.into_iter().chain([RunState::Queued]).collect()
}

/// This program under the name by which it is a service.
pub(crate) fn as_service(folder: &tempfile::TempDir) -> anyhow::Result<PathBuf> {
    let program = folder.path().join(SERVE);
    std::os::unix::fs::symlink(std::env::current_exe()?, &program)?;
    Ok(program)
}

/// The floor as a process; it takes connections when this returns.
pub(crate) async fn floor(
    database: &str,
    secret: &str,
    deliveries_only: bool,
    folder: &tempfile::TempDir,
) -> anyhow::Result<(Supervised, String)> {
    let port = embedded::free_port()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
    let log = folder.path().join("floor.log");
    let mut spec = Spec::new(std::env::current_exe()?, &log)
        .argument("floor")
        .argument(&address)
        .argument(database)
        .argument(secret);
    if deliveries_only {
        spec = spec.argument("--deliveries-only");
    }
    Ok((listening(&spec, &address, &log).await?, address))
}

/// Starts a process; it takes connections at an address when this returns.
pub(crate) async fn listening(
    spec: &Spec,
    address: &str,
    log: &Path,
) -> anyhow::Result<Supervised> {
    let process = Supervised::spawn(spec)?;
    let listens = || async { tokio::net::TcpStream::connect(address).await.is_ok() };
    eventually(&format!("{address} to be listened at"), listens)
        .await
        .with_context(|| std::fs::read_to_string(log).unwrap_or_default())?;
    Ok(process)
}

/// Lines of stacks, the second after the first, and so on.
pub(crate) fn lines(number: usize, length: usize) -> Account {
    accounts::lines(number, length)
}

/// The stack after this one in its line.
pub(crate) fn next(stack: &str) -> Option<String> {
    let (line, place) = stack.rsplit_once('-')?;
    let place: usize = place.parse().ok()?;
    Some(format!("{line}-{}", place + 1))
}

/// Looks until it is so.
pub(crate) async fn eventually<Look, Seen>(what: &str, look: Look) -> anyhow::Result<()>
where
    Look: Fn() -> Seen,
    Seen: Future<Output = bool>,
{
    let search = async {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            if look().await {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, search)
        .await
        .with_context(|| format!("waited {PATIENCE:?} in vain for {what}"))
}
