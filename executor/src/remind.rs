//! Looking for steps that wait for longer than they should, so that people are told once.

use chrono::Utc;
use contracts::{ChainId, Envelope, chain::ChainState};
use store::Engine;
use uuid::Uuid;

use crate::{
    CARD,
    decider::ChainDecider,
    hold::name_holds,
    input::{Input, Overdue},
    questions::{ChainPage, Pages, StepPage},
    store::{may_be_late, page},
    why::Late,
};

/// How many chains are looked for at once.
const PAGE: i64 = 200;

/// Looks through the chains of which people may have to be told.
pub(crate) struct Reminder {
    engine: Engine<ChainDecider>,
    pages: Pages,
}

impl Reminder {
    pub(crate) fn new(engine: Engine<ChainDecider>, pages: Pages) -> Self {
        Self { engine, pages }
    }

    /// Looks at all of them; what cannot be told of one keeps no other.
    pub(crate) async fn look(&self) -> anyhow::Result<()> {
        let (pool, late) = (&self.pages.pool, Late::all(&self.pages.reminders));
        let mut after = ChainId(Uuid::nil());
        loop {
            let chains = may_be_late(pool, &late, (Utc::now(), after), PAGE).await?;
            let Some(last) = chains.last() else { return Ok(()) };
            after = *last;
            for chain in chains {
                if let Err(error) = self.remind(chain).await {
                    let error = format!("{error:#}");
                    tracing::warn!(error, chain.id = %chain, "cannot remind people of what waits");
                }
            }
        }
    }

    async fn remind(&self, chain: ChainId) -> anyhow::Result<()> {
        let Some(mut page) = page(&self.pages.pool, chain).await? else { return Ok(()) };
        page.explain(&self.pages.reminders, Utc::now());
        // What holds the whole chain is told once, not of every step.
        let told = match page.line.state {
            ChainState::Gating => 1,
            _ => page.steps_in_order.len(),
        };
        name_holds(&self.pages, &mut page, is_to_be_told).await;
        let waits = page.steps_in_order.iter().filter(|step| step.wait.is_some());
        for step in waits.take(told) {
            if let Some(envelope) = reminder(&page, step) {
                self.engine.submit(envelope).await?;
            }
        }
        Ok(())
    }
}

/// Whether it waits too long, and people do not know of it.
fn is_to_be_told(step: &StepPage) -> bool {
    let stuck = step.wait.as_ref().filter(|wait| wait.stuck);
    stuck.is_some_and(|wait| step.reminded != Some(wait.reason.code))
}

/// What is to be decided about a step that waits too long, unless people know of it.
fn reminder(page: &ChainPage, step: &StepPage) -> Option<Envelope<Input>> {
    let wait = step.wait.as_ref().filter(|_| is_to_be_told(step))?;
    let (chain, stack) = (page.line.chain, step.summary.stack.clone());
    // Several executors may find the same.
    let name = format!("overdue/{stack}/{}/{}", step.since, wait.reason.code);
    let (id, named) =
        (Uuid::new_v5(&chain.0, name.as_bytes()), ("step.overdue", stack.to_string()));
    let (reason, mend) = (wait.reason.clone(), wait.mend.clone());
    let body = Input::Overdue(Overdue { chain, stack, since: step.since, reason, mend });
    Some(Envelope::first(CARD.consumer, id, named, Utc::now(), body).within(page.correlation, None))
}
