//! Errands that people ask for: the commands `drift.fix` and `stack.destroy`. Each is refused
//! with every reason if it does not fit, and otherwise committed before it is answered.

use std::{collections::BTreeSet, sync::Arc};

use bus::{Command, Failure, Problem, ProblemKind, read_as};
use chrono::Utc;
use contracts::{
    Action, ChainId, Code, CommitSha, Envelope, Message, Reason, StackId,
    chain::ChainKind,
    change::Change,
    plain,
    stack::{CodePlace, DestroyStacks, FixDrift},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::PgPool;
use store::{Engine, SubmitError};
use tracing::warn;
use uuid::Uuid;

use crate::{
    catalogue::is_same_repository,
    decider::{Input, Planner},
    errand::Errand,
    known::{Known, Shelf},
    phrase,
    plan::Plan,
    question::{known, no_stack, unavailable},
    reader::catch_up,
    register::{State, Status},
    store as tables,
};

/// The chains that follow from what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// What is done.
    pub action: Action,
    /// To which stacks.
    pub stacks: Vec<StackId>,
    /// In which chains.
    pub chains: Vec<ChainId>,
}

/// Who asks for what.
pub(crate) struct Asked {
    /// The same id asks for the same.
    pub(crate) id: Uuid,
    pub(crate) action: Action,
    /// Whether what differs is put right, or looked at alone.
    pub(crate) chains: ChainKind,
    /// The message that asks.
    pub(crate) kind: &'static str,
    pub(crate) stacks: Vec<StackId>,
    pub(crate) by: String,
    pub(crate) note: Option<String>,
}

/// Carries out `drift.fix`: of no stack whose code is gone, or a run would destroy what it made.
pub async fn fix_drift(
    pool: PgPool,
    engine: Engine<Planner>,
    body: Value,
) -> Result<Value, Problem> {
    let Command { id, command } = read::<FixDrift>(body)?;
    let FixDrift { stacks, by, note } = command;
    let mut reasons = Vec::new();
    for stack in &stacks {
        let state = tables::state_of(&pool, stack).await.map_err(unavailable)?;
        if state.is_some_and(|state| state.status == Status::Loose) {
            reasons.push(format!(
                "{stack} is loose: its code is gone, so nothing says how it is to be"
            ));
        }
    }
    let (action, kind) = (Action::FixDrift, FixDrift::TYPE);
    let chains = ChainKind::Deploy;
    let asked = Asked { id, action, chains, kind, stacks, by, note };
    asked.carry_out(&engine, reasons).await
}

/// Carries out `stack.destroy`: only of stacks whose code is gone.
pub async fn destroy(pool: PgPool, engine: Engine<Planner>, body: Value) -> Result<Value, Problem> {
    let Command { id, command } = read::<DestroyStacks>(body)?;
    let DestroyStacks { stacks, by, note } = command;
    // What was read until now counts, whoever has seen it.
    let shelf = &engine.decider().shelf;
    catch_up(&pool, shelf).await.map_err(|error| Problem::unavailable(format!("{error:#}")))?;
    let known = known(shelf)?.known;
    let mut reasons = Vec::new();
    for stack in &stacks {
        match tables::state_of(&pool, stack).await.map_err(unavailable)? {
            Some(state) if state.status == Status::Loose => {
                reasons.extend(still_named(&known, &state));
            }
            state => reasons.extend(not_loose(stack, state.as_ref())),
        }
    }
    let (action, kind) = (Action::Destroy, DestroyStacks::TYPE);
    let chains = ChainKind::Deploy;
    let asked = Asked { id, action, chains, kind, stacks, by, note };
    asked.carry_out(&engine, reasons).await
}

fn not_loose(stack: &StackId, state: Option<&State>) -> Option<String> {
    match state {
        Some(State { status: Status::Loose, .. }) => None,
        Some(State { status: Status::Active, code, .. }) => Some(format!(
            "{stack} is not loose: its code is in {}; delete the code first",
            if code.path.is_empty() { "the root" } else { &code.path }
        )),
        _ => Some(format!("{stack} is not loose: it never had code that was known, or is gone")),
    }
}

