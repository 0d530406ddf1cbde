//! The policy service says whether a chain, a plan or an apply may go on.
//!
//! Takes `gate.requested`, `change.pushed`, `chain.finished`. Gives `gate.decided`, `gate.reminded`,
//! `gate.overridden`, `hook.asked`, `policies.replaced`, `policies.refused`.
//! Answers the commands `gate.review`, `commit.review`, `gate.override`, `hook.answer`,
//! `line.switch`.
//! Owns schema `policy`. Fails by: `unreadable` (dead letters).
//!
//! Policies are data: HCL files in a folder or at the head of a branch, read as a whole
//! ([`document`]) and replaced as a whole ([`library`]). A gate is decided by a pure function of the
//! policies, the question, the reviews and the time ([`evaluate`]). A gate that waits is a row with a
//! wake-up ([`decider`]).

pub mod bench;
mod branch;
mod call;
mod commit_words;
mod config;
pub mod decider;
mod desk;
pub mod document;
pub mod evaluate;
mod fault;
#[cfg(test)]
mod fixtures;
pub mod folder;
pub mod foresee;
pub mod gate;
mod keeper;
pub mod library;
pub mod line;
mod metrics;
mod model;
mod news;
pub mod page;
mod pattern;
mod people;
mod rego;
pub mod replay;
pub mod review;
mod store;
mod upkeep;
mod window;

use std::{path::Path, sync::Arc};

use ::service::{Frame, config::ConfigError};
use anyhow::anyhow;
use chrono::Utc;
use contracts::{
    Card, Code, Message,
    chain::ChainFinished,
    change::ChangePushed,
    gate::{
        AnswerHook, GateDecided, GateOverridden, GateReminded, GateRequested, HookAsked,
        OverrideGate, ReviewCommit, ReviewGate,
    },
    policies::{PoliciesRefused, PoliciesReplaced, SwitchLine},
    subject,
};
use sqlx::{PgPool, migrate::Migrator};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

pub use config::Config;
pub use fault::Faults;
pub use folder::validate;
pub use model::PolicySet;

use branch::Branch;
use config::Policies;
use decider::GateDecider;
use desk::Desk;
use keeper::{Keeper, announce};
use library::Library;

/// What this service takes, gives and owns.
pub const CARD: Card = Card {
    service: "policy",
    consumer: "policy-gates",
    takes: &[GateRequested::TYPE, ChangePushed::TYPE, ChainFinished::TYPE],
    gives: &[
        GateDecided::TYPE,
        GateReminded::TYPE,
        GateOverridden::TYPE,
        HookAsked::TYPE,
        PoliciesReplaced::TYPE,
        PoliciesRefused::TYPE,
    ],
    commands: &[
        ReviewGate::TYPE,
        ReviewCommit::TYPE,
        OverrideGate::TYPE,
        AnswerHook::TYPE,
        SwitchLine::TYPE,
    ],
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

/// Runs the service until `shutdown`. Does not start with policies that cannot be read, unless others
/// were in force before.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Policies { folder, poll, git, .. } = &config.policies;
    let unusable = |fault| ConfigError::of(CARD.service, &fault);
    let kept = config.retention.span().map_err(unusable)?;
    let branch = Branch::open(git)?;
    let shadow = shadow_source(&config.policies)?;
    let frame = Frame::start(&CARD, config.parts(), &MIGRATIONS, shutdown).await?;
    let pool = frame.store.pool().clone();
    let shadow = match shadow {
        Some(source) => Some(Arc::new(open_shadow(source, &pool).await?)),
        None => None,
    };
    let library = match branch {
        Some(branch) => open_branch(branch, &pool).await?,
        None => open_folder(folder, &pool).await?,
    };
    let library = Arc::new(library);
    [Some(&library), shadow.as_ref()].into_iter().flatten().for_each(|it| announce(it));
    let engine = frame.engine(GateDecider::with_shadow(library.clone(), shadow.clone()));
    let desk = Desk { engine: engine.clone(), pool: pool.clone(), library: library.clone(), kept };
    let upkept = pool.clone();
    let keeper = Keeper {
        library,
        shadow,
        engine: engine.clone(),
        pool,
        noted: Mutex::default(),
        refusals: metrics::Refusals::default(),
        troubles: frame.troubles(),
        put_to: Mutex::default(),
    };
    keeper.begin().await?;
    frame.run(&engine);
    serve(&frame, &desk);
    frame.every(upkeep::EVERY, "upkeep", move || upkeep::round(upkept.clone(), kept));
    let keeper = Arc::new(keeper);
    let fetcher = keeper.clone();
    frame.every(*poll, "fetching policies", move || {
        let fetcher = fetcher.clone();
        async move { fetcher.fetch().await }
    });
    let fetcher = keeper.clone();
    frame.every(*poll, "fetching policies on trial", move || {
        let fetcher = fetcher.clone();
        async move { fetcher.fetch_trial().await }
    });
    frame.every(*poll, "policies", move || {
        let keeper = keeper.clone();
        async move { keeper.look().await }
    });
    frame.finish().await
}

