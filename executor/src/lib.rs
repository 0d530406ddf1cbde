//! The executor owns chains and steps: it starts a step when its own parents are done, and follows
//! its Spacelift run to the end.
//!
//! Takes `chain.planned`, `chain.withdrawn`, `gate.decided`, `run.reported`, `stack.reassociated`.
//! Gives `gate.requested`, `chain.started`, `chain.ordered`, `chain.finished`, `step.started`,
//! `step.planned`, `step.applying`, `step.retrying`, `step.stuck`, `step.finished`, `check.asked`,
//! `hook.called`, `stack.locked`, `stack.unlocked`, `account.alerted`. Answers the commands
//! `chain.pause`, `chain.resume`, `chain.cancel`, `chain.retry`, `stack.lock`, `stack.unlock`,
//! `check.answer`. Owns schema `executor`. Fails by: `unreadable`, `illegal_transition` (dead
//! letters).
#![doc = include_str!("../README.md")]

mod breaker;
mod call;
mod carried;
mod chain;
mod checks;
mod condition;
mod config;
mod course;
mod decide;
mod decider;
mod draft;
#[cfg(test)]
mod fixtures;
mod follow;
mod history;
mod hold;
mod input;
mod join;
mod label;
mod limits;
mod lock;
pub mod machine;
mod native;
mod orders;
mod outputs;
mod perform;
mod poll;
mod questions;
mod remind;
mod retry;
mod roles;
mod shape;
mod share;
mod step;
mod store;
#[cfg(test)]
mod tests;
mod upkeep;
mod waves;
mod why;

pub use breaker::{Calls, Resting, Trigger, Triggers};
pub use call::{Call, CallKind};
pub use chain::{Chain, Hold, Holder};
pub use condition::is_unread_condition;
pub use config::Config;
pub use course::Said;
pub use decide::{decide_chain, wake_at};
pub use history::Changes;
pub use input::{CallResult, Concluded, Found, Input, Order, Polled, Seen};
pub use label::{soak_of, timeout_of};
pub use limits::rank;
pub use lock::{LockLine, LockState};
pub use native::{Native, Weighed, came_with, is_void, weigh};
pub use questions::{ChainLine, ChainPage, LockPage, OperationLine, StepPage, WaitLine};
pub use retry::{Finding, Retries};
pub use share::{Shared, Shares, Waiting};
pub use step::Step;
pub use waves::{Name as WaveName, turns};

use std::{sync::Arc, time::Duration};

use ::store::Engine;
use contracts::{
    Card, Inbound, Message,
    catalogue::AccountAlerted,
    chain::{ChainFinished, ChainStarted},
    check::{AnswerCheck, CheckAsked},
    gate::GateRequested,
    hook::HookCalled,
    order::{
        CancelChain, ChainOrdered, LockStack, PauseChain, ResumeChain, RetryChain, StackLocked,
        StackUnlocked, UnlockStack,
    },
    plain,
    step::{StepApplying, StepFinished, StepPlanned, StepRetrying, StepStarted, StepStuck},
    subject,
};
use service::{Frame, Parts, config::ConfigError};
use tokio_util::sync::CancellationToken;

use crate::{decider::ChainDecider, roles::Roles};

/// Every key, with a sentence.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The executor in a few words.
pub const CARD: Card = Card {
    service: "executor",
    consumer: "executor-chains",
    takes: Input::TAKES,
    gives: &[
        GateRequested::TYPE,
        ChainStarted::TYPE,
        ChainOrdered::TYPE,
        ChainFinished::TYPE,
        StepStarted::TYPE,
        StepPlanned::TYPE,
        StepApplying::TYPE,
        StepRetrying::TYPE,
        StepStuck::TYPE,
        StepFinished::TYPE,
        CheckAsked::TYPE,
        HookCalled::TYPE,
        StackLocked::TYPE,
        StackUnlocked::TYPE,
        AccountAlerted::TYPE,
    ],
    commands: &[
        PauseChain::TYPE,
        ResumeChain::TYPE,
        CancelChain::TYPE,
        RetryChain::TYPE,
        LockStack::TYPE,
        UnlockStack::TYPE,
        AnswerCheck::TYPE,
    ],
    fails_by: &["unreadable", "illegal_transition"],
};

