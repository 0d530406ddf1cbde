//! The policy service says whether a chain, a plan or an apply may go on.
//!
//! Takes `gate.requested`. Gives `gate.decided`, `gate.reminded`, `gate.overridden`, `hook.asked`.
//! Answers the commands `gate.review`, `gate.override`, `hook.answer`.
//! Owns schema `policy`. Fails by: `unreadable` (dead letters).
//!
//! Policies are data: HCL files in a folder, read as a whole ([`document`]) and replaced as a
//! whole ([`folder`]). A gate is decided by a pure function of the policies, the question, the
//! reviews and the time ([`evaluate`]). A gate that waits is a row with a wake-up ([`decider`]).

pub mod bench;
pub mod call;
pub mod config;
pub mod decider;
mod desk;
pub mod document;
pub mod evaluate;
pub mod fault;
#[cfg(test)]
mod fixtures;
pub mod folder;
pub mod foresee;
pub mod gate;
mod metrics;
pub mod model;
pub mod pattern;
pub mod people;
pub mod rego;
pub mod replay;
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
    gate::{
        AnswerHook, GateDecided, GateOverridden, GateReminded, GateRequested, HookAsked,
        OverrideGate, ReviewGate,
    },
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

use config::Policies;
use decider::GateDecider;
use desk::Desk;
use folder::{Library, Look};

/// What this service takes, gives and owns.
pub const CARD: Card = Card {
    service: "policy",
    consumer: "policy-gates",
    takes: &[GateRequested::TYPE],
    gives: &[GateDecided::TYPE, GateReminded::TYPE, GateOverridden::TYPE, HookAsked::TYPE],
    commands: &[ReviewGate::TYPE, OverrideGate::TYPE, AnswerHook::TYPE],
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
    ("production.test.hcl", include_str!("../sample/production.test.hcl")),
];
/// How many waiting gates are woken at a time when the policies change.
const PAGE: i64 = 1000;
/// For how many rounds they are looked for: a decision that was on its way when the policies changed
/// is committed a moment after.
const ROUNDS: u32 = 10;

/// Runs the service until `shutdown`. Does not start with policies that cannot be read.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Policies { folder, shadow, poll } = &config.policies;
    let library = Arc::new(open(folder)?);
    let shadow = match shadow.as_os_str().is_empty() {
        true => None,
        false => Some(Arc::new(open(shadow)?)),
    };
    let frame = Frame::start(&CARD, config.parts(), &MIGRATIONS, shutdown).await?;
    let decider = GateDecider::with_shadow(library.clone(), shadow.clone());
    let engine = frame.engine(decider);
    let pool = frame.store.pool().clone();
    let desk = Desk { engine: engine.clone(), pool: pool.clone(), library: library.clone() };
    let keeper = Keeper { library, shadow, engine: engine.clone(), pool, put_to: Mutex::default() };
    keeper.begin().await?;
    frame.run(&engine);
    serve(&frame, &desk);
    let keeper = Arc::new(keeper);
    frame.every(*poll, "policies", move || {
        let keeper = keeper.clone();
        async move { keeper.look().await }
    });
    frame.finish().await
}

/// Answers commands and questions.
fn serve(frame: &Frame, desk: &Desk) {
    macro_rules! respond {
        ($($subject:expr => $answer:ident,)*) => {
            $({
                let desk = desk.clone();
                frame.respond($subject, move |body| {
                    let desk = desk.clone();
                    async move { desk.$answer(body).await }
                });
            })*
        };
    }
    respond! {
        subject::command(ReviewGate::TYPE) => review,
        subject::command(OverrideGate::TYPE) => break_glass,
        subject::command(AnswerHook::TYPE) => answer,
        subject::question(CARD.service, "gates") => gates,
        subject::question(CARD.service, "policies") => policies,
        subject::question(CARD.service, "explain") => explain,
        subject::question(CARD.service, "foresee") => foresee,
        subject::question(CARD.service, "records") => records,
        subject::question(CARD.service, "shadow") => shadow,
        subject::question(CARD.service, "overrides") => overrides,
    }
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
    /// Policies on trial.
    shadow: Option<Arc<Library>>,
    engine: Engine<GateDecider>,
    pool: PgPool,
    /// The digest of the policies that waiting gates are put to, and for how many rounds they still
    /// are looked for.
    put_to: Mutex<(String, u32)>,
}

impl Keeper {
    /// What must be known before the first gate is decided.
    async fn begin(&self) -> anyhow::Result<()> {
        self.keep_set(&self.library).await?;
        self.see_broken_chains().await
    }

    async fn look(&self) -> anyhow::Result<()> {
        for library in [Some(&self.library), self.shadow.as_ref()].into_iter().flatten() {
            let looking = library.clone();
            match tokio::task::spawn_blocking(move || looking.look(Utc::now())).await? {
                Look::Same => {}
                Look::Replaced => announce(library),
                Look::Refused(faults) => {
                    error!("the policies in the folder are refused, the old ones stay: {faults}");
                }
            }
        }
        self.keep_set(&self.library).await?;
        self.see_broken_chains().await?;
        self.wake_waiting().await
    }

    /// Keeps the files of the set in force, once, so that its decisions can be explained.
    async fn keep_set(&self, library: &Library) -> anyhow::Result<()> {
        let digest = library.current().digest.clone();
        if self.put_to.lock().await.0 != digest {
            store::keep_set(&self.pool, &digest, &library.sources(), Utc::now()).await?;
        }
        Ok(())
    }

    /// Another replica may have been told of a broken glass: what waits behind it goes on.
    async fn see_broken_chains(&self) -> anyhow::Result<()> {
        let broken = store::broken_chains(&self.pool, Utc::now()).await?;
        let glass = &self.engine.decider().glass;
        let known = glass.read().expect("no holder panics").clone();
        if *known == broken {
            return Ok(());
        }
        let news: Vec<_> = broken.iter().filter(|glass| !known.contains(glass)).cloned().collect();
        *glass.write().expect("no holder panics") = Arc::new(broken);
        for chain in news.iter().map(|glass| glass.chain) {
            self.engine.nudge(&store::waiting_in(&self.pool, chain).await?).await?;
        }
        Ok(())
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
            let page = store::unconsidered(&self.pool, &digest, after, PAGE, Utc::now()).await?;
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
