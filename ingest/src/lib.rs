//! Ingest takes webhooks, and makes events of what is signed and new.
//!
//! Takes nothing from the bus; takes `POST /webhooks/<source>` for each sender of its
//! configuration. Gives `change.pushed`, `change.proposed`, `change.labelled`, `change.commanded`,
//! `change.answered`, `change.closed`, `change.released`, `run.reported`, `account.audited`,
//! `account.alerted`, `hook.received`. Answers `delivery.replay`. Owns schema `ingest`. Fails by HTTP
//! status: a delivery is accepted when it is committed, and not before.
//!
//! The way of a request: `server` (connections) → `http` (the way in) → `rate`, `door` (may it
//! come in) → `body` (receive) → `signature` (verify) → `delivery` and a file for each kind of
//! sender (read) → `record` → `intake` (queue, commit together) → `store` → the answer →
//! `publish`. What a person orders in it is done by `carry`; `desk` answers questions.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use chrono::Utc;
use contracts::{
    Card, Message,
    catalogue::{AccountAlerted, AccountAudited},
    change::{
        ChangeAnswered, ChangeClosed, ChangeCommanded, ChangeLabelled, ChangeProposed,
        ChangePushed, ChangeReleased,
    },
    hook::{HookReceived, ReplayDeliveries},
    run::RunReported,
    subject,
};
use service::{Frame, config::ConfigError};
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

mod answer;
mod approvals;
mod azure_devops;
mod bitbucket;
mod bitbucket_server;
mod body;
mod carry;
mod checks;
mod comment;
pub mod config;
mod custom;
mod delivery;
mod desk;
mod door;
mod forge;
mod form;
#[doc(hidden)]
pub mod fuzzing;
mod github;
mod gitlab;
mod http;
mod intake;
mod lookout;
mod oidc;
mod order;
pub mod page;
mod payload;
mod peer;
mod ping;
mod publish;
mod rate;
mod reach;
mod reconcile;
mod record;
mod replay;
mod review;
mod server;
mod signature;
mod slack;
mod source;
mod spacelift;
mod standard;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod upkeep;
mod vouched;

pub use config::Config;
pub use source::is_in_scope;

use crate::{
    carry::Carrier, desk::Desk, http::Entry, lookout::Lookouts, oidc::Issuer, peer::Proxies,
    ping::Pinger, reconcile::Hooks, vouched::Entrance,
};

/// The service in a few words.
pub const CARD: Card = Card {
    service: "ingest",
    consumer: store::CONSUMER,
    takes: &[],
    gives: &[
        ChangePushed::TYPE,
        ChangeProposed::TYPE,
        ChangeLabelled::TYPE,
        ChangeCommanded::TYPE,
        ChangeAnswered::TYPE,
        ChangeClosed::TYPE,
        ChangeReleased::TYPE,
        RunReported::TYPE,
        AccountAudited::TYPE,
        AccountAlerted::TYPE,
        HookReceived::TYPE,
    ],
    commands: &[ReplayDeliveries::TYPE],
    fails_by: &[],
};

/// Every key with its default and what it means.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The service's tables.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How often what is old is let go and what will be needed is made.
const UPKEEP: Duration = Duration::from_secs(60);

