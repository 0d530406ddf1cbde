//! Chains as DBOS workflows: one process beside a Postgres as durable as ours.

use anyhow::{Context, ensure};
use embedded::{
    Postgres, PostgresOptions,
    process::{Signal, Spec, Supervised},
};
use simulator::{Account, Pace, Simulator};

use crate::{
    beside::contestant::{Order, Program, listening, spacelift},
    processes::Named,
    system::SIMULATOR,
};

const DATABASE: &str = "dbos";

/// What runs.
pub(crate) struct Dbos {
    pub(crate) simulator: Simulator,
    postgres: Postgres,
    process: Supervised,
    client: reqwest::Client,
    orders: String,
    _folder: tempfile::TempDir,
}

impl Dbos {
    pub(crate) async fn start(
        program: Program,
        account: Account,
        pace: Pace,
    ) -> anyhow::Result<Self> {
        let options = PostgresOptions { durable: true, ..PostgresOptions::default() };
        let postgres = Postgres::start(options).await.context("Postgres")?;
        postgres.create_database(DATABASE).await?;
        let listen = format!("127.0.0.1:{}", embedded::free_port()?);
        let keeper = postgres.url(DATABASE);
        let (simulator, settings) = spacelift(account, pace, &listen, &keeper).await?;
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("with-dbos.log");
        let spec = Spec::new(program.peer, &log).argument(settings.to_string());
        let process = Supervised::spawn(&spec)?;
        listening("the DBOS peer", &listen, &log).await?;
        Ok(Self {
            simulator,
            postgres,
            process,
            client: reqwest::Client::new(),
            orders: format!("http://{listen}/chains"),
            _folder: folder,
        })
    }

    /// Starts a workflow.
    pub(crate) async fn order(&self, order: &Order) -> anyhow::Result<()> {
        let answer = self.client.post(&self.orders).json(&order.body()).send().await?;
        ensure!(answer.status().is_success(), "an order was answered {}", answer.status());
        Ok(())
    }

    pub(crate) fn processes(&self) -> Named {
        vec![
            ("with-dbos", self.process.pid()),
            ("postgres", self.postgres.pid()),
            (SIMULATOR, std::process::id()),
        ]
    }

    pub(crate) async fn stop(self) {
        self.process.stop(Signal::SIGTERM, super::contestant::PATIENCE).await;
        self.simulator.stop().await;
        self.postgres.stop().await;
    }
}
