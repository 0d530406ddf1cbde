//! Chains as Restate workflows: one process beside one Restate server, as it comes.

use std::path::Path;

use anyhow::ensure;
use embedded::process::{Signal, Spec, Supervised};
use serde_json::json;
use simulator::{Account, Pace, Simulator};

use crate::{
    beside::contestant::{Order, PATIENCE, Program, listening, spacelift},
    processes::Named,
    system::{SIMULATOR, eventually},
};

/// What runs.
pub(crate) struct Restate {
    pub(crate) simulator: Simulator,
    server: Supervised,
    process: Supervised,
    client: reqwest::Client,
    ingress: String,
    _folder: tempfile::TempDir,
}

impl Restate {
    pub(crate) async fn start(
        program: Program,
        account: Account,
        pace: Pace,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let [ingress, admin, node, endpoint, listen] = addresses()?;
        let log = folder.path().join("restate-server.log");
        let spec = server(&program.server, folder.path(), &log)
            .variable("RESTATE_INGRESS__BIND_ADDRESS", &ingress)
            .variable("RESTATE_ADMIN__BIND_ADDRESS", &admin)
            .variable("RESTATE_BIND_ADDRESS", &node)
            .variable("RESTATE_ADVERTISED_ADDRESS", format!("http://{node}"));
        let server = Supervised::spawn(&spec)?;
        listening("the Restate server's ingress", &ingress, &log).await?;
        let ingress = format!("http://{ingress}");
        let (simulator, mut settings) = spacelift(account, pace, &listen, &ingress).await?;
        settings["endpoint"] = json!(endpoint);
        let log = folder.path().join("with-restate.log");
        let spec = Spec::new(program.peer, &log).argument(settings.to_string());
        let process = Supervised::spawn(&spec)?;
        listening("the Restate peer's endpoint", &endpoint, &log).await?;
        listening("the Restate peer", &listen, &log).await?;
        let client = reqwest::Client::new();
        register(&client, &admin, &endpoint).await?;
        Ok(Self { simulator, server, process, client, ingress, _folder: folder })
    }

    /// Starts a workflow.
    pub(crate) async fn order(&self, order: &Order) -> anyhow::Result<()> {
        let url = format!("{}/Chain/{}/run/send", self.ingress, order.chain);
        let answer = self.client.post(url).json(&order.body()).send().await?;
        ensure!(answer.status().is_success(), "an order was answered {}", answer.status());
        Ok(())
    }

    pub(crate) fn processes(&self) -> Named {
        vec![
            ("with-restate", self.process.pid()),
            ("restate-server", self.server.pid()),
            (SIMULATOR, std::process::id()),
        ]
    }

    pub(crate) async fn stop(self) {
        self.process.stop(Signal::SIGTERM, PATIENCE).await;
        self.server.stop(Signal::SIGTERM, PATIENCE).await;
        self.simulator.stop().await;
    }
}

/// One node with its defaults, which flush its log before they answer.
fn server(program: &Path, folder: &Path, log: &Path) -> Spec {
    Spec::new(program, log)
        .argument("--no-logo")
        .argument("--listen-mode")
        .argument("tcp")
        .argument("--node-name")
        .argument("load")
        .variable("RESTATE_BASE_DIR", folder.join("restate-data"))
        .variable("RESTATE_LOG_FILTER", "warn")
        .variable("RESTATE_DISABLE_TELEMETRY", "true")
}

fn addresses() -> anyhow::Result<[String; 5]> {
    let mut addresses = Vec::new();
    while addresses.len() < 5 {
        let address = format!("127.0.0.1:{}", embedded::free_port()?);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses.try_into().expect("there are five"))
}

/// Tells the server where the workflow is; it may not be ready to hear it at once.
async fn register(client: &reqwest::Client, admin: &str, endpoint: &str) -> anyhow::Result<()> {
    let url = format!("http://{admin}/deployments");
    let body = json!({ "uri": format!("http://{endpoint}") });
    let registered = || async {
        let answer = client.post(&url).json(&body).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    };
    eventually("the Restate server to take the workflow", registered).await
}