/// Runs the service until `shutdown`, then until every request in flight is answered.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut senders = config.senders();
    let key = ping::admit(&mut senders);
    let unusable = |fault| ConfigError::of(CARD.service, &fault);
    let hooks = Hooks::all(&config.reconcile).context("the table [reconcile]");
    let hooks = hooks.map_err(unusable)?;
    let secrets = reach::admit(&mut senders, &hooks);
    let issuer = Issuer::new(&config.oidc, &config.people).map_err(unusable)?;
    let Config { bus, store, health, http, rate, retention, reconcile, .. } = config;
    let keeps = retention.read().map_err(unusable)?;
    let (intake, queue) = intake::queue(http.queue_max, http.queue_wait_max);
    let entry = Entry::new(&http, &rate, &senders, intake).map_err(unusable)?;
    warn_of_silence(&entry);
    // First, because an address in use is the likeliest mistake; what knocks meanwhile waits.
    let listener = TcpListener::bind(http.listen)
        .await
        .with_context(|| format!("cannot listen on http.listen = {}", http.listen))?;
    let address = listener.local_addr()?;
    let parts = service::Parts { bus: &bus, store: &store, health: &health };
    let frame = Frame::start(&CARD, parts, &MIGRATIONS, shutdown).await?;
    let pool = frame.store.pool().clone();
    store::contents::turn(&pool, Utc::now(), Utc::now() - keeps.0).await?;

    let (publisher, events) = publish::queue();
    let (carrying, slack) = (frame.bus.clone(), &senders.slack.response_base);
    let carrier = Carrier::new(pool.clone(), carrying, slack, frame.shutdown())?;
    let entry = Arc::new(entry.carried_by(carrier.clone()));
    let connections = server::Connections {
        max: http.connections_max,
        per_address_max: http.connections_per_address_max,
        proxies: Proxies::read(&http.trusted_proxies)?,
        head_patience: http.head_patience,
    };
    // Each ends when the one before it has: no more requests, no more batches, no more events.
    let mut router = http::router(entry.clone());
    if let Some(issuer) = issuer {
        let entrance = Entrance { issuer: Arc::new(issuer), entry: entry.clone() };
        router = router
            .merge(checks::router(entrance.clone(), frame.bus.clone()))
            .merge(approvals::router(entrance, carrier.clone()));
    }
    let served = server::serve(listener, router, connections, frame.shutdown());
    let (carried, swept) = (carrier.clone(), carrier);
    let served = async move {
        served.await;
        carried.settle().await;
    };
    frame.spawn("http", unless_it_panics(served));
    let written = intake::write(pool.clone(), queue, publisher, http.commit_patience);
    frame.spawn("writer", unless_it_panics(written));
    let published = publish::run(pool.clone(), frame.bus.clone(), events);
    frame.spawn("publisher", unless_it_panics(published));
    frame.every(carry::SWEEP, "orders", move || {
        let carrier = swept.clone();
        async move { carrier.sweep().await }
    });
    let kept = entry.clone();
    let upkept = pool.clone();
    frame.every(UPKEEP, "upkeep", move || upkeep::round(upkept.clone(), kept.clone(), keeps));
    let lookouts = Lookouts::begin(&frame, &reconcile, &pool, &entry)?;
    let pinger = Pinger::new(address, key)?;
    let reach = lookouts.reach(secrets, hooks);
    let desk = Desk { pool, entry: entry.clone(), lookouts, pinger, reach };
    answer_questions(&frame, &desk);
    drop(desk);
    // The writer ends when nobody can queue any more: not while this is held.
    drop(entry);
    info!(%address, "taking webhooks");
    frame.finish().await
}

/// Says whose deliveries cannot get in.
fn warn_of_silence(entry: &Entry) {
    let silent = entry.doors().iter().filter(|door| door.keys.is_empty());
    let silent: Vec<_> = silent.map(|door| &*door.source.name).collect();
    if !silent.is_empty() {
        let sources = silent.join(", ");
        warn!(sources, "no secret is configured for these, so everything they send is refused");
    }
}

/// A service that lost one of these could not do its work, so it ends; others take over.
async fn unless_it_panics(task: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    tokio::spawn(task).await.context("a task of the service panicked")
}

fn answer_questions(frame: &Frame, desk: &Desk) {
    macro_rules! answer {
        ($subject:expr, $answer:ident) => {{
            let desk = desk.clone();
            frame.respond($subject, move |body| {
                let desk = desk.clone();
                async move { desk.$answer(body).await }
            });
        }};
    }
    answer!(subject::question(CARD.service, "deliveries"), deliveries);
    answer!(subject::question(CARD.service, "delivery"), delivery);
    answer!(subject::question(CARD.service, "why"), why);
    answer!(subject::question(CARD.service, "changes"), changes);
    answer!(subject::question(CARD.service, "sources"), sources);
    answer!(subject::question(CARD.service, "ping"), ping);
    answer!(subject::question(CARD.service, "reach"), reach);
    answer!(subject::question(CARD.service, "reached"), reached);
    let desk = desk.clone();
    frame.command(ReplayDeliveries::TYPE, move |body| {
        let desk = desk.clone();
        async move { desk.replay(body).await }
    });
}
