//! The database: on a Postgres of our own, or on a server that was given.

use std::sync::Arc;

use anyhow::Context;
use embedded::{GivenServer, Postgres, PostgresOptions};

use super::keep::Keep;
use crate::dev::{DevArguments, say};

/// The one database of a Postgres of our own.
const NAME: &str = "stackly";

/// A database that no other `stackly dev` uses.
pub(super) enum Database {
    Ours(Postgres),
    Given { server: Box<GivenServer>, name: String, keep: bool },
}

impl Database {
    pub(super) async fn start(arguments: &DevArguments, keep: &Keep) -> anyhow::Result<Self> {
        let Some(url) = &arguments.database_url else {
            let options = PostgresOptions {
                store: keep.store("postgres"),
                say: Arc::new(|line: &str| say(line)),
                ..PostgresOptions::default()
            };
            let postgres = Postgres::start(options).await.context("Postgres")?;
            postgres.ensure_database(NAME).await.context("the database")?;
            return Ok(Self::Ours(postgres));
        };
        let server = GivenServer::of(url).context("DATABASE_URL, or --database-url")?;
        let server = Box::new(server);
        let given = Self::Given { server, name: keep.name.clone(), keep: keep.is_kept() };
        given.open().await.context(
            "a database of this folder's own on the server of DATABASE_URL; its user must be \
             allowed to create one (`alter role … createdb`); without DATABASE_URL a Postgres is \
             started",
        )?;
        Ok(given)
    }

    /// What a simulated account led to means nothing to the next one.
    async fn open(&self) -> Result<(), embedded::Error> {
        let Self::Given { server, name, keep } = self else { return Ok(()) };
        if !keep {
            server.drop_database(name).await?;
        }
        server.ensure_database(name).await
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Ours(postgres) => postgres.url(NAME),
            Self::Given { server, name, .. } => server.url(name),
        }
    }

    pub(super) fn process(&self) -> Option<(&'static str, u32)> {
        match self {
            Self::Ours(postgres) => Some(("postgres", postgres.pid())),
            Self::Given { .. } => None,
        }
    }

    pub(super) async fn stop(self) {
        match self {
            Self::Ours(postgres) => postgres.stop().await,
            Self::Given { keep: true, .. } => {}
            Self::Given { server, name, .. } => {
                if let Err(error) = server.drop_database(&name).await {
                    say(&format!("The database {name} stays on the given server: {error}"));
                }
            }
        }
    }
}
