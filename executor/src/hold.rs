//! What holds a run up in Spacelift: looked up when it is to be told, and kept nowhere.
//!
//! A run that is queued there, or waits for a worker, does not say for whom or what. Whoever asks why
//! a step waits, and whoever is reminded of it, is told by name: who locked the stack, which run has
//! it, what the worker pool looks like.

use std::time::Duration;

use contracts::{StackId, run::RunState};
use futures::future::join_all;
use spacelift::{Hold, Workers};

use crate::{
    course::Said,
    lock::phrase,
    questions::{ChainPage, Pages, StepPage},
    store,
    why::Wait,
};

/// So many steps of a chain are looked at; a person reads no more.
const STEPS_MAX: usize = 5;
/// Whoever asks why does not wait for longer than this.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was seen of what holds a run up.
enum Seen {
    Stack(Hold),
    /// It is locked, and that was asked for through us.
    OurLock(Said),
    Workers(Workers),
}

/// Says of the steps that are meant what holds their runs up in Spacelift, where that can be seen.
pub(crate) async fn name_holds(
    pages: &Pages,
    page: &mut ChainPage,
    is_meant: impl Fn(&StepPage) -> bool,
) {
    let chain = page.line.chain;
    let meant = page.steps_in_order.iter_mut().filter(|step| is_held_up(step) && is_meant(step));
    let looks = meant.take(STEPS_MAX).map(async |step| {
        let (stack, state) = (step.summary.stack.clone(), step.run_state.clone());
        let seen = tokio::time::timeout(PATIENCE, look(pages, &stack, state)).await;
        let Some(seen) = seen.ok().flatten() else { return };
        let here = format!("{chain}/{stack}");
        let ours = step.summary.run.clone();
        let Some(wait) = step.wait.as_mut() else { return };
        match seen {
            Seen::OurLock(said) => wait.add(&phrase(&said), format!("stackly unlock {stack}")),
            Seen::Stack(Hold { lock: Some(lock), .. }) => wait.add(
                &lock.to_string(),
                format!(
                    "unlock stack {stack} at {}, or: stackly cancel {here}",
                    pages.spacelift.stack_url(&stack)
                ),
            ),
            Seen::Stack(Hold { blocker: Some(run), .. }) if ours.as_ref() != Some(&run.run) => {
                let mend = format!(
                    "look at {}, and confirm, discard or stop it, or: stackly cancel {here}",
                    run.url
                );
                wait.add(&run.to_string(), mend);
            }
            Seen::Stack(_) => {}
            Seen::Workers(workers) if workers.is_empty() => {
                let mend = format!(
                    "start workers of the pool {}, or: stackly cancel {here}",
                    workers.pool
                );
                wait.add(&workers.to_string(), mend);
            }
            Seen::Workers(workers) => {
                wait.reason.text = format!("{}; {workers}", wait.reason.text);
            }
        }
    });
    join_all(looks).await;
}

/// Whether its run waits for something that Spacelift does not say by itself.
fn is_held_up(step: &StepPage) -> bool {
    let state = step.run_state.as_ref();
    step.wait.is_some()
        && step.summary.state.holds_stack()
        && matches!(state, Some(RunState::Queued | RunState::Ready))
}

async fn look(pages: &Pages, stack: &StackId, state: Option<RunState>) -> Option<Seen> {
    let Pages { spacelift, pool, .. } = pages;
    let seen = match state {
        Some(RunState::Ready) => spacelift.workers(stack).await.map(|it| it.map(Seen::Workers)),
        _ => spacelift.hold(stack).await.map(|it| Some(Seen::Stack(it))),
    };
    let seen = seen
        .inspect_err(
            |error| tracing::warn!(%error, stack.id = %stack, "cannot see what holds it up"),
        )
        .ok()
        .flatten()?;
    let lock = match &seen {
        Seen::Stack(Hold { lock, .. }) => lock.as_ref(),
        _ => None,
    };
    let Some(note) = lock.and_then(|lock| lock.note.as_deref()) else { return Some(seen) };
    let ours = store::said_of_lock(pool, stack, Some(note)).await.ok().flatten();
    Some(ours.map_or(seen, Seen::OurLock))
}

impl Wait {
    fn add(&mut self, what: &str, mend: String) {
        self.reason.text = format!("{}; {what}", self.reason.text);
        self.mend = Some(mend);
    }
}
