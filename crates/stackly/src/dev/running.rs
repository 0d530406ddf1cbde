//! The services while `stackly dev` runs: in this process, or each in its own.

use std::time::Duration;

use anyhow::Context;
use bus::Bus;
use embedded::process::{Signal, Supervised};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{DevArguments, DevFolder};
use crate::system::{self, Ended, Environment, SERVICES};

/// How long the services may take to be there.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long a service may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// The services, in this process or each in its own.
pub(super) struct Running {
    here: JoinSet<Ended>,
    apart: Vec<(&'static str, Supervised)>,
    shutdown: CancellationToken,
}

impl Running {
    pub(super) fn start(
        arguments: &DevArguments,
        folder: &DevFolder,
        environment: &Environment,
    ) -> anyhow::Result<Self> {
        let mut running =
            Self { here: JoinSet::new(), apart: Vec::new(), shutdown: CancellationToken::new() };
        let program = std::env::current_exe().context("this program's own path")?;
        for service in SERVICES {
            if arguments.separate {
                let log = folder.log(service);
                let process = system::spawn(&program, service, environment, &log)?;
                running.apart.push((service, process));
            } else {
                system::start(service, environment, running.shutdown.clone(), &mut running.here)?;
            }
        }
        Ok(running)
    }

    /// The process ids of the services.
    pub(super) fn processes(&self) -> Vec<(&'static str, u32)> {
        match self.apart.is_empty() {
            true => SERVICES.iter().map(|service| (*service, std::process::id())).collect(),
            false => self.apart.iter().map(|(name, process)| (*name, process.pid())).collect(),
        }
    }

    /// Waits until a service ends, which none should, and says which and why.
    pub(super) async fn next_end(&mut self) -> String {
        if self.apart.is_empty() {
            return match self.here.join_next().await {
                Some(Ok((service, Err(error)))) => format!("{service} ended: {error:#}"),
                Some(Ok((service, Ok(())))) => format!("{service} ended: it stopped"),
                Some(Err(error)) => format!("a service ended: {error}"),
                None => "every service ended: it stopped".to_owned(),
            };
        }
        let ends = self.apart.iter().map(|(service, process)| {
            Box::pin(async move { format!("{service} ended: {}", process.exited().await) })
        });
        futures::future::select_all(ends).await.0
    }

    pub(super) async fn stop(mut self) {
        self.shutdown.cancel();
        while self.here.join_next().await.is_some() {}
        let stops =
            self.apart.iter().map(|(_, process)| process.stop(Signal::SIGTERM, STOP_PATIENCE));
        futures::future::join_all(stops).await;
    }
}

/// Waits until every service has begun and ingest takes connections.
pub(super) async fn wait_until_ready(bus: &Bus, ingest: &str) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let mut missing = Vec::new();
    let ready = async {
        loop {
            ticks.tick().await;
            missing = system::not_begun(bus).await;
            if missing.is_empty() && tokio::net::TcpStream::connect(ingest).await.is_ok() {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(START_PATIENCE, ready).await;
    waited.map_err(|_| match missing.is_empty() {
        true => anyhow::anyhow!("ingest takes no connections at {ingest} after a minute"),
        false => anyhow::anyhow!("not there after a minute: {}", missing.join(", ")),
    })
}