/// Answers commands and questions.
fn serve(frame: &Frame, desk: &Desk) {
    let answering = desk.clone();
    frame.respond_for(subject::commands_of(AnswerHook::TYPE), move |hook, body| {
        let desk = answering.clone();
        async move { desk.answer(&hook, body).await }
    });
    macro_rules! answer {
        ($how:ident: $($subject:expr => $answer:ident,)*) => {
            $({
                let desk = desk.clone();
                frame.$how($subject, move |body| {
                    let desk = desk.clone();
                    async move { desk.$answer(body).await }
                });
            })*
        };
    }
    answer! {
        command:
        ReviewGate::TYPE => review,
        ReviewCommit::TYPE => review_commit,
        OverrideGate::TYPE => break_glass,
        SwitchLine::TYPE => switch,
    }
    answer! {
        respond:
        subject::question(CARD.service, "line") => line,
        subject::question(CARD.service, "gates") => gates,
        subject::question(CARD.service, "policies") => policies,
        subject::question(CARD.service, "explain") => explain,
        subject::question(CARD.service, "foresee") => foresee,
        subject::question(CARD.service, "records") => records,
        subject::question(CARD.service, "shadow") => shadow,
        subject::question(CARD.service, "overrides") => overrides,
        subject::question(CARD.service, "words") => words,
    }
}

/// The policies of a folder to begin with. If they are faulty, those that were in force last must
/// do.
async fn open_folder(folder: &Path, pool: &PgPool) -> anyhow::Result<Library> {
    let source = library::Source::Folder(folder.to_owned());
    let kept = store::in_force(pool, &source.key()).await?;
    let opened = Library::open_folder(folder, kept, Utc::now());
    let library = opened.map_err(|faults| anyhow!("{faults}"))?;
    if let Some(refused) = library.shelf().refused {
        let (source, faults) = (source.title(), refused.faults);
        error!(source, "new policies are refused, those that were in force last stay: {faults}");
    }
    Ok(library)
}

/// Where policies on trial are read, if there are any.
fn shadow_source(policies: &Policies) -> anyhow::Result<Option<library::Source>> {
    let Policies { shadow, shadow_git, .. } = policies;
    let branch = Branch::open_shadow(shadow_git)?.map(Arc::new).map(library::Source::Branch);
    let folder = || (!shadow.as_os_str().is_empty()).then(|| shadow.clone());
    Ok(branch.or_else(|| folder().map(library::Source::Folder)))
}

/// The policies on trial. They decide nothing, and keep nothing from starting.
async fn open_shadow(source: library::Source, pool: &PgPool) -> anyhow::Result<Library> {
    let kept = store::in_force(pool, &keeper::trial_of(&source.key())).await?;
    let fetched = match &source {
        library::Source::Folder(_) => Ok(()),
        library::Source::Branch(branch) => {
            let fetched = branch.fetch_in_time().await;
            branch.heard.asked();
            fetched
        }
    };
    let opening = move || Library::open_trial(source, &fetched, kept, Utc::now());
    let opened = tokio::task::spawn_blocking(opening).await?;
    let library = opened.map_err(|faults| anyhow!("{faults}"))?;
    if let Some(refused) = library.shelf().refused {
        let (source, faults) = (library.source().title(), refused.faults);
        let follows = match library.has_policies() {
            true => "what was tried last is tried on",
            false => "nothing is tried",
        };
        error!(source, "the policies on trial are refused, and {follows}: {faults}");
    }
    Ok(library)
}

/// The policies to begin with. The origin may be away, and then the mirror must do.
async fn open_branch(branch: Branch, pool: &PgPool) -> anyhow::Result<Library> {
    let branch = Arc::new(branch);
    let kept = store::in_force(pool, &branch.key()).await?;
    let fetched = branch.fetch_in_time().await;
    branch.heard.asked();
    if let Err(error) = &fetched {
        let (source, error) = (branch.title(), format!("{error:#}"));
        warn!(source, error, "policies cannot be fetched; what was fetched before must do");
    }
    let opening = move || Library::open_branch(branch, &fetched, kept, Utc::now());
    tokio::task::spawn_blocking(opening).await?
}

#[cfg(test)]
mod tests;
