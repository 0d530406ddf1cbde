//! The servers the services need: nats-server, Postgres, and a Spacelift account.

use std::sync::Arc;

use anyhow::{Context, bail};
use embedded::{Nats, NatsOptions, Postgres, PostgresOptions, Say};
use receivers::{GITHUB_TOKEN, Github, SLACK_TOKEN, Slack};
use simulator::{ApiKey, Pace, SAMPLE_REPOSITORY, Simulator, WebhookTarget};

use super::{DevArguments, DevFolder, say};
use crate::system::Installation;

/// What runs beside the services.
pub(crate) struct Servers {
    nats: Result<Nats, String>,
    postgres: Result<Postgres, String>,
    spacelift: Spacelift,
    secrets: Secrets,
    slack: Slack,
    github: Github,
}

enum Spacelift {
    Simulated(Simulator),
    Real { url: String, api_key: ApiKey },
}

/// What the senders of webhooks sign with; new at every start.
struct Secrets {
    github: String,
    spacelift: String,
}

const DATABASE: &str = "stackly";

impl Servers {
    /// Starts what was not given.
    pub(crate) async fn start(
        arguments: &DevArguments,
        _folder: &DevFolder,
    ) -> anyhow::Result<Self> {
        let speak: Say = Arc::new(|line: &str| say(line));
        let nats = match &arguments.nats_url {
            Some(url) => Err(url.clone()),
            None => Ok(Nats::start(NatsOptions { say: speak.clone(), ..NatsOptions::default() })
                .await
                .context("nats-server")?),
        };
        let postgres = match &arguments.database_url {
            Some(url) => Err(url.clone()),
            None => {
                let options = PostgresOptions { say: speak, ..PostgresOptions::default() };
                let postgres = Postgres::start(options).await.context("Postgres")?;
                postgres.create_database(DATABASE).await.context("the database")?;
                Ok(postgres)
            }
        };
        let given = (&arguments.spacelift_url, &arguments.api_key_id, &arguments.api_key_secret);
        let spacelift = match given {
            (Some(url), Some(id), Some(secret)) => Spacelift::Real {
                url: url.clone(),
                api_key: ApiKey { id: id.clone(), secret: secret.clone() },
            },
            (None, _, _) => {
                let mut options = simulator::Options::new(simulator::sample_account());
                options.pace = Pace::lively();
                Spacelift::Simulated(Simulator::start(options).await.context("the simulator")?)
            }
            _ => bail!("a Spacelift account needs its endpoint and an API key's id and secret"),
        };
        let secrets = Secrets { github: secret(), spacelift: secret() };
        Ok(Self {
            nats,
            postgres,
            spacelift,
            secrets,
            slack: Slack::start().await,
            github: Github::start().await,
        })
    }

    /// Where everything is.
    pub(crate) fn installation(&self, folder: &DevFolder) -> anyhow::Result<Installation> {
        let policies = folder.samples("policies", policy::SAMPLE)?;
        folder.samples("rules", validation::EXAMPLE)?;
        let api_key = self.api_key();
        Ok(Installation {
            nats_url: self.nats_url(),
            prefix: String::new(),
            database_url: self.database_url(),
            ingest: format!("127.0.0.1:{}", embedded::free_port()?),
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

    pub(crate) fn nats_url(&self) -> String {
        self.nats.as_ref().map_or_else(Clone::clone, Nats::url)
    }

    pub(crate) fn database_url(&self) -> String {
        self.postgres.as_ref().map_or_else(Clone::clone, |postgres| postgres.url(DATABASE))
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
        let mut all = Vec::new();
        if let Ok(nats) = &self.nats {
            all.push(("nats-server", nats.pid()));
        }
        if let Ok(postgres) = &self.postgres {
            all.push(("postgres", postgres.pid()));
        }
        all
    }

    /// Stops what was started here.
    pub(crate) async fn stop(self) {
        if let Spacelift::Simulated(simulator) = self.spacelift {
            simulator.stop().await;
        }
        if let Ok(nats) = self.nats {
            nats.stop().await;
        }
        if let Ok(postgres) = self.postgres {
            postgres.stop().await;
        }
    }
}

fn secret() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}
