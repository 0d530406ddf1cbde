//! Decides what follows from each change, and lets changes wait that cannot be decided yet.
//!
//! The account is read beside this, by [`crate::reader`]. A change that no stack seems to track, or
//! that touches none, may be ahead of it: the stack may have been made a moment ago. So before such a
//! change is ignored, the account must have been read after the change came in; until then it waits
//! in the memory of its repository, as a row with a wake-up. The same holds before the account was
//! read at all. Waiting there rather than coming back from the stream means that no number of
//! attempts runs out while Spacelift is away. What follows is told in `considered`.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use contracts::{
    Envelope, Outgoing,
    catalogue::AccountAudited,
    change::{ChangeClosed, ChangeCommanded, ChangeProposed, ChangePushed},
    hook::HookReceived,
    inbound,
    stack::StackReassociated,
};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::{Decider, Decision, Effect, Refusal};
use uuid::Uuid;

use crate::{
    account::{News, Told},
    adopt::Adopted,
    command,
    known::Shelf,
    memory::{self, Followed, Memory, Wish},
    mirror::Reading,
    plan::Plan,
    register::State,
    store as tables,
    turns::Turn,
    validate::{self, Validated, reports::Reports},
};

mod arrived;
mod audited;
mod considered;
mod farewell;
mod handed;
mod late;
mod told;

use arrived::arrived;
use farewell::farewell;
pub(crate) use farewell::farewells;
pub(crate) use told::concluded;
use told::superseded;

inbound! {
    /// Everything the planner takes.
    #[derive(Debug, Clone)]
    pub enum Input {
        Pushed(ChangePushed),
        Proposed(ChangeProposed),
        Closed(ChangeClosed),
        Commanded(ChangeCommanded),
        Audited(AccountAudited),
        Received(HookReceived);
        also
        /// Changes of the repository with this key wait.
        Woken(Uuid),
        /// The code of a branch is to be read although nothing was pushed.
        Surveyed(Survey),
        /// A commit was looked at in the mirror.
        Read(Arc<Reading>),
        /// A person or a schedule asked for something that no change of code asks for.
        Asked(Arc<Vec<Plan>>),
        /// A person said which code a stack belongs to, and it fits.
        Adopted(Arc<Adopted>),
        /// The code that a pull request touches was validated.
        Validated(Arc<Validated>),
        /// Stacks changed in the account.
        Changed(Arc<News>),
    }
}

/// A branch whose code is to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// Its repository.
    pub repository: String,
    /// The branch.
    pub branch: String,
}

