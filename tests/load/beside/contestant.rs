//! Whoever takes part: started on servers of its own, given chains, and ended.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use simulator::{Account, Pace, Simulator, WebhookTarget};

use crate::{
    beside::{self, Who, build, dbos::Dbos, fetch, restate::Restate},
    processes::Named,
    system::{self, Ground, Setting, System},
};

/// Secret of the webhooks that peers hear.
pub(crate) const WEBHOOK_SECRET: &str = "the simulator and its peer know it";

/// How long a process may take to end in order.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What a contestant is started from.
pub(crate) struct Program {
    /// The peer's program; ours is this one.
    pub(crate) peer: PathBuf,
    /// Its server, if it brings one.
    pub(crate) server: PathBuf,
}

/// One that runs.
pub(crate) enum Contestant {
    Stackly(Box<System>),
    Dbos(Box<Dbos>),
    Restate(Box<Restate>),
}

impl Contestant {
    /// Builds and fetches what it is made of.
    pub(crate) async fn prepare(
        who: Who,
        folder: Option<&Path>,
        optimised: bool,
    ) -> anyhow::Result<Program> {
        let folder = folder.map_or_else(beside::folder, Path::to_owned);
        Ok(match who {
            Who::Stackly => Program { peer: PathBuf::new(), server: PathBuf::new() },
            Who::Dbos => Program {
                peer: build::peer("with-dbos", &folder, optimised).await?,
                server: PathBuf::new(),
            },
            Who::Restate => Program {
                server: fetch::restate_server(&folder).await?,
                peer: build::peer("with-restate", &folder, optimised).await?,
            },
        })
    }

    /// Starts it with an account of its own; it takes orders when this returns.
    pub(crate) async fn start(
        who: Who,
        program: Program,
        account: Account,
        pace: Pace,
    ) -> anyhow::Result<Self> {
        Ok(match who {
            Who::Stackly => {
                let ground = Ground::start(false).await?;
                let setting = Setting::without_policies(account, pace);
                Self::Stackly(Box::new(System::whole(ground, setting).await?))
            }
            Who::Dbos => Self::Dbos(Box::new(Dbos::start(program, account, pace).await?)),
            Who::Restate => Self::Restate(Box::new(Restate::start(program, account, pace).await?)),
        })
    }

    /// The Spacelift it works with.
    pub(crate) fn simulator(&self) -> &Simulator {
        match self {
            Self::Stackly(system) => &system.simulator,
            Self::Dbos(dbos) => &dbos.simulator,
            Self::Restate(restate) => &restate.simulator,
        }
    }

    /// Gives it a chain; it has it for good when this returns.
    pub(crate) async fn order(&self, line: usize, length: usize) -> anyhow::Result<()> {
        match self {
            Self::Stackly(system) => system.push(line).await.map(drop),
            Self::Dbos(dbos) => dbos.order(&order(line, length)).await,
            Self::Restate(restate) => restate.order(&order(line, length)).await,
        }
    }

    /// Every process that takes part.
    pub(crate) fn processes(&self) -> Named {
        match self {
            Self::Stackly(system) => system.processes(),
            Self::Dbos(dbos) => dbos.processes(),
            Self::Restate(restate) => restate.processes(),
        }
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        match self {
            Self::Stackly(system) => system.stop().await,
            Self::Dbos(dbos) => dbos.stop().await,
            Self::Restate(restate) => restate.stop().await,
        }
    }
}

/// A chain as peers take it.
pub(crate) struct Order {
    pub(crate) chain: String,
    pub(crate) stacks: Vec<String>,
}

impl Order {
    pub(crate) fn body(&self) -> serde_json::Value {
        serde_json::json!({ "chain": self.chain, "stacks": self.stacks })
    }
}

fn order(line: usize, length: usize) -> Order {
    let stacks = (0..length).map(|place| format!("s{line}-{place}")).collect();
    Order { chain: uuid::Uuid::new_v4().to_string(), stacks }
}

/// A Spacelift that tells a peer of every run, as it tells ours, and what the peer is to be told on its command line.
pub(crate) async fn spacelift(
    account: Account,
    pace: Pace,
    listen: &str,
    keeper: &str,
) -> anyhow::Result<(Simulator, serde_json::Value)> {
    let options = simulator::Options { pace, ..simulator::Options::new(account) };
    let simulator = Simulator::start(options).await?;
    let endpoint = format!("http://{listen}/webhooks/spacelift");
    let target = WebhookTarget { endpoint, secret: WEBHOOK_SECRET.to_owned() };
    simulator.control().add_webhook_but_for("peer", &target, &system::untold());
    let key = simulator.api_key();
    let settings = serde_json::json!({
        "listen": listen,
        "spacelift": simulator.url(),
        "key_id": key.id,
        "key_secret": key.secret,
        "webhook_secret": WEBHOOK_SECRET,
        "keeper": keeper,
    });
    Ok((simulator, settings))
}

/// Waits until something listens; if in vain, says what it wrote to its log.
pub(crate) async fn listening(what: &str, address: &str, log: &Path) -> anyhow::Result<()> {
    let listens = || async { tokio::net::TcpStream::connect(address).await.is_ok() };
    system::eventually(what, listens)
        .await
        .with_context(|| std::fs::read_to_string(log).unwrap_or_default())
}