/// Why a stack is not destroyed whose name in its code others still name: without its code, that
/// leads nowhere.
pub(crate) fn still_named(known: &Known, state: &State) -> Option<String> {
    let CodePlace { repository, name, .. } = &state.code;
    let is_here = |child: &StackId| {
        let position = known.catalogue.position(child);
        let stack = position.map(|position| &known.catalogue.stacks()[position]);
        stack.is_some_and(|stack| is_same_repository(&stack.repository, repository))
    };
    let loose = known.graph.loose().iter();
    let asks = loose.filter(|edge| edge.parent == *name && is_here(&edge.child));
    let by: BTreeSet<&str> = asks.map(|edge| edge.child.as_str()).collect();
    (!by.is_empty()).then(|| {
        format!(
            "{} is needed by {}, which still names it as {name}; let go of these dependencies first",
            state.stack,
            phrase::list(by.into_iter()),
        )
    })
}

fn read<C: DeserializeOwned>(body: Value) -> Result<Command<C>, Problem> {
    read_as("the command has `stacks` and `by`", body)
}

impl Asked {
    pub(crate) async fn carry_out(
        self,
        engine: &Engine<Planner>,
        mut reasons: Vec<String>,
    ) -> Result<Value, Problem> {
        if self.by.trim().is_empty() || self.stacks.is_empty() {
            return Err(Problem::malformed("`stacks` names some, and `by` who says so"));
        }
        let shelf = &engine.decider().shelf;
        let known = known(shelf)?.known;
        let unknown = self.unknown(&known);
        if !unknown.is_empty() {
            return Err(Problem::new(ProblemKind::NotFound, "stack_unknown", unknown.join("; ")));
        }
        let mut plans = Vec::new();
        if reasons.is_empty() {
            match self.plans(&known, shelf) {
                Ok(found) => plans = found,
                Err(why) => reasons = why,
            }
        }
        let unfit = plans.iter().filter_map(unfit).map(|reason| reason.text.clone());
        reasons.extend(unfit);
        if !reasons.is_empty() {
            return Err(Problem::new(ProblemKind::Conflict, "does_not_fit", reasons.join("; ")));
        }
        let chains = plans.iter().filter_map(chain_of).collect();
        self.submit(engine, self.id, plans).await.map_err(|error| match error {
            SubmitError::Failed(Failure::Reject { source, .. }) => {
                let text = format!("it can never be begun: {source:#}; ask for fewer stacks");
                Problem::new(ProblemKind::Conflict, "does_not_fit", text)
            }
            SubmitError::Failed(Failure::Retry { source, .. })
                if source.downcast_ref().is_some_and(tables::is_not_loose) =>
            {
                let text = "one of them was just found to have code again".to_owned();
                Problem::new(ProblemKind::Conflict, "does_not_fit", text)
            }
            error => {
                let text = format!("the planner cannot decide now: {error}; try again");
                Problem::unavailable(text)
            }
        })?;
        Ok(plain(&Begun { action: self.action, stacks: self.stacks, chains }))
    }