/// The planner's decider.
#[derive(Debug)]
pub struct Planner {
    /// What is known.
    pub shelf: Arc<Shelf>,
    /// Whether pull requests from forks get previews.
    pub previews_from_forks: bool,
    /// Whether there are mirrors to look at.
    pub reads_code: bool,
    /// Whether the code that pull requests touch is validated.
    pub validates: bool,
    /// Which reports on code may be handed in from outside.
    pub reports: Arc<Reports>,
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
            Input::Closed(closed) => Some(memory::key(&closed.change.repository)),
            // The others are carried out where they are heard.
            Input::Commanded(said) => command::is_ours(said).then(|| memory::key(&said.repository)),
            Input::Woken(key) => Some(*key),
            Input::Surveyed(survey) => Some(memory::key(&survey.repository)),
            Input::Read(reading) => Some(memory::key(&reading.call.repository)),
            Input::Adopted(adopted) => Some(memory::key(&adopted.adoption.repository)),
            Input::Asked(plans) => plans.first().map(|plan| memory::key(&plan.change().repository)),
            Input::Validated(validated) => Some(memory::key(&validated.call.look.repository)),
            Input::Received(hook) => self.reports.about(hook).map(memory::key),
            Input::Changed(news) => Some(memory::key(&news.repository)),
            Input::Audited(_) => None,
        };
        Ok(inputs.iter().map(key).collect())
    }

    fn notice(&self, input: &Input, now: DateTime<Utc>) {
        if let Input::Audited(audited) = input {
            self.heard(audited, now);
        }
    }

    async fn load(
        &self,
        connection: &mut PgConnection,
        keys: &[Uuid],
        _: DateTime<Utc>,
    ) -> Result<HashMap<Uuid, Memory>, sqlx::Error> {
        tables::load_memories(connection, keys).await
    }

    fn decide(
        &self,
        memory: &mut Memory,
        input: &Envelope<Input>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        let mut decision = Decision::none();
        match &input.body {
            Input::Pushed(pushed) => {
                let arrived = arrived(memory, input, Wish::Pushed(pushed.clone()), now)?;
                decision.answers.extend(self.consider(memory, arrived, None, now));
            }
            Input::Proposed(proposed) => {
                let arrived = arrived(memory, input, Wish::Proposed(proposed.clone()), now)?;
                let withdrawn = memory.note_open(proposed, input.time.min(now));
                decision.answers.extend(withdrawn.iter().map(Outgoing::new));
                decision.answers.extend(self.consider(memory, arrived, None, now));
            }
            Input::Closed(closed) => {
                let withdrawn = memory.note_closed(closed, input.time.min(now));
                decision.answers.extend(withdrawn.iter().map(Outgoing::new));
            }
            Input::Commanded(said) => match command::wish(memory, said) {
                Ok(wish) => {
                    let arrived = arrived(memory, input, wish, now)?;
                    decision.answers.extend(self.consider(memory, arrived, None, now));
                }
                Err(reason) => {
                    let answer = command::answer(said, input.id, None, reason);
                    decision.answers.extend(answer.map(|answer| Outgoing::new(&answer)));
                }
            },
            // Noticed, and about no repository.
            Input::Audited(_) => {}
            Input::Received(hook) => self.hand_in(memory, hook, now)?,
            Input::Validated(validated) => decision.answers.extend(validated.answers(memory)),
            Input::Woken(_) => {
                for waiting in memory.take_waiting() {
                    decision.answers.extend(self.told(memory, waiting, None, now));
                }
                let is_away = self.shelf.is_away(&memory.repository);
                memory.read_in_time(is_away, now);
            }
            Input::Adopted(adopted) => {
                let State { stack, code, reason, .. } = adopted.state.clone();
                let told = StackReassociated { stack, code, reason };
                decision.answers.push(Outgoing::new(&told));
                memory.name_once(&adopted.state.code.repository);
                memory.adopted.push(adopted.clone());
            }
            Input::Asked(plans) => {
                if let Some(plan) = plans.first() {
                    memory.name_once(&plan.change().repository);
                }
                memory.to_destroy.extend(plans.iter().flat_map(Plan::destroyed).cloned());
                decision.answers.extend(plans.iter().map(Plan::told));
            }
            Input::Changed(news) => {
                memory.name_once(&news.repository);
                decision.answers.extend(news.told.iter().map(Told::event));
            }
            Input::Surveyed(survey) => {
                memory.name_once(&survey.repository);
                let turn = Turn::Survey { id: input.id, branch: survey.branch.clone() };
                memory.turns.push(turn);
            }
            Input::Read(reading) => self.looked_at(memory, reading, (input, now), &mut decision),
        }
        self.next_turn(memory, &mut decision);
        let key = memory::key(&memory.repository);
        for call in memory.to_validate.drain(..) {
            decision.effect(validate::effect(key, &call));
        }
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
        for (key, memory) in memories {
            for handed in &memory.handed_in {
                tables::save_report(connection, *key, handed).await?;
            }
            if let Some(registration) = &memory.registered {
                tables::save_registration(connection, registration).await?;
            }
            for adopted in &memory.adopted {
                tables::save_adopted(connection, adopted).await?;
            }
            if let Some((stacks, from)) = &memory.rewritten {
                tables::mark_rewritten(connection, stacks, from.as_deref()).await?;
            }
        }
        // Last, so that code which is written as found again with the same counts, too.
        for (_, memory) in memories.iter().filter(|(_, memory)| !memory.to_destroy.is_empty()) {
            tables::keep_loose(connection, &memory.to_destroy).await?;
        }
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
    /// What a look at the mirror leads to.
    fn looked_at(
        &self,
        memory: &mut Memory,
        reading: &Reading,
        (input, now): (&Envelope<Input>, DateTime<Utc>),
        decision: &mut Decision,
    ) {
        self.take_in(memory, reading, decision);
        let turn = memory.turns.finish();
        let farewell = farewell(reading, turn.as_ref(), input);
        if let Some(Turn::Change(waiting)) = turn {
            let answers = self.told(memory, *waiting, Some(reading), now);
            decision.answers.extend(answers);
        }
        decision.answers.extend(farewell);
        if reading.trouble.is_none() {
            memory.read_anew();
        }
    }

    /// What a reading changes in the register, and the events that tell of it.
    fn take_in(&self, memory: &mut Memory, reading: &Reading, decision: &mut Decision) {
        let Some(registration) = &reading.registration else { return };
        decision.answers.extend(registration.events());
        memory.registered = Some(registration.clone());
    }

    /// Lets what waits for the mirror have its turn, if nobody has it.
    fn next_turn(&self, memory: &mut Memory, decision: &mut Decision) {
        let Some(next) = memory.turns.begin() else { return };
        for (waiting, by) in next.superseded {
            let change = waiting.wish.change().clone();
            memory.remember(waiting.wish.kind(), &change, Followed::default());
            let reason = superseded(&change, &by);
            let ignored = Plan::ignored((waiting.wish.kind(), &change), reason).told();
            decision.answers.push(ignored.within(waiting.correlation, waiting.trace));
        }
        let mut call = next.turn.call(&memory.repository);
        if let Turn::Change(waiting) = &next.turn {
            call.before = memory.before(waiting.wish.kind(), waiting.wish.change());
        }
        let (id, correlation, trace) = next.turn.cause();
        let name = match next.turn.looks() {
            0 => "read".to_owned(),
            looks => format!("read/{looks}"),
        };
        let key = memory::key(&memory.repository);
        decision.effect(Effect {
            id: Uuid::new_v5(&id, name.as_bytes()),
            key,
            lane: format!("git/{key}"),
            kind: "git.read",
            body: contracts::plain(&call),
            correlation,
            trace,
        });
    }
}

#[cfg(test)]
mod tests;
