//! Looking for steps that wait for longer than they should, so that people are told once.

use chrono::Utc;
use contracts::{ChainId, Envelope, chain::ChainState};
use store::Engine;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::{
    ChainDecider,
    hold::name_holds,
    input::{Input, Overdue},
    questions::{ChainPage, Pages, StepPage},
    store::{open_after, page},
};

/// How many chains are looked through in one round; the next goes on behind them.
const PAGE: i64 = 200;

/// Looks through the chains that have not ended, a page each round.
pub(crate) struct Reminder {
    engine: Engine<ChainDecider>,
    pages: Pages,
    /// Where the last round ended.
    after: Mutex<ChainId>,
}

impl Reminder {
    pub(crate) fn new(engine: Engine<ChainDecider>, pages: Pages) -> Self {
        Self { engine, pages, after: Mutex::new(ChainId(Uuid::nil())) }
    }

    pub(crate) async fn look(&self) -> anyhow::Result<()> {
        let mut after = self.after.lock().await;
        let chains = open_after(&self.pages.pool, *after, PAGE).await?;
        *after = chains.last().copied().unwrap_or(ChainId(Uuid::nil()));
        drop(after);
        for chain in chains {
            let Some(mut page) = page(&self.pages.pool, chain).await? else { continue };
            page.explain(&self.pages.reminders, Utc::now());
            // What holds the whole chain is told once, not of every step.
            let told = match page.line.state {
                ChainState::Gating => 1,
                _ => page.steps_in_order.len(),
            };
            name_holds(&self.pages, &mut page, is_to_be_told).await;
            for step in page.steps_in_order.iter().take(told) {
                if let Some(envelope) = reminder(&page, step) {
                    self.engine.submit(envelope).await?;
                }
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
    Some(Envelope {
        id: Uuid::new_v5(&chain.0, name.as_bytes()),
        kind: "step.overdue".to_owned(),
        version: 1,
        key: stack.to_string(),
        source: "/stackly/executor".to_owned(),
        time: Utc::now(),
        correlation: page.correlation,
        causation: None,
        trace: None,
        body: Input::Overdue(Overdue {
            chain,
            stack,
            since: step.since,
            reason: wait.reason.clone(),
            mend: wait.mend.clone(),
        }),
    })
}