/// The executor's tables.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Runs the executor until `shutdown`.
pub async fn run(mut config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    ConfigError::unless_none(CARD.service, config.faults())?;
    let parts = Parts { bus: &config.bus, store: &config.store, health: &config.health };
    let frame = Frame::start(&CARD, parts, &MIGRATIONS, shutdown).await?;
    let pool = frame.store.pool().clone();
    let spacelift = spacelift::Client::new(&config.spacelift)?;
    config.waves.hooks = config.checks.hooks();
    let decider = ChainDecider::new(pool.clone(), config.limits, config.waves, config.retries);
    let engine = frame.engine(decider);
    frame.run(&engine);
    let calls = perform::Calls {
        spacelift: spacelift.clone(),
        pool: pool.clone(),
        runs: config.runs.clone(),
        prober: perform::Prober::new(config.checks)?,
    };
    frame.perform(&engine, calls, config.runs.calls_at_once);
    let (upkept, keep) = (pool.clone(), config.retention.span());
    frame.every(upkeep::EVERY, "upkeep", move || upkeep::round(upkept.clone(), keep));
    let reminders = config.reminders.clone();
    let bus = frame.bus.clone();
    let pages = questions::Pages { pool, reminders, spacelift: spacelift.clone(), bus };
    answer(&frame, &engine, &pages, Arc::new(config.roles));
    watch_rest(&frame, &spacelift, &config.spacelift.endpoint);
    share_requests(&frame, &spacelift, &engine);
    let reminder = Arc::new(remind::Reminder::new(engine.clone(), pages));
    frame.every(config.reminders.every, "looking for what waits too long", move || {
        let reminder = reminder.clone();
        async move { reminder.look().await }
    });
    let poller = Arc::new(poll::Poller::new(engine, spacelift, &config.runs));
    let heir = poller.clone();
    frame.every(config.runs.poll_every, "polling Spacelift's runs", move || {
        let poller = poller.clone();
        async move { poller.poll().await }
    });
    frame.every(MISS_EVERY, "asking about the runs of a process that is gone", move || {
        let heir = heir.clone();
        async move { heir.poll_after_a_death().await }
    });
    frame.finish().await
}

/// How often to look whether another process was found gone; that costs nothing.
const MISS_EVERY: Duration = Duration::from_millis(250);
/// How often to look whether calls to Spacelift rest.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells when calls to Spacelift rest, and whoever asks.
fn watch_rest(frame: &Frame, spacelift: &spacelift::Client, endpoint: &str) {
    let pool = frame.store.pool().clone();
    let watch = Arc::new(breaker::Watch::new(spacelift.clone(), pool, endpoint));
    frame.every(LOOK_EVERY, "looking whether calls to Spacelift rest", move || {
        let watch = watch.clone();
        async move { watch.look().await }
    });
    let triggers = spacelift.clone();
    frame.respond(subject::question(CARD.service, "triggers"), move |_| {
        breaker::triggers(triggers.clone())
    });
    let spacelift = spacelift.clone();
    frame.respond(subject::question(CARD.service, "spacelift"), move |_| {
        let calls = plain(&Calls::from(spacelift.rest()));
        async move { Ok(calls) }
    });
}

/// All executors together send as many requests as may be sent, each its part.
fn share_requests(frame: &Frame, spacelift: &spacelift::Client, engine: &Engine<ChainDecider>) {
    let (spacelift, engine) = (spacelift.clone(), engine.clone());
    frame.every(MISS_EVERY, "sharing the requests to Spacelift", move || {
        spacelift.share_among(engine.processes());
        std::future::ready(Ok(()))
    });
}

/// Answers the orders people give and the questions they ask.
fn answer(
    frame: &Frame,
    engine: &Engine<ChainDecider>,
    pages: &questions::Pages,
    roles: Arc<Roles>,
) {
    let desk = orders::Desk { engine: engine.clone(), pages: pages.clone(), roles };
    frame.command(PauseChain::TYPE, desk.answers::<PauseChain>());
    frame.command(ResumeChain::TYPE, desk.answers::<ResumeChain>());
    frame.command(CancelChain::TYPE, desk.answers::<CancelChain>());
    frame.command(RetryChain::TYPE, desk.answers::<RetryChain>());
    let (locks, unlocks) = (desk.clone(), desk.clone());
    frame.command(LockStack::TYPE, move |body| locks.clone().lock(body));
    frame.command(UnlockStack::TYPE, move |body| unlocks.clone().unlock(body));
    frame.command(AnswerCheck::TYPE, move |body| desk.clone().answer(body));
    let list = pages.pool.clone();
    frame.respond(subject::question(CARD.service, "chains"), move |body| {
        questions::chains(list.clone(), body)
    });
    let locked = pages.pool.clone();
    frame.respond(subject::question(CARD.service, "locks"), move |body| {
        questions::locks(locked.clone(), body)
    });
    let (show, history, why) = (pages.clone(), pages.clone(), pages.clone());
    frame.respond(subject::question(CARD.service, "chain"), move |body| show.clone().chain(body));
    frame.respond(subject::question(CARD.service, "history"), move |body| {
        history.clone().history(body)
    });
    frame.respond(subject::question(CARD.service, "why"), move |body| why.clone().why(body));
}
