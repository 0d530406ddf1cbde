//! One server of each kind for all tests of a process.

use tokio::sync::OnceCell;

use crate::{Nats, NatsOptions, Postgres, PostgresOptions};

static NATS: OnceCell<Nats> = OnceCell::const_new();
static POSTGRES: OnceCell<Postgres> = OnceCell::const_new();

/// The nats-server that all tests of this process share, each under a prefix of its own. It ends with
/// the process.
///
/// # Panics
/// When it cannot be started: no test that asked for it could go on.
pub async fn shared_nats() -> &'static Nats {
    let start = || async { Nats::start(NatsOptions::default()).await };
    match NATS.get_or_try_init(start).await {
        Ok(nats) => nats,
        Err(error) => panic!("the shared nats-server: {}", chain(&error)),
    }
}

/// The Postgres that all tests of this process share, each with a database of its own. It ends with
/// the process. It does not flush to disk: it survives SIGKILL, not a power cut.
///
/// # Panics
/// When it cannot be started: no test that asked for it could go on.
pub async fn shared_postgres() -> &'static Postgres {
    let start = || async {
        let options = PostgresOptions { durable: false, ..PostgresOptions::default() };
        Postgres::start(options).await
    };
    match POSTGRES.get_or_try_init(start).await {
        Ok(postgres) => postgres,
        Err(error) => panic!("the shared Postgres: {}", chain(&error)),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
