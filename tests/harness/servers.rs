//! The servers of a test: shared ones, kept apart by prefix and database, or its own to kill.

use embedded::{Nats, NatsOptions, Postgres, PostgresOptions, shared_nats, shared_postgres};
use uuid::Uuid;

/// The servers of one test.
pub enum Servers {
    /// Shared by every test of this process.
    Shared,
    /// Its own.
    Own(Box<Own>),
}

/// Servers a test may kill.
pub struct Own {
    /// Its nats-server.
    pub nats: Nats,
    /// Its Postgres.
    pub postgres: Postgres,
}

impl Servers {
    /// Servers of its own.
    pub async fn own() -> Self {
        let nats = Nats::start(NatsOptions::default()).await.expect("a nats-server");
        let options = PostgresOptions { durable: false, ..PostgresOptions::default() };
        let postgres = Postgres::start(options).await.expect("a Postgres");
        Self::Own(Box::new(Own { nats, postgres }))
    }

    /// The broker's address.
    pub async fn nats_url(&self) -> String {
        match self {
            Self::Shared => shared_nats().await.url(),
            Self::Own(own) => own.nats.url(),
        }
    }

    /// Makes a database; gives its address.
    pub async fn database(&self) -> String {
        let name = format!("t{}", Uuid::new_v4().simple());
        match self {
            Self::Shared => {
                let postgres = shared_postgres().await;
                postgres.create_database(&name).await.expect("a database");
                postgres.url(&name)
            }
            Self::Own(own) => {
                own.postgres.create_database(&name).await.expect("a database");
                own.postgres.url(&name)
            }
        }
    }

    /// The servers, if they are the test's own.
    pub fn expect_own(&mut self) -> &mut Own {
        match self {
            Self::Own(own) => own,
            Self::Shared => panic!("this test did not ask for servers of its own"),
        }
    }
}
