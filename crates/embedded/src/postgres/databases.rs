//! Databases of an embedded Postgres, one for each test, and of a server that a person has given.

use std::str::FromStr;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, postgres::PgConnectOptions};

use super::Postgres;
use crate::Error;

/// What Postgres answers where a database of that name is there already.
const DUPLICATE_DATABASE: &str = "42P04";

/// A database of our own on a server that somebody else runs.
pub struct GivenServer {
    url: String,
    options: PgConnectOptions,
}

impl GivenServer {
    /// The server of a database's address.
    pub fn of(url: &str) -> Result<GivenServer, Error> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| Error::DatabaseUrl { source: Box::new(error) })?;
        Ok(GivenServer { url: url.to_owned(), options })
    }

    /// The address of a database on this server, with all else that was given.
    pub fn url(&self, database: &str) -> String {
        let (address, settings) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let (scheme, place) = address.split_once("://").unwrap_or(("postgres", address));
        let host = place.split('/').next().unwrap_or_default();
        let mut url = format!("{scheme}://{host}/{database}");
        let settings = settings.split('&').filter(|setting| !setting.is_empty());
        for (index, setting) in settings.filter(|it| !it.starts_with("dbname=")).enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(setting);
        }
        url
    }

    /// Creates a database where there is none of that name.
    pub async fn ensure_database(&self, name: &str) -> Result<(), Error> {
        let created = run(&self.options, "create", name, &create(name)).await;
        created.or_else(unless_it_exists)
    }

    /// Drops a database, and breaks the connections that still use it. One that is not there is no
    /// error.
    pub async fn drop_database(&self, name: &str) -> Result<(), Error> {
        run(&self.options, "drop", name, &drop(name)).await
    }
}

impl Postgres {
    /// Creates a database where there is none of that name.
    pub async fn ensure_database(&self, name: &str) -> Result<(), Error> {
        self.create_database(name).await.or_else(unless_it_exists)
    }

    /// Creates an empty database.
    pub async fn create_database(&self, name: &str) -> Result<(), Error> {
        self.run("create", name, &create(name)).await
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
        self.run("drop", name, &drop(name)).await
    }

    async fn run(&self, action: &'static str, name: &str, statement: &str) -> Result<(), Error> {
        let options = PgConnectOptions::from_str(&self.url("postgres"))
            .map_err(|error| Error::DatabaseUrl { source: Box::new(error) })?;
        run(&options, action, name, statement).await
    }
}

fn create(name: &str) -> String {
    format!("create database \"{name}\"")
}

fn drop(name: &str) -> String {
    format!("drop database if exists \"{name}\" with (force)")
}

/// A connection of its own for every call, because callers come from many runtimes.
async fn run(
    options: &PgConnectOptions,
    action: &'static str,
    name: &str,
    statement: &str,
) -> Result<(), Error> {
    check(name)?;
    let work = async {
        let mut connection = PgConnection::connect_with(options).await?;
        connection.execute(AssertSqlSafe(statement)).await?;
        connection.close().await
    };
    work.await.map_err(|error: sqlx::Error| Error::Database {
        action,
        name: name.to_owned(),
        source: Box::new(error),
    })
}

fn unless_it_exists(error: Error) -> Result<(), Error> {
    let exists = matches!(&error, Error::Database { source, .. }
        if source.as_database_error().and_then(|error| error.code()).as_deref()
            == Some(DUPLICATE_DATABASE));
    if exists { Ok(()) } else { Err(error) }
}

/// Postgres cuts longer names without a word, and two tests would meet in one database.
fn check(name: &str) -> Result<(), Error> {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=63).contains(&name.len()) && name.chars().all(known) {
        return Ok(());
    }
    Err(Error::DatabaseName { name: name.to_owned() })
}
