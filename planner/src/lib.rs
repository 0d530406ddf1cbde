//! The planner turns a change into the order in which stacks must change.
//!
//! Takes `change.pushed`, `change.proposed`, `change.closed`, `change.commanded`,
//! `account.audited`, `hook.received` with reports on code.
//! Gives `change.answered`, `change.validated`, `chain.planned`, `chain.ignored`, `chain.refused`,
//! `chain.withdrawn`, `stack.registered`, `stack.updated`, `stack.loosened`, `stack.reassociated`,
//! `stack.retired`, `history.rewritten`.
//! Answers the commands `stack.adopt`, `drift.fix`, `stack.destroy`.
//! Owns schema `planner`: the catalogue of the Spacelift account and of the code of its stacks, and
//! what was planned last.
//! Fails by: `unreadable` (dead letters).

mod account;
mod adopt;
pub mod blueprint;
pub mod branches;
pub mod catalogue;
mod command;
mod config;
pub mod decider;
pub mod drift;
mod errand;
mod files;
pub mod graph;
mod inferred;
pub mod known;
mod label;
pub mod memory;
mod mirror;
mod only;
pub mod ordered;
mod phrase;
pub mod plan;
mod proposal;
mod query;
pub mod question;
mod reader;
pub mod reconsider;
pub mod register;
mod schedule;
pub mod store;
pub mod texts;
mod touch;
mod trail;
mod turns;
mod under_way;
mod validate;
pub mod what_if;

use std::{sync::Arc, time::Duration};

use ::store::Engine;
use anyhow::Context;
use contracts::{
    Card, Code, Message,
    catalogue::AccountAudited,
    chain::{ChainIgnored, ChainPlanned, ChainRefused, ChainWithdrawn},
    change::{ChangeAnswered, ChangeClosed, ChangeCommanded, ChangeProposed, ChangePushed},
    hook::HookReceived,
    stack::{
        AdoptStack, DestroyStacks, FixDrift, HistoryRewritten, StackLoosened, StackReassociated,
        StackRegistered, StackRetired, StackUpdated,
    },
    subject,
    validation::ChangeValidated,
};
use service::{Frame, Parts};
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use config::Config;

use crate::{
    decider::Planner,
    known::Shelf,
    mirror::{Mirrors, Reads},
    reader::Reader,
    schedule::Clock,
    validate::{Validator, reports::Reports},
};

/// The planner in a few words.
pub const CARD: Card = Card {
    service: "planner",
    consumer: "planner-changes",
    takes: &[
        ChangePushed::TYPE,
        ChangeProposed::TYPE,
        ChangeClosed::TYPE,
        ChangeCommanded::TYPE,
        AccountAudited::TYPE,
        HookReceived::TYPE,
    ],
    gives: &[
        ChangeAnswered::TYPE,
        ChangeValidated::TYPE,
        ChainPlanned::TYPE,
        ChainIgnored::TYPE,
        ChainRefused::TYPE,
        ChainWithdrawn::TYPE,
        StackRegistered::TYPE,
        StackUpdated::TYPE,
        StackLoosened::TYPE,
        StackReassociated::TYPE,
        StackRetired::TYPE,
        HistoryRewritten::TYPE,
    ],
    commands: &[AdoptStack::TYPE, FixDrift::TYPE, DestroyStacks::TYPE],
    fails_by: &[Code::Unreadable.as_str()],
};

/// Every key of the configuration, with its default.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The planner's tables.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How often this process looks whether the account should be read, or was.
const TURN: Duration = Duration::from_millis(500);

/// How often this process looks whether drift is to be looked at; it is due by the minute.
const CLOCK: Duration = Duration::from_secs(5);

/// How many repositories are read, and validations waited for, at once.
const READS_AT_ONCE: usize = 8;

