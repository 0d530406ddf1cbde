//! The policy service says whether a chain, a plan or an apply may go on.
//!
//! Takes `gate.requested`. Gives `gate.decided`. Answers the command `gate.review`.
//! Owns schema `policy`. Fails by: `unreadable` (dead letters).
//!
//! Policies are data: HCL files in a folder, read as a whole ([`document`]) and replaced as a
//! whole ([`folder`]). A gate is decided by a pure function of the policies, the question, the
//! reviews and the time ([`evaluate`]). A gate that waits is a row with a wake-up ([`decider`]).

pub mod config;
pub mod decider;
mod desk;
pub mod document;
pub mod evaluate;
pub mod fault;
#[cfg(test)]
mod fixtures;
pub mod folder;
pub mod gate;
pub mod model;
pub mod pattern;
pub mod review;
pub mod store;
pub mod window;

use std::{path::Path, sync::Arc};

use ::service::Frame;
use ::store::Engine;
use anyhow::anyhow;
use chrono::Utc;
use contracts::{
    Card, Code, Message,
    gate::{GateDecided, GateRequested, ReviewGate},
    subject,
};
use sqlx::{PgPool, migrate::Migrator};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

pub use config::Config;
pub use fault::Faults;
pub use folder::validate;
pub use model::PolicySet;

use decider::GateDecider;
use desk::Desk;
use folder::{Library, Look};

/// What this service takes, gives and owns.
pub const CARD: Card = Card {
    service: "policy",
    consumer: "policy-gates",
    takes: &[GateRequested::TYPE],
    gives: &[GateDecided::TYPE],
    commands: &[ReviewGate::TYPE],
    fails_by: &[Code::Unreadable.as_str()],
};
/// Every key with its default.
pub const DEFAULTS: &str = include_str!("../config.default.toml");
/// The service's tables.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");
/// Policies to begin with, by file name. They let a sample account's chains pass.
pub const SAMPLE: &[(&str, &str)] = &[
    ("production.hcl", include_str!("../sample/production.hcl")),
    ("freeze.hcl", include_str!("../sample/freeze.hcl")),
];
/// How many waiting gates are woken at a time when the policies change.
const PAGE: i64 = 1000;
/// For how many rounds they are looked for: a decision that was on its way when the policies changed
/// is committed a moment after.
const ROUNDS: u32 = 10;

/// Runs the service until `shutdown`. Does not start with policies that cannot be read.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let library = Arc::new(open(&config.policies.folder)?);
    let frame = Frame::start(&CARD, config.parts(), &MIGRATIONS, shutdown).await?;
    let engine = frame.engine(GateDecider { library: library.clone() });
    let pool = frame.store.pool().clone();
    let desk = Desk { engine: engine.clone(), pool: pool.clone(), library: library.clone() };
    frame.run(&engine);
    let reviews = desk.clone();
    frame.respond(subject::command(ReviewGate::TYPE), move |body| {
        let desk = reviews.clone();
        async move { desk.review(body).await }
    });
    let gates = desk.clone();
    frame.respond(subject::question(CARD.service, "gates"), move |body| {
        let desk = gates.clone();
        async move { desk.gates(body).await }
    });
    frame.respond(subject::question(CARD.service, "policies"), move |body| {
        let desk = desk.clone();
        async move { desk.policies(body).await }
    });
    let keeper = Arc::new(Keeper { library, engine, pool, put_to: Mutex::default() });
    frame.every(config.policies.poll, "policies", move || {
        let keeper = keeper.clone();
        async move { keeper.look().await }
    });
    frame.finish().await
}

fn open(folder: &Path) -> anyhow::Result<Library> {
    let library = Library::open(folder, Utc::now()).map_err(|faults| anyhow!("{faults}"))?;
    announce(&library);
    Ok(library)
}

fn announce(library: &Library) {
    let set = library.current();
    let folder = library.folder().display();
    info!(%folder, policies = set.policies.len(), policy.digest = set.digest, "policies in force");
    for warning in &set.warnings {
        warn!("{warning}");
    }
}

/// Keeps what is in force, and what is held by it, in step with the folder.
struct Keeper {
    library: Arc<Library>,
    engine: Engine<GateDecider>,
    pool: PgPool,
    /// The digest of the policies that waiting gates are put to, and for how many rounds they still
    /// are looked for.
    put_to: Mutex<(String, u32)>,
}

impl Keeper {
    async fn look(&self) -> anyhow::Result<()> {
        let library = self.library.clone();
        match tokio::task::spawn_blocking(move || library.look(Utc::now())).await? {
            Look::Same => {}
            Look::Replaced => announce(&self.library),
            Look::Refused(faults) => {
                error!("the policies in the folder are refused, the old ones stay: {faults}");
            }
        }
        self.wake_waiting().await
    }

    /// Wakes the gates that are held and were not put to these policies yet: also those of the time
    /// before this process started.
    async fn wake_waiting(&self) -> anyhow::Result<()> {
        let digest = self.library.current().digest.clone();
        let mut put_to = self.put_to.lock().await;
        let (put_to, rounds) = &mut *put_to;
        if *put_to != digest {
            put_to.clone_from(&digest);
            *rounds = ROUNDS;
        }
        if *rounds == 0 {
            return Ok(());
        }
        let mut after = Uuid::nil();
        loop {
            let page = store::unconsidered(&self.pool, &digest, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = *last;
            self.engine.nudge(&page).await?;
        }
        *rounds -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
