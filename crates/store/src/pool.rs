//! The pool: one schema per service, found by `search_path`, so that SQL names bare tables.

use std::{str::FromStr, sync::Arc, time::Duration};

use secrecy::ExposeSecret;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Executor, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::Instant;
use tracing::warn;

use crate::{Options, presence::Presence};

static FRAME: Migrator = sqlx::migrate!("./migrations");

/// Why the database is not ready.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is none.
    #[error("store.url is not a Postgres URL (postgres://user:password@host:5432/database)")]
    Url(#[source] sqlx::Error),
    /// No connection was made in time.
    #[error("cannot reach Postgres at {host}:{port}; is it running, and is store.url right?")]
    Unreachable {
        /// The host tried.
        host: String,
        /// The port tried.
        port: u16,
        /// What the last try said.
        #[source]
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error("schema {schema} cannot be migrated")]
    Migrate {
        /// The schema.
        schema: &'static str,
        /// Why.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
}

/// A service's part of the database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    schema: &'static str,
    lease: Duration,
    presence: Arc<Presence>,
}

impl Store {
    /// Connects, trying for as long as the options say, and makes the schema if it is missing.
    pub async fn connect(options: &Options, schema: &'static str) -> Result<Self, StoreError> {
        let connect = PgConnectOptions::from_str(options.url.expose_secret())
            .map_err(StoreError::Url)?
            .application_name(&format!("stackly {schema}"))
            .options([("search_path", schema)])
            // Every statement of ours has an index. Plans are kept for the life of a connection, and
            // one made while a table was empty would read the whole table long after it has grown.
            .options([("enable_seqscan", "off"), ("jit", "off")])
            // Left to itself, Postgres plans anew whenever few values come, because a plan that is kept
            // expects ten; and planning costs more than the statements do.
            .options([("plan_cache_mode", "force_generic_plan")])
            // A process that freezes in the middle of a transaction must not hold its locks for ever.
            .options([("idle_in_transaction_session_timeout", millis(options.lease))])
            // Nor one whose machine lost its power or its network: nobody tells Postgres, and a system
            // left to itself asks after two hours. Silence counts for as long as a lease: a third of
            // it, and two questions without an answer.
            .options([
                ("tcp_keepalives_idle", millis(options.lease / 3)),
                ("tcp_keepalives_interval", millis(options.lease / 3)),
                ("tcp_keepalives_count", "2".to_owned()),
                ("tcp_user_timeout", millis(options.lease)),
            ])
            .log_statements(tracing::log::LevelFilter::Trace)
            .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(2));
        let (host, port) = (connect.get_host().to_owned(), connect.get_port());
        let deadline = Instant::now() + options.connect_patience;
        let pool = PgPoolOptions::new()
            .max_connections(options.connections_max)
            .acquire_timeout(Duration::from_secs(5))
            .test_before_acquire(false)
            .connect_lazy_with(connect);
        loop {
            let create = AssertSqlSafe(format!("create schema if not exists {schema}"));
            match pool.execute(create).await {
                Ok(_) => {
                    let presence = Arc::default();
                    return Ok(Self { pool, schema, lease: options.lease, presence });
                }
                // Two services making their schemas at once can meet in Postgres' own catalogue.
                Err(source) if Instant::now() < deadline => {
                    warn!(error = %source, host, port, "Postgres is not there yet");
                    let pause = Instant::now() + Duration::from_millis(250);
                    tokio::time::interval_at(pause, Duration::from_secs(1)).tick().await;
                }
                Err(source) => return Err(StoreError::Unreachable { host, port, source }),
            }
        }
    }

    /// Brings the frame's tables and the service's own up to date. What a newer build has migrated
    /// beyond is left alone: an older one that ran beside it may be started again.
    pub async fn migrate(&self, service: &Migrator) -> Result<(), StoreError> {
        let [mut frame, mut service] = [&FRAME, service]
            .map(|migrator| Migrator::with_migrations(migrator.iter().cloned().collect()));
        // A ledger of its own: in a shared one, each would take the other's entries for its own.
        frame.dangerous_set_table_name("frame_migrations");
        for migrator in [&mut frame, &mut service] {
            migrator
                .set_ignore_missing(true)
                .run(&self.pool)
                .await
                .map_err(|source| StoreError::Migrate { schema: self.schema, source })?;
        }
        Ok(())
    }

    /// The pool, for the service's own `store.rs`.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// For how long a process may be at one call to the outside.
    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }

    /// How others see that this process is there.
    pub(crate) fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Whether the database answers, and takes what is written: a standby would only answer.
    pub async fn is_ready(&self) -> bool {
        let asked = sqlx::query_scalar("select not current_setting('transaction_read_only')::bool")
            .fetch_one(&self.pool);
        matches!(tokio::time::timeout(Duration::from_secs(2), asked).await, Ok(Ok(true)))
    }
}

/// A time, as Postgres reads settings.
fn millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

#[cfg(test)]
mod tests {
    use sqlx::{
        SqlSafeStr,
        migrate::{MigrateError, Migration, MigrationType},
    };

    use super::*;

    fn migration(version: i64, sql: &'static str) -> Migration {
        let sql = sql.into_sql_str();
        Migration::new(version, "of a test".into(), MigrationType::Simple, sql, false)
    }

    #[tokio::test]
    async fn an_older_build_starts_again_after_a_newer_one_has_migrated() {
        let postgres = embedded::shared_postgres().await;
        postgres.create_database("older").await.unwrap();
        let store = Store::connect(&Options::at(postgres.url("older")), "older").await.unwrap();
        let old = || migration(1, "create table old ()");
        let newer = [old(), migration(2, "create table new ()")];
        store.migrate(&Migrator::with_migrations(newer.into())).await.unwrap();
        // As if the frame of the newer build had had one more, too.
        let frame = "insert into frame_migrations
                 (version, description, success, checksum, execution_time)
             select version + 1, description, success, checksum, execution_time
             from frame_migrations order by version desc limit 1";
        store.pool.execute(frame).await.unwrap();

        store.migrate(&Migrator::with_migrations(vec![old()])).await.unwrap();

        let other = vec![migration(1, "create table other ()")];
        let refused = store.migrate(&Migrator::with_migrations(other)).await;
        assert!(
            matches!(
                refused,
                Err(StoreError::Migrate { source: MigrateError::VersionMismatch(1), .. })
            ),
            "what both know must be the same: {refused:?}"
        );
    }

    #[tokio::test]
    async fn postgres_ends_a_session_that_is_silent_for_a_lease() {
        let postgres = embedded::shared_postgres().await;
        postgres.create_database("silent").await.unwrap();
        let options =
            Options { lease: Duration::from_secs(45), ..Options::at(postgres.url("silent")) };
        let store = Store::connect(&options, "silent").await.unwrap();
        let settings = [
            ("tcp_keepalives_idle", "15"),
            ("tcp_keepalives_interval", "15"),
            ("tcp_keepalives_count", "2"),
            ("tcp_user_timeout", "45000"),
            ("idle_in_transaction_session_timeout", "45s"),
        ];
        for (name, expected) in settings {
            let value: String = sqlx::query_scalar("select current_setting($1)")
                .bind(name)
                .fetch_one(store.pool())
                .await
                .unwrap();
            assert_eq!(value, expected, "{name}");
        }
    }
}