/// Runs the planner until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let client = spacelift::Client::new(&config.spacelift).context("the table [spacelift]")?;
    let parts = Parts { bus: &config.bus, store: &config.store, health: &config.health };
    let frame = Frame::start(&CARD, parts, &MIGRATIONS, shutdown).await?;
    let pool = frame.store.pool().clone();
    let shelf = Arc::new(Shelf::default());
    // So that what comes first after a restart finds what was known before.
    reader::catch_up(&pool, &shelf).await?;

    let previews_from_forks = config.previews.from_forks;
    let is_auto = config.git.folder == mirror::AUTO;
    let mirrors = Arc::new(Mirrors::new(config.git, pool.clone(), shelf.clone())?);
    let reads_code = mirrors.folder().is_some();
    match mirrors.folder() {
        Some(folder) => info!(folder = %folder.display(), "repositories are mirrored"),
        None if is_auto => warn!("no folder for mirrors can be written; set `git.folder`"),
        None => info!("repositories are not mirrored, as configured"),
    }
    let validates = reads_code && config.validation.enabled;
    let reports = Arc::new(Reports::new(config.validation.reports.clone())?);
    let edges = (frame.bus.clone(), pool.clone());
    let validator = Validator::new(config.validation, reports.clone(), mirrors.clone(), edges)?;
    let planner =
        Planner { shelf: shelf.clone(), previews_from_forks, reads_code, validates, reports };
    let engine = frame.engine(planner);
    let clock = Clock { pool: pool.clone(), engine: engine.clone() };
    let reader = Reader {
        pool,
        client: client.clone(),
        shelf,
        engine: engine.clone(),
        options: config.catalogue,
        reads_code,
        shutdown: frame.shutdown(),
    };
    answer_questions(&frame, &engine, mirrors.clone(), client.clone());
    frame.run(&engine);
    frame.perform(&engine, Reads::new(mirrors, validator), READS_AT_ONCE);
    frame.every(TURN, "reading the account", move || {
        let reader = reader.clone();
        async move { reader.turn().await }
    });
    frame.every(CLOCK, "looking whose drift is due", move || {
        let clock = clock.clone();
        async move { clock.look().await }
    });
    frame.finish().await
}

fn answer_questions(
    frame: &Frame,
    engine: &Engine<Planner>,
    mirrors: Arc<Mirrors>,
    client: spacelift::Client,
) {
    let Planner { shelf, previews_from_forks, .. } = engine.decider();
    let (shelf, previews_from_forks) = (shelf.clone(), *previews_from_forks);
    frame.respond(subject::question(CARD.service, "stacks"), {
        let (pool, shelf) = (frame.store.pool().clone(), shelf.clone());
        move |body| question::stacks(pool.clone(), shelf.clone(), body)
    });
    frame.respond(subject::question(CARD.service, "proposal"), {
        let pool = frame.store.pool().clone();
        move |body| proposal::proposal(pool.clone(), body)
    });
    frame.respond(subject::question(CARD.service, "loose"), {
        let pool = frame.store.pool().clone();
        move |body| question::loose(pool.clone(), body)
    });
    frame.command(AdoptStack::TYPE, {
        let (pool, engine) = (frame.store.pool().clone(), engine.clone());
        move |body| adopt::adopt(pool.clone(), engine.clone(), body)
    });
    frame.command(FixDrift::TYPE, {
        let (pool, engine) = (frame.store.pool().clone(), engine.clone());
        move |body| ordered::fix_drift(pool.clone(), engine.clone(), body)
    });
    frame.command(DestroyStacks::TYPE, {
        let (pool, engine) = (frame.store.pool().clone(), engine.clone());
        move |body| ordered::destroy(pool.clone(), engine.clone(), body)
    });
    frame.respond(subject::question(CARD.service, "drift"), {
        let (pool, shelf) = (frame.store.pool().clone(), shelf.clone());
        move |body| drift::differences(pool.clone(), shelf.clone(), client.clone(), body)
    });
    frame.respond(subject::question(CARD.service, "file"), {
        let (pool, mirrors) = (frame.store.pool().clone(), mirrors.clone());
        move |body| files::file(pool.clone(), mirrors.clone(), body)
    });
    frame.respond(subject::question(CARD.service, "plan"), {
        let shelf = shelf.clone();
        let mirrors = mirrors.clone();
        move |body| what_if::plan(mirrors.clone(), shelf.clone(), body)
    });
    frame.respond(subject::question(CARD.service, "reconsider"), {
        let (pool, shelf) = (frame.store.pool().clone(), shelf.clone());
        let mirrors = mirrors.clone();
        move |body| {
            let with = (mirrors.clone(), shelf.clone());
            reconsider::reconsider(pool.clone(), with, previews_from_forks, body)
        }
    });
    frame.respond(subject::question(CARD.service, "graph"), {
        let shelf = shelf.clone();
        move |body| std::future::ready(question::graph(&shelf, body))
    });
    let pool = frame.store.pool().clone();
    let folder = mirrors.folder().map(|folder| folder.display().to_string());
    frame.respond(subject::question(CARD.service, "status"), move |_| {
        question::status(pool.clone(), shelf.clone(), folder.clone())
    });
}

#[cfg(test)]
mod tests;
