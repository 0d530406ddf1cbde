//! The system under trial: ingest and the planner as processes, servers of their own, and a GitHub
//! that keeps a list of what it tried to deliver.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bus::Bus;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::subject;
use embedded::{
    Nats, NatsOptions, Postgres, PostgresOptions,
    process::{Spec, Supervised},
};
use receivers::{Delivery, GITHUB_TOKEN, Github};
use serde::Serialize;
use serde_json::json;
use simulator::{Pace, Simulator};
use sqlx::PgPool;
use stackly::system::Installation;
use tokio::sync::SemaphorePermit;
use uuid::Uuid;

use super::{
    Decisions, Trial,
    letters::{Act, LINES, Letter},
    sender::{AT_ONCE, SEND},
    store,
};
use crate::{accounts, fleet::Fleet, turns};

const SERVICES: [&str; 2] = ["ingest", "planner"];
const LOOK: Duration = Duration::from_millis(25);
/// GitHub's clock is so much behind that what did not come is missed after three seconds.
const AGO: TimeDelta = TimeDelta::seconds(27);

/// What was done to the system, and what came of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Struck {
    /// How many deliveries never arrived and were found.
    pub found: i64,
    /// How many got lost by plan; the rest of those found by what struck.
    pub lost: usize,
    /// How often who was killed or restarted.
    pub times: BTreeMap<&'static str, usize>,
    /// For how long NATS was gone.
    pub nats_gone_ms: u64,
    /// From the first delivery to the last decision.
    pub took_ms: u64,
}

struct Rig {
    nats: Nats,
    postgres: Postgres,
    simulator: Simulator,
    github: Github,
    fleet: Fleet,
    installation: Installation,
    pool: PgPool,
    folder: tempfile::TempDir,
    trial: Trial,
    acts: Vec<Act>,
    /// The sender of this life, and how many there were before it.
    sender: Option<Supervised>,
    lives: usize,
    /// What of the acts GitHub tells of already.
    noted: usize,
    in_list: HashSet<usize>,
    began: (Instant, DateTime<Utc>),
    _turn: SemaphorePermit<'static>,
}

/// Everything arrives once and in order, and nobody dies.
pub async fn clean(trial: &Trial) -> anyhow::Result<Decisions> {
    let mut trial = trial.clone();
    trial.plan.stormy = false;
    let mut rig = Rig::start(trial).await?;
    rig.start_sender(0)?;
    while !rig.has_sent().await? {}
    rig.settled().await?;
    rig.end().await
}

/// A tenth each gets lost, doubled and out of order, and everybody is killed meanwhile.
pub async fn disturbed(trial: &Trial) -> anyhow::Result<(Decisions, Struck)> {
    let mut trial = trial.clone();
    trial.plan.stormy = true;
    let mut rig = Rig::start(trial).await?;
    let struck = rig.storm().await?;
    Ok((rig.end().await?, struck))
}

impl Rig {
    async fn start(trial: Trial) -> anyhow::Result<Self> {
        let turn = turns::turn().await;
        let nats = Nats::start(NatsOptions::default()).await.context("nats-server")?;
        let options = PostgresOptions { durable: trial.durable, ..PostgresOptions::default() };
        let postgres = Postgres::start(options).await.context("Postgres")?;
        postgres.create_database("stackly").await?;
        let account = accounts::lines(LINES, 2);
        let options = simulator::Options { pace: Pace::zero(), ..simulator::Options::new(account) };
        let simulator = Simulator::start(options).await?;
        let github = Github::start().await;
        let (folder, api_key) = (tempfile::tempdir()?, simulator.api_key());
        let installation = Installation {
            nats_url: nats.url(),
            prefix: String::new(),
            database_url: postgres.url("stackly"),
            ingest: format!("127.0.0.1:{}", embedded::free_port()?),
            spacelift_url: simulator.url(),
            api_key_id: api_key.id,
            api_key_secret: api_key.secret,
            github_secret: Uuid::new_v4().to_string(),
            spacelift_secret: Uuid::new_v4().to_string(),
            policies: folder.path().display().to_string(),
        };
        let mut environment = installation.environment();
        environment.extend(told(&trial, &github));
        let mut fleet = Fleet::Apart {
            program: trial.program.clone(),
            environment,
            logs: tempfile::tempdir()?,
            processes: Vec::new(),
        };
        for service in SERVICES {
            fleet.start(service, &[]);
        }
        let pool = store::connect(&installation.database_url).await?;
        let rig = Self {
            nats,
            postgres,
            simulator,
            github,
            fleet,
            installation,
            pool,
            folder,
            acts: trial.plan.acts(),
            trial,
            sender: None,
            lives: 0,
            noted: 0,
            in_list: HashSet::new(),
            began: (Instant::now(), Utc::now() - AGO),
            _turn: turn,
        };
        rig.ready().await?;
        Ok(rig)
    }

