//! The servers the services need: nats-server, Postgres, and a Spacelift account.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, bail};
use receivers::{GITHUB_TOKEN, Github, SLACK_TOKEN, Slack};
use simulator::{Account, ApiKey, Pace, SAMPLE_REPOSITORY, Simulator, WebhookTarget};

use super::{DevArguments, DevFolder};
use crate::system::Installation;

mod broker;
mod database;
mod keep;

use broker::Broker;
use database::Database;
use keep::{Keep, Secrets};

/// What runs beside the services.
pub(crate) struct Servers {
    broker: Broker,
    database: Database,
    spacelift: Spacelift,
    secrets: Secrets,
    slack: Slack,
    github: Github,
}

/// The sample account. What Spacelift starts after another stack does not apply by itself there, so
/// that nothing goes past the gates.
fn sample() -> Account {
    let mut account = simulator::sample_account();
    for stack in &mut account.stacks {
        let is_native = account.dependencies.iter().any(|edge| edge.stack == stack.id);
        stack.autodeploy &= !is_native;
    }
    account
}

enum Spacelift {
    Simulated(Simulator),
    Real { url: String, api_key: ApiKey },
}

impl Servers {
    /// Starts what was not given.
    pub(crate) async fn start(
        arguments: &DevArguments,
        folder: &DevFolder,
    ) -> anyhow::Result<Self> {
        let given = (&arguments.spacelift_url, &arguments.api_key_id, &arguments.api_key_secret);
        let real = match given {
            (Some(url), Some(id), Some(secret)) => {
                Some((url.clone(), ApiKey { id: id.clone(), secret: secret.clone() }))
            }
            (None, _, _) => None,
            _ => bail!("a Spacelift account needs its endpoint and an API key's id and secret"),
        };
        let keep = Keep::of(folder, real.as_ref().map(|(url, _)| url.as_str()))?;
        let secrets = Secrets::of(folder);
        let broker = Broker::start(arguments, &keep).await?;
        let database = Database::start(arguments, &keep).await?;
        let spacelift = match real {
            Some((url, api_key)) => Spacelift::Real { url, api_key },
            None => {
                let mut options = simulator::Options::new(sample());
                options.pace = Pace::lively();
                Spacelift::Simulated(Simulator::start(options).await.context("the simulator")?)
            }
        };
        let (slack, github) = (Slack::start().await, Github::start().await);
        Ok(Self { broker, database, spacelift, secrets, slack, github })
    }

    /// Where everything is.
    pub(crate) fn installation(
        &self,
        arguments: &DevArguments,
        folder: &DevFolder,
    ) -> anyhow::Result<Installation> {
        let policies = folder.samples("policies", policy::SAMPLE)?;
        folder.samples("rules", validation::EXAMPLE)?;
        let api_key = self.api_key();
        let mut listen =
            arguments.listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        if listen.port() == 0 {
            listen.set_port(embedded::free_port()?);
        }
        Ok(Installation {
            nats_url: self.broker.url(),
            prefix: self.broker.prefix.clone(),
            database_url: self.database.url(),
            ingest: listen.to_string(),
            spacelift_url: self.spacelift_url(),
            api_key_id: api_key.id,
            api_key_secret: api_key.secret,
            github_secret: self.secrets.github.clone(),
            spacelift_secret: self.secrets.spacelift.clone(),
            policies: policies.display().to_string(),
        })
    }

    /// The repository the sample account's stacks are of.
    pub(crate) fn repository_name(&self) -> &'static str {
        SAMPLE_REPOSITORY
    }

    pub(crate) fn is_simulated(&self) -> bool {
        matches!(self.spacelift, Spacelift::Simulated(_))
    }

    /// Has the simulator tell ingest of its runs.
    pub(crate) fn send_webhooks_to(&self, endpoint: &str) {
        if let Spacelift::Simulated(simulator) = &self.spacelift {
            let target = WebhookTarget {
                endpoint: endpoint.to_owned(),
                secret: self.secrets.spacelift.clone(),
            };
            simulator.control().add_webhook("stackly", &target);
        }
    }

    pub(crate) fn spacelift_url(&self) -> String {
        match &self.spacelift {
            Spacelift::Simulated(simulator) => simulator.url(),
            Spacelift::Real { url, .. } => url.clone(),
        }
    }

    fn api_key(&self) -> ApiKey {
        match &self.spacelift {
            Spacelift::Simulated(simulator) => simulator.api_key(),
            Spacelift::Real { api_key, .. } => api_key.clone(),
        }
    }

    /// A Slack workspace on this machine; what is posted to it is shown at the terminal.
    pub(crate) fn slack(&self) -> Slack {
        self.slack.clone()
    }

    /// Where that workspace is.
    pub(crate) fn slack_url(&self) -> &str {
        &self.slack.api_base
    }

    /// Where the GitHub is that takes commit statuses.
    pub(crate) fn github_url(&self) -> &str {
        &self.github.api_base
    }

    /// What the notifier is told, unless whoever runs this has channels of their own.
    pub(crate) fn channels(&self) -> [(&'static str, String); 5] {
        [
            ("NOTIFIER__SLACK__TOKEN", SLACK_TOKEN.to_owned()),
            ("NOTIFIER__SLACK__CHANNEL", "#deploys".to_owned()),
            ("NOTIFIER__SLACK__API_BASE", self.slack.api_base.clone()),
            ("NOTIFIER__GITHUB__TOKEN", GITHUB_TOKEN.to_owned()),
            ("NOTIFIER__GITHUB__API_BASE", self.github.api_base.clone()),
        ]
    }

    /// The processes started here.
    pub(crate) fn processes(&self) -> Vec<(&'static str, u32)> {
        self.broker.process().into_iter().chain(self.database.process()).collect()
    }

    /// Stops what was started here, and removes what nobody could use any more.
    pub(crate) async fn stop(self) {
        if let Spacelift::Simulated(simulator) = self.spacelift {
            simulator.stop().await;
        }
        self.broker.stop().await;
        self.database.stop().await;
    }
}
