//! The notifier tells people what they must know: in Slack, at the commit, by webhooks.
//!
//! Takes `chain.planned`, `chain.started`, `chain.ordered`, `chain.ignored`, `chain.refused`,
//! `chain.finished`, `step.started`, `step.planned`, `step.applying`, `step.retrying`,
//! `step.stuck`, `step.finished`, `hook.called`, `gate.decided`, `gate.overridden`,
//! `gate.reminded`, `policies.replaced`, `policies.refused`, `account.alerted`, `stack.locked`,
//! `stack.unlocked`, `stack.registered`, `stack.updated`, `stack.loosened`, `stack.reassociated`,
//! `stack.retired`, `history.rewritten`, `change.answered`, `change.validated`. Gives nothing.
//! Answers `notifier.deliveries`, `notifier.notices`, `notifier.notice` and the command `notice.retry`.
//! Owns schema `notifier`. Fails by: `unreadable` (dead letters).
//!
//! Of each chain it keeps a digest of what people should see ([`digest`]). What a channel showed
//! last is compared with it ([`outlet`]), and the difference becomes one call. Calls are effects:
//! written with the decision, made and repeated by [`performer`], and noted in delivery records.

use std::time::Duration;

use ::store::Engine;
use anyhow::bail;
use bus::Problem;
use chrono::{TimeDelta, Utc};
use contracts::{Card, ChainId, CommitSha, Message, hook::RetryNotices, plain, subject};
use serde::Deserialize;
use serde_json::Value;
use service::{Frame, Parts, config::ConfigError};
use sqlx::{PgPool, migrate::Migrator};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

mod address;
mod call;
mod catalogue;
mod check;
mod client;
mod comment;
pub mod config;
pub mod decider;
mod digest;
mod findings;
pub mod forge;
mod http;
pub mod input;
mod notice;
mod notices;
mod outlet;
mod overview;
pub mod page;
mod performer;
mod policies;
mod rest;
pub mod routes;
#[cfg(test)]
mod sample;
mod slack;
mod status;
mod store;
pub mod story;
mod webhook;
mod webhook_queue;

pub use config::Config;

use crate::{
    decider::Notifier, notice::Notice, page::Deliveries, performer::Caller, routes::Routes,
};

/// Every key, with its default and a sentence.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// What the notifier takes, gives and owns.
pub const CARD: Card = Card {
    service: "notifier",
    consumer: "notifier-stories",
    takes: <input::Input as contracts::Inbound>::TAKES,
    gives: &[],
    commands: &[RetryNotices::TYPE],
    fails_by: &["unreadable"],
};

/// The notifier's tables.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How often what is too old is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// Runs the notifier until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    ConfigError::unless_none(CARD.service, config.faults())?;
    let parts = Parts { bus: &config.bus, store: &config.store, health: &config.health };
    let frame = Frame::start(&CARD, parts, &MIGRATIONS, shutdown).await?;
    let routes = Routes::new(&config);
    match routes.is_empty() {
        true => warn!("no channel is configured: nobody is told anything"),
        false => info!(
            slack = routes.slack.is_some(),
            github = routes.github.is_some(),
            others = ?routes.forges.iter().map(|route| route.forge).collect::<Vec<_>>(),
            webhooks = routes.webhooks.len(),
            "telling people",
        ),
    }
    let pool = frame.store.pool().clone();
    let engine = frame.engine(Notifier::new(routes));
    let caller = Caller::new(&config, pool.clone(), frame.troubles())?;
    caller.tell_who_is_gone().await;
    frame.run(&engine);
    frame.perform(&engine, caller, config.delivery.at_once);
    let keep = TimeDelta::from_std(config.delivery.keep).unwrap_or(TimeDelta::MAX);
    frame.every(FORGET_EVERY, "forgetting", move || forget(pool.clone(), keep));
    answer(&frame, &engine);
    frame.finish().await
}

fn answer(frame: &Frame, engine: &Engine<Notifier>) {
    let pool = frame.store.pool();
    frame.respond(subject::question(CARD.service, "deliveries"), {
        let pool = pool.clone();
        move |body| deliveries(pool.clone(), body)
    });
    frame.respond(subject::question(CARD.service, "notices"), {
        let pool = pool.clone();
        move |body| notices::recent(pool.clone(), body)
    });
    frame.respond(subject::question(CARD.service, "notice"), {
        let pool = pool.clone();
        move |body| notices::one(pool.clone(), body)
    });
    frame.command(RetryNotices::TYPE, {
        let (pool, engine) = (pool.clone(), engine.clone());
        move |body| notices::retry(pool.clone(), engine.clone(), body)
    });
}

/// Whose deliveries are asked for: a chain's, or those of a change without one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Asked {
    Chain { chain: ChainId },
    Commit { repository: String, commit: CommitSha },
}

async fn deliveries(pool: PgPool, body: Value) -> Result<Value, Problem> {
    let key: Uuid = match serde_json::from_value(body) {
        Ok(Asked::Chain { chain }) => chain.0,
        Ok(Asked::Commit { repository, commit }) => Notice::commit_key(&repository, &commit),
        Err(_) => {
            let what = "ask with {\"chain\": \"chain_…\"} or {\"repository\": …, \"commit\": …}";
            return Err(Problem::malformed(what));
        }
    };
    let deliveries = store::deliveries(&pool, key)
        .await
        .map_err(|error| Problem::unavailable(format!("cannot read: {error}")))?;
    Ok(plain(&Deliveries { deliveries }))
}

async fn forget(pool: PgPool, keep: TimeDelta) -> anyhow::Result<()> {
    let Some(before) = Utc::now().checked_sub_signed(keep) else {
        bail!("delivery.keep is longer than time goes back");
    };
    let forgotten = store::forget(&pool, before).await?;
    if forgotten > 0 {
        info!(rows = forgotten, "forgot old stories and deliveries");
    }
    Ok(())
}