    /// Waits until the planner knows all stacks and ingest takes connections.
    async fn ready(&self) -> anyhow::Result<()> {
        let options = bus::Options::at(&self.installation.nats_url, &self.installation.prefix);
        let bus = Bus::connect(&options, "deliveries").await?;
        let subject = subject::question("planner", "status");
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            let status = bus.request(&subject, &json!(null)).await;
            let knows = matches!(status, Ok(Ok(status))
                if status["stacks"].as_u64() == Some(2 * LINES as u64));
            let listens = tokio::net::TcpStream::connect(&self.installation.ingest).await.is_ok();
            if knows && listens {
                return Ok(());
            }
            self.patient("the services to be there")?;
        }
    }

    fn patient(&self, what: &str) -> anyhow::Result<()> {
        let waited = self.began.0.elapsed();
        let logs = || SERVICES.map(|service| last_lines(&self.fleet.log(service)));
        ensure!(waited < self.trial.patience, "waited {waited:?} for {what}: {:#?}", logs());
        Ok(())
    }

    fn sender_log(&self) -> std::path::PathBuf {
        self.folder.path().join(format!("sender-{}.log", self.lives))
    }

    /// Starts a sender that goes on from this act.
    fn start_sender(&mut self, from: usize) -> anyhow::Result<()> {
        self.lives += 1;
        let plan = self.trial.plan;
        let numbers = [plan.seed.to_string(), plan.count.to_string(), plan.per_second.to_string()];
        let spec = Spec::new(&self.trial.program, self.sender_log())
            .argument(SEND)
            .argument(&self.installation.ingest)
            .argument(&self.installation.github_secret);
        let spec = numbers.into_iter().fold(spec, Spec::argument);
        let spec = spec.argument(plan.stormy.to_string()).argument(from.to_string());
        self.sender = Some(Supervised::spawn(&spec)?);
        Ok(())
    }

    /// How far the sender says it is; all of it is in GitHub's list now, and no more.
    async fn sent(&mut self) -> anyhow::Result<usize> {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.tick().await;
        ticks.tick().await;
        self.patient("the sender")?;
        let log = std::fs::read_to_string(self.sender_log()).unwrap_or_default();
        // The last line may be half written.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let said = whole.lines().rev().find_map(|line| line.strip_prefix("at ")?.parse().ok());
        let sent = said.unwrap_or(self.noted).max(self.noted);
        self.note(sent);
        Ok(sent)
    }

    async fn has_sent(&mut self) -> anyhow::Result<bool> {
        Ok(self.sent().await? >= self.acts.len())
    }

    /// Puts into GitHub's list what it tried up to this act.
    fn note(&mut self, until: usize) {
        let at = self.began.1 + TimeDelta::from_std(self.began.0.elapsed()).unwrap_or_default();
        for act in &self.acts[self.noted.min(until)..until] {
            let (Act::Lose(number) | Act::Send(number)) = *act else { continue };
            if self.in_list.insert(number) {
                let Letter { guid, event, payload } = self.trial.plan.letter(number);
                let event = event.to_owned();
                self.github.note_delivery(Delivery { guid, event, at, payload });
            }
        }
        self.noted = until;
    }

    /// Sends everything; at a third NATS goes for its time, and while it is gone, or soon after, the
    /// sender is killed, then ingest, then Postgres is restarted.
    async fn storm(&mut self) -> anyhow::Result<Struck> {
        let total = self.acts.len();
        let mut struck = Struck::default();
        let mut strikes = ["nats", "sender", "ingest", "postgres"].into_iter().enumerate();
        let mut next = strikes.next();
        let mut gone = None;
        self.start_sender(0)?;
        while next.is_some() || gone.is_some() || !self.has_sent().await? {
            let sent = self.sent().await?;
            if let Some((_, who)) = next.filter(|(place, _)| sent >= total * (3 + 2 * place) / 10) {
                match who {
                    "nats" => {
                        self.nats.kill().await;
                        gone = Some(Instant::now());
                    }
                    "sender" => self.replace_sender(sent).await?,
                    "ingest" => {
                        self.fleet.kill("ingest").await;
                        self.fleet.start("ingest", &[]);
                    }
                    _ => self.postgres.restart_fast().await?,
                }
                *struck.times.entry(who).or_default() += 1;
                next = strikes.next();
            }
            if let Some(since) = gone.filter(|since: &Instant| since.elapsed() >= self.trial.outage)
            {
                self.nats.restart().await?;
                struck.nats_gone_ms = millis(since.elapsed());
                gone = None;
            }
        }
        struck.found = self.settled().await?;
        struck.lost = self.acts.iter().filter(|act| matches!(act, Act::Lose(_))).count();
        struck.took_ms = millis(self.began.0.elapsed());
        Ok(struck)
    }

    /// SIGKILL, and another that does not know what became of the deliveries on their way: some of
    /// them were sent by nobody.
    async fn replace_sender(&mut self, sent: usize) -> anyhow::Result<()> {
        if let Some(sender) = self.sender.take() {
            sender.kill().await;
        }
        let from = (sent + AT_ONCE).min(self.acts.len());
        self.note(from);
        self.start_sender(from)
    }

    /// Waits until every fact is known and the planner has answered to all of them; gives how many
    /// were found.
    async fn settled(&mut self) -> anyhow::Result<i64> {
        let mut ticks = tokio::time::interval(LOOK * 10);
        loop {
            ticks.tick().await;
            self.fleet.restart_if_it_died("ingest").await;
            // The first may fall upon a connection that Postgres took along.
            if let Ok((known, found)) = store::known(&self.pool).await {
                let wanted = i64::try_from(self.trial.plan.count)?;
                let is_open = known < wanted
                    || store::is_open(&self.pool, planner::CARD.takes).await.unwrap_or(true);
                if !is_open {
                    return Ok(found);
                }
                self.patient(&format!("{wanted} facts, and answers to all; {known} are known"))?;
            }
            self.patient("the database")?;
        }
    }

    async fn end(self) -> anyhow::Result<Decisions> {
        let decisions = store::decisions(&self.pool).await?;
        self.pool.close().await;
        self.fleet.stop().await;
        self.simulator.stop().await;
        self.nats.stop().await;
        self.postgres.stop().await;
        Ok(decisions)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// What the services are told: to look for what never arrived if something may get lost, and at
/// nothing else outside.
fn told(trial: &Trial, github: &Github) -> Vec<(String, String)> {
    let token = if trial.plan.stormy { GITHUB_TOKEN } else { "" };
    [
        ("INGEST__RECONCILE__GITHUB_TOKEN", token),
        ("INGEST__RECONCILE__GITHUB_API_BASE", &github.api_base),
        ("INGEST__RECONCILE__GITHUB_HOOKS", r#"["repos/acme/infra/hooks/1"]"#),
        ("INGEST__RECONCILE__PERIOD", "500ms"),
        ("INGEST__RECONCILE__SPACELIFT_ENDPOINT", ""),
        ("INGEST__GITHUB__REPOSITORIES", r#"["acme/*"]"#),
        ("INGEST__HTTP__CONNECTIONS_PER_ADDRESS_MAX", "0"),
        ("PLANNER__CATALOGUE__PAUSE", "200ms"),
        ("STACKLY__HEALTH__LISTEN", ""),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
