//! Decides what follows from each change, and lets changes wait that cannot be decided yet.
//!
//! The account is read beside this, by [`crate::reader`]. A change that no stack seems to track may
//! be ahead of it: the stack may have been made a moment ago. So before such a change is ignored,
//! the account must have been read after the change came in; until then it waits in the memory of
//! its repository, as a row with a wake-up. The same holds before the account was read at all.
//! Waiting there rather than coming back from the stream means that no number of attempts runs
//! out while Spacelift is away.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, Code, Envelope, Outgoing, Reason,
    catalogue::AccountAudited,
    chain::ChainIgnored,
    change::{ChangeProposed, ChangePushed},
    inbound,
};
use sqlx::PgConnection;
use store::{Decider, Decision, Refusal};
use uuid::Uuid;

use crate::{
    known::{Shelf, Snapshot},
    memory::{self, Memory, Waiting, Wish},
    plan::{self, Plan, Request},
    store as tables,
};

inbound! {
    /// Everything the planner takes.
    #[derive(Debug)]
    pub enum Input {
        Pushed(ChangePushed),
        Proposed(ChangeProposed),
        Audited(AccountAudited);
        also
        /// Changes of the repository with this key wait.
        Woken(Uuid),
    }
}

/// The planner's decider.
#[derive(Debug)]
pub struct Planner {
    /// What is known.
    pub shelf: Arc<Shelf>,
    /// Whether pull requests from forks get previews.
    pub previews_from_forks: bool,
}

impl Decider for Planner {
    type Input = Input;
    type State = Memory;

    async fn keys(
        &self,
        _connection: &mut PgConnection,
        inputs: &[&Input],
    ) -> Result<Vec<Option<Uuid>>, sqlx::Error> {
        let key = |input: &&Input| match input {
            Input::Pushed(pushed) => Some(memory::key(&pushed.change.repository)),
            Input::Proposed(proposed) => Some(memory::key(&proposed.change.repository)),
            Input::Woken(key) => Some(*key),
            Input::Audited(audited) => {
                if concerns_the_catalogue(&audited.action) {
                    self.shelf.want(Utc::now());
                }
                None
            }
        };
        Ok(inputs.iter().map(key).collect())
    }

    async fn load(
        &self,
        connection: &mut PgConnection,
        keys: &[Uuid],
    ) -> Result<HashMap<Uuid, Memory>, sqlx::Error> {
        tables::load_memories(connection, keys).await
    }

    fn decide(
        &self,
        memory: &mut Memory,
        input: &Envelope<Input>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        let snapshot = self.shelf.snapshot();
        let mut decision = Decision::none();
        let wish = match &input.body {
            Input::Pushed(pushed) => Wish::Pushed(pushed.clone()),
            Input::Proposed(proposed) => Wish::Proposed(proposed.clone()),
            Input::Audited(_) => return Ok(decision),
            Input::Woken(_) => {
                for waiting in memory.take_waiting() {
                    let (correlation, trace) = (waiting.correlation, waiting.trace.clone());
                    let answer = self.consider(memory, waiting, snapshot.as_ref(), now);
                    let within = |answer: Outgoing| answer.within(correlation, trace);
                    decision.answers.extend(answer.map(within));
                }
                return Ok(decision);
            }
        };
        if memory.is_full() {
            let text = "so many changes of the repository wait for Spacelift to be read that no \
                        more are taken in";
            return Err(Refusal::Later { text: text.to_owned() });
        }
        memory.repository.clone_from(&wish.change().repository);
        let arrived = Waiting {
            event: input.id,
            correlation: input.correlation,
            trace: input.trace.clone(),
            // The sender's clock may be ahead of ours, which the catalogue goes by.
            since: input.time.min(now),
            wish,
        };
        decision.answers.extend(self.consider(memory, arrived, snapshot.as_ref(), now));
        Ok(decision)
    }

    async fn save(
        &self,
        connection: &mut PgConnection,
        memories: &[(Uuid, &Memory)],
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        for since in memories.iter().filter_map(|(_, memory)| memory.waits_since()) {
            self.shelf.want(since);
        }
        tables::save_memories(connection, memories).await?;
        Ok(Vec::new())
    }

    fn wake_at(&self, memory: &Memory) -> Option<DateTime<Utc>> {
        memory.wake_at()
    }

    fn wake(&self, key: Uuid) -> Option<Input> {
        Some(Input::Woken(key))
    }
}

impl Planner {
    /// The answer to a change; none if it has to wait.
    fn consider(
        &self,
        memory: &mut Memory,
        waiting: Waiting,
        snapshot: Option<&Snapshot>,
        now: DateTime<Utc>,
    ) -> Option<Outgoing> {
        let (wish, kind) = (&waiting.wish, waiting.wish.kind());
        let change = wish.change();
        let refused = match wish {
            Wish::Pushed(pushed) => plan::no_delivery(pushed),
            Wish::Proposed(proposed) => plan::no_preview(proposed, self.previews_from_forks),
        };
        let planned = memory.planned_already(kind, change);
        if let Some(reason) = refused.or_else(|| planned.map(|chain| again(change, chain))) {
            return Some(Outgoing::new(&ChainIgnored { change: change.clone(), reason }));
        }
        let Some(Snapshot { known, as_of }) = snapshot else {
            memory.wait(waiting, now);
            return None;
        };
        let chain = ChainId::derived(&waiting.event, "chain");
        let plan = plan::propose(known, &Request { chain, kind, change, paths: wish.paths() });
        if may_be_ahead(&plan) && *as_of < waiting.since {
            memory.wait(waiting, now);
            return None;
        }
        Some(match plan {
            Plan::Planned(planned) => {
                memory.remember(kind, change, Some(chain));
                Outgoing::new(&planned)
            }
            Plan::Refused(refused) => Outgoing::new(&refused),
            Plan::Ignored(ignored) => {
                if ignored.reason.code == Code::NothingTouched {
                    memory.remember(kind, change, None);
                }
                Outgoing::new(&ignored)
            }
        })
    }
}

/// Whether the change may concern a stack that is not in the catalogue yet.
fn may_be_ahead(plan: &Plan) -> bool {
    let Plan::Ignored(ignored) = plan else { return false };
    matches!(ignored.reason.code, Code::RepositoryUnknown | Code::BranchNotTracked)
}

fn again(change: &contracts::change::Change, chain: ChainId) -> Reason {
    let text = format!(
        "commit {} on {} of {} is planned already, as {chain}",
        change.commit, change.branch, change.repository
    );
    Reason::new(Code::AlreadyPlanned, text)
}

/// `stack.update`, `stack_dependency.create` and their like.
fn concerns_the_catalogue(action: &str) -> bool {
    let entity = action.split('.').next().unwrap_or_default();
    entity == "stack" || entity.starts_with("stack_dependenc")
}

#[cfg(test)]
mod tests;
