//! `stackly migrate`: the only command that needs the database.

use std::time::Duration;

use clap::{Args, value_parser};
use serde_json::json;
use store::Store;

use crate::{
    failure::Failure,
    print::{Terminal, Tone},
};

const NO_URL: &str =
    "--database-url is not a Postgres URL (postgres://user:password@host:5432/database)";

/// A day: nobody who looks on waits longer.
const WAIT_MAX: u64 = 86_400;

/// Which database is migrated.
#[derive(Args)]
pub struct Options {
    /// The database of all services: postgres://user:password@host:5432/database
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// How many seconds to wait for the database to come up
    #[arg(long, value_name = "SECONDS", default_value_t = 5,
        value_parser = value_parser!(u64).range(..=WAIT_MAX))]
    wait: u64,
}

/// The address may hold a password.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("wait", &self.wait).finish_non_exhaustive()
    }
}

pub(super) async fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let services = [
        (&ingest::CARD, &ingest::MIGRATIONS),
        (&planner::CARD, &planner::MIGRATIONS),
        (&policy::CARD, &policy::MIGRATIONS),
        (&executor::CARD, &executor::MIGRATIONS),
        (&notifier::CARD, &notifier::MIGRATIONS),
    ];
    // The driver takes any scheme and would look for a Postgres at the address of something else.
    let url = &options.database_url;
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(Failure::Usage(NO_URL.to_owned()));
    }
    let connect = store::Options {
        connections_max: 1,
        connect_patience: Duration::from_secs(options.wait),
        ..store::Options::at(options.database_url.clone())
    };
    let mut done = Vec::new();
    for (card, migrations) in services {
        let store = Store::connect(&connect, card.service).await.map_err(failed)?;
        store.migrate(migrations).await.map_err(failed)?;
        store.pool().close().await;
        done.push(card.service);
        if !terminal.look.json {
            let line = terminal.look.paint(Tone::Good, &format!("✓ {}", card.service));
            terminal.text(&line)?;
        }
    }
    if terminal.look.json {
        return terminal.json(&json!({ "migrated": done }));
    }
    Ok(())
}

fn failed(error: store::StoreError) -> Failure {
    match error {
        store::StoreError::Url(source) => Failure::Usage(format!("{NO_URL}: {source}")),
        store::StoreError::Unreachable { host, port, source } => Failure::Unavailable {
            message: format!(
                "cannot use Postgres at {host}:{port}; is it running, and is --database-url right?"
            ),
            source: Some(source.into()),
        },
        error => Failure::Failed(error.into()),
    }
}
