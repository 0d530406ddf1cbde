//! Ingest takes webhooks, and makes events of what is signed and new.
//!
//! Takes nothing from the bus; takes `POST /webhooks/github` and `/webhooks/spacelift`. Gives
//! `change.pushed`, `change.proposed`, `run.reported`, `account.audited`, `account.alerted`.
//! Owns schema `ingest`. Fails by HTTP status: a delivery is accepted when it is committed, and
//! not before.
//!
//! The way of a request: `server` (connections) → `http` (the door) → `body` (receive) →
//! `signature` (verify) → `delivery`, `github`, `spacelift` (read) → `record` → `intake` (queue,
//! commit together) → `store` → the answer → `publish`.

use std::sync::Arc;

use anyhow::Context;
use bus::Problem;
use contracts::{
    Card, Message,
    catalogue::{AccountAlerted, AccountAudited},
    change::{ChangeProposed, ChangePushed},
    run::RunReported,
    subject,
};
use serde_json::{Value, json};
use service::Frame;
use sqlx::{PgPool, migrate::Migrator};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

mod answer;
mod body;
pub mod config;
mod delivery;
mod github;
mod http;
mod intake;
mod payload;
mod publish;
mod record;
mod server;
mod signature;
mod spacelift;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use config::Config;

/// The service in a few words.
pub const CARD: Card = Card {
    service: "ingest",
    consumer: store::CONSUMER,
    takes: &[],
    gives: &[
        ChangePushed::TYPE,
        ChangeProposed::TYPE,
        RunReported::TYPE,
        AccountAudited::TYPE,
        AccountAlerted::TYPE,
    ],
    commands: &[],
    fails_by: &[],
};

/// Every key with its default and what it means.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The service's tables.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Runs the service until `shutdown`, then until every request in flight is answered.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Config { bus, store, health, http, github, spacelift } = config;
    for (source, secrets) in [("github", &github.secrets), ("spacelift", &spacelift.secrets)] {
        if secrets.is_empty() {
            warn!(
                source,
                "no secret is configured, so everything this source sends is refused; \
                 set {source}.secrets"
            );
        }
    }
    // First, because an address in use is the likeliest mistake; what knocks meanwhile waits.
    let listener = TcpListener::bind(http.listen)
        .await
        .with_context(|| format!("cannot listen on http.listen = {}", http.listen))?;
    let address = listener.local_addr()?;
    let parts = service::Parts { bus: &bus, store: &store, health: &health };
    let frame = Frame::start(&CARD, parts, &MIGRATIONS, shutdown).await?;
    let pool = frame.store.pool().clone();

    let (intake, queue) = intake::queue(http.queue_max);
    let (publisher, events) = publish::queue();
    let gate = Arc::new(http::Gate::new(&http, &github, &spacelift, intake));
    let connections =
        server::Connections { max: http.connections_max, head_patience: http.head_patience };
    // Each ends when the one before it has: no more requests, no more batches, no more events.
    let served = server::serve(listener, http::router(gate), connections, frame.shutdown());
    frame.spawn("http", unless_it_panics(served));
    let written = intake::write(pool.clone(), queue, publisher, http.commit_patience);
    frame.spawn("writer", unless_it_panics(written));
    let published = publish::run(pool.clone(), frame.bus.clone(), events);
    frame.spawn("publisher", unless_it_panics(published));
    frame.respond(subject::question(CARD.service, "deliveries"), move |body| {
        let pool = pool.clone();
        async move { deliveries(&pool, &body).await }
    });
    info!(%address, "taking webhooks");
    frame.finish().await
}

/// A service that lost one of these could not do its work, so it ends; others take over.
async fn unless_it_panics(task: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    tokio::spawn(task).await.context("a task of the service panicked")
}

/// The question `deliveries`: `{limit, source?}`.
async fn deliveries(pool: &PgPool, question: &Value) -> Result<Value, Problem> {
    let limit = match &question["limit"] {
        Value::Null => 50,
        limit => limit
            .as_i64()
            .filter(|limit| (1..=1000).contains(limit))
            .ok_or_else(|| Problem::new("malformed", "`limit` must be between 1 and 1000"))?,
    };
    let source = match &question["source"] {
        Value::Null => None,
        source => {
            Some(source.as_str().filter(|name| ["github", "spacelift"].contains(name)).ok_or_else(
                || Problem::new("malformed", "`source` must be `github` or `spacelift`"),
            )?)
        }
    };
    let listed = store::newest(pool, source, limit)
        .await
        .map_err(|error| Problem::new("unavailable", format!("the database says: {error}")))?;
    Ok(json!(listed))
}