    /// Begins whatever fits, each group that hangs together by itself, and tells why the others do
    /// not. Fails only if it may work later.
    pub(crate) async fn carry_out_what_fits(
        mut self,
        engine: &Engine<Planner>,
        known: &Known,
    ) -> anyhow::Result<()> {
        // The account may have moved on since it was asked for.
        self.stacks.retain(|stack| known.catalogue.position(stack).is_some());
        if self.stacks.is_empty() {
            return Ok(());
        }
        let shelf = &engine.decider().shelf;
        let plans =
            self.plans(known, shelf).map_err(|reasons| anyhow::anyhow!(reasons.join("; ")))?;
        for plan in plans {
            let name = match unfit(&plan) {
                Some(reason) => {
                    warn!(%reason, "no drift is looked at");
                    reason.to_string()
                }
                None => chain_of(&plan).map(|chain| chain.to_string()).unwrap_or_default(),
            };
            let id = Uuid::new_v5(&self.id, name.as_bytes());
            let change = plan.change().clone();
            match self.submit(engine, id, vec![plan]).await {
                Ok(()) => {}
                Err(SubmitError::Failed(Failure::Reject { source, .. })) => {
                    let text = format!("it can never be begun: {source:#}; raise its max_payload");
                    warn!(reason = text, "no drift is looked at");
                    let reason = Reason::new(Code::LimitExceeded, text);
                    let ignored = Plan::ignored((self.chains, &change), reason);
                    let id = Uuid::new_v5(&id, b"ignored");
                    self.submit(engine, id, vec![ignored]).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn submit(
        &self,
        engine: &Engine<Planner>,
        id: Uuid,
        plans: Vec<Plan>,
    ) -> Result<(), SubmitError> {
        let key = self.stacks.first().map(ToString::to_string).unwrap_or_default();
        let (named, body) = ((self.kind, key), Input::Asked(Arc::new(plans)));
        let envelope = Envelope::first(engine.consumer(), id, named, Utc::now(), body);
        engine.submit(envelope).await.map(drop)
    }

    /// What follows for each group that hangs together, if every stack is known; else every reason
    /// why not.
    fn plans(&self, known: &Known, shelf: &Shelf) -> Result<Vec<Plan>, Vec<String>> {
        let unknown = self.unknown(known);
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let what = match (self.action, self.chains) {
            (Action::FixDrift, ChainKind::Deploy) => "what differs from its code is put right",
            (Action::FixDrift, ChainKind::Preview) => "it is compared with its code",
            _ => "what it made is destroyed",
        };
        let note = self.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        let text = format!("{what}, as {} asked for{note}", self.by);
        let (why, change) = (Reason::new(Code::AskedFor, text), self.change(known, shelf));
        let (action, kind, event) = (self.action, self.chains, self.id);
        let errand = Errand { action, kind, change: &change, why: &why, event };
        Ok(errand.plans(&self.stacks, known, None))
    }

    /// A sentence for each stack that the account has not.
    fn unknown(&self, known: &Known) -> Vec<String> {
        let unknown = self.stacks.iter().filter(|stack| known.catalogue.position(stack).is_none());
        unknown.map(no_stack).collect()
    }

    /// What set the chains off: nothing was pushed, so it names the code as it was read last.
    fn change(&self, known: &Known, shelf: &Shelf) -> Change {
        let position = self.stacks.first().and_then(|stack| known.catalogue.position(stack));
        let stack = position.map(|position| &known.catalogue.stacks()[position]);
        let blueprint = position.and_then(|position| known.catalogue.blueprint(position));
        let read = stack.and_then(|stack| shelf.head(&stack.repository, &stack.branch));
        let commit = read.or_else(|| blueprint.map(|it| it.commit.clone()));
        let named = phrase::list(self.stacks.iter().map(StackId::as_str));
        let title = match (self.action, self.chains) {
            (Action::FixDrift, ChainKind::Deploy) => format!("Put the drift of {named} right"),
            (Action::FixDrift, ChainKind::Preview) => format!("Compare {named} with its code"),
            _ => format!("Destroy what {named} made"),
        };
        Change {
            repository: stack.map(|stack| stack.repository.to_string()).unwrap_or_default(),
            branch: stack.map(|stack| stack.branch.to_string()).unwrap_or_default(),
            commit: commit.unwrap_or_else(|| CommitSha::from("")),
            previous: None,
            author: self.by.clone(),
            authors: Vec::new(),
            title,
            url: None,
            pull_request: None,
        }
    }
}

/// Why nothing follows for a group.
fn unfit(plan: &Plan) -> Option<&Reason> {
    match plan {
        Plan::Planned(_) => None,
        Plan::Ignored(ignored) => Some(&ignored.reason),
        Plan::Refused(refused) => Some(&refused.reason),
    }
}

fn chain_of(plan: &Plan) -> Option<ChainId> {
    if let Plan::Planned(planned) = plan { Some(planned.chain) } else { None }
}
