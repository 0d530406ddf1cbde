//! Databases of an embedded Postgres, one for each test.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::Postgres;
use crate::Error;

impl Postgres {
    /// Creates an empty database.
    pub async fn create_database(&self, name: &str) -> Result<(), Error> {
        self.run("create", name, &format!("create database \"{name}\"")).await
    }

    /// Creates a copy of the database `template`, to which nobody may be connected. Faster than to
    /// migrate an empty one again.
    pub async fn copy_database(&self, template: &str, name: &str) -> Result<(), Error> {
        check(template)?;
        let statement = format!("create database \"{name}\" template \"{template}\"");
        self.run("create", name, &statement).await
    }

    /// Drops a database, and breaks the connections that still use it. One that is not there is no
    /// error.
    pub async fn drop_database(&self, name: &str) -> Result<(), Error> {
        let statement = format!("drop database if exists \"{name}\" with (force)");
        self.run("drop", name, &statement).await
    }

    /// A connection of its own for every call, because callers come from many runtimes.
    async fn run(&self, action: &'static str, name: &str, statement: &str) -> Result<(), Error> {
        check(name)?;
        let work = async {
            let mut connection = PgConnection::connect(&self.url("postgres")).await?;
            connection.execute(AssertSqlSafe(statement)).await?;
            connection.close().await
        };
        work.await.map_err(|error: sqlx::Error| Error::Database {
            action,
            name: name.to_owned(),
            source: Box::new(error),
        })
    }
}

/// Postgres cuts longer names without a word, and two tests would meet in one database.
fn check(name: &str) -> Result<(), Error> {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=63).contains(&name.len()) && name.chars().all(known) {
        return Ok(());
    }
    Err(Error::DatabaseName { name: name.to_owned() })
}
